#ifndef TESTS_HARNESS_VERB_H
#define TESTS_HARNESS_VERB_H

/*
 * verb: a verb of the command line, called in this process, and what it wrote.
 */

#include <stddef.h>

enum { VERB_WORDS_MAX = 24 };

/* Call it with these words, ended by NULL; its exit code.  What it writes to stdout is in output then, as far as there is room. */
int verb_run(int (*verb)(int argc, char **argv), char *const words[], char *output, size_t capacity);

#endif
