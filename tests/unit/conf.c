/*
 * conf: what is shipped works, what is wrong is named with line, key and cure.
 */
#include "conf/conf.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/supervisor/regions.h"
#include "conf/address.h"
#include "conf/value.h"
#include "shm/diag.h"
#include "shm/limits.h"
#include "tests/harness/unit.h"

static struct conf conf;
static struct conf_error error;

static int
load(const char *text)
{
	return conf_load_text(text, strlen(text), "test.ini", &conf, &error);
}

/* Option number of section.key. */
static unsigned
option(const char *section, const char *key)
{
	for (unsigned i = 0; i < conf_option_count(); i++) {
		if (strcmp(conf_option_section(i), section) == 0 && strcmp(conf_option_key(i), key) == 0)
			return i;
	}
	ck_abort_msg("no option %s.%s", section, key);
}

START_TEST(the_shipped_file_loads_and_passes_the_checks)
{
	ck_assert_msg(conf_load_file("conf/chasqui.ini", &conf, &error) == 0, "%s", error.text);
	ck_assert_msg(conf_check(&conf, &error) == 0, "%s", error.text);
	ck_assert_str_eq(conf.server_listen, "127.0.0.1:4000");
	ck_assert_str_eq(conf.data_directory, "/var/lib/chasqui");
}
END_TEST

START_TEST(the_shipped_file_describes_every_key_with_its_default)
{
	static char text[CONF_FILE_BYTES_MAX];
	int fd = open("conf/chasqui.ini", O_RDONLY);
	char *end;
	ssize_t count;

	ck_assert_int_ge(fd, 0);
	count = read(fd, text, sizeof(text) - 1);
	ck_assert_int_gt(count, 0);
	close(fd);
	for (unsigned i = 0; i < conf_option_count(); i++) {
		char section[64];
		char line[CONF_TEXT_BYTES * 2];
		const char *begin;
		const char *found;

		snprintf(section, sizeof(section), "[%s]\n", conf_option_section(i));
		snprintf(line, sizeof(line), "%s = %s\n", conf_option_key(i), conf_option_default(i));
		begin = strstr(text, section);
		ck_assert_msg(begin != NULL, "chasqui.ini has no %s", section);
		end = strstr(begin + 1, "\n[");
		found = strstr(begin, line);
		ck_assert_msg(found != NULL && (end == NULL || found < end), "chasqui.ini lacks, in %s: %s", section, line);
		ck_assert_msg(found[-1] == '\n' || (found[-1] == '#' && found[-2] == '\n'), "not at its line's start: %s", line);
	}
}
END_TEST

START_TEST(what_is_written_for_the_daemons_reads_back_the_same)
{
	int fd = memfd_create("conf", 0);
	struct conf copy;

	conf_defaults(&conf);
	ck_assert_int_eq(conf_set(&conf, "server.listen=[::1]:0", &error), 0);
	ck_assert_int_eq(conf_set(&conf, "server.idle_timeout=90500ms", &error), 0);
	ck_assert_int_eq(conf_set(&conf, "data.directory=./my data", &error), 0);
	ck_assert_int_eq(conf_set(&conf, "data.direct=off", &error), 0);
	ck_assert_int_eq(conf_write_fd(&conf, fd), 0);
	ck_assert_msg(conf_load_fd(fd, "memfd", &copy, &error) == 0, "%s", error.text);
	ck_assert_mem_eq(&copy, &conf, sizeof(conf));
	/* The offset is not moved: several daemons share one descriptor. */
	ck_assert_msg(conf_load_fd(fd, "memfd", &copy, &error) == 0, "%s", error.text);
	ck_assert_mem_eq(&copy, &conf, sizeof(conf));
	close(fd);
}
END_TEST

START_TEST(a_later_assignment_wins_over_the_file)
{
	ck_assert_int_eq(load("[worker]\nshards = 4\n"), 0);
	ck_assert_uint_eq(conf.worker_shards, 4);
	ck_assert_int_eq(conf_set(&conf, "worker.shards=2", &error), 0);
	ck_assert_uint_eq(conf.worker_shards, 2);
}
END_TEST

