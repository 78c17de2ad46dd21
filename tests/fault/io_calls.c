/*
 * Every I/O call of persistd fails once.  A run is a whole life: start, a queue, in every other life so much published and
 * acknowledged that snapshots let the first segment go, publishes past the end of a segment, receives, a clean stop; the plan (tests/harness/io_log.h) lets the n-th of persistd's calls on the data directory fail, with an error
 * that the file system may give, and whatever of the call took place all the same.  Then the broker is started cold, without
 * faults, and everything that clients were promised must be there: no acknowledged message is lost or altered, no batch is
 * there by half.  Whatever stopped the broker, or made it refuse, has said so in the log.
 *
 * `make test` takes some n at random; `make soak` all of them, twice: with EIO, and with the other errors in turn.
 *   IO_NTH=n IO_FAULT=name IO_SEED=s   that one       IO_FROM=n IO_TO=n   only these       IO_SEED   other choices
 */
#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "tests/harness/client.h"
#include "tests/harness/deadline.h"
#include "tests/harness/life.h"
#include "tests/harness/trial.h"
#include "tests/harness/unit.h"

enum { TEST_SECONDS = 7200, RUNS = 8, MESSAGES = 72, BATCH = 3, PUBLISH_MS = 3000,
	CONSUME_MS = 40, LEASES_MS = 5000, DRAIN_MS = 60000, PATH_BYTES = 300, CALLS_SPREAD = 20, SOME_CALLS = 6,
	CHURNS = 90, CHURN_BYTES = 200000 };

static const char *const options[] = { "worker.messages=4096", "worker.queues=16", "worker.stream_ring=8MiB",
	"data.snapshot_bytes=1MiB", "data.ready_bytes=40MiB", NULL };

/* How a run went. */
struct run {
	uint64_t nth, seed;
	enum io_fault fault;
	/* What came of it. */
	uint64_t calls, failed;
	enum io_op op;
	char name[40];
	bool is_refused;        /* the first start ended */
	int exit_status;
	bool has_died;          /* persistd, and was run again */
	bool is_unclean;        /* the stop */
	struct oracle_counts counts;
};

static struct {
	unsigned runs, fired, refused, died, unclean, absorbed, trimmed;
	unsigned of_op[IO_OP_COUNT];
} totals;

static void __attribute__((format(printf, 3, 4), noreturn))
complain(const struct run *run, const struct broker *broker, const char *format, ...)
{
	char text[500], *log = broker_log(broker);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	/* Apart: it may be longer than Check takes, which then ends without a word of ours. */
	printf("%s\n", log);
	fflush(stdout);
	ck_abort_msg("%s\nrepeat: IO_NTH=%" PRIu64 " IO_FAULT=%s IO_SEED=%" PRIu64 " build/tests/fault_io_calls\n(call %" PRIu64 ": %s %s)",
	    text, run->nth, io_fault_name(run->fault), run->seed, run->nth, io_op_name(run->op), run->name);
}

static bool
log_has(const struct broker *broker, const char *text)
{
	char *log = broker_log(broker);
	bool has = strstr(log, text) != NULL;

	free(log);
	return has;
}

/* Something that the operator has to know was said. */
static bool
has_said(const struct broker *broker)
{
	return log_has(broker, "error: ") || log_has(broker, "warning: ");
}

/*
 * What may fail without a word: a read, or a write of a spare segment's zeros, of which the rest is done next; and there may be
 * no room for a spare.
 */
static bool
may_be_quiet(const struct run *run)
{
	bool is_full = run->fault == IO_FAULT_ENOSPC || run->fault == IO_FAULT_EDQUOT;

	if (is_full && (strcmp(run->name, "making.tmp") == 0 || strncmp(run->name, "spare.", 6) == 0))
		return true;
	if (run->op == IO_WRITE)
		return run->fault == IO_FAULT_SHORT && strcmp(run->name, "making.tmp") == 0;
	return run->op == IO_READ && (run->fault == IO_FAULT_EINTR || run->fault == IO_FAULT_SHORT);
}

static struct load *
load_on(const struct broker *broker, struct oracle *oracle)
{
	struct load_options load = { .port = broker->port, .queue = "q", .publishers = 3, .consumers = 1, .batch = BATCH,
		.receive_max = 5, .lease = "300ms", .wait = "1s" };

	return load_open(&load, oracle);
}

