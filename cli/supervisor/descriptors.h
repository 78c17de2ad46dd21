/*
 * descriptors: what each kind of process is given when it is started, and all it ever has: two
 * tables, one of numbered descriptors (shm/limits.h), one of the regions and the right on each
 * (shm/handed.h).  Who needs another adds a row.
 */
#ifndef CLI_DESCRIPTORS_H
#define CLI_DESCRIPTORS_H

#include "cli/supervisor/children.h"
#include "shm/limits.h"

struct supervised;
struct supervisor;

#define DESCRIPTORS_MAX (SLOT_MAX + 12)

/*
 * Of one start: what has to be made anew for it, closed by descriptors_close() when the child has
 * its copies.
 */
struct descriptors {
	struct descriptor list[DESCRIPTORS_MAX];
	unsigned count;
	int made[8];
	unsigned made_count;
};

/*
 * Everything for the next start of this process; its regions lie in the socket then, and the
 * supervisor's end of it is process->hand_fd.  0, or -1 and a diag; then nothing is left open.
 */
int descriptors_make(
    struct supervisor *supervisor, struct supervised *process, struct descriptors *descriptors);
void descriptors_close(struct descriptors *descriptors);

/* One more; `from` is borrowed until the child runs. */
void descriptors_add(struct descriptors *descriptors, int from, int to);

/* A frontd's new region to those of its peers that run.  Before the registry says so. */
void descriptors_hand_front(struct supervisor *supervisor, const struct supervised *front);

/* The process has ended: nobody reads its socket. */
void descriptors_forget(struct supervised *process);

#endif
