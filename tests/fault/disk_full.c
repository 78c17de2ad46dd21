/*
 * A full disk: publishes are refused and say why, everything else goes on, and room is all it takes to resume.  And one that
 * may not be written to any more.
 */
#include <dirent.h>
#include <signal.h>

#include "tests/harness/client.h"
#include "tests/harness/deadline.h"
#include "tests/harness/load.h"
#include "tests/harness/oracle.h"
#include "tests/harness/unit.h"
#include "tests/harness/volume.h"

enum { TEST_SECONDS = 120, MIB = 1 << 20, VOLUME_BYTES = 120 * MIB, BALLAST_BYTES = 64 * MIB, BODY_BYTES = 512 * 1024, KEPT_MS = 1000 };

static const char *const options[] = { "data.segment_bytes=8MiB", "data.spare_segments=1", "worker.stream_ring=8MiB", NULL };
/* Without O_DIRECT, as on file systems that refuse it. */
static const char *const buffered_options[] = { "data.segment_bytes=8MiB", "data.spare_segments=1", "worker.stream_ring=8MiB",
	"data.direct=off", NULL };

/* Publish until it is refused; how many were stored. */
static unsigned
fill(struct client *client, const char *body)
{
	struct response *answer;
	unsigned stored = 0;

	while ((answer = client_ask_bytes(client, "POST /v1/queues/q/messages", NULL, body, BODY_BYTES))->status == 201)
		ck_assert_uint_lt(++stored, 2 * VOLUME_BYTES / BODY_BYTES);
	expect_problem(answer, 503, "disk-full");
	return stored;
}

/* Receive one, look at its body, ack it. */
static void
consume(struct client *client, const char *body)
{
	struct response *answer = client_ask(client, "POST /v1/queues/q/messages:receive",
	    "Accept: application/octet-stream\r\n", NULL);

	expect_status(answer, 200);
	ck_assert_uint_eq(answer->body_bytes, BODY_BYTES);
	ck_assert_int_eq(memcmp(answer->body, body, BODY_BYTES), 0);
	expect_status(client_do(client, "DELETE /v1/queues/q/leases/%s", response_field(answer, "Mq-Receipt")), 204);
}

static void
wait_ready(struct client *client)
{
	uint64_t deadline_ms = deadline_in(CLIENT_TIMEOUT_MS);

	while (client_do(client, "GET /readyz")->status != 200)
		ck_assert_msg(deadline_pause(deadline_ms), "the broker does not become ready again: %s", client->response.body);
}

/* A disk that is slow because others use it makes a broker under load unready too, for another reason. */
static bool
says_disk_full(struct response *answer)
{
	return answer->status == 503 && strcmp(response_text(answer, "code"), "disk-full") == 0;
}

/*
 * Publishes are refused.  One that comes while a successor is starting is kept for it, as after any death of a persistd, and is
 * answered when there is one that can write: so another is tried, on a connection of its own.
 */
static void
expect_publish_refused(const struct broker *broker, const char *queue, const char *code)
{
	uint64_t deadline_ms = deadline_in(CLIENT_TIMEOUT_MS);
	bool is_answered;
	char request[64];

	snprintf(request, sizeof(request), "POST /v1/queues/%s/messages", queue);
	do {
		struct response *answer;
		struct client client;

		ck_assert_msg(clock_ms() < deadline_ms, "no publish is refused");
		client_open(&client, broker->port);
		client_request(&client, request, NULL, "small", 5);
		answer = client_try_answer(&client, KEPT_MS);
		is_answered = answer != NULL;
		if (is_answered) {
			ck_assert_uint_eq(answer->status, 503);
			ck_assert(code == NULL || strcmp(response_text(answer, "code"), code) == 0);
		}
		client_close(&client);
	} while (!is_answered);
}

