/*
 * Operation: starting, looking, reloading, stopping, and what `chasqui up` refuses.  Each test has a broker of its own.
 */
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/harness/broker.h"
#include "tests/harness/client.h"
#include "tests/harness/deadline.h"
#include "tests/harness/unit.h"

enum { OUTPUT_BYTES = 128 * 1024, TEST_SECONDS = 120, IDLE_WINDOW_MS = 3000 };

/* Run `chasqui VERB -i INSTANCE [EXTRA]`. */
static int
verb(const struct broker *broker, const char *name, const char *extra, char output[OUTPUT_BYTES])
{
	const char *const arguments[] = { name, "-i", broker->instance, extra, NULL };

	return broker_command(output, OUTPUT_BYTES, arguments);
}

static json_t *
verb_json(const struct broker *broker, const char *name)
{
	static char output[OUTPUT_BYTES];
	json_t *json;

	ck_assert_msg(verb(broker, name, "--json", output) == 0, "chasqui %s: %s", name, output);
	json = json_loads(output, 0, NULL);
	ck_assert_msg(json != NULL, "chasqui %s --json is no JSON: %s", name, output);
	return json;
}

START_TEST(a_broker_says_that_it_lives_and_is_ready)
{
	struct broker broker;
	struct client client;

	broker_up(&broker, NULL);
	client_open(&client, broker.port);
	expect_status(client_do(&client, "GET /livez"), 200);
	expect_status(client_do(&client, "GET /readyz"), 200);
	expect_status(client_do(&client, "HEAD /readyz"), 200);
	expect_status(client_do(&client, "GET /v1/stats"), 200);
	client_close(&client);
	broker_free(&broker);
}
END_TEST

START_TEST(a_broker_is_not_ready_while_a_shard_is_full)
{
	static const char lines_type[] = "Content-Type: application/x-ndjson\r\n";
	char batch[16 * 512 + 1] = "";
	struct client client;
	struct broker broker;

	for (unsigned i = 0; i < 512; i++)
		strcat(batch + i * 14, "{\"body\":\"xy\"}\n");
	broker_up(&broker, (const char *const[]){ "worker.messages=1024", NULL });
	client_open(&client, broker.port);
	client_queue(&client, "q", "{}");
	expect_status(client_ask(&client, "POST /v1/queues/q/messages", lines_type, batch), 200);
	expect_status(client_do(&client, "GET /readyz"), 200);
	expect_status(client_ask(&client, "POST /v1/queues/q/messages", lines_type, batch), 200);
	expect_problem(client_ask(&client, "POST /v1/queues/q/messages", NULL, "x"), 503, "shard-full");

	/* What the front knows of it is a mirror, a moment behind. */
	uint64_t deadline_ms = deadline_in(CLIENT_TIMEOUT_MS);
	while (client_do(&client, "GET /readyz")->status == 200)
		ck_assert(deadline_pause(deadline_ms));
	expect_problem(client_do(&client, "GET /readyz"), 503, "shard-full");
	expect_status(client_json(&client, "{}", "POST /v1/queues/q:purge"), 200);
	while (client_do(&client, "GET /readyz")->status != 200)
		ck_assert(deadline_pause(deadline_ms));
	client_publish(&client, "q", "x");
	client_close(&client);
	broker_free(&broker);
}
END_TEST

START_TEST(status_shows_every_process)
{
	static const char *const options[] = { "server.processes=2", "worker.shards=3", NULL };
	static char output[OUTPUT_BYTES];
	unsigned fronts = 0, workers = 0, persists = 0, supervisors = 0, hashers = 0;
	struct broker broker;
	json_t *status, *process;
	size_t i;

	broker_up(&broker, options);
	status = verb_json(&broker, "status");
	json_array_foreach(json_object_get(status, "processes"), i, process) {
		const char *role = json_string_value(json_object_get(process, "role"));
		pid_t pid = (pid_t)json_integer_value(json_object_get(process, "pid"));

		fronts += strcmp(role, "frontd") == 0;
		workers += strcmp(role, "workerd") == 0;
		persists += strcmp(role, "persistd") == 0;
		supervisors += strcmp(role, "supervisor") == 0;
		hashers += strcmp(role, "hasher") == 0;
		ck_assert_msg(kill(pid, 0) == 0, "%s has pid %d: %s", role, (int)pid, strerror(errno));
		ck_assert_str_eq(json_string_value(json_object_get(process, "state")), "live");
		ck_assert_int_eq(json_integer_value(json_object_get(process, "epoch")), 1);
		ck_assert(json_is_integer(json_object_get(process, "index")));
		if (strcmp(role, "supervisor") == 0)
			ck_assert_int_eq(pid, broker.pid);
	}
	ck_assert_str_eq(json_string_value(json_object_get(status, "hashers")),
	    "have no cgroup of their own: auth.hasher_cgroup is off");
	json_decref(status);
	ck_assert_uint_eq(fronts, 2);
	ck_assert_uint_eq(workers, 3);
	ck_assert_uint_eq(persists, 1);
	ck_assert_uint_eq(supervisors, 1);
	ck_assert_uint_eq(hashers, 2);
	ck_assert_int_eq(verb(&broker, "status", NULL, output), 0);
	ck_assert_ptr_nonnull(strstr(output, "frontd"));
	ck_assert_ptr_nonnull(strstr(output, "\nhashers have no cgroup"));
	broker_free(&broker);
}
END_TEST

