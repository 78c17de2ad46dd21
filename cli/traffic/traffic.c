/*
 * The engine: connect all, measure, wait for what is under way.
 *
 *   traffic_run: open -> warm up -> measuring -> over (nothing new is asked for) -> result
 *   a turn:   sleep until something comes or is due; take what came; publish what is due
 *
 * A connection that breaks stays broken and is counted; when none is left, the run ends.
 */
#include "cli/traffic/traffic.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cli/traffic/connection.h"
#include "cli/traffic/tls.h"
#include "shm/clock.h"

#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ull
#define EVENTS_MAX 512
#define TURN_NS (50 * NS_PER_MS)   /* the longest sleep */
#define DRAIN_NS (2 * NS_PER_S)    /* for what is under way at the end */
#define STALL_NS NS_PER_S          /* a consumer's queue that gives nothing for so long is empty */
#define SILENCE_NS (60 * NS_PER_S) /* who waits for a number of messages waits for an answer no longer than that */

static const char *const mode_names[] = {
	[TRAFFIC_PUBLISH] = "publish", [TRAFFIC_RATE] = "rate", [TRAFFIC_CONSUME] = "consume", [TRAFFIC_E2E] = "e2e",
	[TRAFFIC_QUEUES] = "queues",
};

bool
traffic_mode_of(const char *name, enum traffic_mode *mode)
{
	for (unsigned i = 0; i < sizeof(mode_names) / sizeof(mode_names[0]); i++)
		if (strcmp(mode_names[i], name) == 0) {
			*mode = (enum traffic_mode)i;
			return true;
		}
	return false;
}

const char *
traffic_mode_name(enum traffic_mode mode)
{
	return mode_names[mode];
}

int
traffic_fail(struct traffic *traffic, const char *format, ...)
{
	va_list arguments;

	if (traffic->result->trouble[0] == '\0') {
		va_start(arguments, format);
		vsnprintf(traffic->result->trouble, sizeof(traffic->result->trouble), format, arguments);
		va_end(arguments);
	}
	return -1;
}

/* --- bodies --- */

void
traffic_stamp(char *digits, uint64_t due_ns)
{
	for (int i = 15; i >= 0; i--, due_ns >>= 4)
		digits[i] = "0123456789abcdef"[due_ns & 15];
}

void
traffic_put_body(struct traffic_connection *connection, uint64_t due_ns)
{
	const struct traffic *traffic = connection->traffic;
	char *body = traffic_room(connection, traffic->options.size);

	memcpy(body, traffic->body, traffic->options.size);
	traffic_stamp(body + 2, due_ns);
}

/* When the body was due; 0 if it is not one of ours. */
static uint64_t
stamp_of(const char *body, size_t count)
{
	uint64_t ns = 0;

	if (count < TRAFFIC_STAMP_BYTES || body[0] != 'T' || body[1] != '=')
		return 0;
	for (int i = 2; i < (int)TRAFFIC_STAMP_BYTES; i++) {
		unsigned digit = (unsigned char)body[i];
		ns = ns << 4 | (digit <= '9' ? digit - '0' : digit - 'a' + 10);
	}
	return ns;
}

/* --- what drivers report --- */

static bool
is_measured(const struct traffic *traffic, uint64_t due_ns)
{
	return due_ns >= traffic->measure_from_ns && due_ns < traffic->measure_until_ns;
}

void
traffic_published(struct traffic_connection *connection, uint64_t due_ns)
{
	struct traffic *traffic = connection->traffic;
	const struct traffic_options *options = &traffic->options;
	uint64_t took_ns = traffic->now_ns > due_ns ? traffic->now_ns - due_ns : 0;

	connection->outstanding--;
	traffic->progress_ns = traffic->now_ns;
	traffic->result->stored += options->batch;
	if (traffic->period_ns != 0) {
		/* An open loop counts those that were due in the measured time, however late their answers. */
		if (!is_measured(traffic, due_ns))
			return;
		if (options->mode == TRAFFIC_E2E) {
			latency_add(&traffic->result->publish_latency, took_ns, options->batch);
			return;
		}
	} else if (!traffic->is_measuring) {
		return;
	}
	traffic->result->operations += options->batch;
	latency_add(&traffic->result->latency, took_ns, options->batch);
}

