#include "shm/role.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "shm/atomic.h"
#include "shm/clock.h"
#include "shm/diag.h"
#include "shm/handed.h"

const char *
role_name(enum role_kind kind)
{
	static const char *const names[] = { [ROLE_FRONT] = "frontd", [ROLE_WORKER] = "workerd", [ROLE_PERSIST] = "persistd",
		[ROLE_HASHER] = "hasher" };

	return names[kind];
}

static uint32_t
role_slot(enum role_kind kind, uint32_t index)
{
	switch (kind) {
	case ROLE_FRONT:
		return SLOT_FRONT(index);
	case ROLE_WORKER:
		return SLOT_WORKER(index);
	case ROLE_PERSIST:
	case ROLE_HASHER: /* has none */
		break;
	}
	return SLOT_PERSIST;
}

/* The value of `--name` as a number up to max, or ULLONG_MAX. */
static unsigned long long
argument_number(int argc, char **argv, const char *name, unsigned long long max)
{
	for (int i = 1; i + 1 < argc; i++) {
		char *end;

		if (strcmp(argv[i], name) != 0)
			continue;
		errno = 0;
		unsigned long long value = strtoull(argv[i + 1], &end, 10);
		return errno == 0 && *end == '\0' && end != argv[i + 1] && value <= max ? value : ULLONG_MAX;
	}
	return ULLONG_MAX;
}

static const char *
argument_text(int argc, char **argv, const char *name)
{
	for (int i = 1; i + 1 < argc; i++) {
		if (strcmp(argv[i], name) == 0)
			return argv[i + 1];
	}
	return NULL;
}

static bool
sandbox_arguments(struct role *role, int argc, char **argv)
{
	static const char *const modes[] = { [SANDBOX_MODE_AUTO] = "auto", [SANDBOX_MODE_OFF] = "off",
		[SANDBOX_MODE_REQUIRED] = "required" };
	unsigned long long uid = argument_number(argc, argv, "--uid", UINT32_MAX - 1);
	unsigned long long gid = argument_number(argc, argv, "--gid", UINT32_MAX - 1);
	const char *mode = argument_text(argc, argv, "--sandbox");

	role->has_user = uid != ULLONG_MAX && gid != ULLONG_MAX;
	role->uid = (uint32_t)uid;
	role->gid = (uint32_t)gid;
	for (unsigned i = 0; mode != NULL && i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(mode, modes[i]) == 0) {
			role->sandbox_mode = (enum sandbox_mode)i;
			return true;
		}
	}
	return false;
}

static int
role_arguments(struct role *role, int argc, char **argv)
{
	unsigned long long index = argument_number(argc, argv, "--index", FRONT_MAX - 1);
	unsigned long long epoch = argument_number(argc, argv, "--epoch", UINT64_MAX >> 8);
	const char *instance = argument_text(argc, argv, "--instance");

	if (instance == NULL || strlen(instance) > INSTANCE_MAX_BYTES || index == ULLONG_MAX || epoch == ULLONG_MAX) {
		diag(DIAG_ERROR, "%s is started by `chasqui up`, not by hand", argv[0]);
		return -1;
	}
	if (!sandbox_arguments(role, argc, argv)) {
		diag(DIAG_ERROR, "%s: --sandbox is wrong", argv[0]);
		return -1;
	}
	memcpy(role->instance, instance, strlen(instance) + 1);
	role->index = (uint32_t)index;
	role->epoch = epoch;
	return 0;
}

int
role_follow_parent(struct role *role)
{
	/* A parent that went before this is no worry: the supervisor ties us before exec already (cli/supervisor/children). */
	if (role->parent == 0)
		role->parent = getppid();
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
		diag_errno("cannot tie this process to its supervisor");
		return -1;
	}
	if (getppid() != role->parent) {
		diag(DIAG_ERROR, "the supervisor is gone already");
		return -1;
	}
	return 0;
}

/*
 * A worker or persistd that wakes on the cpu of the process that woke it does not take it away at once: what woke it goes on
 * until it sleeps, and a batch is what it had to say by then.  On a cpu of their own nothing changes.  Measured with all on
 * one cpu, docs/performance.md.  A kernel that refuses costs only that.  Not while it starts, when clients wait for it: it sleeps
 * for each thing that it asks of the disk, and behind others that run would lose a tick of the clock each time.
 */
static void
role_be_patient(const struct role *role)
{
	struct sched_param none = { 0 };

	if (role->kind == ROLE_FRONT || role->is_thread)
		return;
	if (sched_setscheduler(0, SCHED_BATCH, &none) != 0)
		diag(DIAG_DEBUG, "cannot be SCHED_BATCH: %s", strerror(errno));
}

int
role_begin(struct role *role, enum role_kind kind, int argc, char **argv)
{
	memset(role, 0, sizeof(*role));
	role->kind = kind;
	role_step_over(role, "program");
	if (role_arguments(role, argc, argv) != 0)
		return -1;
	diag_init(role->instance, role_name(kind), role->index, DIAG_INFO);
	return role_follow_parent(role);
}