START_TEST(status_shows_a_process_that_was_replaced)
{
	struct broker broker;
	json_t *status, *process;
	unsigned seen = 0;
	size_t i;

	broker_up(&broker, NULL);
	broker_wait_live(&broker, SLOT_WORKER(0), broker_kill(&broker, SLOT_WORKER(0)));
	status = verb_json(&broker, "status");
	json_array_foreach(json_object_get(status, "processes"), i, process) {
		if (strcmp(json_string_value(json_object_get(process, "role")), "workerd") != 0)
			continue;
		seen++;
		ck_assert_int_eq(json_integer_value(json_object_get(process, "epoch")), 2);
		ck_assert_int_eq(json_integer_value(json_object_get(process, "restarts")), 1);
		ck_assert_int_eq(json_integer_value(json_object_get(process, "last_signal")), SIGKILL);
	}
	ck_assert_uint_eq(seen, 1);
	json_decref(status);
	broker_free(&broker);
}
END_TEST

/* The sum of a counter, or the count of a histogram, in `chasqui stats --json`. */
static int64_t
counter(const json_t *stats, const char *name)
{
	json_t *role, *row, *sum;
	size_t i, k;

	json_array_foreach(json_object_get(stats, "roles"), i, role) {
		json_array_foreach(json_object_get(role, "counters"), k, row) {
			if (strcmp(json_string_value(json_object_get(row, "name")), name) == 0)
				return json_integer_value(json_object_get(row, "sum"));
		}
		json_array_foreach(json_object_get(role, "histograms"), k, row) {
			sum = json_object_get(row, "sum");
			if (strcmp(json_string_value(json_object_get(row, "name")), name) == 0)
				return json_integer_value(json_object_get(sum, "count"));
		}
	}
	ck_abort_msg("stats know nothing of %s", name);
}

START_TEST(stats_count_what_was_done)
{
	struct response *answer;
	struct broker broker;
	struct client client;
	json_t *stats;

	broker_up(&broker, NULL);
	client_open(&client, broker.port);
	client_queue(&client, "q", "{}");
	for (unsigned i = 0; i < 3; i++)
		client_publish(&client, "q", "x");
	answer = client_receive(&client, "q", "{}");
	expect_status(client_do(&client, "DELETE /v1/queues/q/leases/%s", response_text(answer, "messages.0.receipt")), 204);
	stats = verb_json(&broker, "stats");
	ck_assert_int_eq(counter(stats, "published"), 3);
	ck_assert_int_eq(counter(stats, "delivered"), 1);
	ck_assert_int_eq(counter(stats, "acked"), 1);
	ck_assert_int_ge(counter(stats, "http_requests"), 6);
	ck_assert_int_ge(counter(stats, "batches"), 4);
	ck_assert_int_eq(counter(stats, "publish_to_durable"), 3);
	ck_assert_int_ge(counter(stats, "write_time"), 4);
	json_decref(stats);
	client_close(&client);
	broker_free(&broker);
}
END_TEST