void
traffic_received(struct traffic_connection *connection, const char *bytes, size_t count)
{
	struct traffic *traffic = connection->traffic;
	uint64_t due_ns;

	if (traffic->options.mode != TRAFFIC_E2E)
		return;
	due_ns = stamp_of(bytes, count);
	if (due_ns == 0 || !is_measured(traffic, due_ns))
		return;
	traffic->result->operations++;
	latency_add(&traffic->result->latency, traffic->now_ns > due_ns ? traffic->now_ns - due_ns : 0, 1);
}

void
traffic_acked(struct traffic_connection *connection, uint64_t since_ns, uint64_t messages)
{
	struct traffic *traffic = connection->traffic;

	traffic->result->consumed += messages;
	traffic->progress_ns = traffic->now_ns;
	if (traffic->options.mode == TRAFFIC_E2E || !traffic->is_measuring)
		return;
	traffic->result->operations += messages;
	traffic->consumed_measured_ns = traffic->now_ns;
	if (since_ns != 0)
		latency_add(&traffic->result->latency, traffic->now_ns - since_ns, messages);
}

static bool
consumes_on(const struct traffic *traffic)
{
	const struct traffic_options *options = &traffic->options;

	if (options->mode == TRAFFIC_E2E)
		return true;
	return (options->count == 0 || traffic->result->consumed < options->count) && traffic->now_ns < traffic->measure_until_ns;
}

static void
stop_consumer(struct traffic_connection *connection)
{
	if (!connection->is_idle) {
		connection->is_idle = true;
		connection->traffic->idle++;
	}
}

void
traffic_again(struct traffic_connection *connection)
{
	if (consumes_on(connection->traffic))
		connection->traffic->options.driver->receive(connection);
	else
		stop_consumer(connection);
}

void
traffic_empty(struct traffic_connection *connection)
{
	connection->traffic->result->empty++;
	if (connection->traffic->options.mode == TRAFFIC_E2E)
		traffic_again(connection);
	else
		stop_consumer(connection);
}

void
traffic_refused(struct traffic_connection *connection, const char *text, size_t count)
{
	if (connection->traffic->result->refused++ == 0)
		traffic_fail(connection->traffic, "refused: %.*s", (int)(count < 240 ? count : 240), text);
	if (!connection->is_consumer)
		connection->outstanding--;
}

/* --- turns --- */

static void
break_connection(struct traffic_connection *connection, const char *what)
{
	struct traffic *traffic = connection->traffic;

	traffic_fail(traffic, "connection %u: %s", connection->index, what);
	(void)epoll_ctl(traffic->epoll_fd, EPOLL_CTL_DEL, connection->fd, NULL);
	connection->is_dead = true;
	traffic->alive--;
	if (connection->is_consumer)
		stop_consumer(connection);
}

/* May a publisher still ask?  An open loop goes by when requests are due, and so catches up at the end. */
static bool
publishes_on(const struct traffic *traffic, const struct traffic_connection *connection)
{
	const struct traffic_options *options = &traffic->options;

	if (options->count != 0 && traffic->issued >= options->count)
		return false;
	if (traffic->period_ns == 0)
		return (options->count != 0 && !traffic->is_stopped) || traffic->now_ns < traffic->measure_until_ns;
	return connection->due_ns < traffic->measure_until_ns && connection->due_ns <= traffic->now_ns;
}

static void
pump(struct traffic_connection *connection)
{
	struct traffic *traffic = connection->traffic;

	while (connection->outstanding < traffic->options.window && publishes_on(traffic, connection)) {
		uint64_t due_ns = traffic->now_ns;

		if (traffic->period_ns != 0) {
			due_ns = connection->due_ns;
			connection->due_ns += traffic->period_ns;
		}
		traffic->options.driver->publish(connection, due_ns);
		connection->outstanding++;
		traffic->issued += traffic->options.batch;
	}
}

