/*
 * logins: what a hundred logins at once do to everybody else.  Publishes at a fixed rate (open loop, so a stall is charged for all
 * that had to wait) to a broker of its own, first alone, then while LOGINS connections have a password checked each, over and
 * over, each of another user and so none of them for nothing.  In turns, ROUNDS of each.
 *
 *   logins [rate=1000] [seconds=4] [rounds=3] [logins=100] [cost=5] [durability=fsync] [cgroup=auto]
 *
 * The users do not exist: that takes as long (tests/unit/front_password.c), and needs nobody to be made.
 */
#include <poll.h>
#include <pthread.h>

#include "cli/traffic/driver.h"
#include "frontd/http/text.h"
#include "shm/atomic.h"
#include "tests/harness/broker.h"
#include "tests/harness/client.h"
#include "tests/harness/unit.h"

#define TOKEN_BYTES 46

static struct {
	double rate, seconds;
	unsigned rounds, logins;
	char cost[40], cgroup[200];
	char durability[16];
	char token[TOKEN_BYTES + 1];
	char authorization[TOKEN_BYTES + 32];
	struct broker broker;
} bench = { .rate = 1000, .seconds = 4, .rounds = 3, .logins = 100, .cost = "auth.password_cost=5", .cgroup = "auth.hasher_cgroup=auto", .durability = "fsync" };

/* ---- those who log in: one thread, each connection asks again as soon as it is answered ---- */

struct crowd {
	pthread_t thread;
	uint32_t is_over; /* read and written relaxed: nothing else hangs on it */
	unsigned long answers, busy;
};

static void
log_in(struct client *client, unsigned number)
{
	char user[64], field[160];
	size_t used = (size_t)sprintf(field, "Authorization: Basic ");
	int len = sprintf(user, "user%u:a wrong password", number);

	used += text_base64_encode((struct http_slice){ user, (size_t)len }, (struct http_span){ field + used, sizeof(field) - used });
	memcpy(field + used, "\r\n", 3);
	client_request(client, "GET /v1/queues", field, NULL, 0);
}

static void *
crowd_run(void *context)
{
	struct crowd *crowd = context;
	struct client *clients = calloc(bench.logins, sizeof(*clients));
	struct pollfd *fds = calloc(bench.logins, sizeof(*fds));
	unsigned number = 0;

	for (unsigned i = 0; i < bench.logins; i++) {
		client_open(&clients[i], bench.broker.port);
		fds[i] = (struct pollfd){ .fd = clients[i].fd, .events = POLLIN };
		log_in(&clients[i], number++);
	}
	while (!load_relaxed(&crowd->is_over)) {
		(void)poll(fds, bench.logins, 100);
		for (unsigned i = 0; i < bench.logins; i++) {
			if (!(fds[i].revents & POLLIN))
				continue;
			unsigned status = client_answer(&clients[i])->status;

			ck_assert_msg(status == 401 || status == 503, "a login was answered %u", status);
			crowd->answers += status == 401;
			crowd->busy += status == 503;
			log_in(&clients[i], number++);
		}
	}
	for (unsigned i = 0; i < bench.logins; i++)
		client_close(&clients[i]);
	free(clients);
	free(fds);
	return NULL;
}

/* ---- everybody else ---- */

static void
measure(unsigned round, bool with_logins)
{
	struct traffic_options options = { .driver = &traffic_http, .host = "127.0.0.1", .queue = "bench",
		.argument = "", .mode = TRAFFIC_RATE, .connections = 16, .window = 64, .size = 1024, .batch = 1, .rate = bench.rate,
		.seconds = bench.seconds, .warmup_seconds = 0.5, .authorization = bench.authorization };
	struct traffic_result result;
	struct crowd crowd = { 0 };
	char port[8];

	snprintf(port, sizeof(port), "%u", bench.broker.port);
	options.port = port;
	if (with_logins)
		ck_assert_int_eq(pthread_create(&crowd.thread, NULL, crowd_run, &crowd), 0);
	ck_assert_msg(traffic_run(&options, &result) == 0 && result.refused == 0, "%s", result.trouble);
	if (with_logins) {
		store_relaxed(&crowd.is_over, 1);
		ck_assert_int_eq(pthread_join(crowd.thread, NULL), 0);
	}
	printf("round %u, %-12s %8.0f/s  p50 %7.3f ms  p99 %7.3f ms  p99.9 %7.3f ms  logins %6.1f/s, busy %lu\n", round,
	    with_logins ? "with logins:" : "alone:", (double)result.operations / result.seconds,
	    latency_quantile_us(&result.latency, 0.5) / 1e3, latency_quantile_us(&result.latency, 0.99) / 1e3,
	    latency_quantile_us(&result.latency, 0.999) / 1e3, (double)crowd.answers / (bench.seconds + 0.5), crowd.busy);
	fflush(stdout);
}

START_TEST(measure_all)
{
	const char *const options[] = { "auth.mode=required", "auth.login_failures=1000000", "auth.login_window=1s", bench.cost,
		bench.cgroup, NULL };
	char path[200], fields[TOKEN_BYTES + 64], config[64];
	struct client client;
	FILE *file;

	broker_up(&bench.broker, options);
	snprintf(path, sizeof(path), "%s/admin-token", bench.broker.data);
	file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fread(bench.token, 1, TOKEN_BYTES, file), TOKEN_BYTES);
	fclose(file);
	snprintf(bench.authorization, sizeof(bench.authorization), "Authorization: Bearer %s\r\n", bench.token);
	snprintf(fields, sizeof(fields), "%sContent-Type: application/json\r\n", bench.authorization);
	snprintf(config, sizeof(config), "{\"durability\":\"%s\"}", bench.durability);
	client_open(&client, bench.broker.port);
	expect_status(client_ask(&client, "PUT /v1/queues/bench", fields, config), 201);
	client_close(&client);
	for (unsigned round = 1; round <= bench.rounds; round++) {
		measure(round, false);
		measure(round, true);
	}
	broker_free(&bench.broker);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("logins");
	TCase *tcase = tcase_create("measure");

	tcase_set_timeout(tcase, 600);
	tcase_add_test(tcase, measure_all);
	suite_add_tcase(suite, tcase);
	return suite;
}

static void
usage(void)
{
	fprintf(stderr, "usage: logins [rate=1000] [seconds=4] [rounds=3] [logins=100] [cost=5] [durability=fsync] [cgroup=auto]\n");
	exit(2);
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		unsigned cost;

		if (sscanf(argv[i], "rate=%lf", &bench.rate) != 1 && sscanf(argv[i], "seconds=%lf", &bench.seconds) != 1 &&
		    sscanf(argv[i], "rounds=%u", &bench.rounds) != 1 && sscanf(argv[i], "logins=%u", &bench.logins) != 1 &&
		    sscanf(argv[i], "durability=%15s", bench.durability) != 1) {
			if (sscanf(argv[i], "cgroup=%170s", bench.cgroup + strlen("auth.hasher_cgroup=")) == 1)
				continue;
			if (sscanf(argv[i], "cost=%u", &cost) != 1)
				usage();
			snprintf(bench.cost, sizeof(bench.cost), "auth.password_cost=%u", cost);
		}
	}
	setenv("CK_FORK", "no", 1); /* Check's assertions are used, not its processes */
	return unit_run(suite);
}