/* Text of a file and what its error must contain. */
static const struct {
	const char *text;
	const char *wanted[4];
} bad_files[] = {
	{ "[server]\nlisten = 127.0.0.1:1\nlsten = 1\n", { "test.ini:3: ", "unknown key server.lsten", "listen, insecure, processes" } },
	{ "[servr]\n\nlisten = 127.0.0.1:1\n", { "test.ini:3: ", "there is no [servr]", "instance, server, worker" } },
	{ "listen = 127.0.0.1:1\n", { "test.ini:1: ", "listen stands in no [section]" } },
	{ "[server]\nprocesses = 0\n", { "test.ini:2: ", "server.processes = 0", "1 to 32" } },
	{ "[server]\nprocesses = 33\n", { "test.ini:2: ", "1 to 32" } },
	{ "[server]\nprocesses = 2x\n", { "test.ini:2: ", "whole number" } },
	{ "[server]\nprocesses = -1\n", { "test.ini:2: ", "whole number" } },
	{ "[server]\nprocesses =\n", { "test.ini:2: ", "whole number" } },
	{ "[server]\nhead_timeout = 10\n", { "test.ini:2: ", "a duration with its unit", "such as 10s" } },
	{ "[server]\nhead_timeout = 10 s\n", { "test.ini:2: ", "such as 10s" } },
	{ "[server]\nlisten = localhost:4000\n", { "test.ini:2: ", "numeric address:port" } },
	{ "[server]\nlisten = 127.0.0.1\n", { "test.ini:2: ", "numeric address:port" } },
	{ "[server]\nlisten = 127.0.0.1:65536\n", { "test.ini:2: ", "numeric address:port" } },
	{ "[server]\naccept = both\n", { "test.ini:2: ", "one of multishot|oneshot" } },
	{ "[worker]\nstream_ring = 20MiB\n", { "test.ini:2: ", "a power of two", "such as 16MiB" } },
	{ "[worker]\nstream_ring = 4MiB\n", { "test.ini:2: ", "8MiB to 16GiB" } },
	{ "[worker]\nmessages = 99999999999999999999\n", { "test.ini:2: ", "whole number" } },
	{ "[data]\nsegment_bytes = 8388609\n", { "test.ini:2: ", "a multiple of 4KiB" } },
	{ "[data]\nsegment_bytes = 99999999TiB\n", { "test.ini:2: ", "8MiB to 4GiB" } },
	{ "[instance]\nname = a/b\n", { "test.ini:2: ", "instance.name = a/b", "A-Z a-z" } },
	{ "[instance]\nname = ..\n", { "test.ini:2: ", "A-Z a-z" } },
	{ "[log]\nlevel = info\nlevel = debug\n", { "test.ini:3: ", "already set on line 2" } },
	{ "[log]\nlevel = info\n  debug\n", { "test.ini:3: ", "already set on line 2", "indented" } },
	{ "[log]\nnonsense\n", { "test.ini:2: ", "neither [section]" } },
	{ "[log\nlevel = info\n", { "test.ini:2: ", "its line is broken" } },
	{ "[log]\n[log\n", { "test.ini:2: ", "neither [section]" } },
};

START_TEST(an_error_names_file_line_key_and_cure)
{
	ck_assert_int_eq(load(bad_files[_i].text), -1);
	for (unsigned i = 0; i < 4 && bad_files[_i].wanted[i] != NULL; i++)
		ck_assert_msg(strstr(error.text, bad_files[_i].wanted[i]) != NULL, "wanted `%s`, saw `%s`",
		    bad_files[_i].wanted[i], error.text);
	ck_assert_ptr_null(strchr(error.text, '\n'));
}
END_TEST

START_TEST(a_line_that_is_too_long_is_an_error_and_not_two_lines)
{
	char text[400] = "[data]\ndirectory = /";

	memset(text + strlen(text), 'x', 300);
	ck_assert_int_eq(load(text), -1);
	ck_assert_msg(strstr(error.text, "test.ini:2: the line is longer") != NULL, "%s", error.text);
}
END_TEST