static void
take_answers(struct traffic_connection *connection)
{
	const struct traffic_driver *driver = connection->traffic->options.driver;
	struct traffic_buffer *in = &connection->in;

	while (in->begin < in->end) {
		size_t bytes = driver->take(connection, in->bytes + in->begin, in->end - in->begin);

		if (bytes == TRAFFIC_BROKEN) {
			break_connection(connection, "the protocol is broken");
			return;
		}
		if (bytes == 0)
			return;
		in->begin += bytes;
	}
}

static void
serve(struct traffic_connection *connection, uint32_t events)
{
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		if (connection_fill(connection) != 0) {
			break_connection(connection, strerror(errno));
			return;
		}
		take_answers(connection);
		if (connection->is_dead)
			return;
	}
	if (!connection->is_consumer)
		pump(connection);
	if (connection_flush(connection) != 0)
		break_connection(connection, strerror(errno));
}

static uint64_t
sleep_ns(const struct traffic *traffic)
{
	uint64_t least = TURN_NS;

	for (uint32_t i = 0; traffic->period_ns != 0 && i < traffic->options.connections; i++) {
		const struct traffic_connection *connection = &traffic->connections[i];

		if (connection->is_consumer || connection->is_dead || connection->outstanding >= traffic->options.window ||
		    connection->due_ns >= traffic->measure_until_ns)
			continue;
		uint64_t wait = connection->due_ns > traffic->now_ns ? connection->due_ns - traffic->now_ns : 0;
		if (wait < least)
			least = wait;
	}
	return least;
}

static void
publish_due(struct traffic *traffic)
{
	for (uint32_t i = 0; traffic->period_ns != 0 && i < traffic->options.connections; i++) {
		struct traffic_connection *connection = &traffic->connections[i];

		if (connection->is_consumer || connection->is_dead)
			continue;
		pump(connection);
		if (connection_flush(connection) != 0)
			break_connection(connection, strerror(errno));
	}
}

/* Nothing is due any more, nothing is counted any more; a run that still warms up measures nothing. */
static void
stop_now(struct traffic *traffic)
{
	traffic->measure_until_ns = traffic->now_ns;
	if (traffic->measure_from_ns > traffic->now_ns)
		traffic->measure_from_ns = traffic->now_ns;
	traffic->is_stopped = true;
}

static void
turn(struct traffic *traffic)
{
	struct epoll_event events[EVENTS_MAX];
	struct timespec patience = { .tv_nsec = (long)sleep_ns(traffic) };
	int count = epoll_pwait2(traffic->epoll_fd, events, EVENTS_MAX, &patience, NULL);

	traffic->now_ns = now_ns();
	if (traffic->options.stop != NULL && *traffic->options.stop && traffic->now_ns < traffic->measure_until_ns)
		stop_now(traffic);
	for (int i = 0; i < count; i++) {
		struct traffic_connection *connection = events[i].data.ptr;

		if (connection->is_dead)
			continue;
		serve(connection, events[i].events);
		traffic->now_ns = now_ns();
	}
	publish_due(traffic);
}

/* --- begin and end --- */

static void
measure_begin(struct traffic *traffic)
{
	if (traffic->options.measure_begin != NULL)
		traffic->options.measure_begin(traffic->options.context);
	/* An open loop keeps its schedule; the others begin when the bookkeeping is done. */
	traffic->now_ns = now_ns();
	if (traffic->period_ns == 0) {
		uint64_t span_ns = traffic->measure_until_ns - traffic->measure_from_ns;

		traffic->measure_from_ns = traffic->now_ns;
		traffic->measure_until_ns = traffic->now_ns + span_ns;
	}
	traffic->is_measuring = true;
	traffic->was_measured = true;
}

static void
measure_end(struct traffic *traffic)
{
	struct traffic_result *result = traffic->result;
	uint64_t until_ns = traffic->now_ns;

	/* What a consumer waited for in vain at the end is no time in which it consumed. */
	if (traffic->options.mode == TRAFFIC_CONSUME && traffic->consumed_measured_ns != 0)
		until_ns = traffic->consumed_measured_ns;
	/* An open loop counts what was due in its time, not what came when this turn happened to end. */
	if (traffic->period_ns != 0)
		until_ns = traffic->measure_until_ns;
	result->seconds = (double)(until_ns - traffic->measure_from_ns) / 1e9;
	traffic->is_measuring = false;
	if (traffic->options.measure_end != NULL)
		traffic->options.measure_end(traffic->options.context);
}

