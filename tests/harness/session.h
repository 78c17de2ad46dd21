#ifndef TESTS_HARNESS_SESSION_H
#define TESTS_HARNESS_SESSION_H

/*
 * session: the frame of most HTTP tests: one broker for all tests of a program, one connection for each test.  Each test
 * uses queues of its own.
 */

#include <check.h>

#include "tests/harness/broker.h"
#include "tests/harness/client.h"

struct session {
	struct broker broker;
	struct client client;
};
extern struct session session;

enum { SESSION_TEST_SECONDS = 120 };

/*
 * A suite with one test case; the tests are added to *tcase.  options: as broker_init().
 */
Suite *session_suite(const char *name, const char *const *options, TCase **tcase);

#endif
