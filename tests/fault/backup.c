/*
 * Backups of brokers that run: what was acknowledged before one began is in it, whoever publishes
 * or dies meanwhile; people and what they may come back with it; a full disk leaves nothing behind.
 */
#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/atomic.h"
#include "tests/harness/client.h"
#include "tests/harness/deadline.h"
#include "tests/harness/unit.h"
#include "tests/harness/volume.h"

enum { TEST_SECONDS = 180, QUEUES = 3, NUMBERED_BYTES_MAX = 20000, SAID_BYTES = 4096, KILLS = 12,
    SLOW_MESSAGES = 400,
	SLOW_BODY_BYTES = 40000, CHURN_BODY_BYTES = 400000 };

static const char *const two_of_each[] = { "server.processes=2", "worker.shards=2", NULL };
static const char *const with_people[] = { "worker.shards=2", "auth.mode=required", NULL };

static char said[SAID_BYTES];

/* --- verbs --- */

static int
back_up(const struct broker *broker, const char *to, const char *rate)
{
	return broker_command(said, sizeof(said), (const char *[]){ "backup", to, "-i",
	    broker->instance,
		rate != NULL ? "--rate" : NULL, rate, NULL });
}

/* In a process of its own. */
static pid_t
begin_backup(const struct broker *broker, const char *to, const char *rate)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		int code = back_up(broker, to, rate);

		if (code != 0)
			fprintf(stderr, "%s", said);
		_exit(code);
	}
	return pid;
}

static void
expect_done(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "wait status %d", status);
}

/* Make another broker of it, and start it. */
static void
restore(struct broker *restored, const char *from, const char *const *options)
{
	broker_init(restored, options);
	ck_assert_msg(broker_command(said, sizeof(said), (const char *[]){ "restore", from,
	    "--data", restored->data, NULL }) == 0,
	    "%s", said);
	broker_start(restored);
}

/* --- numbered messages --- */

/*
 * How many of each queue were acknowledged; in memory that a publisher in another process shares.
 */
struct counts {
	uint64_t acknowledged[QUEUES];
};

static uint32_t
body_of(char *body, unsigned queue, uint64_t number)
{
	uint32_t bytes = 16 + (uint32_t)(number * 7919 % (NUMBERED_BYTES_MAX - 16));

	snprintf(body, 32, "%u:%014" PRIu64, queue, number);
	for (uint32_t i = 16; i < bytes; i++)
		body[i] = (char)('a' + (i + number) % 26);
	return bytes;
}

static void
make_queues(struct client *client)
{
	char name[16];

	for (unsigned q = 0; q < QUEUES; q++) {
		snprintf(name, sizeof(name), "q%u", q);
		client_queue(client, name, "{}");
	}
}

static void
publish_one(struct client *client, struct counts *counts, unsigned queue)
{
	static char body[NUMBERED_BYTES_MAX];
	uint64_t number = counts->acknowledged[queue] + 1;
	char request[64];

	snprintf(request, sizeof(request), "POST /v1/queues/q%u/messages", queue);
	expect_status(client_ask_bytes(client, request, NULL, body, body_of(body, queue, number)),
	    201);
	store_relaxed(&counts->acknowledged[queue], number);
}

/* Until it is killed. */
static pid_t
begin_publisher(const struct broker *broker, struct counts *counts)
{
	struct client client;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid != 0)
		return pid;
	client_open(&client, broker->port);
	for (unsigned i = 0;; i++)
		publish_one(&client, counts, i % QUEUES);
}

