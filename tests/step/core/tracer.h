/*
 * tracer: runs a function in a child and single-steps it while it says so.  ptrace(PTRACE_SINGLESTEP): the processor traps
 * after each instruction of the very code that is released; what the child's shared memory holds then is what a SIGKILL at
 * that instruction would leave.
 */
#ifndef TESTS_STEP_TRACER_H
#define TESTS_STEP_TRACER_H

#include <stdint.h>
#include <sys/types.h>

struct tracer {
	pid_t pid;
	uint64_t steps;
	const uint64_t *is_stepped; /* shared with the child: 1 while it is to be stepped */
	int status;                 /* once it has ended: as waitpid() gives it */
};

/*
 * Fork a child that calls run(arg) and exits with what it returns.  It goes at full speed until it calls tracer_mark() with
 * *is_stepped set.  0, or -1 and errno where ptrace is not allowed.
 */
int tracer_start(struct tracer *tracer, const uint64_t *is_stepped, int (*run)(void *), void *arg);

/* In the child, after setting *is_stepped: tell the parent to look. */
void tracer_mark(void);

enum trace { TRACE_STEPPED, TRACE_ENDED };

/* Until the child has executed one more instruction to be stepped, or has ended. */
enum trace tracer_step(struct tracer *tracer);

/* Where the child stands: the address of its next instruction. */
uint64_t tracer_at(const struct tracer *tracer);

/* Kill it, if it has not ended, and wait for its end. */
void tracer_stop(struct tracer *tracer);

#endif