/* User and system time of a process so far. */
static uint64_t
cpu_ms(pid_t pid)
{
	unsigned long user_ticks, system_ticks;
	char path[64], text[1000];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	ck_assert_ptr_nonnull(fgets(text, sizeof(text), file));
	fclose(file);
	ck_assert_int_eq(sscanf(strrchr(text, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user_ticks,
	    &system_ticks), 2);
	return (user_ticks + system_ticks) * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

static uint64_t
broker_cpu_ms(const struct broker *broker)
{
	static const uint32_t slots[] = { SLOT_FRONT(0), SLOT_WORKER(0), SLOT_PERSIST, SLOT_SUPERVISOR };
	uint64_t sum_ms = 0;

	for (unsigned i = 0; i < sizeof(slots) / sizeof(slots[0]); i++)
		sum_ms += cpu_ms(broker_pid(broker, slots[i]));
	return sum_ms;
}

START_TEST(an_idle_broker_takes_less_than_one_percent_of_a_cpu)
{
	struct broker broker;
	struct client client;
	uint64_t began_ms, used_ms = 0;

	broker_up(&broker, NULL);
	client_open(&client, broker.port);
	client_queue(&client, "q", "{}");
	client_publish(&client, "q", "x");
	/* Not yet idle: spare segments are being made. */
	uint64_t deadline_ms = deadline_in(BROKER_START_MS);
	do {
		ck_assert_msg(clock_ms() < deadline_ms, "%llu ms of CPU in %d ms without work",
		    (unsigned long long)used_ms, IDLE_WINDOW_MS);
		used_ms = broker_cpu_ms(&broker);
		began_ms = clock_ms();
		while (deadline_pause(began_ms + IDLE_WINDOW_MS))
			;
		used_ms = broker_cpu_ms(&broker) - used_ms;
	} while (used_ms * 100 >= IDLE_WINDOW_MS);
	client_close(&client);
	broker_free(&broker);
}
END_TEST

START_TEST(down_stops_the_broker_and_leaves_no_shared_memory)
{
	static char output[OUTPUT_BYTES];
	struct broker broker;

	broker_up(&broker, NULL);
	pid_t pid = broker.pid;
	/* It is a zombie until we have waited for it; down must not take that for a living one. */
	ck_assert_msg(verb(&broker, "down", NULL, output) == 0, "%s", output);
	ck_assert_uint_eq(broker_regions(&broker), 0);
	ck_assert_int_eq(kill(pid, 0), 0);
	broker_wait_stopped(&broker);
	ck_assert_int_eq(verb(&broker, "status", NULL, output), 69);
	ck_assert_int_eq(verb(&broker, "down", NULL, output), 69);
	broker_free(&broker);
}
END_TEST

START_TEST(what_was_there_is_there_after_a_clean_stop_leases_too)
{
	struct response *answer;
	struct broker broker;
	struct client client;
	char receipt[80], etag[80];

	broker_up(&broker, NULL);
	client_open(&client, broker.port);
	client_queue(&client, "kept", "{\"lease\":\"5m\"}");
	client_publish(&client, "kept", "one");
	client_publish(&client, "kept", "two");
	answer = client_receive(&client, "kept", "{}");
	snprintf(receipt, sizeof(receipt), "%s", response_text(answer, "messages.0.receipt"));
	snprintf(etag, sizeof(etag), "%s", response_field(client_do(&client, "GET /v1/queues/kept"), "ETag"));
	client_close(&client);
	broker_stop(&broker);

	broker_start(&broker);
	client_open(&client, broker.port);
	answer = client_do(&client, "GET /v1/queues/kept");
	expect_status(answer, 200);
	ck_assert_str_eq(response_text(answer, "lease"), "5m");
	ck_assert_str_eq(response_field(answer, "ETag"), etag);
	ck_assert_int_eq(response_number(answer, "stats.ready"), 1);
	ck_assert_int_eq(response_number(answer, "stats.leased"), 1);
	ck_assert_int_eq(response_number(answer, "stats.published"), 2);
	expect_status(client_do(&client, "DELETE /v1/queues/kept/leases/%s", receipt), 204);
	ck_assert_str_eq(response_text(client_receive(&client, "kept", "{}"), "messages.0.body"), "two");
	client_close(&client);
	broker_free(&broker);
}
END_TEST

START_TEST(a_stop_ends_long_polls_and_connections)
{
	struct broker broker;
	struct client client, poll;
	struct response *answer;

	broker_up(&broker, NULL);
	client_open(&client, broker.port);
	client_queue(&client, "q", "{}");
	client_open(&poll, broker.port);
	client_request(&poll, "POST /v1/queues/q/messages:receive", "Prefer: wait=60\r\n", NULL, 0);
	uint64_t deadline_ms = deadline_in(CLIENT_TIMEOUT_MS);
	while (response_number(client_do(&client, "GET /v1/queues/q"), "stats.waiters") == 0)
		ck_assert(deadline_pause(deadline_ms));
	broker_stop(&broker);
	answer = client_try_answer(&poll, CLIENT_TIMEOUT_MS);
	ck_assert_msg(answer == NULL || answer->status == 204 || answer->status == 503, "status %u", answer->status);
	client_expect_close(&client);
	client_close(&client);
	client_close(&poll);
	broker_free(&broker);
}
END_TEST

START_TEST(a_stop_does_not_wait_for_requests_that_are_half_there)
{
	static const char *const halves[] = {
		"POST /v1/queues/q/mess",
		"POST /v1/queues/q/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc",
		"POST /v1/queues/q/messages HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
	};
	struct client clients[3], other;
	struct broker broker;

	broker_up(&broker, (const char *const[]){ "server.body_timeout=1h", "server.head_timeout=1h", NULL });
	client_open(&other, broker.port);
	client_queue(&other, "q", "{}");
	int64_t received = response_number(client_do(&other, "GET /v1/stats"), "frontd.bytes_received");
	for (unsigned i = 0; i < 3; i++) {
		client_open(&clients[i], broker.port);
		client_text(&clients[i], "%s", halves[i]);
		received += (int64_t)strlen(halves[i]);
	}
	uint64_t deadline_ms = deadline_in(CLIENT_TIMEOUT_MS);
	while (response_number(client_do(&other, "GET /v1/stats"), "frontd.bytes_received") < received)
		ck_assert(deadline_pause(deadline_ms));
	broker_stop(&broker);
	for (unsigned i = 0; i < 3; i++) {
		expect_problem(client_answer(&clients[i]), 503, "shutting-down");
		client_close(&clients[i]);
	}
	client_close(&other);

	char *log = broker_log(&broker);
	ck_assert_ptr_null(strstr(log, "connections still open"));
	free(log);
	broker_free(&broker);
}
END_TEST

START_TEST(two_instances_live_side_by_side)
{
	struct broker one, other;
	struct client client;

	broker_up(&one, NULL);
	broker_up(&other, NULL);
	ck_assert_uint_ne(one.port, other.port);
	client_open(&client, one.port);
	client_queue(&client, "mine", "{}");
	client_close(&client);
	client_open(&client, other.port);
	expect_problem(client_do(&client, "GET /v1/queues/mine"), 404, "no-queue");
	client_close(&client);
	broker_stop(&one);
	client_open(&client, other.port);
	expect_status(client_do(&client, "GET /readyz"), 200);
	client_close(&client);
	broker_free(&other);
	broker_free(&one);
}
END_TEST

/* A broker with these options does not start: exit code 78 and a line that says these words. */
static void
expect_refused(const char *const *options, const char *word)
{
	struct broker broker;
	int exit_status = 0;
	char *log;

	broker_init(&broker, options);
	ck_assert_msg(!broker_try_start(&broker, &exit_status), "it started");
	log = broker_log(&broker);
	ck_assert_msg(exit_status == 78, "exit code %d: %s", exit_status, log);
	ck_assert_msg(strstr(log, word) != NULL, "the log does not say %s: %s", word, log);
	ck_assert_uint_eq(broker_regions(&broker), 0);
	free(log);
	broker_free(&broker);
}

START_TEST(other_addresses_than_loopback_are_refused_without_credentials)
{
	static const char *const options[] = { "server.listen=0.0.0.0:0", NULL };
	static const char *const v6_options[] = { "server.listen=[::]:0", NULL };

	expect_refused(options, "auth.mode");
	expect_refused(v6_options, "auth.mode");
}
END_TEST

START_TEST(options_that_make_no_sense_are_refused_by_name)
{
	static const char *const unknown[] = { "server.lisen=127.0.0.1:0", NULL };
	static const char *const value[] = { "worker.shards=0", NULL };
	static const char *const power[] = { "worker.stream_ring=9MiB", NULL };
	static const char *const address[] = { "server.listen=localhost", NULL };

	expect_refused(unknown, "lisen");
	expect_refused(value, "worker.shards");
	expect_refused(power, "worker.stream_ring");
	expect_refused(address, "server.listen");
}
END_TEST

START_TEST(an_unknown_key_in_the_file_is_refused_with_its_line)
{
	static char output[OUTPUT_BYTES];
	char path[300];
	struct broker broker;
	FILE *file;

	broker_init(&broker, NULL);
	snprintf(path, sizeof(path), "%s/bad.ini", broker.directory);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fprintf(file, "[server]\n; a comment\nlisten = 127.0.0.1:0\nlisten_more = 1\n");
	fclose(file);
	const char *const arguments[] = { "up", "-c", path, NULL };
	ck_assert_int_eq(broker_command(output, sizeof(output), arguments), 78);
	ck_assert_msg(strstr(output, "bad.ini:4") != NULL && strstr(output, "listen_more") != NULL, "%s", output);
	broker_free(&broker);
}
END_TEST

START_TEST(a_data_directory_serves_one_broker_at_a_time)
{
	struct broker broker, thief;
	char option[200];
	const char *const options[] = { option, NULL };
	int exit_status = 0;

	broker_up(&broker, NULL);
	snprintf(option, sizeof(option), "data.directory=%s", broker.data);
	broker_init(&thief, options);
	ck_assert_msg(!broker_try_start(&thief, &exit_status), "two brokers on one data directory");
	ck_assert_int_ne(exit_status, 0);
	broker_free(&thief);
	broker_free(&broker);
}
END_TEST

START_TEST(an_instance_name_serves_one_broker_at_a_time)
{
	struct broker broker, thief;
	struct client client;
	char option[80];
	const char *const options[] = { option, NULL };
	int exit_status = 0;

	broker_up(&broker, NULL);
	snprintf(option, sizeof(option), "instance.name=%s", broker.instance);
	broker_init(&thief, options);
	ck_assert_msg(!broker_try_start(&thief, &exit_status), "two brokers of one name");
	ck_assert_int_ne(exit_status, 0);
	broker_free(&thief);
	client_open(&client, broker.port);
	client_queue(&client, "q", "{}");
	client_publish(&client, "q", "unharmed");
	client_close(&client);
	broker_free(&broker);
}
END_TEST

/* How long a head may take, as a client sees it: 408 comes, or it does not within this time. */
static bool
head_times_out(const struct broker *broker, unsigned within_ms)
{
	struct response *answer;
	struct client client;

	client_open(&client, broker->port);
	client_text(&client, "GET /livez HTTP/1.1\r\n");
	answer = client_try_answer(&client, within_ms);
	bool timed_out = answer != NULL && answer->status == 408;
	client_close(&client);
	return timed_out;
}

START_TEST(sighup_reloads_what_can_be_and_says_what_cannot)
{
	struct broker broker;
	char path[300];
	const char *const options[] = { "server.head_timeout=10s", NULL };
	FILE *file;

	broker_init(&broker, options);
	snprintf(path, sizeof(path), "%s/broker.ini", broker.directory);
	broker_conf(&broker, path);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fprintf(file, "[log]\nlevel = info\n");
	fclose(file);
	broker_start(&broker);
	ck_assert(!head_times_out(&broker, 300));

	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fprintf(file, "[log]\nlevel = warning\n[server]\nidle_timeout = 1h\n[worker]\nreplay_ring = 2MiB\n");
	fclose(file);
	ck_assert_int_eq(kill(broker.pid, SIGHUP), 0);
	broker_wait_log(&broker, "worker.replay_ring");
	ck_assert_int_eq(kill(broker.pid, 0), 0);

	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fprintf(file, "[server]\nno_such_key = 1\n");
	fclose(file);
	ck_assert_int_eq(kill(broker.pid, SIGHUP), 0);
	broker_wait_log(&broker, "no_such_key");
	ck_assert(!head_times_out(&broker, 300));
	broker_free(&broker);
}
END_TEST

START_TEST(sighup_makes_a_new_deadline_work_without_a_restart)
{
	struct broker broker;
	char path[300];
	pid_t front;
	FILE *file;

	broker_init(&broker, NULL);
	snprintf(path, sizeof(path), "%s/broker.ini", broker.directory);
	broker_conf(&broker, path);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fprintf(file, "[server]\nhead_timeout = 1h\n");
	fclose(file);
	broker_start(&broker);
	front = broker_pid(&broker, SLOT_FRONT(0));
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fprintf(file, "[server]\nhead_timeout = 100ms\n");
	fclose(file);
	ck_assert_int_eq(kill(broker.pid, SIGHUP), 0);
	uint64_t deadline_ms = deadline_in(BROKER_START_MS);
	while (!head_times_out(&broker, 1000))
		ck_assert_msg(deadline_pause(deadline_ms), "the new head_timeout does not work");
	ck_assert_int_eq(broker_pid(&broker, SLOT_FRONT(0)), front);
	broker_free(&broker);
}
END_TEST

START_TEST(check_finds_nothing_wrong_with_a_clean_store)
{
	static char output[OUTPUT_BYTES];
	char option[200];
	struct broker broker;
	struct client client;

	broker_up(&broker, NULL);
	client_open(&client, broker.port);
	client_queue(&client, "q", "{}");
	for (unsigned i = 0; i < 20; i++)
		client_publish(&client, "q", "x");
	client_close(&client);
	snprintf(option, sizeof(option), "data.directory=%s", broker.data);
	const char *const arguments[] = { "check", "-i", broker.instance, "-o", option, NULL };
	ck_assert_int_eq(broker_command(output, sizeof(output), arguments), 1);
	ck_assert_msg(strstr(output, "is running") != NULL, "%s", output);
	broker_kill_all(&broker);
	/* The journal, and the shared memory that was left. */
	ck_assert_msg(broker_command(output, sizeof(output), arguments) == 0, "%s", output);
	broker_start(&broker);
	broker_stop(&broker);
	ck_assert_msg(verb(&broker, "check", broker.data, output) == 0, "%s", output);
	broker_free(&broker);
}
END_TEST

START_TEST(queues_and_messages_are_had_from_the_command_line)
{
	static char output[OUTPUT_BYTES];
	char url[64];
	struct broker broker;

	broker_up(&broker, NULL);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", broker.port);
	const char *const create[] = { "queue", "create", "orders", "lease=1m", "--url", url, NULL };
	const char *const put[] = { "msg", "put", "orders", "hello", "-a", "tenant=blue", "--url", url, NULL };
	const char *const list[] = { "queue", "ls", "--url", url, NULL };
	const char *const show[] = { "queue", "show", "orders", "--json", "--url", url, NULL };
	const char *const get[] = { "msg", "get", "orders", "--url", url, NULL };
	const char *const remove[] = { "queue", "rm", "orders", "--url", url, NULL };
	ck_assert_msg(broker_command(output, sizeof(output), create) == 0, "%s", output);
	ck_assert_msg(broker_command(output, sizeof(output), put) == 0, "%s", output);
	ck_assert_msg(broker_command(output, sizeof(output), list) == 0, "%s", output);
	ck_assert_ptr_nonnull(strstr(output, "orders"));
	ck_assert_msg(broker_command(output, sizeof(output), show) == 0, "%s", output);
	ck_assert_ptr_nonnull(strstr(output, "\"1m\""));
	ck_assert_msg(broker_command(output, sizeof(output), get) == 0, "%s", output);
	ck_assert_ptr_nonnull(strstr(output, "hello"));
	ck_assert_msg(broker_command(output, sizeof(output), remove) == 0, "%s", output);
	ck_assert_int_ne(broker_command(output, sizeof(output), show), 0);
	broker_free(&broker);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("http/operation");
	TCase *tcase = tcase_create("operation");

	tcase_set_timeout(tcase, TEST_SECONDS);
	tcase_add_test(tcase, a_broker_says_that_it_lives_and_is_ready);
	tcase_add_test(tcase, a_broker_is_not_ready_while_a_shard_is_full);
	tcase_add_test(tcase, status_shows_every_process);
	tcase_add_test(tcase, status_shows_a_process_that_was_replaced);
	tcase_add_test(tcase, stats_count_what_was_done);
	tcase_add_test(tcase, an_idle_broker_takes_less_than_one_percent_of_a_cpu);
	tcase_add_test(tcase, down_stops_the_broker_and_leaves_no_shared_memory);
	tcase_add_test(tcase, what_was_there_is_there_after_a_clean_stop_leases_too);
	tcase_add_test(tcase, a_stop_ends_long_polls_and_connections);
	tcase_add_test(tcase, a_stop_does_not_wait_for_requests_that_are_half_there);
	tcase_add_test(tcase, two_instances_live_side_by_side);
	tcase_add_test(tcase, other_addresses_than_loopback_are_refused_without_credentials);
	tcase_add_test(tcase, options_that_make_no_sense_are_refused_by_name);
	tcase_add_test(tcase, an_unknown_key_in_the_file_is_refused_with_its_line);
	tcase_add_test(tcase, a_data_directory_serves_one_broker_at_a_time);
	tcase_add_test(tcase, an_instance_name_serves_one_broker_at_a_time);
	tcase_add_test(tcase, sighup_reloads_what_can_be_and_says_what_cannot);
	tcase_add_test(tcase, sighup_makes_a_new_deadline_work_without_a_restart);
	tcase_add_test(tcase, check_finds_nothing_wrong_with_a_clean_store);
	tcase_add_test(tcase, queues_and_messages_are_had_from_the_command_line);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