static void
end_publisher(pid_t pid)
{
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

static void
wait_acknowledged(const struct counts *counts, uint64_t number)
{
	uint64_t deadline_ms = deadline_in(CLIENT_TIMEOUT_MS);

	while (load_relaxed(&counts->acknowledged[QUEUES - 1]) < number)
		ck_assert_msg(deadline_pause(deadline_ms), "nobody publishes");
}

/* All of a queue in order and whole; how many there are. */
static uint64_t
drain(struct client *client, unsigned queue)
{
	static char wanted[NUMBERED_BYTES_MAX];
	struct response *answer;
	uint64_t number = 0;
	char request[64];

	snprintf(request, sizeof(request), "POST /v1/queues/q%u/messages:receive", queue);
	while ((answer = client_ask(client, request, "Accept: application/octet-stream\r\n",
	    NULL))->status == 200) {
		uint32_t bytes = body_of(wanted, queue, ++number);

		ck_assert_msg(answer->body_bytes == bytes && memcmp(answer->body, wanted,
		    bytes) == 0,
		    "q%u: not message %" PRIu64 ": %.20s", queue, number, answer->body);
		expect_status(client_do(client, "DELETE /v1/queues/q%u/leases/%s", queue,
		    response_field(answer, "Mq-Receipt")), 204);
	}
	expect_status(answer, 204);
	return number;
}

static void
expect_all(const struct broker *broker, const struct counts *at_least)
{
	struct client client;

	client_open(&client, broker->port);
	for (unsigned q = 0; q < QUEUES; q++) {
		uint64_t number = drain(&client, q);

		ck_assert_msg(number >= at_least->acknowledged[q],
		    "q%u: %" PRIu64 " messages, and %" PRIu64
		    " were acknowledged before the backup began", q, number,
		    at_least->acknowledged[q]);
	}
	client_close(&client);
}

/* --- tests --- */

START_TEST(all_that_was_acknowledged_before_a_backup_under_load_is_in_it)
{
	struct counts *counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct broker broker, restored;
	struct counts before[3];
	struct client client;
	char to[3][200];

	ck_assert_ptr_ne(counts, MAP_FAILED);
	broker_up(&broker, two_of_each);
	client_open(&client, broker.port);
	make_queues(&client);
	pid_t publisher = begin_publisher(&broker, counts);

	for (unsigned i = 0; i < 3; i++) {
		wait_acknowledged(counts, 60 * (i + 1));
		snprintf(to[i], sizeof(to[i]), "%s/backup.%u", broker.directory, i);
		before[i] = *counts;
		ck_assert_msg(back_up(&broker, to[i], NULL) == 0, "%s", said);
	}
	end_publisher(publisher);
	client_close(&client);
	broker_stop(&broker);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_uint_gt(before[i].acknowledged[0], 0);
		restore(&restored, to[i], two_of_each);
		expect_all(&restored, &before[i]);
		broker_free(&restored);
	}
	munmap(counts, sizeof(*counts));
	broker_free(&broker);
}
END_TEST

/* Enough that a backup takes its time. */
static void
publish_much(struct client *client)
{
	char *body = calloc(1, SLOW_BODY_BYTES);

	ck_assert_ptr_nonnull(body);
	client_queue(client, "much", "{}");
	for (unsigned i = 0; i < SLOW_MESSAGES; i++)
		expect_status(client_ask_bytes(client, "POST /v1/queues/much/messages", NULL, body,
		    SLOW_BODY_BYTES), 201);
	free(body);
}

START_TEST(a_backup_outlives_persistd_and_the_whole_broker_and_is_in_nobodys_way)
{
	struct counts counts = { { 0 } };
	struct broker broker, restored;
	struct client client;
	char to[200];

	broker_up(&broker, two_of_each);
	client_open(&client, broker.port);
	make_queues(&client);
	publish_much(&client);
	for (unsigned i = 0; i < 30; i++)
		publish_one(&client, &counts, i % QUEUES);
	snprintf(to, sizeof(to), "%s/backup", broker.directory);
	/* 16 MB: more than two seconds. */
	pid_t backup = begin_backup(&broker, to, "6MiB");

	for (unsigned i = 0; i < KILLS; i++) {
		broker_wait_live(&broker, SLOT_PERSIST, broker_kill(&broker, SLOT_PERSIST));
		publish_one(&client, &counts, i % QUEUES);
	}
	/* A supervisor waits for the processes of an earlier one, but not for backups. */
	client_close(&client);
	broker_kill_all(&broker);
	broker_start(&broker);
	ck_assert_int_eq(waitpid(backup, NULL, WNOHANG), 0);
	expect_done(backup);

	restore(&restored, to, two_of_each);
	memset(&counts, 0, sizeof(counts));
	for (unsigned q = 0; q < QUEUES; q++)
		counts.acknowledged[q] = 10;
	expect_all(&restored, &counts);
	client_open(&client, restored.port);
	ck_assert_int_eq(response_number(client_do(&client, "GET /v1/queues/much"), "stats.ready"),
	    SLOW_MESSAGES);
	client_close(&client);
	broker_free(&restored);
	broker_free(&broker);
}
END_TEST

