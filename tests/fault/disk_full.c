/*
 * A full disk: publishes are refused and say why, everything else goes on, and room is all it takes to resume.
 */
#include "tests/harness/client.h"
#include "tests/harness/deadline.h"
#include "tests/harness/unit.h"
#include "tests/harness/volume.h"

enum { TEST_SECONDS = 120, MIB = 1 << 20, VOLUME_BYTES = 120 * MIB, BALLAST_BYTES = 64 * MIB, BODY_BYTES = 512 * 1024 };

static const char *const options[] = { "data.segment_bytes=8MiB", "data.spare_segments=1", "worker.stream_ring=8MiB", NULL };

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

START_TEST(a_persistd_that_dies_twice_on_a_full_disk_is_back_once_there_is_room)
{
	char *body = malloc(BODY_BYTES);
	struct broker broker;
	struct client client;
	uint64_t epoch;
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
	broker_wait_live(&broker, SLOT_PERSIST, broker_kill(&broker, SLOT_PERSIST));
	consume(&client, body);
	/* The reserve went into the first successor's segment; the next one finds no room to begin in. */
	epoch = broker_kill(&broker, SLOT_PERSIST);
	broker_wait_log(&broker, "free space in the data directory");
	ck_assert_uint_eq(client_do(&client, "GET /readyz")->status, 503);
	ck_assert_uint_eq(client_ask(&client, "POST /v1/queues/q/messages", NULL, "small")->status, 503);
	volume_release(&broker);
	broker_wait_live(&broker, SLOT_PERSIST, epoch);
	wait_ready(&client);
	for (unsigned i = 0; i < stored - 1; i++)
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

static Suite *
suite(void)
{
	Suite *suite = suite_create("fault/disk_full");
	TCase *tcase = tcase_create("disk_full");

	tcase_set_timeout(tcase, TEST_SECONDS);
	tcase_add_test(tcase, a_full_disk_refuses_publishes_and_nothing_else_and_heals_by_itself);
	tcase_add_test(tcase, a_broker_killed_on_a_full_disk_starts_again_there);
	tcase_add_test(tcase, a_persistd_that_dies_twice_on_a_full_disk_is_back_once_there_is_room);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