/* Has all been counted that will be? */
static bool
is_measured_out(struct traffic *traffic)
{
	const struct traffic_options *options = &traffic->options;

	if (traffic->alive == 0)
		return true;
	if (options->mode == TRAFFIC_CONSUME)
		return traffic->now_ns >= traffic->measure_until_ns || traffic->idle == options->connections ||
		    (options->count != 0 && traffic->result->consumed >= options->count) ||
		    traffic->now_ns > traffic->progress_ns + STALL_NS;
	if (options->count != 0 && traffic->now_ns > traffic->progress_ns + SILENCE_NS)
		return traffic_fail(traffic, "no answer for %llu s", SILENCE_NS / NS_PER_S) != 0;
	if (options->count != 0 && !traffic->is_stopped)
		return traffic->result->stored + traffic->result->refused * options->batch >= options->count;
	return traffic->now_ns >= traffic->measure_until_ns;
}

static bool
is_drained(const struct traffic *traffic)
{
	if (traffic->alive == 0 || traffic->now_ns >= traffic->give_up_ns || traffic->options.mode == TRAFFIC_CONSUME)
		return true;
	for (uint32_t i = 0; i < traffic->options.connections; i++) {
		const struct traffic_connection *connection = &traffic->connections[i];

		if (connection->is_consumer || connection->is_dead)
			continue;
		if (connection->outstanding > 0 || (traffic->period_ns != 0 && connection->due_ns < traffic->measure_until_ns))
			return false;
	}
	return traffic->options.mode != TRAFFIC_E2E || traffic->result->consumed >= traffic->result->stored;
}

/* How many requests of an open loop were due in the measured time. */
static uint64_t
due_count(const struct traffic *traffic)
{
	uint64_t span_ns = traffic->measure_until_ns - traffic->measure_from_ns;

	return (uint64_t)((double)span_ns / (double)traffic->period_ns * traffic->publishers + 0.5) * traffic->options.batch;
}

static void
run_clock(struct traffic *traffic)
{
	const struct traffic_options *options = &traffic->options;

	traffic->now_ns = traffic->progress_ns = now_ns();
	traffic->measure_from_ns = traffic->now_ns + (uint64_t)(options->warmup_seconds * 1e9);
	traffic->measure_until_ns = traffic->measure_from_ns + (uint64_t)(options->seconds * 1e9);
	traffic->is_running = true;
	if (options->warmup_seconds <= 0)
		measure_begin(traffic);
	for (uint32_t i = 0, k = 0; i < options->connections; i++) {
		struct traffic_connection *connection = &traffic->connections[i];

		if (connection->is_consumer)
			options->driver->receive(connection);
		else /* spread over the period, or all would ask at once for ever */
			connection->due_ns = traffic->now_ns + traffic->period_ns / traffic->publishers * k++;
		serve(connection, 0);
	}
	while (!traffic->was_measured && traffic->alive > 0) {
		turn(traffic);
		if (traffic->now_ns >= traffic->measure_from_ns)
			measure_begin(traffic);
	}
	while (traffic->was_measured && !is_measured_out(traffic))
		turn(traffic);
	if (traffic->was_measured)
		measure_end(traffic);
	traffic->give_up_ns = traffic->now_ns + DRAIN_NS;
	while (!is_drained(traffic))
		turn(traffic);
	if (traffic->period_ns != 0 && due_count(traffic) > traffic->result->operations)
		traffic->result->missing = due_count(traffic) - traffic->result->operations;
}

static int
make_queue(struct traffic *traffic)
{
	struct traffic_connection *connection = &traffic->connections[0];
	int result = connection_open(connection, traffic, 0, false);

	if (result == 0)
		result = traffic->options.driver->make(connection);
	connection_close(connection);
	return result;
}