static uint64_t
count_dropped(const struct broker *broker)
{
	struct stats_shared stats;

	broker_stats(broker, SLOT_PERSIST, &stats);
	return stats.segments_dropped;
}

/* Messages that come and go: segments that nobody needs once there are snapshots. */
static void
churn(struct client *client, unsigned count)
{
	char *body = calloc(1, CHURN_BODY_BYTES);
	char receipt[80];

	ck_assert_ptr_nonnull(body);
	for (unsigned i = 0; i < count; i++) {
		expect_status(client_ask_bytes(client, "POST /v1/queues/churn/messages", NULL, body,
		    CHURN_BODY_BYTES), 201);
		struct response *answer = client_ask(client,
		    "POST /v1/queues/churn/messages:receive",
		    "Accept: application/octet-stream\r\n", NULL);
		expect_status(answer, 200);
		snprintf(receipt, sizeof(receipt), "%s", response_field(answer, "Mq-Receipt"));
		expect_status(client_do(client, "DELETE /v1/queues/churn/leases/%s", receipt), 204);
	}
	free(body);
}

static void
take_snapshots(const struct broker *broker, struct client *client)
{
	uint64_t deadline_ms = deadline_in(CLIENT_TIMEOUT_MS);
	struct stats_shared before, now;

	broker_stats(broker, SLOT_PERSIST, &before);
	expect_status(client_do(client, "POST /v1/snapshots"), 202);
	do {
		ck_assert_msg(deadline_pause(deadline_ms), "no snapshots are made");
		broker_stats(broker, SLOT_PERSIST, &now);
	} while (now.snapshots < before.snapshots + 2);
	struct response *answer = client_do(client, "GET /v1/snapshots");
	expect_status(answer, 200);
	ck_assert_int_gt(response_number(answer, "snapshots.0.newest.lsn"), 0);
	ck_assert_int_gt(response_number(answer, "snapshots.1.newest.bytes"), 0);
}

START_TEST(while_a_backup_reads_no_segment_is_dropped_and_what_was_dropped_before_is_not_missed)
{
	struct counts counts = { { 0 } }, none = { { 0 } };
	struct broker broker, restored;
	char to[2][200];
	struct client client;

	broker_up(&broker, two_of_each);
	client_open(&client, broker.port);
	make_queues(&client);
	client_queue(&client, "churn", "{}");
	churn(&client, 70);
	for (unsigned i = 0; i < 2; i++)
		snprintf(to[i], sizeof(to[i]), "%s/backup.%u", broker.directory, i);
	/* Of some 28 MB: four seconds or more. */
	pid_t backup = begin_backup(&broker, to[0], "7MiB");
	for (unsigned i = 0; access(to[0], F_OK) != 0 && i < 2; i++) {
		churn(&client, 2);
		take_snapshots(&broker, &client);
	}
	uint64_t dropped = 0, last;
	/* It holds the lock still if its end is not there after the look. */
	do {
		last = dropped;
		dropped = count_dropped(&broker);
		(void)usleep(10000);
	} while (access(to[0], F_OK) != 0);
	ck_assert_uint_eq(last, 0);
	expect_done(backup);
	uint64_t deadline_ms = deadline_in(CLIENT_TIMEOUT_MS);
	while (count_dropped(&broker) == 0)
		ck_assert_msg(deadline_pause(deadline_ms),
		    "nothing is dropped when the backup has ended");

	for (unsigned i = 0; i < 30; i++)
		publish_one(&client, &counts, i % QUEUES);
	client_close(&client);
	ck_assert_msg(back_up(&broker, to[1], NULL) == 0, "%s", said);
	for (unsigned i = 0; i < 2; i++) {
		restore(&restored, to[i], two_of_each);
		expect_all(&restored, i == 0 ? &none : &counts);
		broker_free(&restored);
	}
	broker_free(&broker);
}
END_TEST