/* A queue, as soon as the broker lets us. */
static void
make_queue(struct run *run, struct broker *broker, struct io_shared *io)
{
	uint64_t deadline_ms = deadline_in(PUBLISH_MS);
	struct response *answer;
	struct client client;

	client_open(&client, broker->port);
	while ((answer = client_json(&client, "{\"backoff\":{\"max\":\"0s\"},\"max_deliveries\":1000}", "PUT /v1/queues/q"))->status >= 500) {
		if (!deadline_pause(deadline_ms))
			io->nth = 0; /* a disk that fails for ever is no fault of the broker */
		if (!deadline_pause(deadline_ms + PUBLISH_MS))
			complain(run, broker, "no queue can be made: %u %.200s", answer->status, answer->body);
	}
	if (answer->status != 200 && answer->status != 201)
		complain(run, broker, "PUT: %u %.200s", answer->status, answer->body);
	client_close(&client);
}

/* The disk may fail for so long only. */
static struct response *
ask(struct client *client, struct io_shared *io, const char *request, const char *fields, const char *body, size_t body_bytes)
{
	client_request(client, request, fields, body, body_bytes);
	struct response *answer = client_try_answer(client, PUBLISH_MS);

	if (answer != NULL)
		return answer;
	io->nth = 0;
	return client_answer(client);
}

/* Published and acknowledged, as far as the broker takes it: nobody needs it any more. */
static void
churn(const struct broker *broker, struct io_shared *io)
{
	char *body = calloc(1, CHURN_BYTES), request[120];
	struct response *answer;
	struct client client;

	ck_assert_ptr_nonnull(body);
	memset(body, 'c', CHURN_BYTES);
	client_open(&client, broker->port);
	(void)client_json(&client, "{}", "PUT /v1/queues/churn");
	for (unsigned i = 0; i < CHURNS; i++) {
		(void)ask(&client, io, "POST /v1/queues/churn/messages", "Content-Type: text/plain\r\n", body, CHURN_BYTES);
		answer = ask(&client, io, "POST /v1/queues/churn/messages:receive", "Accept: application/octet-stream\r\n", NULL, 0);
		if (answer->status != 200)
			continue;
		snprintf(request, sizeof(request), "DELETE /v1/queues/churn/leases/%s", response_field(answer, "Mq-Receipt"));
		(void)ask(&client, io, request, NULL, NULL, 0);
	}
	client_close(&client);
	free(body);
}

/* What is left in the queue, which may be messages whose publish was not answered. */
static void
receive_rest(struct broker *broker, struct oracle *oracle)
{
	struct response *answer;
	struct client client;

	client_open(&client, broker->port);
	while ((answer = client_ask(&client, "POST /v1/queues/q/messages:receive", "Accept: application/octet-stream\r\n", NULL))->status ==
	    200)
		(void)oracle_delivered(oracle, answer->body, answer->body_bytes,
		    (uint32_t)strtoul(response_field(answer, "Mq-Delivery-Count"), NULL, 10), clock_ms());
	expect_status(answer, 204);
	client_close(&client);
}

/* A batch of which some have come and others not; its first message, ORACLE_NONE: none. */
static uint32_t
half_batch(const struct run *run, const struct oracle *oracle)
{
	for (uint32_t first = 0; first + BATCH <= run->counts.sent; first += BATCH) {
		unsigned there = 0;

		for (uint32_t i = 0; i < BATCH; i++)
			there += oracle_has_come(oracle, first + i);
		if (there != 0 && there != BATCH)
			return first;
	}
	return ORACLE_NONE;
}

static void
check_batches(struct run *run, struct broker *broker, struct oracle *oracle)
{
	uint64_t deadline_ms = deadline_in(LEASES_MS);
	uint32_t first;

	receive_rest(broker, oracle);
	/* The rest of one may be leased to a connection that is gone. */
	while ((first = half_batch(run, oracle)) != ORACLE_NONE) {
		if (!deadline_pause(deadline_ms))
			complain(run, broker, "of the batch that begins with message %" PRIu32 " not all are there", first);
		receive_rest(broker, oracle);
	}
}

