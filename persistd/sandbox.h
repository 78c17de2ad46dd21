/*
 * sandbox: persistd has the data directory, and a ring that works on its files; no socket, no other
 * file.
 */
#ifndef PERSISTD_SANDBOX_H
#define PERSISTD_SANDBOX_H

#include <stdbool.h>

#include "shm/role.h"

/*
 * Before anything is read of the data directory, which is open as directory_fd.  0, or -1 and a
 * diag.
 */
int persist_enter_sandbox(struct role *role, int directory_fd, bool ring_is_restricted);

#endif