START_TEST(receipts_of_the_original_are_strangers_to_the_restored_broker)
{
	struct broker broker, restored;
	char to[200], receipt[80];
	struct client client;

	broker_up(&broker, two_of_each);
	client_open(&client, broker.port);
	client_queue(&client, "q", "{\"lease\":\"1h\"}");
	client_publish(&client, "q", "leased");
	snprintf(receipt, sizeof(receipt), "%s", response_text(client_receive(&client, "q", "{}"),
	    "messages.0.receipt"));
	client_publish(&client, "q", "not leased");
	snprintf(to, sizeof(to), "%s/backup", broker.directory);
	ck_assert_msg(back_up(&broker, to, NULL) == 0, "%s", said);
	expect_status(client_do(&client, "DELETE /v1/queues/q/leases/%s", receipt), 204);
	client_close(&client);
	/* And not those of a clean stop either, which leases survive in the original. */
	broker_stop(&broker);

	restore(&restored, to, two_of_each);
	client_open(&client, restored.port);
	expect_problem(client_do(&client, "DELETE /v1/queues/q/leases/%s", receipt), 410,
	    "lease-expired");
	struct response *answer = client_receive(&client, "q", "{\"max\":2,\"wait\":\"10s\"}");
	ck_assert_str_eq(response_text(answer, "messages.0.body"), "leased");
	ck_assert_int_eq(response_number(answer, "messages.0.delivery_count"), 2);
	client_close(&client);
	broker_free(&restored);
	broker_free(&broker);
}
END_TEST

/* --- people --- */

static struct response *
ask(struct client *client, const char *token, const char *json, const char *request)
{
	char fields[300];

	snprintf(fields, sizeof(fields), "%s%s%s%s", token != NULL ? "Authorization: Bearer " : "",
	    token != NULL ? token : "",
	    token != NULL ? "\r\n" : "", json != NULL ? "Content-Type: application/json\r\n" : "");
	return client_ask(client, request, fields, json);
}

/* A token or session; its id goes to `id`, if it is wanted. */
static void
take_secret(struct client *client, const char *admin, const char *json, const char *request,
    char secret[80], char id[80])
{
	struct response *answer = ask(client, admin, json, request);

	expect_status(answer, 201);
	snprintf(secret, 80, "%s", response_text(answer, "token"));
	if (id != NULL)
		snprintf(id, 80, "%s", response_text(answer, "id"));
}

static void
read_admin_token(const struct broker *broker, char token[80])
{
	char path[256];

	snprintf(path, sizeof(path), "%s/admin-token", broker->data);
	FILE *file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	ck_assert_ptr_nonnull(fgets(token, 80, file));
	fclose(file);
	token[strcspn(token, "\n")] = '\0';
}

static void
expect_me(struct client *client, const char *token, unsigned status)
{
	expect_status(ask(client, token, NULL, "GET /v1/users/me"), status);
}

