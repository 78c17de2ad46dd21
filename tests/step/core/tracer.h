/*
 * tracer: stops this process after each instruction that stores into some memory of its own.  That memory is made read-only; a
 * store faults, its page is opened for this one instruction, which traps (the processor's trap flag), and then whoever
 * asked may look: what the memory holds is what a SIGKILL at that instruction would leave.  An instruction that stores nothing
 * there runs at full speed: it leaves what the one before left.  `rep` instructions stop after each element.
 *
 * Measured (EPYC in a virtual machine): 20 us a store.  Single-stepping each instruction from another process (ptrace) took 22
 * us an instruction, of which 1 in 33 changes anything.
 */
#ifndef TESTS_STEP_TRACER_H
#define TESTS_STEP_TRACER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whole pages that may be opened by one instruction: one that crosses a page, from one page to another. */
#define TRACER_PAGES_MAX 4

struct tracer_stop {
	uint64_t at;         /* the instruction that comes next */
	unsigned page_count; /* that it may have changed; 0: any (when each instruction is stopped at) */
	char *pages[TRACER_PAGES_MAX];
};

/* Runs on a stack of its own, in the midst of whatever was executed. */
typedef void (*tracer_look)(const struct tracer_stop *stop);

/*
 * Memory is whole pages.  is_each: stop after each instruction of any kind, as a check of this very method.  May be called
 * again while nothing is traced.
 */
struct tracer_memory {
	char *base;
	size_t bytes;
};
#define TRACER_MEMORY_MAX 8
void tracer_open(const struct tracer_memory *memory, unsigned count, tracer_look look, bool is_each);

/* From here to tracer_end(). */
void tracer_begin(void);
void tracer_end(void);

/* While looking: trace other memory, by its stores, until tracer_pop() goes on with the outer one. */
struct tracer {
	struct tracer_memory memory[TRACER_MEMORY_MAX];
	unsigned memory_count;
	tracer_look look;
	bool is_each;
	struct tracer_stop stop;
};
void tracer_push(struct tracer *outer, const struct tracer_memory *memory, unsigned count, tracer_look look);
void tracer_pop(const struct tracer *outer);

#endif
