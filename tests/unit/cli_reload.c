/*
 * reload: what of a new configuration works at once, what waits for a restart, and what the daemons read.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "tests/harness/unit.h"

#include "cli/supervisor/reload.h"
#include "shm/diag.h"

static struct conf
configured(const char *const *assignments)
{
	struct conf_error error;
	struct conf conf;

	conf_defaults(&conf);
	for (; *assignments != NULL; assignments++)
		ck_assert_msg(conf_set(&conf, *assignments, &error) == 0, "%s", error.text);
	return conf;
}

#define CONFIGURED(...) configured((const char *const[]){ __VA_ARGS__, NULL })

START_TEST(nothing_differs_and_nothing_changes)
{
	struct conf running = CONFIGURED("auth.mode=off"), wanted = running;
	struct reload_result result = reload_apply(&running, &wanted);

	ck_assert_uint_eq(result.reloaded, 0);
	ck_assert_uint_eq(result.needs_restart, 0);
}
END_TEST

START_TEST(a_key_that_can_is_taken_over)
{
	struct conf running = CONFIGURED("server.idle_timeout=60s"), wanted = CONFIGURED("server.idle_timeout=1500ms", "log.level=debug");
	struct reload_result result = reload_apply(&running, &wanted);

	ck_assert_uint_eq(result.reloaded, 2);
	ck_assert_uint_eq(result.needs_restart, 0);
	ck_assert_uint_eq(running.server_idle_timeout_ms, 1500);
	ck_assert_uint_eq(running.log_level, DIAG_DEBUG);
}
END_TEST

START_TEST(a_key_that_cannot_stays_as_it_is_and_is_told_each_time)
{
	struct conf running = CONFIGURED("worker.shards=1"), wanted = CONFIGURED("worker.shards=2", "server.listen=127.0.0.1:1");

	for (int i = 0; i < 2; i++) {
		struct reload_result result = reload_apply(&running, &wanted);

		ck_assert_uint_eq(result.reloaded, 0);
		ck_assert_uint_eq(result.needs_restart, 2);
		ck_assert_uint_eq(running.worker_shards, 1);
	}
}
END_TEST

START_TEST(every_reloadable_key_can_be_taken_over_from_any_value_it_can_have)
{
	struct conf running, wanted;

	conf_defaults(&running);
	conf_defaults(&wanted);
	wanted.server_head_timeout_ms = 123456;
	wanted.server_body_rate = 1000003;
	reload_apply(&running, &wanted);
	ck_assert_uint_eq(running.server_head_timeout_ms, 123456);
	ck_assert_uint_eq(running.server_body_rate, 1000003);
}
END_TEST

START_TEST(daemons_read_what_was_written_also_when_it_is_shorter_than_before)
{
	struct conf one = CONFIGURED("data.directory=/a/long/path/to/somewhere/far/away"), other = CONFIGURED("data.directory=/b"), seen;
	struct conf_error error;
	int fd = memfd_create("conf", 0);

	ck_assert_int_eq(reload_write(&one, fd), 0);
	ck_assert_int_eq(conf_load_fd(fd, "conf", &seen, &error), 0);
	ck_assert_str_eq(seen.data_directory, one.data_directory);
	ck_assert_int_eq(reload_write(&other, fd), 0);
	ck_assert_msg(conf_load_fd(fd, "conf", &seen, &error) == 0, "%s", error.text);
	ck_assert_str_eq(seen.data_directory, "/b");
	close(fd);
}
END_TEST

START_TEST(an_assignment_wins_over_the_file)
{
	char path[] = "/tmp/chasqui-unit-XXXXXX";
	const char text[] = "[server]\nlisten = 127.0.0.1:5\nidle_timeout = 7s\n[auth]\nmode = off\n";
	const char *assignments[] = { "server.listen=127.0.0.1:6" };
	struct conf_source source = { .file = path, .assignments = assignments, .assignment_count = 1 };
	int fd = mkstemp(path);
	struct conf_error error;
	struct conf conf;

	ck_assert_int_eq(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	int result = conf_source_load(&source, &conf, &error);
	unlink(path);
	close(fd);
	ck_assert_msg(result == 0, "%s", error.text);
	ck_assert_str_eq(conf.server_listen, "127.0.0.1:6");
	ck_assert_uint_eq(conf.server_idle_timeout_ms, 7000);
}
END_TEST

START_TEST(without_users_only_loopback_is_served)
{
	const char *assignments[] = { "server.listen=0.0.0.0:4000", "auth.mode=off" };
	struct conf_source source = { .assignments = assignments, .assignment_count = 2 };
	struct conf_error error = { .text = "" };
	struct conf conf;

	ck_assert_int_eq(conf_source_load(&source, &conf, &error), -1);
	ck_assert_msg(strstr(error.text, "auth.mode") != NULL, "%s", error.text);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("cli/supervisor/reload");
	TCase *reload = tcase_create("reload");

	tcase_add_test(reload, nothing_differs_and_nothing_changes);
	tcase_add_test(reload, a_key_that_can_is_taken_over);
	tcase_add_test(reload, a_key_that_cannot_stays_as_it_is_and_is_told_each_time);
	tcase_add_test(reload, every_reloadable_key_can_be_taken_over_from_any_value_it_can_have);
	tcase_add_test(reload, daemons_read_what_was_written_also_when_it_is_shorter_than_before);
	tcase_add_test(reload, an_assignment_wins_over_the_file);
	tcase_add_test(reload, without_users_only_loopback_is_served);
	suite_add_tcase(suite, reload);
	return suite;
}

UNIT_MAIN(suite)