START_TEST(people_come_back_with_what_they_had_and_what_was_revoked_stays_so)
{
	char admin[80], token[80], revoked[80], later[80], session_token[80], over[80], bob[80],
	    id[80], later_id[80], to[200],
	    request[200];
	struct broker broker, restored;
	struct client client;

	broker_up(&broker, with_people);
	read_admin_token(&broker, admin);
	client_open(&client, broker.port);
	expect_status(ask(&client, admin, "{\"password\":\"a long password\"}",
	    "PUT /v1/users/ana"), 201);
	expect_status(ask(&client, admin, "{\"quotas\":{\"queues\":5}}", "PUT /v1/users/bob"), 201);
	take_secret(&client, admin, "{\"name\":\"t\",\"user\":\"ana\",\"scopes\":[\"*\"]}",
	    "POST /v1/tokens", token, NULL);
	take_secret(&client, admin, "{\"name\":\"t\",\"user\":\"ana\",\"scopes\":[\"*\"]}",
	    "POST /v1/tokens", revoked, id);
	take_secret(&client, admin, "{\"name\":\"t\",\"user\":\"ana\",\"scopes\":[\"*\"]}",
	    "POST /v1/tokens", later, later_id);
	take_secret(&client, admin,
	    "{\"name\":\"t\",\"user\":\"bob\",\"scopes\":[\"consume:ana\"]}", "POST /v1/tokens",
	    bob, NULL);
	take_secret(&client, NULL, "{\"user\":\"ana\",\"password\":\"a long password\"}",
	    "POST /v1/sessions", session_token, NULL);
	take_secret(&client, NULL, "{\"user\":\"ana\",\"password\":\"a long password\"}",
	    "POST /v1/sessions", over, NULL);
	expect_status(ask(&client, over, NULL, "DELETE /v1/sessions/current"), 204);
	snprintf(request, sizeof(request), "DELETE /v1/tokens/%s", id);
	expect_status(ask(&client, admin, NULL, request), 204);
	expect_status(ask(&client, token, "{}", "PUT /v1/queues/ana"), 201);
	expect_status(ask(&client, token, "{\"rights\":[\"consume\"]}",
	    "PUT /v1/queues/ana/grants/bob"), 201);
	expect_status(ask(&client, token, NULL, "POST /v1/queues/ana/messages"), 201);

	snprintf(to, sizeof(to), "%s/backup", broker.directory);
	ck_assert_msg(back_up(&broker, to, NULL) == 0, "%s", said);
	snprintf(request, sizeof(request), "DELETE /v1/tokens/%s", later_id);
	expect_status(ask(&client, admin, NULL, request), 204);
	client_close(&client);
	broker_stop(&broker);

	restore(&restored, to, with_people);
	client_open(&client, restored.port);
	expect_me(&client, admin, 200);
	expect_me(&client, token, 200);
	expect_me(&client, session_token, 200);
	expect_me(&client, revoked, 401);
	expect_me(&client, over, 401);
	/* As docs/security.md says: the backup was before. */
	expect_me(&client, later, 200);
	take_secret(&client, NULL, "{\"user\":\"ana\",\"password\":\"a long password\"}",
	    "POST /v1/sessions", over, NULL);
	expect_status(ask(&client, NULL, "{\"user\":\"ana\",\"password\":\"a wrong password\"}",
	    "POST /v1/sessions"), 401);
	ck_assert_str_eq(response_text(ask(&client, token, NULL, "GET /v1/queues/ana"), "owner"),
	    "ana");
	ck_assert_int_eq(response_number(ask(&client, admin, NULL, "GET /v1/users/bob"),
	    "quotas.queues"), 5);
	expect_status(ask(&client, bob, "{}", "POST /v1/queues/ana/messages:receive"), 200);
	expect_status(ask(&client, bob, NULL, "POST /v1/queues/ana/messages"), 403);
	client_close(&client);
	/* Nobody's token was written to a file for the way back. */
	snprintf(request, sizeof(request), "%s/admin-token", restored.data);
	ck_assert_int_ne(access(request, F_OK), 0);
	broker_free(&restored);
	broker_free(&broker);
}
END_TEST

/* --- what goes wrong --- */

