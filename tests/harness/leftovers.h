#ifndef TESTS_HARNESS_LEFTOVERS_H
#define TESTS_HARNESS_LEFTOVERS_H

/*
 * leftovers: what tests make outside their own memory, shared memory above all, told to the process that runs them: a test
 * that fails or is killed for its time cannot clear up behind itself.  What a test that passed left is a fault of its own.
 */

#include <stddef.h>

/* Before the tests are run. */
void leftovers_begin(void);

/* Whatever has a path that begins so is ours. */
void leftovers_watch(const char *path_begin);

/* A name for an instance of this test; its regions are watched. */
void leftovers_instance(char *name, size_t size);

/* After the tests: remove what is there of it.  How many names that were. */
unsigned leftovers_remove(void);

#endif