START_TEST(a_full_disk_refuses_publishes_and_nothing_else_and_heals_by_itself)
{
	char *body = malloc(BODY_BYTES);
	struct response *answer;
	struct broker broker;
	struct client client;
	unsigned stored;

	ck_assert_ptr_nonnull(body);
	memset(body, 'x', BODY_BYTES);
	broker_init(&broker, options);
	if (!volume_tmpfs(&broker, VOLUME_BYTES)) {
		broker_free(&broker);
		return;
	}
	volume_take(&broker, BALLAST_BYTES);
	broker_start(&broker);
	client_open(&client, broker.port);
	client_queue(&client, "q", "{}");
	stored = fill(&client, body);
	ck_assert_uint_gt(stored, 10);
	expect_problem(client_ask(&client, "POST /v1/queues/q/messages", NULL, "small"), 503, "disk-full");
	answer = client_do(&client, "GET /readyz");
	expect_problem(answer, 503, "disk-full");
	expect_status(client_do(&client, "GET /livez"), 200);
	for (unsigned i = 0; i < stored / 2; i++)
		consume(&client, body);

	volume_release(&broker);
	wait_ready(&client);
	expect_status(client_ask_bytes(&client, "POST /v1/queues/q/messages", NULL, body, BODY_BYTES), 201);
	for (unsigned i = 0; i < stored - stored / 2 + 1; i++)
		consume(&client, body);
	expect_status(client_receive(&client, "q", "{}"), 204);
	client_close(&client);
	broker_stop(&broker);
	volume_end(&broker);
	free(body);
	broker_free(&broker);
}
END_TEST

START_TEST(a_broker_killed_on_a_full_disk_starts_again_there)
{
	char *body = malloc(BODY_BYTES);
	struct broker broker;
	struct client client;
	unsigned stored;

	ck_assert_ptr_nonnull(body);
	memset(body, 'x', BODY_BYTES);
	broker_init(&broker, options);
	if (!volume_tmpfs(&broker, VOLUME_BYTES)) {
		broker_free(&broker);
		return;
	}
	volume_take(&broker, BALLAST_BYTES);
	broker_start(&broker);
	client_open(&client, broker.port);
	client_queue(&client, "q", "{}");
	stored = fill(&client, body);
	consume(&client, body);
	client_close(&client);
	broker_kill_all(&broker);
	broker_start(&broker);
	client_open(&client, broker.port);
	consume(&client, body);
	client_close(&client);
	broker_kill_all(&broker);
	broker_wipe(&broker);
	volume_release(&broker);
	broker_start(&broker);
	client_open(&client, broker.port);
	for (unsigned i = 0; i < stored - 2; i++)
		consume(&client, body);
	expect_status(client_receive(&client, "q", "{}"), 204);
	client_close(&client);
	broker_stop(&broker);
	volume_end(&broker);
	free(body);
	broker_free(&broker);
}
END_TEST

enum { DEATHS_MAX = 20, ROOM_MS = 20000 };

/* What becomes of persistd: true once one after `epoch` serves; false when it says that there is no room. */
static bool
serves_or_has_no_room(struct broker *broker, uint64_t epoch)
{
	uint64_t deadline_ms = deadline_in(ROOM_MS);

	for (;;) {
		struct broker_role role = broker_role(broker, SLOT_PERSIST);
		char *log = broker_log(broker);
		bool is_said = strstr(log, "bytes in") != NULL &&
		    strstr(log, "free space in the data directory") != NULL;

		free(log);
		if (is_said)
			return false;
		if (role.state == SLOT_LIVE && role.epoch > epoch)
			return true;
		ck_assert(deadline_pause(deadline_ms));
	}
}

START_TEST(a_persistd_that_dies_again_and_again_on_a_full_disk_is_back_once_there_is_room)
{
	char *body = malloc(BODY_BYTES);
	struct broker broker;
	struct client client;
	uint64_t epoch;
	unsigned stored, deaths = 1;

	ck_assert_ptr_nonnull(body);
	memset(body, 'x', BODY_BYTES);
	broker_init(&broker, options);
	if (!volume_tmpfs(&broker, VOLUME_BYTES)) {
		broker_free(&broker);
		return;
	}
	volume_take(&broker, BALLAST_BYTES);
	broker_start(&broker);
	client_open(&client, broker.port);
	client_queue(&client, "other", "{}");
	client_queue(&client, "q", "{}");
	stored = fill(&client, body);
	broker_wait_live(&broker, SLOT_PERSIST, broker_kill(&broker, SLOT_PERSIST));
	/* Some successors begin in what lies ready or in the reserve, and write there; then one finds no room. */
	do {
		consume(&client, body);
		epoch = broker_kill(&broker, SLOT_PERSIST);
		ck_assert_uint_lt(++deaths, DEATHS_MAX);
	} while (serves_or_has_no_room(&broker, epoch));
	ck_assert_uint_eq(client_do(&client, "GET /readyz")->status, 503);
	expect_publish_refused(&broker, "other", NULL);
	volume_release(&broker);
	broker_wait_live(&broker, SLOT_PERSIST, epoch);
	wait_ready(&client);
	for (unsigned i = 0; i < stored - (deaths - 1); i++)
		consume(&client, body);
	expect_status(client_receive(&client, "q", "{}"), 204);
	expect_status(client_ask(&client, "POST /v1/queues/q/messages", NULL, "small"), 201);
	client_close(&client);
	broker_stop(&broker);
	volume_end(&broker);
	free(body);
	broker_free(&broker);
}
END_TEST