static unsigned
count_files(const char *path)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	unsigned count = 0;

	ck_assert_ptr_nonnull(directory);
	while ((entry = readdir(directory)) != NULL)
		count += entry->d_name[0] != '.';
	closedir(directory);
	return count;
}

START_TEST(a_full_disk_leaves_neither_half_a_backup_nor_half_a_store)
{
	struct broker broker, target;
	struct client client;
	char to[200], small[200];

	broker_init(&target, NULL);
	if (!volume_tmpfs(&target, 8 << 20)) {
		broker_free(&target);
		return;
	}
	broker_up(&broker, two_of_each);
	client_open(&client, broker.port);
	publish_much(&client);
	client_close(&client);
	snprintf(small, sizeof(small), "%s/backup", target.data);
	ck_assert_int_eq(back_up(&broker, small, NULL), 73);
	ck_assert_msg(strstr(said, "No space left on device") != NULL, "%s", said);
	ck_assert_uint_eq(count_files(target.data), 0);

	snprintf(to, sizeof(to), "%s/backup", broker.directory);
	ck_assert_msg(back_up(&broker, to, NULL) == 0, "%s", said);
	ck_assert_int_eq(broker_command(said, sizeof(said), (const char *[]){ "restore", to,
	    "--data", target.data, NULL }), 73);
	ck_assert_msg(strstr(said, "No space left on device") != NULL, "%s", said);
	ck_assert_uint_eq(count_files(target.data), 0);
	volume_end(&target);
	broker_free(&broker); /* whose reaper holds the other's pipe */
	broker_free(&target);
}
END_TEST

START_TEST(a_directory_that_is_in_use_is_backed_up_by_its_brokers_name_only)
{
	struct broker broker;
	char to[200];

	broker_up(&broker, NULL);
	snprintf(to, sizeof(to), "%s/backup", broker.directory);
	/* Without the name it would have to be read to its end, which moves. */
	ck_assert_int_eq(broker_command(said, sizeof(said), (const char *[]){ "backup", to,
	    "--data", broker.data, NULL }), 75);
	ck_assert_int_eq(broker_command(said, sizeof(said), (const char *[]){ "backup", to,
	    "--data", broker.data, "-i",
		broker.instance, NULL }), 0);
	broker_stop(&broker);
	ck_assert_int_eq(broker_command(said, sizeof(said), (const char *[]){ "backup", to, "-i",
	    broker.instance, NULL }), 69);
	ck_assert_int_eq(unlink(to), 0);
	ck_assert_int_eq(broker_command(said, sizeof(said), (const char *[]){ "backup", to,
	    "--data", broker.data, NULL }), 0);
	ck_assert_int_eq(broker_command(said, sizeof(said), (const char *[]){ "check", to, NULL }),
	    0);
	broker_free(&broker);
}
END_TEST

static Suite *
backup_suite(void)
{
	Suite *suite = suite_create("fault/backup");
	TCase *tests = tcase_create("backup");

	tcase_set_timeout(tests, TEST_SECONDS);
	tcase_add_test(tests, all_that_was_acknowledged_before_a_backup_under_load_is_in_it);
	tcase_add_test(tests,
	    a_backup_outlives_persistd_and_the_whole_broker_and_is_in_nobodys_way);
	tcase_add_test(tests,
	    while_a_backup_reads_no_segment_is_dropped_and_what_was_dropped_before_is_not_missed);
	tcase_add_test(tests, receipts_of_the_original_are_strangers_to_the_restored_broker);
	tcase_add_test(tests, people_come_back_with_what_they_had_and_what_was_revoked_stays_so);
	tcase_add_test(tests, a_full_disk_leaves_neither_half_a_backup_nor_half_a_store);
	tcase_add_test(tests, a_directory_that_is_in_use_is_backed_up_by_its_brokers_name_only);
	suite_add_tcase(suite, tests);
	return suite;
}

UNIT_MAIN(backup_suite)
