/*
 * cgroup: one for the hashers, whose members give way at once to whoever wants their CPU
 * (cpu.idle).  Within the broker's own cgroup, or its login session, what they take would be
 * charged to the broker (docs/performance.md).
 *
 *   v1   OWN/chasqui-INSTANCE-hashers
 *   v2   OWN/hashers, and we, with all whom we run, move from OWN to OWN/broker: where a
 *        controller is on for the folders below there may be no process beside them.  So only
 *        where OWN was given to us: it says so itself (systemd's Delegate=), or it is the root of
 *        a container; and nobody but us is in it.
 *
 * What cannot be had is done without.
 */
#ifndef CLI_CGROUP_H
#define CLI_CGROUP_H

#include <stdbool.h>
#include <sys/types.h>

#include "cli/supervisor/cgroup_place.h"
#include "shm/registry.h"

struct cgroup {
	int procs_fd;                /* who is written here is in it; -1: there is none */
	bool is_made;                /* by us, v1: ours to remove */
	char folder[CGROUP_FOLDER_BYTES]; /* of the hashers */
	char own[CGROUP_OWN_BYTES];  /* v2: where we were; "": we were not moved */
	/* For people, behind `hashers `: where they are, or why there is none. */
	char text[REGISTRY_HASHERS_BYTES];
};

/*
 * wish: auto, off, or the folder of one that is there, in which nothing is made.  root stands
 * before each path ("" for the real ones), so that tests can make their own.  What is not as wished
 * is said by a diag, and of auto as a matter of fact.
 */
void cgroup_open(struct cgroup *cgroup, const char *wish, const char *instance, const char *root);

/* Put a child that was just started into it.  0, or -1 and a diag. */
int cgroup_take(const struct cgroup *cgroup, pid_t pid);

/*
 * Nobody is in it any more: all is as it was before.  What a killed supervisor left the next
 * cgroup_open() removes.
 */
void cgroup_close(struct cgroup *cgroup);

#endif
