/*
 * sandbox: a frontd speaks with strangers, so it keeps least: its ring, which can serve connections
 * and nothing else, the memory that was mapped, and a handful of system calls.
 */
#ifndef FRONTD_SANDBOX_H
#define FRONTD_SANDBOX_H

struct frontd;

/* Everything is open and mapped, no thread was made: enter it.  0, or -1 and a diag. */
int frontd_enter_sandbox(struct frontd *frontd);

#endif
