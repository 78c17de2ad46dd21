/*
 * hashers: one process for each frontd that hashes its passwords (frontd/hasher/).  It has no slot,
 * no regions and no part in the frontd's life: it begins after it and ends with it, a new one takes
 * its place when it dies alone, and nobody waits for either.  The jobs are in memory that the
 * supervisor holds for them (shm/passwords.h), new for each incarnation of the frontd.
 */
#ifndef CLI_HASHERS_H
#define CLI_HASHERS_H

#include <stdint.h>

#include "cli/supervisor/cgroup.h"
#include "cli/supervisor/children.h"
#include "shm/limits.h"
#include "shm/passwords.h"

struct descriptors;
struct supervisor;

struct hasher_child {
	struct child child;
	struct password_files files; /* of the frontd that runs */
	int event_fd;                /* wakes it; -1: no frontd runs, so none is wanted */
	uint64_t epoch;              /* grows with each hasher */
	uint64_t since_ns;           /* it was run */
	uint64_t due_ns;             /* none runs: when the next is to be */
	unsigned quick_deaths;
	uint64_t finished;           /* jobs, when it was looked at last */
	uint64_t ticks;              /* of CPU time that it had had then */
	unsigned stuck_seconds;      /* how long it has not gone on */
	bool is_ended;               /* by us: its death is nothing to speak of */
};

struct hashers {
	char program[PATH_MAX];
	struct cgroup cgroup;        /* in which they are, if there is one */
	struct hasher_child of[FRONT_MAX];
};

/* Before anything else.  A cgroup that cannot be used is said, and done without. */
void hashers_init(struct supervisor *supervisor);

/* Before a frontd is run: make its jobs and add its side of them.  0, or -1 and a diag. */
int hashers_make(struct supervisor *supervisor, uint32_t index, struct descriptors *descriptors);
/* It runs: its hasher may, too. */
void hashers_begin(struct supervisor *supervisor, uint32_t index);
/* It has died, or was not run after all. */
void hashers_end(struct supervisor *supervisor, uint32_t index);

/* Its pidfd is readable. */
void hashers_died(struct supervisor *supervisor, uint32_t index);
/* Run those whose time has come. */
void hashers_look(struct supervisor *supervisor);
/*
 * Once a second: one that does not go on with its work, and not for want of a CPU, is said and then
 * killed.
 */
void hashers_watch(struct supervisor *supervisor);
/* At the end of it all: none is left, nor is their cgroup. */
void hashers_wait(struct supervisor *supervisor);

#endif
