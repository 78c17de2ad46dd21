#include "frontd/frontd.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "frontd/people/auth.h"
#include "frontd/loop.h"
#include "frontd/sandbox.h"
#include "frontd/send.h"
#include "shm/clock.h"
#include "shm/diag.h"
#include "shm/sandbox/sandbox.h"

#define RESERVED_FDS 160u /* CONF_FD .. EVENT_FD(SLOT_MAX), the ring, shared memory while it is mapped */

uint64_t
frontd_now_ms(const struct frontd *frontd)
{
	return clock_ms(frontd->now_ns, frontd->role->registry.shared->clock_offset_ns);
}

/* The soft limit to the hard one; connections as many as that allows. */
static void
limit_connections(struct frontd *frontd)
{
	struct rlimit limit;
	uint32_t *max = &frontd->limits.connections_max;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	if (limit.rlim_cur < limit.rlim_max && !frontd->role->is_thread) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit); /* if it fails, the old one is read below */
		(void)getrlimit(RLIMIT_NOFILE, &limit);
	}
	if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < (rlim_t)*max + RESERVED_FDS) {
		*max = limit.rlim_cur > RESERVED_FDS + 16 ? (uint32_t)limit.rlim_cur - RESERVED_FDS : 16;
		diag(DIAG_INFO, "the limit of open files is %llu: %u connections at most, whatever server.max_connections says; "
		    "raise LimitNOFILE (ulimit -n)", (unsigned long long)limit.rlim_cur, *max);
	}
	diag(DIAG_DEBUG, "up to %u connections (descriptors: %llu), %u of them parked", *max,
	    (unsigned long long)limit.rlim_cur, frontd->role->geometry.shard.waiters_per_front);
}

/* Those of persistd and the supervisor there are not. */
static int
attach_usages(struct frontd *frontd)
{
	const struct role *role = frontd->role;
	const struct geometry *geometry = &role->geometry;

	for (uint32_t slot = 0; slot < SLOT_PERSIST && frontd->limits.auth_is_required; slot++) {
		bool is_used = slot < SLOT_WORKER(0) ? slot < geometry->fronts : slot - SLOT_WORKER(0) < geometry->workers;

		if (!is_used || usage_attach(&frontd->usages[slot], role->instance, slot, geometry->shard.users, &role->store,
		    slot == role->slot ? REGION_READ_WRITE : REGION_READ_ONLY) == 0)
			continue;
		diag_errno("cannot attach shared memory usage.%u", slot);
		return -1;
	}
	if (frontd->limits.auth_is_required)
		usage_clear(&frontd->usages[role->slot]); /* nobody is connected with this incarnation yet */
	return 0;
}

static int
attach_regions(struct frontd *frontd)
{
	struct role *role = frontd->role;
	const struct geometry *geometry = &role->geometry;

	if (front_attach(&frontd->front, role->instance, role->index, role->epoch, &geometry->front, &role->store,
	    FRONT_MAP_ALL) != 0) {
		diag_errno("cannot attach shared memory front.%u.%llu", role->index, (unsigned long long)role->epoch);
		return -1;
	}
	if (durable_attach(&frontd->durable, role->instance, geometry->workers, &role->store, REGION_READ_ONLY) != 0) {
		diag_errno("cannot attach shared memory durable");
		return -1;
	}
	for (uint32_t w = 0; w < geometry->workers; w++)
		if (stream_attach(&frontd->streams[w], role->instance, w, &geometry->stream, &role->store, STREAM_FRONT) != 0) {
			diag_errno("cannot attach shared memory stream.%u", w);
			return -1;
		}
	if (directory_attach(&frontd->directory, role->instance, &geometry->shard, &role->store, REGION_READ_ONLY) != 0) {
		diag_errno("cannot attach shared memory directory");
		return -1;
	}
	if (attach_usages(frontd) != 0)
		return -1;
	cursor_key(role->store.store_uuid, frontd->world.cursor_key);
	role_close_regions(role);
	return 0;
}

