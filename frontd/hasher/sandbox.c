#include "frontd/hasher/sandbox.h"

#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shm/limits.h"
#include "shm/sandbox/sandbox.h"

int
hasher_enter_sandbox(struct role *role)
{
	/* All it has: there is no common part (is_alone). */
	const struct sandbox_call calls[] = {
		CALL_IF(read, 0, ~0ull, PASSWORD_EVENT_FD),
		CALL_IF(write, 0, ~0ull, (uint64_t)EVENT_FD(SLOT_FRONT(role->index))),
		CALL_IF(write, 0, ~0ull, STDERR_FILENO),
		/* Memory for a hash, and none that could be executed. */
		CALL_IF(mmap, 2, PROT_EXEC, 0), CALL_IF(mprotect, 2, PROT_EXEC, 0),
		CALL(munmap), CALL(mremap), CALL(madvise), CALL(brk),
		CALL(clock_gettime), CALL(getrandom),
		/* The end of it, and what says that a call was refused. */
		CALL(rt_sigreturn), CALL(rt_sigprocmask), CALL(rt_sigaction),
		CALL(restart_syscall), CALL(getpid), CALL(gettid), CALL(exit), CALL(exit_group),
	};

	return sandbox_enter(role, &(struct sandbox_policy){
		.calls = calls,
		.call_count = sizeof(calls) / sizeof(calls[0]),
		.is_alone = true,
		.directory_fd = -1,
	});
}
