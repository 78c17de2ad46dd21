/*
 * sandbox: what a process gives up, for ever, before it looks at anything that a stranger sent:
 * layers, each of which is enough to keep it from files, from other processes and from the network,
 * should one of the others have a hole.
 *
 *   regions     it has only what it was handed (shm/handed.h)
 *   user        a uid of its own role, where the broker was started by root and the user exists
 *   privileges  no capabilities, no_new_privs, not dumpable: no debugger of the same user, no core
 *   files       Landlock: no file, or only the data directory; no TCP port bound or connected to
 *   calls       seccomp: the system calls of its policy and no others
 *   ring        io_uring: the operations of its ring and no others, for seccomp does not see these
 *
 * A layer that the kernel or a container refuses is said in one line, and the others have to do;
 * with sandbox.mode = required the process refuses to start.  docs/security.md says what each
 * process may do.
 */
#ifndef SHM_SANDBOX_H
#define SHM_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/role.h"

#define SANDBOX_LAYERS(X) X(REGIONS, "regions") X(USER, "user") X(PRIVILEGES, "privileges") \
	X(FILES, "files") X(CALLS, "calls") X(RING, "ring")

enum sandbox_layer_number {
#define X(name, text) SANDBOX_NUMBER_##name,
	SANDBOX_LAYERS(X)
#undef X
	SANDBOX_LAYER_COUNT
};

/* Bits of stats.sandbox. */
enum sandbox_layer {
#define X(name, text) SANDBOX_##name = 1u << SANDBOX_NUMBER_##name,
	SANDBOX_LAYERS(X)
#undef X
};

/*
 * A system call that is allowed: always, or if (argument & mask) == value; written CALL(read), with
 * <seccomp.h>.
 */
struct sandbox_call {
	int number; /* one that this kind of machine does not have is below 0, and left out */
	uint8_t is_conditional;
	uint8_t argument;
	uint64_t mask;
	uint64_t value;
};

#define CALL(name) { .number = SCMP_SYS(name) }
#define CALL_IF(name, at, bits, wanted) \
	{ .number = SCMP_SYS(name), .is_conditional = 1, .argument = (at), .mask = (bits), \
		.value = (wanted) }

struct sandbox_policy {
	const struct sandbox_call *calls; /* besides those that every process needs (sandbox.c) */
	size_t call_count;
	bool is_alone;                    /* these and no others: none that every process needs */
	int directory_fd;                 /* files below it are its own; -1: it has none */
	bool has_ring;
	bool ring_is_restricted;
};

/*
 * Enter it.  Before any thread is made (they inherit it) and after everything is open.  What is in
 * force stands in the process's statistics, where it has some.  In a thread of a test and in a build with sanitizers
 * nothing is done.  0, or -1 and a diag.
 */
int sandbox_enter(struct role *role, const struct sandbox_policy *policy);

/* seccomp's part (sandbox_calls.c).  0, or -errno. */
int sandbox_filter(const struct sandbox_policy *policy);

/* Should rings be restricted?  Everywhere but with sandbox.mode = off. */
static inline bool
sandbox_wants_ring(const struct role *role)
{
	return role->sandbox_mode != SANDBOX_MODE_OFF;
}

#endif
