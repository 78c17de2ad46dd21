#include "tests/harness/verb.h"

#include <check.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int
verb_run(int (*verb)(int argc, char **argv), char *const words[], char *output, size_t capacity)
{
	int out = memfd_create("stdout", 0);
	int saved = dup(STDOUT_FILENO);
	char *argv[VERB_WORDS_MAX + 1] = { NULL };
	int argc = 0;
	ssize_t count;
	int code;

	for (; words[argc] != NULL; argc++) {
		ck_assert_int_lt(argc, VERB_WORDS_MAX);
		argv[argc] = words[argc];
	}
	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	code = verb(argc, argv);
	fflush(stdout);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	count = pread(out, output, capacity - 1, 0);
	close(out);
	ck_assert_int_ge(count, 0);
	output[count] = '\0';
	return code;
}
