/*
 * cli: who asks, and what `user`, `token`, `session` and `grant` ask.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/credentials.h"
#include "cli/http.h"
#include "cli/secret.h"
#include "cli/verbs.h"
#include "tests/harness/scripted.h"
#include "tests/harness/unit.h"

#define EMPTY_LIST "HTTP/1.1 200 OK\r\n\r\n{\"queues\":[]}"
#define DONE "HTTP/1.1 200 OK\r\n\r\n{\"name\":\"u\"}"
#define MADE "HTTP/1.1 201 Created\r\n\r\n" \
	"{\"id\":\"T1\",\"token\":\"mq_secret\",\"expires_at\":\"2027-01-01\"}"

static char path[64];

static void
make_file(const char *text)
{
	strcpy(path, "/tmp/chasqui-cli-people.XXXXXX");
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

START_TEST(a_token_comes_from_the_option_before_the_environment_and_from_that_before_its_file)
{
	static const struct scripted exchanges[] = {
		{ { "GET ", "Authorization: Bearer mq_of-the-file\r\n" }, NULL, EMPTY_LIST },
		{ { "GET ", "Authorization: Bearer mq_of-the-environment\r\n" }, NULL, EMPTY_LIST },
		{ { "GET ", "Authorization: Bearer mq_of-the-file\r\n" }, NULL, EMPTY_LIST },
		{ { "GET " }, "Authorization", EMPTY_LIST },
	};

	make_file("  mq_of-the-file\n");
	setenv("CHASQUI_TOKEN", "mq_of-the-environment", 1);
	setenv("CHASQUI_TOKEN_FILE", path, 1);
	SCRIPTED(exchanges);
	ck_assert_int_eq(SCRIPTED_RUN(verb_queue, "queue", "ls", "--token-file", path), CLI_OK);
	ck_assert_int_eq(SCRIPTED_RUN(verb_queue, "queue", "ls"), CLI_OK);
	setenv("CHASQUI_TOKEN", "", 1);
	ck_assert_int_eq(SCRIPTED_RUN(verb_queue, "queue", "ls"), CLI_OK);
	unsetenv("CHASQUI_TOKEN_FILE");
	ck_assert_int_eq(SCRIPTED_RUN(verb_queue, "queue", "ls"), CLI_OK);
	scripted_stop();
	unlink(path);
}
END_TEST

START_TEST(a_user_is_asked_for_the_password_and_goes_as_basic)
{
	static const struct scripted exchanges[] = {
		/* RFC 7617, section 2 */
		{ { "GET ", "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n" }, NULL,
		    EMPTY_LIST },
	};

	setenv("CHASQUI_TOKEN", "mq_not-this-one", 1);
	SCRIPTED(exchanges);
	ck_assert_int_eq(SCRIPTED_RUN_WITH("open sesame\n", verb_queue, "queue", "ls", "--user",
	    "Aladdin"),
	    CLI_OK);
	scripted_stop();
}
END_TEST

START_TEST(credentials_that_cannot_be_had_end_the_verb_before_it_asks)
{
	scripted_start(NULL, 0);
	ck_assert_int_eq(SCRIPTED_RUN(verb_queue, "queue", "ls", "--token-file", "/no/such"),
	    CLI_FAILED);
	make_file("two words");
	ck_assert_int_eq(SCRIPTED_RUN(verb_queue, "queue", "ls", "--token-file", path), CLI_FAILED);
	ck_assert_ptr_nonnull(strstr(scripted_complaint, "does not hold a token"));
	unlink(path);
	ck_assert_int_eq(SCRIPTED_RUN(verb_queue, "queue", "ls", "--user", "u"), CLI_FAILED);
	ck_assert_int_eq(SCRIPTED_RUN_WITH("\n", verb_queue, "queue", "ls", "--user", "u"),
	    CLI_FAILED);
	ck_assert_int_eq(SCRIPTED_RUN(verb_queue, "queue", "ls", "--user", "u", "--token-file",
	    "f"), CLI_USAGE);
	ck_assert_int_eq(SCRIPTED_RUN_WITH("x\n", verb_queue, "queue", "ls", "--user", "a:b"),
	    CLI_USAGE);
	setenv("CHASQUI_TOKEN", "a b\r\nHost: x", 1);
	ck_assert_int_eq(SCRIPTED_RUN(verb_queue, "queue", "ls"), CLI_FAILED);
	unsetenv("CHASQUI_TOKEN");
	/* The message would be taken for the password. */
	ck_assert_int_eq(SCRIPTED_RUN_WITH("x\n", verb_msg, "msg", "put", "q", "--user", "u"),
	    CLI_USAGE);
	scripted_stop();
}
END_TEST

