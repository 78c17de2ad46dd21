/*
 * traffic: one thread that keeps a server busy, and what it saw.  N connections with W requests outstanding each, whatever the
 * protocol (cli/traffic/driver.h).
 *
 *   publish   closed loop: an answered request makes room for the next
 *   rate      open loop: requests are due at fixed times, and latency counts from the time a request was due: a server
 *             that stalls is charged for all that had to wait (no coordinated omission)
 *   consume   closed loop: receive, acknowledge, again; until `count` are gone, the queue is empty or the time is up
 *   e2e       every other connection publishes at a rate as above, the others receive; latency is from due to received
 *   queues    make `queues` queues, closed loop
 *
 * A run: connect and shake hands; warm up; measure for `seconds`; then no new request, but those under way are waited for
 * (bounded), so that afterwards `stored` is what the server holds.
 */
#ifndef TRAFFIC_LOAD_H
#define TRAFFIC_LOAD_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/traffic/latency.h"

#define TRAFFIC_CONNECTIONS_MAX 16384
#define TRAFFIC_WINDOW_MAX 256
#define TRAFFIC_BATCH_MAX 1000
#define TRAFFIC_STAMP_BYTES 18       /* "T=" and 16 hexadecimal digits: each body begins with when it was due */
#define TRAFFIC_TROUBLE_BYTES 320

struct traffic_driver;

enum traffic_mode { TRAFFIC_PUBLISH, TRAFFIC_RATE, TRAFFIC_CONSUME, TRAFFIC_E2E, TRAFFIC_QUEUES };

/* False if there is no such mode. */
bool traffic_mode_of(const char *name, enum traffic_mode *mode);
const char *traffic_mode_name(enum traffic_mode mode);

/* Texts are borrowed for the run. */
struct traffic_options {
	const struct traffic_driver *driver;
	const char *host;
	const char *port;
	const char *authority;    /* what a Host header says; NULL: host */
	bool is_tls;              /* connections speak it; the files below are PEM, NULL: not given */
	const char *authority_file;
	const char *certificate_file;
	const char *key_file;
	const char *authorization; /* http: that header, with its line end; NULL: none */
	const char *queue;
	const char *argument;     /* what the driver makes of it, mostly a kind of queue; "" for its default */
	enum traffic_mode mode;
	uint32_t connections;
	uint32_t window;          /* requests outstanding on a connection */
	uint32_t size;            /* bytes of a body; at least TRAFFIC_STAMP_BYTES */
	uint32_t batch;           /* messages a request: of a publish, or at most of a receive */
	uint32_t queues;          /* 0: `queue` itself; else it is spread over `queue`-000000 and so on */
	uint64_t count;           /* messages; 0: until the time is up */
	double rate;              /* messages a second over all publishers: rate, e2e */
	double seconds;
	double warmup_seconds;
	const volatile sig_atomic_t *stop; /* NULL or: set (by a signal) the run ends early, with what it has seen */
	bool makes_queue;         /* before the clock starts */
	bool is_raw;              /* http: receive bodies as they are, one at a time, not in JSON */
	void (*measure_begin)(void *context); /* NULL or called as the measured time begins and ends */
	void (*measure_end)(void *context);
	void *context;
};

struct traffic_result {
	uint64_t operations;      /* messages in the measured time */
	uint64_t stored;          /* messages published and acknowledged, in all */
	uint64_t consumed;        /* messages received and acknowledged, in all */
	uint64_t refused;         /* requests; the first stands in `trouble` */
	uint64_t empty;           /* receives that found nothing */
	uint64_t missing;         /* rate, e2e: messages due in the measured time that were never answered or received */
	double seconds;           /* that was measured */
	struct latency latency;
	struct latency publish_latency; /* e2e: of its publishes */
	char trouble[TRAFFIC_TROUBLE_BYTES]; /* "" if all went well */
};

/* 0; -1 if it could not run or broke off, with the reason in result->trouble (what was measured so far stands). */
int traffic_run(const struct traffic_options *options, struct traffic_result *result);

#endif