/* _i: on what. */
START_TEST(a_disk_that_fills_up_under_load_and_is_freed_breaks_no_promise)
{
	struct oracle_options oracle_options = { .seed = 11, .messages_max = 100000, .body_bytes_min = 2000,
		.body_bytes_max = 60000 };
	struct load_options load_options = { .queue = "q", .publishers = 8, .consumers = 2, .batch = 1, .receive_max = 10,
		.lease = "2s", .wait = "1s" };
	struct broker broker;
	struct client client;

	broker_init(&broker, _i == 2 ? buffered_options : options);
	if (!(_i == 0 ? volume_ext4(&broker, VOLUME_BYTES) : volume_tmpfs(&broker, VOLUME_BYTES))) {
		broker_free(&broker);
		return;
	}
	volume_take(&broker, BALLAST_BYTES);
	broker_start(&broker);
	client_open(&client, broker.port);
	client_queue(&client, "q", "{\"backoff\":{\"max\":\"0s\"},\"max_deliveries\":1000}");
	load_options.port = broker.port;
	struct oracle *oracle = oracle_new(&oracle_options);
	struct load *load = load_open(&load_options, oracle);
	uint64_t deadline_ms = deadline_in(TEST_SECONDS * 1000 / 2);
	while (!says_disk_full(client_do(&client, "GET /readyz"))) {
		(void)load_publish_only(load, 20); /* so that there is something to consume */
		ck_assert_msg(clock_ms() < deadline_ms, "the disk does not fill up");
	}
	uint32_t acked = oracle_counts(oracle).acked;
	deadline_ms = deadline_in(CLIENT_TIMEOUT_MS);
	while (oracle_counts(oracle).acked == acked) {
		load_run(load, 20);
		ck_assert_msg(clock_ms() < deadline_ms, "nothing can be acknowledged on a full disk");
	}
	ck_assert_uint_eq(client_do(&client, "GET /readyz")->status, 503);
	/* A persistd that dies there is one more thing. */
	uint64_t epoch = broker_kill(&broker, SLOT_PERSIST);
	load_run(load, 200);
	volume_release(&broker);
	broker_wait_live(&broker, SLOT_PERSIST, epoch);
	wait_ready(&client);
	uint32_t acknowledged = oracle_counts(oracle).acknowledged;
	load_run(load, 300);
	ck_assert_uint_gt(oracle_counts(oracle).acknowledged, acknowledged);
	ck_assert_msg(load_drain(load, TEST_SECONDS * 500), "%s", oracle_verdict(oracle));
	ck_assert_str_eq(oracle_verdict(oracle), "");
	printf("disk_full: on %s: %u acknowledged, %u consumed\n", _i == 0 ? "ext4" : _i == 1 ? "tmpfs" : "tmpfs, buffered",
	    oracle_counts(oracle).acknowledged, oracle_counts(oracle).acked);
	fflush(stdout);
	load_close(load);
	oracle_free(oracle);
	client_close(&client);
	broker_stop(&broker);
	volume_end(&broker);
	broker_free(&broker);
}
END_TEST

enum { LARGE_BYTES = 1900 * MIB, READY_SEGMENTS = 10, KEPT_SEGMENTS = 5, LEFT_BYTES = 40 * MIB };

static unsigned
count_spares(const struct broker *broker)
{
	char path[300];
	unsigned count = 0;
	struct dirent *entry;

	snprintf(path, sizeof(path), "%s/journal", broker->data);
	DIR *directory = opendir(path);
	ck_assert_ptr_nonnull(directory);
	while ((entry = readdir(directory)) != NULL)
		count += strncmp(entry->d_name, "spare.", 6) == 0;
	closedir(directory);
	return count;
}

static void
wait_spares(const struct broker *broker, unsigned least, unsigned most)
{
	uint64_t deadline_ms = deadline_in(CLIENT_TIMEOUT_MS);
	unsigned count;

	while ((count = count_spares(broker)) < least || count > most)
		ck_assert_msg(deadline_pause(deadline_ms), "there are %u spares and not %u to %u", count, least, most);
}