START_TEST(the_admin_token_is_for_the_broker_here_alone)
{
	struct arguments arguments = { .instance = "x" };
	struct credentials credentials;
	char directory[64], file[96];

	strcpy(directory, "/tmp/chasqui-cli-people.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(file, sizeof(file), "%s/admin-token", directory);
	ck_assert(secret_save(file, "mq_admin"));
	ck_assert_int_eq(credentials_find(&credentials, &arguments, directory), 0);
	ck_assert_int_eq(credentials.source, CREDENTIALS_ADMIN);
	ck_assert_str_eq(credentials.header, "Authorization: Bearer mq_admin");
	ck_assert_str_eq(credentials.origin, file);
	ck_assert_int_eq(credentials_find(&credentials, &arguments, ""), 0);
	ck_assert_int_eq(credentials.source, CREDENTIALS_NONE);
	ck_assert_str_eq(credentials.header, "");
	unlink(file);
	/* Without the file, the broker may want no credentials. */
	ck_assert_int_eq(credentials_find(&credentials, &arguments, directory), 0);
	ck_assert_int_eq(credentials.source, CREDENTIALS_NONE);
	rmdir(directory);
}
END_TEST

#define PROBLEM(status, code) \
	"HTTP/1.1 " status "\r\n\r\n{\"code\":\"" code \
	"\",\"title\":\"It is so\",\"detail\":\"because\"}"

START_TEST(a_401_and_a_403_say_in_one_line_what_to_do)
{
	static const struct scripted exchanges[] = {
		{ { "GET " }, NULL, PROBLEM("401 Unauthorized", "unauthorized") },
		{ { "GET " }, NULL, PROBLEM("401 Unauthorized", "unauthorized") },
		{ { "GET " }, NULL, PROBLEM("403 Forbidden", "forbidden") },
	};

	SCRIPTED(exchanges);
	ck_assert_int_eq(SCRIPTED_RUN(verb_queue, "queue", "ls"), CLI_FAILED);
	ck_assert_str_eq(scripted_complaint,
	    "chasqui: 401 unauthorized: It is so: because; say who you are: --user NAME, "
	    "--token-file FILE or CHASQUI_TOKEN\n");
	setenv("CHASQUI_TOKEN", "mq_old", 1);
	ck_assert_int_eq(SCRIPTED_RUN(verb_queue, "queue", "ls"), CLI_FAILED);
	ck_assert_str_eq(scripted_complaint,
	    "chasqui: 401 unauthorized: It is so: because; the token of CHASQUI_TOKEN is wrong, "
	    "has expired or was revoked\n");
	ck_assert_int_eq(SCRIPTED_RUN(verb_queue, "queue", "ls"), CLI_FAILED);
	ck_assert_str_eq(scripted_complaint,
	    "chasqui: 403 forbidden: It is so: because; asked with CHASQUI_TOKEN: use others "
	    "(--user, --token-file), or have the right given (chasqui help grant)\n");
	scripted_stop();
}
END_TEST

START_TEST(a_user_is_created_with_fields_of_words_and_a_password_from_stdin)
{
	static const struct scripted exchanges[] = {
		{ { "PUT /v1/users/ana HTTP/1.1\r\n", "If-None-Match: *\r\n",
		      "{\"role\":\"admin\",\"quotas\":{\"queues\":3,\"stored_bytes\":\"1GiB\"},"
		      "\"creates\":[\"a\",\"b.*\"],"
		      "\"password\":\"a \\\"secret\\\"\"}" },
		    NULL, DONE },
		{ { "PUT /v1/users/robot HTTP/1.1\r\n", "\r\n\r\n{}" }, "password", DONE },
	};

	SCRIPTED(exchanges);
	ck_assert_int_eq(SCRIPTED_RUN_WITH("a \"secret\"\n", verb_user, "user", "create", "ana",
	    "role=admin",
		"quotas.queues=3", "quotas.stored_bytes=1GiB", "creates=a,b.*"),
	    CLI_OK);
	ck_assert_ptr_null(strstr(scripted_output, "secret"));
	ck_assert_int_eq(SCRIPTED_RUN(verb_user, "user", "create", "robot", "--no-password"),
	    CLI_OK);
	scripted_stop();
}
END_TEST

START_TEST(a_password_is_never_taken_from_the_command_line)
{
	scripted_start(NULL, 0);
	ck_assert_int_eq(SCRIPTED_RUN_WITH("secret\n", verb_user, "user", "create", "ana",
	    "password=secret"),
	    CLI_USAGE);
	ck_assert_int_eq(SCRIPTED_RUN_WITH("secret\n", verb_user, "user", "set", "ana",
	    "password=secret"),
	    CLI_USAGE);
	scripted_stop();
}
END_TEST

#define ME "HTTP/1.1 200 OK\r\n\r\n{\"name\":\"ana\",\"has_password\":true}\n"

START_TEST(who_changes_the_own_password_is_asked_for_the_one_before)
{
	static const struct scripted exchanges[] = {
		{ { "GET /v1/users/me HTTP/1.1\r\n" }, NULL, ME },
		{ { "PATCH /v1/users/me HTTP/1.1\r\n",
		      "{\"current_password\":\"before\",\"password\":\"after\"}" },
		    NULL, DONE },
		{ { "GET /v1/users/me HTTP/1.1\r\n" }, NULL, ME },
		{ { "PATCH /v1/users/bob HTTP/1.1\r\n", "{\"password\":\"given\"}" },
		    "current_password", DONE },
	};

	SCRIPTED(exchanges);
	ck_assert_int_eq(SCRIPTED_RUN_WITH("before\nafter\n", verb_user, "user", "passwd"), CLI_OK);
	ck_assert_int_eq(SCRIPTED_RUN_WITH("given\n", verb_user, "user", "passwd", "bob"), CLI_OK);
	scripted_stop();
}
END_TEST

START_TEST(users_are_set_disabled_enabled_shown_and_removed)
{
	static const struct scripted exchanges[] = {
		{ { "PATCH /v1/users/u HTTP/1.1\r\n", "{\"quotas\":{\"queues\":null}}" }, NULL,
		    DONE },
		{ { "PATCH /v1/users/u HTTP/1.1\r\n", "{\"disabled\":true}" }, NULL, DONE },
		{ { "PATCH /v1/users/u HTTP/1.1\r\n", "{\"disabled\":false}" }, NULL, DONE },
		{ { "GET /v1/users/u HTTP/1.1\r\n" }, NULL, DONE },
		{ { "GET /v1/users/me HTTP/1.1\r\n" }, NULL, DONE },
		{ { "DELETE /v1/users/u HTTP/1.1\r\n" }, NULL, SCRIPTED_NO_CONTENT },
	};

	SCRIPTED(exchanges);
	ck_assert_int_eq(SCRIPTED_RUN(verb_user, "user", "set", "u", "quotas.queues=null"), CLI_OK);
	ck_assert_int_eq(SCRIPTED_RUN(verb_user, "user", "disable", "u"), CLI_OK);
	ck_assert_int_eq(SCRIPTED_RUN(verb_user, "user", "enable", "u"), CLI_OK);
	ck_assert_int_eq(SCRIPTED_RUN(verb_user, "user", "show", "u"), CLI_OK);
	ck_assert_int_eq(SCRIPTED_RUN(verb_user, "user", "show"), CLI_OK);
	ck_assert_int_eq(SCRIPTED_RUN(verb_user, "user", "rm", "u"), CLI_OK);
	scripted_stop();
}
END_TEST

START_TEST(a_new_token_is_all_that_goes_to_stdout)
{
	static const struct scripted exchanges[] = {
		{ { "POST /v1/tokens HTTP/1.1\r\n",
		      "{\"name\":\"ci\",\"user\":\"ana\",\"expires_in\":\"30d\",\"scopes\":["
		      "\"publish:a.*\",\"consume:#\"]}" },
		    NULL, MADE },
		{ { "POST /v1/tokens HTTP/1.1\r\n", "{\"name\":\"ci\"}" }, NULL, MADE },
	};

	SCRIPTED(exchanges);
	ck_assert_int_eq(SCRIPTED_RUN(verb_token, "token", "create", "ci", "ana", "--expires-in",
			     "30d", "--scope", "publish:a.*", "--scope", "consume:#"),
	    CLI_OK);
	ck_assert_str_eq(scripted_output, "mq_secret\n");
	ck_assert_str_eq(scripted_complaint,
	    "T1, expires 2027-01-01; the token is shown this once\n");
	ck_assert_int_eq(SCRIPTED_RUN(verb_token, "token", "create", "ci", "--json"), CLI_OK);
	ck_assert_ptr_nonnull(strstr(scripted_output, "\"token\": \"mq_secret\""));
	scripted_stop();
}
END_TEST

START_TEST(a_secret_is_saved_for_its_owner_alone)
{
	static const struct scripted exchanges[] = {
		{ { "POST /v1/sessions HTTP/1.1\r\n",
		      "{\"user\":\"ana\",\"password\":\"secret\"}" },
		    "Authorization", MADE },
	};
	char token[SECRET_BYTES];
	struct stat status;

	make_file("what was there before, readable by all");
	chmod(path, 0644);
	setenv("CHASQUI_TOKEN", "mq_who-logs-in-is-nobody-yet", 1);
	SCRIPTED(exchanges);
	ck_assert_int_eq(SCRIPTED_RUN_WITH("secret\n", verb_session, "session", "login", "ana",
	    "--save", path),
	    CLI_OK);
	scripted_stop();
	ck_assert_str_eq(scripted_output, "");
	ck_assert(secret_load(path, token));
	ck_assert_str_eq(token, "mq_secret");
	ck_assert_int_eq(stat(path, &status), 0);
	ck_assert_int_eq(status.st_mode & 0777, 0600);
	unlink(path);
	ck_assert(!secret_save("/no/such/folder/token", "mq_secret"));
}
END_TEST

START_TEST(tokens_sessions_and_grants_are_listed_and_removed)
{
	static const struct scripted exchanges[] = {
		{ { "GET /v1/tokens?limit=100&user=ana HTTP/1.1\r\n" }, NULL,
		    "HTTP/1.1 200 "
		    "OK\r\n\r\n{\"tokens\":[{\"id\":\"T1\",\"scopes\":[\"publish:a.*\"]}]}" },
		{ { "DELETE /v1/tokens/T1 HTTP/1.1\r\n" }, NULL, SCRIPTED_NO_CONTENT },
		{ { "GET /v1/sessions?limit=100 HTTP/1.1\r\n" }, NULL,
		    "HTTP/1.1 200 OK\r\n\r\n{\"sessions\":[{\"id\":\"S1\",\"current\":true}]}" },
		{ { "DELETE /v1/sessions/current HTTP/1.1\r\n" }, NULL, SCRIPTED_NO_CONTENT },
		{ { "GET /v1/queues/q/grants HTTP/1.1\r\n" }, NULL,
		    "HTTP/1.1 200 "
		    "OK\r\n\r\n{\"grants\":[{\"user\":\"bob\",\"rights\":[\"browse\"]}]}" },
		{ { "PUT /v1/queues/q/grants/bob HTTP/1.1\r\n",
		      "{\"rights\":[\"publish\",\"consume\",\"browse\"]}" },
		    NULL, DONE },
		{ { "DELETE /v1/queues/q/grants/bob HTTP/1.1\r\n" }, NULL, SCRIPTED_NO_CONTENT },
	};

	SCRIPTED(exchanges);
	ck_assert_int_eq(SCRIPTED_RUN(verb_token, "token", "ls", "ana"), CLI_OK);
	ck_assert_ptr_nonnull(strstr(scripted_output, "publish:a.*"));
	ck_assert_int_eq(SCRIPTED_RUN(verb_token, "token", "rm", "T1"), CLI_OK);
	ck_assert_int_eq(SCRIPTED_RUN(verb_session, "session", "ls"), CLI_OK);
	ck_assert_ptr_nonnull(strstr(scripted_output, "S1"));
	ck_assert_int_eq(SCRIPTED_RUN(verb_session, "session", "rm", "current"), CLI_OK);
	ck_assert_int_eq(SCRIPTED_RUN(verb_grant, "grant", "ls", "q"), CLI_OK);
	ck_assert_ptr_nonnull(strstr(scripted_output, "bob"));
	ck_assert_int_eq(SCRIPTED_RUN(verb_grant, "grant", "set", "q", "bob", "publish,consume",
	    "browse"),
	    CLI_OK);
	ck_assert_int_eq(SCRIPTED_RUN(verb_grant, "grant", "rm", "q", "bob"), CLI_OK);
	scripted_stop();
}
END_TEST

START_TEST(each_option_sets_what_it_is_called)
{
	char *words[] = { "x", "--ca", "ca", "--cert", "cert", "--key", "key", "--new-admin-token",
		"--user", "user", "--token-file", "file", "--password-stdin", "--no-password",
		"--scope", "*", "--expires-in", "1h", "--save", "to", NULL };
	struct arguments arguments;

	ck_assert(arguments_parse(&arguments, HTTP_OPTIONS_TAKEN "ANSxv", 20, words));
	ck_assert_str_eq(arguments.authority_file, "ca");
	ck_assert_str_eq(arguments.certificate_file, "cert");
	ck_assert_str_eq(arguments.key_file, "key");
	ck_assert(arguments.makes_admin_token);
	ck_assert_str_eq(arguments.user, "user");
	ck_assert_str_eq(arguments.token_file, "file");
	ck_assert(arguments.reads_password && arguments.has_no_password);
	ck_assert_str_eq(arguments.scopes[0], "*");
	ck_assert_str_eq(arguments.expires_in, "1h");
	ck_assert_str_eq(arguments.save_file, "to");
}
END_TEST

static Suite *
people_suite(void)
{
	Suite *suite = suite_create("cli people");
	TCase *tcase = tcase_create("people");

	tcase_add_test(tcase,
	    a_token_comes_from_the_option_before_the_environment_and_from_that_before_its_file);
	tcase_add_test(tcase, a_user_is_asked_for_the_password_and_goes_as_basic);
	tcase_add_test(tcase, credentials_that_cannot_be_had_end_the_verb_before_it_asks);
	tcase_add_test(tcase, the_admin_token_is_for_the_broker_here_alone);
	tcase_add_test(tcase, a_401_and_a_403_say_in_one_line_what_to_do);
	tcase_add_test(tcase, a_user_is_created_with_fields_of_words_and_a_password_from_stdin);
	tcase_add_test(tcase, a_password_is_never_taken_from_the_command_line);
	tcase_add_test(tcase, who_changes_the_own_password_is_asked_for_the_one_before);
	tcase_add_test(tcase, users_are_set_disabled_enabled_shown_and_removed);
	tcase_add_test(tcase, a_new_token_is_all_that_goes_to_stdout);
	tcase_add_test(tcase, a_secret_is_saved_for_its_owner_alone);
	tcase_add_test(tcase, tokens_sessions_and_grants_are_listed_and_removed);
	tcase_add_test(tcase, each_option_sets_what_it_is_called);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(people_suite)