int
role_start(struct role *role, enum role_kind kind, int argc, char **argv)
{
	if (role_begin(role, kind, argc, argv) != 0)
		return -1;
	for (uint32_t slot = 0; slot < SLOT_MAX; slot++)
		role->event_fd[slot] = EVENT_FD(slot);
	if (handed_take(HAND_FD) != 0) {
		diag_errno("cannot take the regions from the supervisor; raise the limit of open files (ulimit -n)");
		return -1;
	}
	role->is_handed = true;
	return role_attach(role);
}

void
role_take_regions(const struct role *role)
{
	if (role->is_handed && handed_take(HAND_FD) != 0)
		diag_errno("cannot take a region from the supervisor");
}

void
role_close_regions(const struct role *role)
{
	if (!role->is_handed)
		return;
	handed_forget("registry");
	handed_forget("durable");
	handed_forget("stats.");
	handed_forget("stream.");
	handed_forget("shard.");
	handed_forget("directory");
	handed_forget("usage.");
	if (role->kind == ROLE_FRONT)
		handed_forget("");
}

static bool
slot_is_used(const struct geometry *geometry, uint32_t slot)
{
	if (slot < SLOT_WORKER(0))
		return slot < geometry->fronts;
	if (slot < SLOT_PERSIST)
		return slot - SLOT_WORKER(0) < geometry->workers;
	return slot == SLOT_PERSIST;
}

static int
role_attach_peers(struct role *role)
{
	for (uint32_t slot = 0; slot < SLOT_MAX; slot++) {
		if (slot == role->slot || !slot_is_used(&role->geometry, slot))
			continue;
		if (stats_attach(&role->peer[slot], role->instance, slot, &role->store, REGION_READ_ONLY) != 0) {
			diag_errno("cannot attach shared memory stats.%u", slot);
			return -1;
		}
		role->waker[slot] = (struct waker){ .word = &role->peer[slot].shared->parked,
			.event_fd = role->event_fd[slot] };
	}
	return 0;
}

int
role_attach(struct role *role)
{
	role->slot = role_slot(role->kind, role->index);
	if (registry_attach(&role->registry, role->instance, NULL, REGION_READ_ONLY) != 0) {
		diag_errno("cannot attach the registry of instance %s", role->instance);
		return -1;
	}
	const struct region_header *header = role->registry.region.base;
	if (header->identity.layout_hash != registry_layout_hash()) {
		diag(DIAG_ERROR, "the registry of instance %s is of another build; stop it and start again", role->instance);
		goto fail;
	}
	role->store = registry_identity(&role->registry);
	role->geometry = role->registry.shared->geometry;
	if (role->geometry.fronts > FRONT_MAX || role->geometry.workers > WORKER_MAX ||
	    !slot_is_used(&role->geometry, role->slot)) {
		diag(DIAG_ERROR, "the registry of instance %s has no place for %s %u", role->instance, role_name(role->kind),
		    role->index);
		goto fail;
	}
	if (stats_attach(&role->stats, role->instance, role->slot, &role->store, REGION_READ_WRITE) != 0) {
		diag_errno("cannot attach shared memory stats.%u", role->slot);
		goto fail;
	}
	if (role_attach_peers(role) != 0)
		goto fail;
	/* A predecessor that was killed asleep would keep its peers signalling. */
	park_end(&role->stats.shared->parked);
	return 0;

fail:
	role_detach(role);
	return -1;
}

void
role_detach(struct role *role)
{
	for (uint32_t slot = 0; slot < SLOT_MAX; slot++) {
		stats_detach(&role->peer[slot]);
		role->waker[slot] = (struct waker){ 0 };
	}
	stats_detach(&role->stats);
	registry_detach(&role->registry);
}

void
role_step_over(struct role *role, const char *name)
{
	if (role->step_count < ROLE_STEPS_MAX)
		role->steps[role->step_count++] = (struct role_step){ name, now_ns() };
}

/* From the death of the one before: what clients waited for, but for the moment in which the kernel told of it. */
static void
say_steps(const struct role *role)
{
	uint64_t from_ns = load_relaxed(&role->registry.shared->slot[role->slot].died_ns), last_ns;
	char text[400];
	int used = 0;

	if (role->step_count == 0)
		return;
	if (from_ns == 0 || from_ns > role->steps[0].at_ns)
		from_ns = role->steps[0].at_ns;
	last_ns = from_ns;
	for (unsigned i = 0; i < role->step_count && used < (int)sizeof(text); i++) {
		const struct role_step *step = &role->steps[i];

		used += snprintf(text + used, sizeof(text) - (size_t)used, "%s %s %.1f", i == 0 ? "" : ",", step->name,
		    (double)(step->at_ns - last_ns) / 1e6);
		last_ns = step->at_ns;
	}
	diag(DIAG_DEBUG, "ready after %.1f ms:%s", (double)(last_ns - from_ns) / 1e6, text);
}

void
role_is_ready(struct role *role)
{
	role_be_patient(role);
	store_relaxed(&role->stats.shared->phase, PHASE_SERVING);
	/* What this incarnation set up is visible before it counts as serving.  Pairs with the supervisor's load_acquire. */
	store_release(&role->stats.shared->ready_epoch, role->epoch);
	say_steps(role);
}

bool
role_is_draining(const struct role *role)
{
	return load_relaxed(&role->registry.shared->is_draining) != 0;
}
