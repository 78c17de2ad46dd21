/*
 * role: how any daemon starts.  The supervisor runs it with `--instance NAME --index I --epoch E --sandbox MODE [--uid U --gid G]`, the descriptors
 * of shm/limits.h and its regions in the socket HAND_FD (shm/handed.h).  role_start() ties its life to the supervisor's and
 * attaches what every daemon needs: registry, its own statistics, and the sleep words of its peers.
 */
#ifndef SHM_ROLE_H
#define SHM_ROLE_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/park.h"
#include "shm/registry.h"
#include "shm/stats.h"

/* The words of sandbox.mode, in its order. */
enum sandbox_mode { SANDBOX_MODE_AUTO, SANDBOX_MODE_OFF, SANDBOX_MODE_REQUIRED };

enum role_kind { ROLE_FRONT, ROLE_WORKER, ROLE_PERSIST, ROLE_HASHER };

/* The steps of a start and when each was over, for the line that says where the time went. */
#define ROLE_STEPS_MAX 12
struct role_step {
	const char *name;
	uint64_t at_ns;
};

struct role {
	enum role_kind kind;
	char instance[INSTANCE_MAX_BYTES + 1];
	uint32_t index;
	uint32_t slot;
	uint64_t epoch;
	enum sandbox_mode sandbox_mode;
	bool has_user;                  /* to become, by sandbox_enter() */
	uint32_t uid;
	uint32_t gid;
	int32_t parent;                 /* the supervisor's pid */
	struct registry registry;
	struct region_identity store;   /* uuid and boot id */
	struct geometry geometry;       /* a copy, checked */
	struct stats stats;             /* own, writable */
	struct stats peer[SLOT_MAX];    /* read-only */
	struct waker waker[SLOT_MAX];   /* word NULL where the peer is not known */
	bool is_handed;                 /* regions come through HAND_FD; in tests they are opened by name */
	bool is_thread;                 /* tests: no PDEATHSIG, no fixed descriptors */
	int event_fd[SLOT_MAX];         /* EVENT_FD(slot), or a test's own */
	struct role_step steps[ROLE_STEPS_MAX];
	unsigned step_count;
};

/*
 * Parse argv, prctl(PR_SET_PDEATHSIG): all that a hasher needs, which has no slot and no regions.  0, or -1 and a diag; then
 * exit 78.
 */
int role_begin(struct role *role, enum role_kind kind, int argc, char **argv);

/* The same, and attach.  0, or -1 and a diag; then exit 78 (bad arguments) or 70. */
int role_start(struct role *role, enum role_kind kind, int argc, char **argv);

/*
 * Die with the supervisor: the service manager starts it again, and all regions are attached warm.  Again after a change of the
 * user, for the kernel forgets it then.  0; -1 and a diag when it has gone meanwhile.
 */
int role_follow_parent(struct role *role);

/* Attach everything for a role whose kind, instance, index, epoch (and in tests event_fd, is_thread) are set. */
int role_attach(struct role *role);
void role_detach(struct role *role);

/*
 * Before the region of a frontd is attached that was started after this process: it was handed over.  What cannot be taken
 * is said, and missing then.
 */
void role_take_regions(const struct role *role);

/* All that is needed was attached: close the descriptors of regions, but for those of fronts that are to come. */
void role_close_regions(const struct role *role);

/* A step of the start is over; more than fit are left out. */
void role_step_over(struct role *role, const char *name);

/* This incarnation serves from now on: the supervisor makes its slot LIVE.  Says at log.level = debug what the start took. */
void role_is_ready(struct role *role);

/* True while the supervisor has not begun a clean stop. */
bool role_is_draining(const struct role *role);

const char *role_name(enum role_kind kind);

#endif