/* The life in which the call fails. */
static void
live(struct run *run, struct broker *broker, struct io_shared *io, struct oracle *oracle)
{
	if (!broker_try_start(broker, &run->exit_status)) {
		run->is_refused = true;
		if (!has_said(broker))
			complain(run, broker, "it refused to start, with %d and without a word", run->exit_status);
		io->nth = 0;
		broker_start(broker);
	}
	make_queue(run, broker, io);
	if (run->seed / 2 % 2 == 0)
		churn(broker, io);
	struct load *load = load_on(broker, oracle);
	if (!load_publish_only(load, PUBLISH_MS)) {
		io->nth = 0;
		if (!load_publish_only(load, DRAIN_MS))
			complain(run, broker, "the broker does not come back");
	}
	load_run(load, CONSUME_MS);
	load_close(load); /* an open connection would hold the stop up */
	/* Every other life ends as in a crash of the machine, but for what the kernel still holds. */
	if (run->seed % 2 == 0) {
		const char *complaint = broker_try_stop(broker);

		run->is_unclean = complaint != NULL;
		if (complaint != NULL && strstr(complaint, "does not stop") != NULL)
			complain(run, broker, "%s", complaint);
	} else {
		broker_kill_all(broker);
	}
	run->has_died = log_has(broker, "running it again");
}

static void
count(const struct run *run)
{
	totals.runs++;
	totals.fired += run->failed > 0;
	totals.refused += run->is_refused;
	totals.died += run->has_died;
	totals.unclean += run->is_unclean;
	totals.absorbed += run->failed > 0 && !run->is_refused && !run->has_died && !run->is_unclean;
	totals.of_op[run->op] += run->failed > 0;
}

static void
run_one(struct run *run)
{
	struct oracle_options oracle_options = { .seed = run->seed, .messages_max = MESSAGES, .body_bytes_min = 64,
		.body_bytes_max = 340000 };
	char log[PATH_BYTES];
	struct broker broker;

	broker_init(&broker, options);
	snprintf(log, sizeof(log), "%s/io", broker.directory);
	struct io_shared *io = io_log_create(log, broker.data);
	ck_assert_msg(io != NULL, "%s: %s", log, strerror(errno));
	io->nth = run->nth;
	io->fault = run->fault;
	io->seed = run->seed;
	/* Room, and the right to write, do not come back at once. */
	if (run->seed % 3 == 0 && run->fault >= IO_FAULT_ENOSPC && run->fault <= IO_FAULT_EROFS)
		io->times = SOME_CALLS;
	life_use_wrapped(log);
	struct oracle *oracle = oracle_new(&oracle_options);
	live(run, &broker, io, oracle);
	run->calls = io->calls;
	snprintf(log, sizeof(log), "%s/journal/0000000000000001.seg", broker.data);
	totals.trimmed += access(log, F_OK) != 0;
	run->failed = io->failed;
	run->op = io->failed_op;
	snprintf(run->name, sizeof(run->name), "%s", io->failed_name);
	if (run->failed > 0 && !may_be_quiet(run) && !has_said(&broker))
		complain(run, &broker, "something failed, and nobody said what");

	/* Cold, and without faults. */
	io->nth = 0;
	broker_wipe(&broker);
	broker_start(&broker);
	struct load *load = load_on(&broker, oracle);
	bool is_drained = load_drain(load, DRAIN_MS);
	run->counts = oracle_counts(oracle);
	const char *verdict = oracle_verdict(oracle);
	if (verdict[0] != '\0' || !is_drained)
		complain(run, &broker, "%s", verdict[0] != '\0' ? verdict : "not all can be received");
	load_close(load);
	check_batches(run, &broker, oracle);
	verdict = oracle_verdict(oracle);
	if (verdict[0] != '\0')
		complain(run, &broker, "%s", verdict);
	oracle_free(oracle);
	broker_stop(&broker);
	io_log_unmap(io);
	broker_free(&broker);
	count(run);
}

static uint64_t
number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static enum io_fault
fault_named(const char *name)
{
	for (unsigned fault = 0; fault < IO_FAULT_COUNT; fault++) {
		if (strcmp(name, io_fault_name(fault)) == 0)
			return fault;
	}
	ck_abort_msg("there is no fault %s", name);
}

static void
sweep(uint64_t from, uint64_t to, uint64_t step, uint64_t seed)
{
	const char *only = getenv("IO_FAULT");
	/* tests/run gives 300 s and twice what the soak is to take. */
	uint64_t deadline_ms = getenv("IO_FROM") != NULL ? UINT64_MAX : deadline_in(250000 + soak_seconds() * 1500ull);

	for (uint64_t nth = from; nth <= to; nth += step) {
		struct run run = { .nth = nth, .seed = seed + nth };

		if (clock_ms() > deadline_ms) {
			printf("io_calls: time is up: calls %" PRIu64 " to %" PRIu64 " were not made to fail\n", nth, to);
			break;
		}
		/* All with EIO, and all with one of the others; or, of a sample, each with any. */
		run.fault = only != NULL ? fault_named(only) : step > 1 ? (nth + seed) % IO_FAULT_COUNT : IO_FAULT_EIO;
		run_one(&run);
		if (only != NULL || step > 1)
			continue;
		run = (struct run){ .nth = nth, .seed = seed + nth + 1, .fault = 1 + (nth + seed) % (IO_FAULT_COUNT - 1) };
		run_one(&run);
	}
}