static int
open_all(struct traffic *traffic)
{
	const struct traffic_options *options = &traffic->options;

	for (uint32_t i = 0; i < options->connections; i++) {
		struct traffic_connection *connection = &traffic->connections[i];
		bool is_consumer = options->mode == TRAFFIC_CONSUME || (options->mode == TRAFFIC_E2E && i % 2 == 1);

		if (connection_open(connection, traffic, i, is_consumer) != 0 ||
		    (options->driver->hello != NULL && options->driver->hello(connection) != 0) ||
		    connection_watch(connection) != 0)
			return -1;
		traffic->publishers += !is_consumer;
		traffic->alive++;
	}
	if (options->rate > 0)
		traffic->period_ns = (uint64_t)(1e9 * traffic->publishers * options->batch / options->rate);
	return 0;
}

static const char *
wrong_options(const struct traffic_options *options)
{
	bool is_open = options->mode == TRAFFIC_RATE || options->mode == TRAFFIC_E2E;

	if (options->connections == 0 || options->connections > TRAFFIC_CONNECTIONS_MAX)
		return "connections: 1 to 16384";
	if (options->mode == TRAFFIC_E2E && options->connections < 2)
		return "connections: e2e needs at least 2, publishers and consumers";
	if (options->window == 0 || options->window > TRAFFIC_WINDOW_MAX)
		return "window: 1 to 256";
	if (options->batch == 0 || options->batch > TRAFFIC_BATCH_MAX)
		return "batch: 1 to 1000";
	if (options->size < TRAFFIC_STAMP_BYTES || options->size > 1u << 20)
		return "size: 18 to 1048576 bytes";
	if (is_open != (options->rate > 0))
		return "rate: for the modes rate and e2e, and they need one";
	if (options->seconds <= 0 || options->seconds > 86400)
		return "seconds: more than 0, at most a day";
	if (options->mode == TRAFFIC_QUEUES && options->queues == 0)
		return "queues: how many to make";
	return NULL;
}

int
traffic_run(const struct traffic_options *options, struct traffic_result *result)
{
	struct traffic traffic = { .options = *options, .result = result };
	const char *wrong = wrong_options(options);
	int code = -1;

	memset(result, 0, sizeof(*result));
	if (wrong != NULL)
		return traffic_fail(&traffic, "%s", wrong);
	if (options->mode == TRAFFIC_QUEUES)
		traffic.options.count = options->queues;
	/* Of a given number of messages each counts, and so does each that is there to be consumed. */
	if (traffic.options.count != 0 || options->mode == TRAFFIC_CONSUME)
		traffic.options.warmup_seconds = 0;
	/* Requests are due to the microsecond; the default slack of a sleep is 50 us. */
	(void)prctl(PR_SET_TIMERSLACK, 1);
	traffic.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	traffic.connections = calloc(options->connections, sizeof(*traffic.connections));
	traffic.body = malloc(options->size + 1);
	if (traffic.epoll_fd < 0 || traffic.connections == NULL || traffic.body == NULL) {
		traffic_fail(&traffic, "out of memory or descriptors");
		goto out;
	}
	memset(traffic.body, 'x', options->size);
	traffic.body[options->size] = '\0';
	memcpy(traffic.body, "T=0000000000000000", TRAFFIC_STAMP_BYTES);
	if (options->is_tls && traffic_tls_start(&traffic) != 0)
		goto out;
	if (options->driver->open != NULL && options->driver->open(&traffic) != 0)
		goto out;
	if (options->makes_queue && options->driver->make != NULL && make_queue(&traffic) != 0)
		goto out;
	if (open_all(&traffic) != 0)
		goto out;
	run_clock(&traffic);
	code = traffic.alive == options->connections ? 0 : -1;
out:
	for (uint32_t i = 0; traffic.connections != NULL && i < options->connections; i++)
		connection_close(&traffic.connections[i]);
	if (options->driver->close != NULL)
		options->driver->close(&traffic);
	traffic_tls_stop(&traffic);
	if (traffic.epoll_fd >= 0)
		close(traffic.epoll_fd);
	free(traffic.connections);
	free(traffic.body);
	return code;
}
