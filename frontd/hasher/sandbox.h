/*
 * sandbox: what a hasher gives up before it reads a password: all but computing and its two
 * eventfds.
 */
#ifndef FRONTD_HASHER_SANDBOX_H
#define FRONTD_HASHER_SANDBOX_H

#include "shm/role.h"

/* 0, or -1 and a diag. */
int hasher_enter_sandbox(struct role *role);

#endif
