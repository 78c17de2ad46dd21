#ifndef TESTS_HARNESS_SCRIPTED_H
#define TESTS_HARNESS_SCRIPTED_H

/*
 * scripted: a broker that is a thread, for verbs of the command line.  It checks each request
 * against a script and gives the scripted answer.  One at a time.
 */

#include <stddef.h>

struct scripted {
	const char
	    *wanted[8]; /* texts that the request must contain; the first must be its beginning */
	const char *absent;    /* a text it must not contain, or NULL */
	const char *answer;    /* head and body; its Content-Length may be left out */
};

/* What the verb that ran last printed on stdout and on stderr. */
extern char scripted_output[65536];
extern char scripted_complaint[65536];

void scripted_start(const struct scripted *script, unsigned count);
#define SCRIPTED(script) scripted_start(script, sizeof(script) / sizeof((script)[0]))

/* All was asked, and as wanted. */
void scripted_stop(void);

/*
 * Run a verb with these words (ended by NULL) against it; its exit code.  stdin is what `input`
 * says, NULL: empty.
 */
int scripted_run_with(const char *input, int (*verb)(int argc, char **argv), char *const words[]);
#define SCRIPTED_RUN(verb, ...) scripted_run_with(NULL, verb, (char *[]){ __VA_ARGS__, NULL })
#define SCRIPTED_RUN_WITH(input, verb, ...) \
	scripted_run_with(input, verb, (char *[]){ __VA_ARGS__, NULL })

#define SCRIPTED_NO_CONTENT "HTTP/1.1 204 No Content\r\n\r\n"

#endif