START_TEST(space_that_lies_ready_is_given_back_when_others_need_the_disk)
{
	static const char *const ready_options[] = { "data.ready_bytes=80MiB", "worker.stream_ring=8MiB", NULL };
	struct broker broker;
	struct client client;

	broker_init(&broker, ready_options);
	if (!volume_ext4(&broker, LARGE_BYTES)) {
		broker_free(&broker);
		return;
	}
	broker_start(&broker);
	wait_spares(&broker, READY_SEGMENTS - 1, READY_SEGMENTS - 1);
	volume_take(&broker, volume_room(&broker) - LEFT_BYTES);
	wait_spares(&broker, 1, KEPT_SEGMENTS);
	client_open(&client, broker.port);
	client_queue(&client, "q", "{}");
	expect_status(client_ask(&client, "POST /v1/queues/q/messages", NULL, "small"), 201);
	client_close(&client);
	/* What is ready is a successor's as it is. */
	broker_wait_live(&broker, SLOT_PERSIST, broker_kill(&broker, SLOT_PERSIST));
	wait_spares(&broker, 1, KEPT_SEGMENTS);
	volume_release(&broker);
	wait_spares(&broker, READY_SEGMENTS - 1, READY_SEGMENTS - 1);
	broker_stop(&broker);
	volume_end(&broker);
	broker_free(&broker);
}
END_TEST

/*
 * The file system turns read-only under clients: publishes get 503, what was hot is still received, the broker does not give
 * up; and when it can write again everything that was acknowledged is there.
 */
START_TEST(a_file_system_that_turns_read_only_costs_service_and_no_message)
{
	struct oracle_options oracle_options = { .seed = 12, .messages_max = 100000, .body_bytes_min = 100, .body_bytes_max = 3000 };
	struct load_options load_options = { .queue = "q", .publishers = 8, .consumers = 2, .batch = 1, .receive_max = 10,
		.lease = "60s", .wait = "1s" };
	struct broker broker;
	struct client client;

	broker_init(&broker, options);
	if (!volume_ext4(&broker, VOLUME_BYTES)) {
		broker_free(&broker);
		return;
	}
	broker_start(&broker);
	client_open(&client, broker.port);
	client_queue(&client, "q", "{}");
	client_queue(&client, "quiet", "{}");
	for (unsigned i = 0; i < 3; i++)
		client_publish(&client, "quiet", "still to be had");
	load_options.port = broker.port;
	struct oracle *oracle = oracle_new(&oracle_options);
	struct load *load = load_open(&load_options, oracle);
	load_run(load, 200);
	ck_assert_uint_gt(oracle_counts(oracle).acknowledged, 10);
	bool is_broken = volume_break(&broker);
	if (is_broken) {
		load_run(load, 500);
		broker_wait_log(&broker, "exited with 70");
		expect_publish_refused(&broker, "quiet", "journal-failed");
		ck_assert_uint_eq(client_do(&client, "GET /readyz")->status, 503);
		struct response *answer = client_receive(&client, "quiet", "{}");
		expect_status(answer, 200);
		ck_assert_str_eq(response_text(answer, "messages.0.body"), "still to be had");
		load_run(load, 1500);
		/* It is still trying. */
		ck_assert_int_eq(kill(broker.pid, 0), 0);
		expect_status(client_do(&client, "GET /livez"), 200);
	}
	client_close(&client);
	broker_kill_all(&broker);
	volume_mend(&broker);
	broker_start(&broker);
	load_set_port(load, broker.port);
	ck_assert_msg(load_drain(load, TEST_SECONDS * 500), "%s", oracle_verdict(oracle));
	ck_assert_str_eq(oracle_verdict(oracle), "");
	printf("disk_full: read-only: %u acknowledged, %u consumed\n", oracle_counts(oracle).acknowledged, oracle_counts(oracle).acked);
	fflush(stdout);
	load_close(load);
	oracle_free(oracle);
	broker_stop(&broker);
	volume_end(&broker);
	broker_free(&broker);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("fault/disk_full");
	TCase *tcase = tcase_create("disk_full");

	tcase_set_timeout(tcase, TEST_SECONDS);
	tcase_add_test(tcase, a_full_disk_refuses_publishes_and_nothing_else_and_heals_by_itself);
	tcase_add_test(tcase, a_broker_killed_on_a_full_disk_starts_again_there);
	tcase_add_test(tcase, a_persistd_that_dies_again_and_again_on_a_full_disk_is_back_once_there_is_room);
	tcase_add_loop_test(tcase, a_disk_that_fills_up_under_load_and_is_freed_breaks_no_promise, 0, 3);
	tcase_add_test(tcase, space_that_lies_ready_is_given_back_when_others_need_the_disk);
	tcase_add_test(tcase, a_file_system_that_turns_read_only_costs_service_and_no_message);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
