#include "persistd/sandbox.h"

#include <linux/io_uring.h>
#include <sched.h>
#include <seccomp.h>

#include "shm/sandbox/sandbox.h"

/*
 * Beside what every process needs (shm/sandbox/calls.c): files, which Landlock keeps below the data
 * directory.
 */
static const struct sandbox_call calls[] = {
	CALL(io_uring_enter),
	/* liburing's, when the ring is closed. */
	CALL_IF(io_uring_register, 1, ~0ull, IORING_UNREGISTER_RING_FDS),
	CALL(openat), CALL(mkdirat), CALL(renameat), CALL(renameat2), CALL(unlinkat),
	CALL(getdents64), CALL(fstat), CALL(fstatfs), CALL(newfstatat), CALL(fcntl), CALL(pwrite64), CALL(fsync),
	CALL(fallocate), CALL(fadvise64),
	/* From when it serves (shm/role.c). */
	CALL_IF(sched_setscheduler, 1, ~0ull, SCHED_BATCH),
};

int
persist_enter_sandbox(struct role *role, int directory_fd, bool ring_is_restricted)
{
	return sandbox_enter(role, &(struct sandbox_policy){
		.calls = calls,
		.call_count = sizeof(calls) / sizeof(calls[0]),
		.directory_fd = directory_fd,
		.has_ring = true,
		.ring_is_restricted = ring_is_restricted,
	});
}
