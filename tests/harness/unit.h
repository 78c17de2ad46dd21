#ifndef TESTS_HARNESS_UNIT_H
#define TESTS_HARNESS_UNIT_H

/*
 * unit: the main() of a unit test program, which is one file with one suite.  CK_FORK=no runs the
 * tests in one process, for a debugger.
 */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/harness/leftovers.h"

/* Runs the suite that builder gives; the exit status says whether all passed. */
static inline int
unit_run(Suite *(*builder)(void))
{
	SRunner *runner = srunner_create(builder());

	leftovers_begin();
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	unsigned left = leftovers_remove();
	if (failed == 0 && left != 0) {
		printf("%u regions, files or directories were left behind\n", left);
		return EXIT_FAILURE;
	}
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* CK_VERBOSITY chooses the output; normal unless it says otherwise. */
#define UNIT_MAIN(builder) \
	int \
	main(void) \
	{ \
		return unit_run(builder); \
	}

#endif
