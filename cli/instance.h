/*
 * instance: a running broker as shared memory shows it.  Read-only; works when HTTP does not.
 */
#ifndef CLI_INSTANCE_H
#define CLI_INSTANCE_H

#include <stdbool.h>
#include <sys/types.h>

#include "shm/registry.h"

/*
 * Attach the registry of this instance.  False when there is none or it cannot be read, after a line on stderr that says
 * which; then exit CLI_NOT_RUNNING.
 */
bool instance_attach(struct registry *registry, const char *name);

/* The process exists (it may be another user's) and has not ended. */
bool instance_pid_is_alive(pid_t pid);

/* The supervisor's pid while it lives, else 0: then the regions are left over, for a warm start. */
pid_t instance_supervisor(const struct registry *registry);

/* "frontd", "workerd", "persistd" or "supervisor", and the index within its kind. */
const char *instance_role(uint32_t slot, uint32_t *index);

#endif
