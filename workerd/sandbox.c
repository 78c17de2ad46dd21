#include "workerd/sandbox.h"

#include <sched.h>
#include <seccomp.h>

#include "shm/sandbox/sandbox.h"

/* Beside what every process needs (shm/sandbox/calls.c): to sleep, and to be patient (shm/role.c). */
static const struct sandbox_call calls[] = {
	CALL(epoll_pwait2), CALL(epoll_pwait), CALL(epoll_wait),
	CALL_IF(sched_setscheduler, 1, ~0ull, SCHED_BATCH),
};

int
worker_enter_sandbox(struct role *role)
{
	return sandbox_enter(role,
	    &(struct sandbox_policy){ .calls = calls,
	        .call_count = sizeof(calls) / sizeof(calls[0]),
	        .directory_fd = -1 });
}
