#include "tests/step/core/tracer.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/atomic.h"

/* What waitpid() says of a child that trapped: after a step, or at an int3. */
#define TRAP_STATUS (SIGTRAP << 8 | 0x7f)

int
tracer_start(struct tracer *tracer, const uint64_t *is_stepped, int (*run)(void *), void *arg)
{
	*tracer = (struct tracer){ .is_stepped = is_stepped };
	tracer->pid = fork();
	if (tracer->pid < 0)
		return -1;
	if (tracer->pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
			_exit(111);
		tracer_mark();
		_exit(run(arg));
	}
	if (waitpid(tracer->pid, &tracer->status, 0) != tracer->pid)
		return -1;
	if (!WIFSTOPPED(tracer->status)) {
		errno = EPERM;
		tracer->pid = 0;
		return -1;
	}
	ptrace(PTRACE_SETOPTIONS, tracer->pid, NULL, PTRACE_O_EXITKILL);
	return 0;
}

void
tracer_mark(void)
{
	__asm__ volatile("int3" ::: "memory");
}

enum trace
tracer_step(struct tracer *tracer)
{
	int signal_number = 0;

	for (;;) {
		bool is_stepped = load_relaxed(tracer->is_stepped) != 0;

		if (ptrace(is_stepped ? PTRACE_SINGLESTEP : PTRACE_CONT, tracer->pid, NULL, (void *)(long)signal_number) != 0 ||
		    waitpid(tracer->pid, &tracer->status, 0) != tracer->pid)
			return TRACE_ENDED;
		if (!WIFSTOPPED(tracer->status)) {
			tracer->pid = 0;
			return TRACE_ENDED;
		}
		/* A signal of its own (an assertion's SIGABRT) is the child's to have. */
		signal_number = tracer->status == TRAP_STATUS ? 0 : WSTOPSIG(tracer->status);
		if (is_stepped && signal_number == 0) {
			tracer->steps++;
			return TRACE_STEPPED;
		}
	}
}

uint64_t
tracer_at(const struct tracer *tracer)
{
	struct user_regs_struct registers;

	if (ptrace(PTRACE_GETREGS, tracer->pid, NULL, &registers) != 0)
		return 0;
	return registers.rip;
}

void
tracer_stop(struct tracer *tracer)
{
	if (tracer->pid == 0)
		return;
	kill(tracer->pid, SIGKILL);
	(void)waitpid(tracer->pid, &tracer->status, 0);
	tracer->pid = 0;
}