static void
detach_regions(struct frontd *frontd)
{
	for (uint32_t w = 0; w < frontd->shard_count; w++)
		if (frontd->streams[w].region.base != NULL)
			stream_detach(&frontd->streams[w]);
	for (uint32_t slot = 0; slot < SLOT_MAX; slot++)
		usage_detach(&frontd->usages[slot]);
	if (frontd->directory.region.base != NULL)
		directory_detach(&frontd->directory);
	if (frontd->durable.region.base != NULL)
		durable_detach(&frontd->durable);
	if (frontd->front.region.base != NULL)
		front_detach(&frontd->front);
}

/* The READ of the eventfd is to sleep in the ring; on a non-blocking one it would end in EAGAIN at once. */
static void
make_event_blocking(const struct frontd *frontd)
{
	int event_fd = frontd->role->event_fd[frontd->role->slot];
	int flags = fcntl(event_fd, F_GETFL);

	if (flags >= 0 && flags & O_NONBLOCK)
		(void)fcntl(event_fd, F_SETFL, flags & ~O_NONBLOCK); /* then wake-ups are seen by the 250 ms cap only */
}

static void
frontd_free(struct frontd *frontd)
{
	uring_free(frontd->uring); /* first: nothing is in flight after it */
	exchanges_free_all(frontd); /* they give back to their connections */
	conns_free_all(frontd);
	addresses_free(&frontd->addresses);
	send_free_all(frontd);
	fetch_free_all(frontd);
	auth_close(frontd);
	quota_close(frontd);
	heads_close(frontd);
	audit_free(frontd);
	tls_stop(frontd);
	detach_regions(frontd);
	free(frontd);
}

int
frontd_run(struct role *role, const struct front_limits *limits, int listen_fd)
{
	struct frontd *frontd = calloc(1, sizeof(*frontd));
	int exit_code = EXIT_SOFTWARE;

	if (frontd == NULL) {
		diag_errno("cannot start");
		return EXIT_SOFTWARE;
	}
	frontd->role = role;
	frontd->limits = *limits;
	frontd->listeners.of[LISTEN_PLAIN].fd = listen_fd;
	frontd->listeners.of[LISTEN_TLS].fd = limits->is_tls_on ? TLS_LISTEN_FD : -1;
	frontd->stats = role->stats.shared;
	frontd->shard_count = role->geometry.workers;
	frontd->now_ns = now_ns();
	frontd->config_generation = load_acquire(&role->registry.shared->config_generation);
	frontd->enters_before = frontd->stats->front_enters;
	frontd->request = &frontd->parsed;
	if (heads_open(frontd) != 0) {
		diag_errno("cannot start");
		goto out;
	}
	if (attach_regions(frontd) != 0)
		goto out;
	role_step_over(role, "regions");
	if (limits->is_tls_on && tls_start(frontd, TLS_SECRETS_FD) != 0) {
		exit_code = EXIT_REFUSED;
		goto out;
	}
	frontd->uring = uring_open(&(struct uring_options){
		.receive_buffers = limits->receive_buffers, .accept_oneshot = limits->accept_oneshot,
		.wants_restricted = sandbox_wants_ring(role) });
	if (frontd->uring == NULL) {
		exit_code = EXIT_REFUSED;
		goto out;
	}
	role_step_over(role, "TLS and ring");
	limit_connections(frontd);
	if (addresses_open(&frontd->addresses, frontd->limits.connections_max) != 0)
		goto out;
	make_event_blocking(frontd);
	submit_init(frontd);
	fetch_init(frontd);
	deadline_init(frontd);
	listen_init(frontd);
	audit_open(frontd, limits->audit_fd, limits->audit_control_fd);
	peers_refresh(frontd);
	if (auth_open(frontd) != 0)
		goto out;
	if (frontd_enter_sandbox(frontd) != 0) {
		exit_code = EXIT_REFUSED;
		goto out;
	}
	role_step_over(role, "sandbox");
	if (quota_open(frontd) != 0)
		goto out;
	role_step_over(role, "people");
	role_is_ready(role);
	while (!frontd->is_over)
		loop_turn(frontd);
	if (frontd->conns.open == 0 && frontd->exchanges.used == 0 && frontd->fetches.active == NULL)
		assert(frontd->memory_used == 0); /* all that was taken of the budget was given back */
	exit_code = frontd->exit_code;
	if (exit_code == EXIT_CLEAN)
		store_release(&frontd->stats->phase, PHASE_DRAINED);
out:
	frontd_free(frontd);
	return exit_code;
}