START_TEST(a_file_that_is_not_text_is_an_error)
{
	ck_assert_int_eq(conf_load_text("[log]\nlevel\0= info\n", 19, "test.ini", &conf, &error), -1);
	ck_assert_msg(strstr(error.text, "test.ini:2: a NUL byte") != NULL, "%s", error.text);
	ck_assert_int_eq(conf_load_file("conf/no-such-file.ini", &conf, &error), -1);
	ck_assert_msg(strstr(error.text, "cannot open conf/no-such-file.ini: No such file") != NULL, "%s", error.text);
	ck_assert_int_eq(conf_load_file("conf", &conf, &error), -1);
	ck_assert_msg(strstr(error.text, "cannot read conf: Is a directory") != NULL, "%s", error.text);
}
END_TEST

START_TEST(a_file_may_have_a_mark_comments_and_windows_line_ends)
{
	ck_assert_msg(load("\xef\xbb\xbf# c\r\n; c\r\n\r\n[log]\r\nlevel = debug ; c\r\n") == 0, "%s", error.text);
	ck_assert_uint_eq(conf.log_level, DIAG_DEBUG);
	ck_assert_int_eq(load(""), 0);
}
END_TEST

static const char *const bad_assignments[][2] = {
	{ "server.listen", "section.key=value" },
	{ "listen=127.0.0.1:1", "section.key=value" },
	{ "=", "section.key=value" },
	{ "server.nothing=1", "unknown key; [server] has listen" },
	{ "nothing.listen=1", "there is no [nothing]" },
	{ "server.pipeline=65", "-o server.pipeline=65: must be a whole number, 1 to 64" },
	{ "data.directory=a ;b", "a path" },
	{ "data.directory=a\nb", "a path" },
	{ "data.directory=", "a path" },
};

START_TEST(an_assignment_that_is_wrong_says_so_and_changes_nothing)
{
	struct conf before;

	conf_defaults(&conf);
	before = conf;
	ck_assert_int_eq(conf_set(&conf, bad_assignments[_i][0], &error), -1);
	ck_assert_msg(strstr(error.text, bad_assignments[_i][1]) != NULL, "saw `%s`", error.text);
	ck_assert_mem_eq(&conf, &before, sizeof(conf));
}
END_TEST

START_TEST(without_credentials_only_loopback_is_served)
{
	conf_defaults(&conf);
	ck_assert_msg(conf_check(&conf, &error) == 0, "%s", error.text);
	ck_assert_int_eq(conf_set(&conf, "auth.mode=off", &error), 0);
	ck_assert_msg(conf_check(&conf, &error) == 0, "%s", error.text);
	for (unsigned i = 0; i < 4; i++) {
		static const char *const far[] = { "0.0.0.0:4000", "10.0.0.1:4000", "[::]:4000", "[::ffff:127.0.0.1]:4000" };
		char assignment[64];

		snprintf(assignment, sizeof(assignment), "server.listen=%s", far[i]);
		ck_assert_int_eq(conf_set(&conf, assignment, &error), 0);
		ck_assert_int_eq(conf_check(&conf, &error), -1);
		ck_assert_msg(strstr(error.text, "only loopback") != NULL, "%s", error.text);
	}
	ck_assert_int_eq(conf_set(&conf, "server.listen=[::1]:0", &error), 0);
	ck_assert_int_eq(conf_check(&conf, &error), 0);
}
END_TEST

static void
expect_check_refuses(const char *word)
{
	ck_assert_int_eq(conf_check(&conf, &error), -1);
	ck_assert_msg(strstr(error.text, word) != NULL, "wanted `%s`, saw `%s`", word, error.text);
}

