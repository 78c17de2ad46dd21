/*
 * frontd: the one context of this process: one thread, one ring, no locks.  What is where:
 *
 *   uring -> loop -> conn, intake (bytes -> requests) -> serve (-> api) -> submit (frames -> rings)
 *   await (replies) -> fetch (bodies) -> api -> send -> uring
 *
 * Runs as a process (main.c) or, in tests, as a thread.
 */
#ifndef FRONTD_FRONTD_H
#define FRONTD_FRONTD_H

#include <stdbool.h>
#include <stdint.h>

#include "frontd/address.h"
#include "frontd/api/call.h"
#include "frontd/people/attempt.h"
#include "frontd/audit.h"
#include "frontd/conn.h"
#include "frontd/deadline.h"
#include "frontd/exchange.h"
#include "frontd/fetch.h"
#include "frontd/heads.h"
#include "frontd/http/units.h"
#include "frontd/people/identity.h"
#include "frontd/limits.h"
#include "frontd/listen.h"
#include "frontd/peers.h"
#include "frontd/people/quota.h"
#include "frontd/submit.h"
#include "frontd/tls/tls.h"
#include "frontd/uring.h"
#include "shm/durable.h"
#include "shm/front.h"
#include "shm/role.h"
#include "shm/stream.h"
#include "shm/usage.h"

/* Exit codes (docs/operations.md). */
#define EXIT_CLEAN 0
#define EXIT_SOFTWARE 70  /* could not attach what should be there */
#define EXIT_REFUSED 78   /* the kernel or the configuration forbids it: starting again does not help */

struct frontd {
	struct role *role;
	struct front_limits limits;

	/* Shared memory. */
	struct front front;
	struct durable durable;
	struct stream streams[WORKER_MAX];
	struct directory directory; /* unless auth.mode = off */
	struct stats_shared *stats; /* own */
	struct usage usages[SLOT_MAX]; /* own, and to read those of the others; unless auth.mode = off */
	uint32_t shard_count;

	struct uring *uring;
	struct listeners listeners;
	struct conns conns;
	struct addresses addresses;
	struct holders holders;
	struct exchanges exchanges;
	struct deadlines deadlines;
	struct submits submits;
	struct fetches fetches;
	struct peers peers;
	struct identities identities;
	struct attempts attempts;
	struct audit audit;
	struct quotas quotas;
	struct heads heads;
	struct tls_service tls;

	uint64_t now_ns;           /* of this turn */
	uint64_t memory_used;      /* of limits.body_memory_bytes */
	uint64_t memory_peak;      /* of it, since memory_trim() last gave some back */
	uint64_t event_count;      /* what the READ of the eventfd writes */
	bool event_is_armed;
	bool is_draining;
	bool is_over;
	int exit_code;
	uint64_t drain_until_ns;
	uint64_t config_generation;
	uint64_t tick_ns;          /* when deadlines and peers are looked at next */
	unsigned turns_without_enter;
	uint64_t enters_before;    /* statistics go on over restarts */

	/* The request being read; one at a time. */
	struct http_request *request;  /* `parsed`, or that of a head that came before */
	struct head *head;         /* that one, NULL: its head is not known */
	struct http_request parsed;
	struct http_target target;
	struct api_world world;
	struct api_call call;
	char target_scratch[HTTP_TARGET_MAX];
	char tried[NAME_MAX_BYTES]; /* call.tried, of Basic */

	uint64_t date_s;           /* which second the text below is */
	char date[HTTP_DATE_BYTES];
};

/*
 * Run until told to stop, draining or replaced.  listen_fd is borrowed; -1: plain HTTP is off.  Returns the exit code.  Any
 * thread, but one thread for the whole call.
 */
int frontd_run(struct role *role, const struct front_limits *limits, int listen_fd);

/* Broker time of this turn. */
uint64_t frontd_now_ms(const struct frontd *frontd);

#endif
