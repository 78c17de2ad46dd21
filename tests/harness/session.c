#include "tests/harness/session.h"

#include <stdio.h>
#include <stdlib.h>

struct session session;

static const char *const *session_options;

static void
broker_begin(void)
{
	broker_up(&session.broker, session_options);
}

/* Check has no words for what fails here: the program says it and fails. */
static void
broker_end(void)
{
	const char *complaint = broker_try_stop(&session.broker);

	if (complaint != NULL) {
		fprintf(stderr, "at the end: %s\n", complaint);
		exit(EXIT_FAILURE);
	}
	broker_free(&session.broker);
}

static void
client_begin(void)
{
	client_open(&session.client, session.broker.port);
}

static void
client_finish(void)
{
	client_close(&session.client);
}

Suite *
session_suite(const char *name, const char *const *options, TCase **tcase)
{
	Suite *suite = suite_create(name);

	session_options = options;
	*tcase = tcase_create(name);
	tcase_add_unchecked_fixture(*tcase, broker_begin, broker_end);
	tcase_add_checked_fixture(*tcase, client_begin, client_finish);
	tcase_set_timeout(*tcase, SESSION_TEST_SECONDS);
	suite_add_tcase(suite, *tcase);
	return suite;
}