START_TEST(plain_http_beyond_loopback_is_refused_unless_it_is_said_to_be_insecure)
{
	conf_defaults(&conf);
	ck_assert_int_eq(conf_set(&conf, "server.listen=0.0.0.0:4000", &error), 0);
	expect_check_refuses("insecure = yes");
	ck_assert_int_eq(conf_set(&conf, "tls.listen=0.0.0.0:4443", &error), 0);
	expect_check_refuses("insecure = yes");
	ck_assert_int_eq(conf_set(&conf, "server.insecure=yes", &error), 0);
	ck_assert_msg(conf_check(&conf, &error) == 0, "%s", error.text);
	ck_assert_int_eq(conf_set(&conf, "auth.mode=off", &error), 0);
	expect_check_refuses("only loopback");
}
END_TEST

START_TEST(a_broker_must_be_reached_somewhere_and_without_users_by_loopback_only)
{
	struct sockaddr_storage address;

	conf_defaults(&conf);
	ck_assert_int_eq(conf_tls_address(&conf, &address), 0);
	ck_assert_int_eq(conf_set(&conf, "auth.mode=off", &error), 0);
	ck_assert_int_eq(conf_set(&conf, "server.listen=off", &error), 0);
	ck_assert_int_eq(conf_listen_address(&conf, &address), 0);
	expect_check_refuses("both off");
	ck_assert_int_eq(conf_set(&conf, "tls.listen=0.0.0.0:4443", &error), 0);
	expect_check_refuses("tls.listen = 0.0.0.0:4443: with auth.mode = off only loopback");
	ck_assert_int_eq(conf_set(&conf, "tls.listen=127.0.0.1:4443", &error), 0);
	ck_assert_int_gt(conf_tls_address(&conf, &address), 0);
	ck_assert_msg(conf_check(&conf, &error) == 0, "%s", error.text);
	ck_assert_int_eq(conf_set(&conf, "tls.client_users=san", &error), 0);
	expect_check_refuses("tls.client_auth = off");
}
END_TEST

START_TEST(values_that_contradict_each_other_are_refused)
{
	ck_assert_int_eq(load("[auth]\nmode=off\n[server]\nbody_memory = 1MiB\n"), 0);
	ck_assert_int_eq(conf_check(&conf, &error), -1);
	ck_assert_msg(strstr(error.text, "server.max_body") != NULL, "%s", error.text);
	ck_assert_int_eq(load("[auth]\nmode=off\n[data]\nbatch_bytes = 4MiB\n[worker]\nstream_ring=8MiB\n"), 0);
	ck_assert_int_eq(conf_check(&conf, &error), -1);
	ck_assert_msg(strstr(error.text, "worker.stream_ring") != NULL, "%s", error.text);
}
END_TEST

/* conf does not know shm; these are the places where a number stands twice. */
START_TEST(limits_are_those_of_shm)
{
	struct conf_error unused;

	conf_defaults(&conf);
	ck_assert_uint_eq(FRONT_MAX, 32);
	ck_assert_uint_eq(WORKER_MAX, 32);
	ck_assert_uint_eq(INSTANCE_MAX_BYTES, 32);
	ck_assert_int_eq(conf_set(&conf, "server.processes=33", &unused), -1);
	ck_assert_int_eq(conf_set(&conf, "worker.shards=33", &unused), -1);
	ck_assert_int_eq(conf_set(&conf, "data.segment_bytes=8MiB", &unused), 0);
	ck_assert_uint_ge(conf.data_segment_bytes, BATCH_BYTES_MAX);
	ck_assert_int_eq(conf_set(&conf, "data.segment_bytes=4MiB", &unused), -1);
	ck_assert_int_eq(conf_set(&conf, "worker.request_ring=8MiB", &unused), 0);
	ck_assert_uint_ge(conf.worker_request_ring, FRAME_BYTES_MAX);
	ck_assert_int_eq(conf_set(&conf, "worker.request_ring=4MiB", &unused), -1);
	ck_assert_int_eq(conf_set(&conf, "worker.stream_ring=8MiB", &unused), 0);
	ck_assert_uint_ge(conf.worker_stream_ring, TXN_RECORD_BYTES_MAX);
	ck_assert_int_eq(conf_set(&conf, "worker.reply_ring=128KiB", &unused), 0);
	ck_assert_uint_ge(conf.worker_reply_ring, REPLY_BYTES_MAX);
	ck_assert_int_eq(conf_set(&conf, "worker.reply_ring=64KiB", &unused), -1);
	ck_assert_int_eq(conf_set(&conf, "front.body_ring=2MiB", &unused), 0);
	ck_assert_uint_ge(conf.front_body_ring, FETCH_BYTES_MAX);
	ck_assert_uint_eq(conf.data_batch_bytes, BATCH_BYTES_TARGET);
	ck_assert_uint_ge(conf.server_max_body, FRAME_PAYLOAD_BYTES_MAX);
	ck_assert_uint_eq(conf.log_level, DIAG_INFO);
}
END_TEST

