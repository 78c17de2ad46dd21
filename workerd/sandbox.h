/*
 * sandbox: a worker has its shard's memory and the rings; no socket, no file, no ring of the
 * kernel's.
 */
#ifndef WORKERD_SANDBOX_H
#define WORKERD_SANDBOX_H

#include "shm/role.h"

/* Everything but the fronts is mapped: enter it.  0, or -1 and a diag. */
int worker_enter_sandbox(struct role *role);

#endif
