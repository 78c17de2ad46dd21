#include "tests/unit/front_world.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

static struct client client;
static int control[2];
static char path[2][64]; /* the log, and where it goes on */

static void
setup(void)
{
	world_setup();
	for (unsigned i = 0; i < 2; i++)
		snprintf(path[i], sizeof(path[i]), "/tmp/%s.audit%u", world.instance, i);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, control), 0);
	world.limits.audit_control_fd = control[1];
}

static void
begin(int fd)
{
	ck_assert_int_gt(fd, 0);
	world.limits.audit_fd = fd;
	world_start();
	client_open(&client, world.port);
}

static int
open_log(unsigned which)
{
	return open(path[which], O_WRONLY | O_APPEND | O_CREAT, 0600);
}

static void
teardown(void)
{
	client_close(&client);
	world_stop();
	unlink(path[0]);
	unlink(path[1]);
}

/* What is in a log so far. */
static const char *
text_of(unsigned which)
{
	static char text[64 << 10];
	int fd = open(path[which], O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* As cli/supervisor/audit_file does. */
static void
hand_over(int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} room = { .bytes = { 0 } };
	struct iovec payload = { .iov_base = &(char){ 0 }, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &payload, .msg_iovlen = 1, .msg_control = room.bytes,
		.msg_controllen = sizeof(room.bytes) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	ck_assert_int_eq(sendmsg(control[0], &message, 0), 1);
	store_release(&world.registry.shared->audit_generation, world.registry.shared->audit_generation + 1);
	close(fd);
}

static void
ask(const char *queue)
{
	client_text(&client, "DELETE /v1/queues/%s HTTP/1.1\r\nHost: x\r\n\r\n", queue);
}

static void
serve(void)
{
	struct reply reply = { 0 };

	world_take(OP_QUEUE_DELETE);
	world_reply(OUTCOME_OK, 0, &reply, sizeof(reply));
}

START_TEST(the_answer_to_an_admin_action_comes_after_its_line_and_both_have_the_same_id)
{
	char wanted[128];

	begin(open_log(0));
	ask("orders");
	serve();
	struct response *answer = client_answer(&client);
	expect_status(answer, 204);
	snprintf(wanted, sizeof(wanted), "\"request\":\"%s\"", response_field(answer, "Mq-Request-Id"));
	const char *line = text_of(0);
	ck_assert_ptr_nonnull(strstr(line, wanted));
	ck_assert_ptr_nonnull(strstr(line, "\"verb\":\"DELETE /v1/queues/{q}\",\"object\":\"orders\",\"status\":204,\"code\":\"ok\"}\n"));
	ck_assert_ptr_nonnull(strstr(line, "\"from\":\"127.0.0.1:"));
}
END_TEST

START_TEST(an_answer_waits_while_its_line_cannot_be_written)
{
	static char junk[64 << 10];
	int ends[2];

	/* A pipe that is full is a disk that takes its time. */
	ck_assert_int_eq(pipe2(ends, 0), 0);
	ck_assert_int_gt(fcntl(ends[1], F_SETFL, O_NONBLOCK), -1);
	while (write(ends[1], junk, sizeof(junk)) > 0)
		;
	ck_assert_int_gt(fcntl(ends[1], F_SETFL, 0), -1);
	begin(ends[1]);
	ask("orders");
	serve();
	ck_assert_ptr_null(client_try_answer(&client, 300));
	while (read(ends[0], junk, sizeof(junk)) == (ssize_t)sizeof(junk))
		;
	expect_status(client_answer(&client), 204);
	close(ends[0]);
}
END_TEST

START_TEST(messages_are_not_written_down_unless_asked_for)
{
	begin(open_log(0));
	client_text(&client, "POST /v1/queues/q/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi");
	world_take(OP_PUBLISH);
	world_published(1, 0);
	struct response *answer = client_answer(&client);
	expect_status(answer, 201);
	ck_assert_ptr_null(response_field(answer, "Mq-Request-Id"));
	ck_assert_str_eq(text_of(0), "");
}
END_TEST

START_TEST(messages_are_written_down_when_asked_for_and_health_checks_never)
{
	world.limits.audit_data_plane = true;
	begin(open_log(0));
	expect_status(client_do(&client, "GET /livez"), 200);
	client_text(&client, "POST /v1/queues/q/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi");
	world_take(OP_PUBLISH);
	world_published(1, 0);
	ck_assert_ptr_nonnull(response_field(client_answer(&client), "Mq-Request-Id"));
	uint64_t until_ns = now_ns() + WORLD_TIMEOUT_NS;
	while (strstr(text_of(0), "\"verb\":\"POST /v1/queues/{q}/messages\",\"object\":\"q\",\"status\":201") == NULL) {
		ck_assert_uint_lt(now_ns(), until_ns); /* nobody waits for such a line */
		usleep(1000);
	}
	ck_assert_ptr_null(strstr(text_of(0), "livez"));
}
END_TEST

START_TEST(what_a_worker_forbids_is_written_down_also_when_the_client_has_gone)
{
	static struct client gone;

	begin(open_log(0));
	client_text(&client, "POST /v1/queues/one/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi");
	world_take(OP_PUBLISH);
	world_refuse(OUTCOME_FORBIDDEN);
	ck_assert_ptr_nonnull(response_field(client_answer(&client), "Mq-Request-Id"));
	client_open(&gone, world.port);
	client_text(&gone, "POST /v1/queues/two/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi");
	world_take(OP_PUBLISH);
	client_reset(&gone);
	uint64_t until_ns = now_ns() + WORLD_TIMEOUT_NS;
	while (load_relaxed(&world.role.stats.shared->connections_closed) == 0) {
		ck_assert_uint_lt(now_ns(), until_ns);
		usleep(1000);
	}
	world_refuse(OUTCOME_FORBIDDEN);
	while (strstr(text_of(0), "\"object\":\"two\",\"status\":403,\"code\":\"forbidden\"") == NULL) {
		ck_assert_uint_lt(now_ns(), until_ns);
		usleep(1000);
	}
	ck_assert_ptr_nonnull(strstr(text_of(0), "\"object\":\"one\",\"status\":403"));
	ck_assert_ptr_null(strstr(text_of(0), "\"from\":null"));
}
END_TEST

START_TEST(an_admin_action_is_written_down_also_when_its_client_has_gone)
{
	static struct client gone;
	uint64_t until_ns = now_ns() + WORLD_TIMEOUT_NS;

	begin(open_log(0));
	client_open(&gone, world.port);
	client_text(&gone, "DELETE /v1/queues/orders HTTP/1.1\r\nHost: x\r\n\r\n");
	world_take(OP_QUEUE_DELETE);
	client_reset(&gone);
	while (load_relaxed(&world.role.stats.shared->connections_closed) == 0) {
		ck_assert_uint_lt(now_ns(), until_ns);
		usleep(1000);
	}
	struct reply reply = { 0 };
	world_reply(OUTCOME_OK, 0, &reply, sizeof(reply));
	while (strstr(text_of(0), "\"object\":\"orders\",\"status\":204") == NULL) {
		ck_assert_uint_lt(now_ns(), until_ns);
		usleep(1000);
	}
}
END_TEST

START_TEST(while_the_log_fails_admin_actions_are_refused_and_messages_go_on_and_a_new_file_ends_it)
{
	static struct client other;

	begin(open("/dev/full", O_WRONLY | O_APPEND));
	ask("first");
	serve();
	ck_assert_ptr_null(client_try_answer(&client, 100)); /* done, and not answered: its line cannot be written */
	client_open(&other, world.port);
	struct response *answer = client_do(&other, "DELETE /v1/queues/second");
	expect_problem(answer, 503, "audit-failed");
	client_text(&other, "POST /v1/queues/q/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi");
	world_take(OP_PUBLISH);
	world_published(1, 0);
	expect_status(client_answer(&other), 201);

	hand_over(open_log(1));
	expect_status(client_answer(&client), 204);
	ck_assert_ptr_nonnull(strstr(text_of(1), "\"object\":\"first\",\"status\":204"));
	ck_assert_ptr_null(strstr(text_of(1), "second"));
	client_text(&other, "DELETE /v1/queues/third HTTP/1.1\r\nHost: x\r\n\r\n");
	serve();
	expect_status(client_answer(&other), 204);
	client_close(&other);
}
END_TEST

START_TEST(a_line_that_was_cut_by_a_full_disk_is_written_again_whole)
{
	struct rlimit limit;

	/* The file may grow to the middle of the second line. */
	(void)signal(SIGXFSZ, SIG_IGN);
	begin(open_log(0));
	ask("first");
	serve();
	expect_status(client_answer(&client), 204);
	size_t line_bytes = strlen(text_of(0));
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	struct rlimit small = { .rlim_cur = line_bytes + line_bytes / 2, .rlim_max = limit.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	ask("other");
	serve();
	ck_assert_ptr_null(client_try_answer(&client, 200));
	ck_assert_uint_eq(strlen(text_of(0)), small.rlim_cur);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	expect_status(client_answer(&client), 204);
	const char *torn = text_of(0) + line_bytes, *end = strchr(torn, '\n');
	ck_assert_ptr_nonnull(end);
	ck_assert_uint_eq((size_t)(end - torn), line_bytes / 2);
	ck_assert_mem_eq(end + 1, torn, (size_t)(end - torn)); /* the same line, from its beginning */
	ck_assert_ptr_nonnull(strstr(end, "\"object\":\"other\",\"status\":204,\"code\":\"ok\"}\n"));
	ck_assert_uint_eq(strlen(end + 1), line_bytes);
}
END_TEST

START_TEST(told_to_go_on_it_goes_on_without_the_log_and_writes_it_later)
{
	world.limits.audit_goes_on = true;
	begin(open("/dev/full", O_WRONLY | O_APPEND));
	for (unsigned i = 0; i < 100; i++) {
		ask("orders");
		serve();
		expect_status(client_answer(&client), 204);
	}
	hand_over(open_log(1));
	uint64_t until_ns = now_ns() + WORLD_TIMEOUT_NS;
	for (unsigned lines = 0; lines < 100;) {
		lines = 0;
		for (const char *at = text_of(1); (at = strchr(at, '\n')) != NULL; at++)
			lines++;
		ck_assert_uint_lt(now_ns(), until_ns);
		usleep(1000);
	}
}
END_TEST

START_TEST(more_failures_than_a_disk_should_hold_are_counted_instead)
{
	enum { FAILURES = AUDIT_FAILURES_PER_SECOND * 3 };
	unsigned lines = 0, answers = 0;
	const char *gap = NULL;

	begin(open_log(0));
	while (answers < FAILURES) {
		client_text(&client, "GET /v1/queues/q HTTP/1.1\r\nHost: x\r\n\r\nGET /v1/queues/q HTTP/1.1\r\nHost: x\r\n\r\n"
		    "GET /v1/queues/q HTTP/1.1\r\nHost: x\r\n\r\nGET /v1/queues/q HTTP/1.1\r\nHost: x\r\n\r\n");
		for (unsigned i = 0; i < 4; i++) {
			world_take(OP_QUEUE_GET);
			world_refuse(OUTCOME_FORBIDDEN);
		}
		for (unsigned i = 0; i < 4; i++, answers++)
			expect_status(client_answer(&client), 403);
	}
	/* However slow this machine is: each failure has its line or is in a count. */
	uint64_t until_ns = now_ns() + WORLD_TIMEOUT_NS;
	unsigned counted = 0;
	while (lines + counted < FAILURES) {
		static char text[4 << 20];
		int fd = open(path[0], O_RDONLY);
		ssize_t n = read(fd, text, sizeof(text) - 1);

		close(fd);
		ck_assert_int_ge(n, 0);
		text[n] = '\0';
		lines = counted = 0;
		for (char *at = text; *at != '\0'; at = strchr(at, '\n') + 1) {
			gap = strstr(at, "\"event\":\"lines-left-out\"");
			if (gap != NULL && gap < strchr(at, '\n'))
				counted += (unsigned)strtoul(strstr(gap, "\"count\":") + 8, NULL, 10);
			else
				lines++;
		}
		ck_assert_uint_lt(now_ns(), until_ns);
		usleep(1000);
	}
	ck_assert_uint_eq(lines + counted, FAILURES);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("front_audit");
	TCase *tcase = tcase_create("audit");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, the_answer_to_an_admin_action_comes_after_its_line_and_both_have_the_same_id);
	tcase_add_test(tcase, an_answer_waits_while_its_line_cannot_be_written);
	tcase_add_test(tcase, messages_are_not_written_down_unless_asked_for);
	tcase_add_test(tcase, messages_are_written_down_when_asked_for_and_health_checks_never);
	tcase_add_test(tcase, what_a_worker_forbids_is_written_down_also_when_the_client_has_gone);
	tcase_add_test(tcase, an_admin_action_is_written_down_also_when_its_client_has_gone);
	tcase_add_test(tcase, while_the_log_fails_admin_actions_are_refused_and_messages_go_on_and_a_new_file_ends_it);
	tcase_add_test(tcase, a_line_that_was_cut_by_a_full_disk_is_written_again_whole);
	tcase_add_test(tcase, told_to_go_on_it_goes_on_without_the_log_and_writes_it_later);
	tcase_add_test(tcase, more_failures_than_a_disk_should_hold_are_counted_instead);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