START_TEST(the_shipped_defaults_take_less_than_168_MiB_of_shared_memory)
{
	struct geometry geometry;
	size_t bytes;

	conf_defaults(&conf);
	geometry = regions_geometry(&conf, 1, 1);
	bytes = regions_sizes(&geometry).total_bytes;
	ck_assert_msg(bytes < 168u << 20, "they take %zu bytes", bytes);
	ck_assert_uint_ge(conf.worker_messages, 300000);
}
END_TEST

START_TEST(choices_stand_in_the_order_of_their_enums)
{
	struct conf_error unused;

	conf_defaults(&conf);
	ck_assert_uint_eq(conf.server_accept, CONF_ACCEPT_MULTISHOT);
	ck_assert_uint_eq(conf.data_direct, CONF_DIRECT_AUTO);
	ck_assert_uint_eq(conf.auth_mode, CONF_AUTH_REQUIRED);
	ck_assert_uint_eq(conf.server_insecure, CONF_INSECURE_NO);
	ck_assert_uint_eq(conf.tls_min_version, CONF_TLS_1_2);
	ck_assert_uint_eq(conf.tls_client_auth, CONF_CLIENT_AUTH_OFF);
	ck_assert_uint_eq(conf.tls_client_users, CONF_CLIENT_USERS_OFF);
	ck_assert_int_eq(conf_set(&conf, "tls.client_auth=required", &unused), 0);
	ck_assert_uint_eq(conf.tls_client_auth, CONF_CLIENT_AUTH_REQUIRED);
	ck_assert_int_eq(conf_set(&conf, "tls.client_users=cn", &unused), 0);
	ck_assert_uint_eq(conf.tls_client_users, CONF_CLIENT_USERS_CN);
	ck_assert_int_eq(conf_set(&conf, "server.accept=oneshot", &unused), 0);
	ck_assert_uint_eq(conf.server_accept, CONF_ACCEPT_ONESHOT);
	ck_assert_int_eq(conf_set(&conf, "data.direct=off", &unused), 0);
	ck_assert_uint_eq(conf.data_direct, CONF_DIRECT_OFF);
	ck_assert_int_eq(conf_set(&conf, "log.level=error", &unused), 0);
	ck_assert_uint_eq(conf.log_level, DIAG_ERROR);
}
END_TEST

START_TEST(values_format_as_they_are_written)
{
	static const char *const sizes[] = { "0B", "1B", "1023B", "1KiB", "1025B", "64KiB", "3MiB", "1GiB", "2TiB" };
	static const char *const durations[] = { "0ms", "999ms", "1s", "1500ms", "90s", "2m", "12h", "7d" };
	char text[64];
	uint64_t value;

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		ck_assert(value_parse_size(sizes[i], &value));
		value_format_size(value, text, sizeof(text));
		ck_assert_str_eq(text, sizes[i]);
	}
	for (unsigned i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
		ck_assert(value_parse_duration(durations[i], &value));
		value_format_duration(value, text, sizeof(text));
		ck_assert_str_eq(text, durations[i]);
	}
	ck_assert(!value_parse_size("18446744073709551616", &value));
	ck_assert(!value_parse_size("18446744073709551615KiB", &value));
	ck_assert(!value_parse_size("1kib", &value));
	ck_assert(!value_parse_size(" 1", &value));
	ck_assert(!value_parse_size("+1", &value));
	ck_assert(!value_parse_choice("on|of", "on|off", &value));
	ck_assert(!value_parse_choice("", "on|off", &value));
}
END_TEST

