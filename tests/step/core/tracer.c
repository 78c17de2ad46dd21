/*
 * Happy path: tracer_begin() closes the memory; store: on_fault() opens its page and sets the trap flag; one instruction;
 * on_trap() clears the flag, looks, closes the page.
 * Failure modes: a fault elsewhere is a real one: the default action takes it.
 */
#include "tests/step/core/tracer.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#define PAGE_BYTES 4096u
#define TRAP_FLAG 0x100
/* Judging plays a whole script from the crash on this stack. */
#define STACK_BYTES (4u << 20)

static struct tracer it;

static void
protect_all(int protection)
{
	for (unsigned i = 0; i < it.memory_count; i++) {
		if (mprotect(it.memory[i].base, it.memory[i].bytes, protection) != 0)
			abort();
	}
}

static bool
is_traced(const char *address)
{
	for (unsigned i = 0; i < it.memory_count; i++) {
		if (address >= it.memory[i].base && address < it.memory[i].base + it.memory[i].bytes)
			return true;
	}
	return false;
}

static void
on_fault(int number, siginfo_t *info, void *context)
{
	ucontext_t *user = context;
	char *page = (char *)((uintptr_t)info->si_addr & ~(uintptr_t)(PAGE_BYTES - 1));

	if (it.is_each || !is_traced(page) || it.stop.page_count == TRACER_PAGES_MAX) {
		signal(number, SIG_DFL); /* it happens again, for good */
		return;
	}
	it.stop.pages[it.stop.page_count++] = page;
	if (mprotect(page, PAGE_BYTES, PROT_READ | PROT_WRITE) != 0)
		abort();
	user->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static void
on_trap(int number, siginfo_t *info, void *context)
{
	ucontext_t *user = context;

	(void)number, (void)info;
	it.stop.at = (uint64_t)user->uc_mcontext.gregs[REG_RIP];
	it.look(&it.stop);
	if (it.is_each)
		return;
	user->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
	for (unsigned i = 0; i < it.stop.page_count; i++) {
		if (mprotect(it.stop.pages[i], PAGE_BYTES, PROT_READ) != 0)
			abort();
	}
	it.stop.page_count = 0;
}

static void
handle(int number, void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };

	sigemptyset(&action.sa_mask);
	if (sigaction(number, &action, NULL) != 0)
		abort();
}

static void
set(const struct tracer_memory *memory, unsigned count, tracer_look look, bool is_each)
{
	assert(count <= TRACER_MEMORY_MAX);
	it = (struct tracer){ .memory_count = count, .look = look, .is_each = is_each };
	memcpy(it.memory, memory, count * sizeof(*memory));
}

void
tracer_open(const struct tracer_memory *memory, unsigned count, tracer_look look, bool is_each)
{
	static char *stack;

	if (stack == NULL) {
		stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (stack == MAP_FAILED || sigaltstack(&(stack_t){ .ss_sp = stack, .ss_size = STACK_BYTES }, NULL) != 0) {
			perror("a stack for the tracer");
			exit(EXIT_FAILURE);
		}
		handle(SIGSEGV, on_fault);
		handle(SIGTRAP, on_trap);
	}
	set(memory, count, look, is_each);
}

void
tracer_push(struct tracer *outer, const struct tracer_memory *memory, unsigned count, tracer_look look)
{
	*outer = it;
	set(memory, count, look, false);
}

void
tracer_pop(const struct tracer *outer)
{
	it = *outer;
}

void
tracer_begin(void)
{
	if (!it.is_each)
		protect_all(PROT_READ);
	else
		__asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; orl $0x100, (%%rsp); popfq; lea 128(%%rsp), %%rsp" ::: "memory", "cc");
}

void
tracer_end(void)
{
	if (!it.is_each)
		protect_all(PROT_READ | PROT_WRITE);
	else
		__asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; andl $~0x100, (%%rsp); popfq; lea 128(%%rsp), %%rsp" ::: "memory", "cc");
}