static void
report(void)
{
	printf("io_calls: %u runs, the fault struck in %u; of these start refused %u, persistd died and came back %u, unclean stop %u, "
	    "absorbed %u; %u lives dropped their first segment\nio_calls: by call:", totals.runs, totals.fired, totals.refused,
	    totals.died, totals.unclean, totals.absorbed, totals.trimmed);
	for (unsigned op = 0; op < IO_OP_COUNT; op++) {
		if (totals.of_op[op] > 0)
			printf(" %s %u", io_op_name(op), totals.of_op[op]);
	}
	printf("\n");
	fflush(stdout);
}

START_TEST(whichever_io_call_fails_nothing_that_was_promised_is_lost)
{
	uint64_t seed = number("IO_SEED", (uint64_t)time(NULL));
	struct run whole = { .seed = seed & ~3ull }; /* with all that a life can have */

	if (getenv("IO_NTH") != NULL) {
		struct run run = { .nth = number("IO_NTH", 0), .seed = seed, .fault = fault_named(getenv("IO_FAULT")) };

		run_one(&run);
		report();
		return;
	}
	/* How many calls there are; they differ a little from run to run. */
	run_one(&whole);
	ck_assert_uint_eq(whole.failed, 0);
	ck_assert_uint_eq(whole.counts.acknowledged, MESSAGES);
	ck_assert_uint_eq(totals.trimmed, 1);
	ck_assert_uint_gt(whole.calls, 100); /* else the harness does not see them */
	printf("io_calls: IO_SEED=%" PRIu64 ", %" PRIu64 " calls in a life\n", seed, whole.calls);
	fflush(stdout);
	uint64_t from = number("IO_FROM", 1), to = number("IO_TO", whole.calls + CALLS_SPREAD);
	if (soak_seconds() > 0 || getenv("IO_FROM") != NULL)
		sweep(from, to, 1, seed);
	else
		sweep(1 + seed % (to / RUNS), whole.calls, to / RUNS, seed);
	report();
}
END_TEST

/* For a while: each read, and only reads. */
START_TEST(a_body_that_cannot_be_read_is_no_message_and_comes_when_it_can)
{
	struct response *answer;
	struct broker broker;
	struct client client;
	char log[PATH_BYTES];

	broker_init(&broker, options);
	snprintf(log, sizeof(log), "%s/io", broker.directory);
	struct io_shared *io = io_log_create(log, broker.data);
	ck_assert_msg(io != NULL, "%s: %s", log, strerror(errno));
	life_use_wrapped(log);
	broker_start(&broker);
	client_open(&client, broker.port);
	client_queue(&client, "q", "{\"backoff\":{\"max\":\"0s\"}}");
	client_publish(&client, "q", "on disk alone");
	client_close(&client);
	broker_kill_all(&broker);
	broker_wipe(&broker);
	broker_start(&broker);
	client_open(&client, broker.port);
	io->fault = (uint32_t)_i;
	io->only_op = IO_READ;
	io->times = UINT32_MAX;
	io->nth = io->calls + 1;
	answer = client_receive(&client, "q", "{\"lease\":\"300ms\"}");
	expect_problem(answer, 503, "journal-failed");
	ck_assert_ptr_nonnull(response_field(answer, "Retry-After"));
	client_publish(&client, "q", "meanwhile");
	answer = client_receive(&client, "q", "{}");
	expect_status(answer, 200);
	ck_assert_str_eq(response_text(answer, "messages.0.body"), "meanwhile");
	ck_assert_uint_gt(io->failed, 0);
	io->nth = 0;
	answer = client_receive(&client, "q", "{\"wait\":\"10s\"}");
	expect_status(answer, 200);
	ck_assert_str_eq(response_text(answer, "messages.0.body"), "on disk alone");
	client_close(&client);
	broker_stop(&broker);
	io_log_unmap(io);
	broker_free(&broker);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("fault/io_calls");
	TCase *tcase = tcase_create("io_calls");

	tcase_set_timeout(tcase, TEST_SECONDS);
	tcase_add_test(tcase, whichever_io_call_fails_nothing_that_was_promised_is_lost);
	tcase_add_loop_test(tcase, a_body_that_cannot_be_read_is_no_message_and_comes_when_it_can, IO_FAULT_EIO, IO_FAULT_ENOSPC);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