START_TEST(addresses_become_socket_addresses)
{
	struct sockaddr_storage address;
	struct sockaddr_in ipv4;

	ck_assert_uint_eq(address_parse("127.1.2.3:80", &address), sizeof(struct sockaddr_in));
	memcpy(&ipv4, &address, sizeof(ipv4));
	ck_assert_uint_eq(ntohl(ipv4.sin_addr.s_addr), 0x7f010203);
	ck_assert_uint_eq(ntohs(ipv4.sin_port), 80);
	ck_assert(address_is_loopback(&address));
	ck_assert_uint_eq(address_parse("[::1]:80", &address), sizeof(struct sockaddr_in6));
	ck_assert(address_is_loopback(&address));
	ck_assert_uint_eq(address_parse("::1:80", &address), 0);
	ck_assert_uint_eq(address_parse("[::1:80", &address), 0);
	ck_assert_uint_eq(address_parse("[]:80", &address), 0);
	ck_assert_uint_eq(address_parse("[:80", &address), 0);
	ck_assert_uint_eq(address_parse(":80", &address), 0);
	ck_assert_uint_eq(address_parse("127.0.0.1:", &address), 0);
	ck_assert_uint_eq(address_parse("127.0.0.1:+80", &address), 0);
}
END_TEST

START_TEST(reload_finds_what_changed_and_what_may)
{
	struct conf other;
	struct conf_error unused;
	unsigned level = option("log", "level");
	unsigned listen = option("server", "listen");

	conf_defaults(&conf);
	other = conf;
	ck_assert(conf_option_is_equal(level, &conf, &other));
	ck_assert_int_eq(conf_set(&other, "log.level=debug", &unused), 0);
	ck_assert_int_eq(conf_set(&other, "server.listen=127.0.0.1:1", &unused), 0);
	ck_assert(!conf_option_is_equal(level, &conf, &other));
	ck_assert(!conf_option_is_equal(listen, &conf, &other));
	ck_assert(conf_option_is_reloadable(level));
	ck_assert(!conf_option_is_reloadable(listen));
}
END_TEST

static Suite *
conf_suite(void)
{
	Suite *suite = suite_create("conf");
	TCase *values = tcase_create("conf");

	tcase_add_test(values, the_shipped_file_loads_and_passes_the_checks);
	tcase_add_test(values, the_shipped_file_describes_every_key_with_its_default);
	tcase_add_test(values, what_is_written_for_the_daemons_reads_back_the_same);
	tcase_add_test(values, a_later_assignment_wins_over_the_file);
	tcase_add_loop_test(values, an_error_names_file_line_key_and_cure, 0, sizeof(bad_files) / sizeof(bad_files[0]));
	tcase_add_test(values, a_line_that_is_too_long_is_an_error_and_not_two_lines);
	tcase_add_test(values, a_file_that_is_not_text_is_an_error);
	tcase_add_test(values, a_file_may_have_a_mark_comments_and_windows_line_ends);
	tcase_add_loop_test(values, an_assignment_that_is_wrong_says_so_and_changes_nothing, 0,
	    sizeof(bad_assignments) / sizeof(bad_assignments[0]));
	tcase_add_test(values, without_credentials_only_loopback_is_served);
	tcase_add_test(values, plain_http_beyond_loopback_is_refused_unless_it_is_said_to_be_insecure);
	tcase_add_test(values, a_broker_must_be_reached_somewhere_and_without_users_by_loopback_only);
	tcase_add_test(values, values_that_contradict_each_other_are_refused);
	tcase_add_test(values, limits_are_those_of_shm);
	tcase_add_test(values, the_shipped_defaults_take_less_than_168_MiB_of_shared_memory);
	tcase_add_test(values, choices_stand_in_the_order_of_their_enums);
	tcase_add_test(values, values_format_as_they_are_written);
	tcase_add_test(values, addresses_become_socket_addresses);
	tcase_add_test(values, reload_finds_what_changed_and_what_may);
	suite_add_tcase(suite, values);
	return suite;
}

UNIT_MAIN(conf_suite)
