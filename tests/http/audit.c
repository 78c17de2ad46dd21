/*
 * The audit log as an operator finds it: what has a line and what has none, rotation, and that every admin action that was
 * answered has its line, whatever dies meanwhile.
 */
#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shm/atomic.h"
#include "tests/harness/accounts.h"
#include "tests/harness/broker.h"
#include "tests/harness/client.h"
#include "tests/harness/deadline.h"
#include "tests/harness/session.h"
#include "tests/harness/unit.h"
#include "tests/harness/wire.h"

static struct broker broker;
static struct client client;
static char log_path[200], file_option[240];

/* A broker with an audit log in its own folder and these options. */
static void
begin(const char *const *more)
{
	static const char *options[BROKER_OPTIONS_MAX + 1];
	unsigned count = 0;

	options[count++] = file_option;
	for (unsigned i = 0; more != NULL && more[i] != NULL; i++)
		options[count++] = more[i];
	options[count] = NULL;
	broker_init(&broker, options);
	snprintf(log_path, sizeof(log_path), "%s/audit", broker.directory);
	snprintf(file_option, sizeof(file_option), "audit.file=%s", log_path);
	broker_start(&broker);
	client_open(&client, broker.port);
}

static void
end(void)
{
	client_close(&client);
	broker_free(&broker);
}

/* ---- reading it ---- */

static char *
read_file(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = NULL;
	size_t capacity = 0;

	ck_assert_msg(file != NULL, "there is no %s", path);
	if (getdelim(&text, &capacity, '\0', file) < 0)
		text = strdup("");
	fclose(file);
	return text;
}

/* A frontd was killed: what it was writing may be cut, and the next line stands behind the piece. */
static bool may_be_cut;

static json_t *
read_line(const char *at, const char *end)
{
	static const char begin[] = "{\"time\":";
	json_t *line = json_loadb(at, (size_t)(end - at), JSON_REJECT_DUPLICATES, NULL);

	for (const char *from = end - sizeof(begin); line == NULL && may_be_cut && from > at; from--) {
		if (memcmp(from, begin, sizeof(begin) - 1) == 0)
			return json_loadb(from, (size_t)(end - from), JSON_REJECT_DUPLICATES, NULL);
	}
	return line;
}

/* Every line is a whole JSON object, and the file ends with one. */
static void
gather(json_t *lines, const char *path)
{
	char *text = read_file(path), *at = text, *line_end;

	for (; (line_end = strchr(at, '\n')) != NULL; at = line_end + 1) {
		json_t *line = read_line(at, line_end);

		ck_assert_msg(json_is_object(line), "%s has a line that is none: %.*s", path, (int)(line_end - at), at);
		json_array_append_new(lines, line);
	}
	ck_assert_msg(*at == '\0' || may_be_cut, "%s ends within a line: %s", path, at);
	free(text);
}

/* The log and what was moved away of it: audit, audit.1 ... */
static json_t *
read_log(void)
{
	json_t *lines = json_array();
	DIR *directory = opendir(broker.directory);
	struct dirent *entry;
	char path[600];

	ck_assert_ptr_nonnull(directory);
	while ((entry = readdir(directory)) != NULL) {
		if (strncmp(entry->d_name, "audit", 5) != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", broker.directory, entry->d_name);
		gather(lines, path);
	}
	closedir(directory);
	return lines;
}

/* The one line of this request; fails the test if there is none or two. */
static json_t *
line_of(json_t *lines, const char *request)
{
	json_t *found = NULL, *line;
	size_t i;

	json_array_foreach(lines, i, line) {
		const char *id = json_string_value(json_object_get(line, "request"));

		if (id == NULL || strcmp(id, request) != 0)
			continue;
		ck_assert_msg(found == NULL, "request %s has two lines", request);
		found = line;
	}
	ck_assert_msg(found != NULL, "request %s was answered and has no line", request);
	return found;
}

static void
expect_member(json_t *line, const char *name, const char *wanted)
{
	const char *text = json_string_value(json_object_get(line, name));

	ck_assert_msg(text != NULL && strcmp(text, wanted) == 0, "%s is %s instead of %s", name, text, wanted);
}

/* ---- one thing at a time ---- */

START_TEST(what_changes_a_queue_has_a_line_and_messages_have_none)
{
	char id[2][64];
	struct stat st;

	begin(NULL);
	struct response *answer = client_json(&client, "{\"lease\":\"5s\"}", "PUT /v1/queues/orders");
	expect_status(answer, 201);
	snprintf(id[0], sizeof(id[0]), "%s", response_field(answer, "Mq-Request-Id"));
	ck_assert_ptr_null(response_field(client_publish(&client, "orders", "a secret"), "Mq-Request-Id"));
	expect_status(client_receive(&client, "orders", "{}"), 200);
	expect_status(client_do(&client, "GET /v1/queues/orders"), 200);
	expect_status(client_do(&client, "POST /v1/queues/orders:purge"), 200);
	answer = client_do(&client, "DELETE /v1/queues/no-such?x=another-secret");
	ck_assert_uint_eq(answer->status, 400); /* refused before anything is done: no line */
	answer = client_do(&client, "DELETE /v1/queues/no-such");
	expect_problem(answer, 404, "no-queue");
	snprintf(id[1], sizeof(id[1]), "%s", response_field(answer, "Mq-Request-Id"));

	json_t *lines = read_log(), *line = line_of(lines, id[0]);
	ck_assert_uint_eq(json_array_size(lines), 3);
	expect_member(line, "verb", "PUT /v1/queues/{q}");
	expect_member(line, "object", "orders");
	expect_member(line, "code", "ok");
	ck_assert_int_eq(json_integer_value(json_object_get(line, "status")), 201);
	ck_assert(json_is_null(json_object_get(line, "user")));
	ck_assert_ptr_nonnull(strstr(json_string_value(json_object_get(line, "from")), "127.0.0.1:"));
	line = line_of(lines, id[1]);
	expect_member(line, "code", "no-queue");
	json_decref(lines);

	char *text = read_file(log_path);
	ck_assert_ptr_null(strstr(text, "secret"));
	ck_assert_ptr_null(strstr(text, "5s"));
	free(text);
	ck_assert_int_eq(stat(log_path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	end();
}
END_TEST

START_TEST(without_users_there_is_no_log_unless_it_is_asked_for)
{
	char path[300];

	broker_up(&broker, NULL);
	client_open(&client, broker.port);
	struct response *answer = client_do(&client, "PUT /v1/queues/q");
	expect_status(answer, 201);
	ck_assert_ptr_null(response_field(answer, "Mq-Request-Id"));
	snprintf(path, sizeof(path), "%s/audit.log", broker.data);
	ck_assert_int_ne(access(path, F_OK), 0);
	end();
}
END_TEST

START_TEST(a_clean_stop_loses_no_line)
{
	static const char *const all[] = { "audit.data_plane=all", NULL };
	enum { MESSAGES = 300 };

	begin(all);
	client_queue(&client, "q", "{}");
	for (unsigned i = 0; i < MESSAGES; i++)
		client_publish(&client, "q", "x");
	client_close(&client);
	broker_stop(&broker);
	json_t *lines = read_log();
	ck_assert_uint_eq(json_array_size(lines), 1 + MESSAGES);
	expect_member(json_array_get(lines, 7), "verb", "POST /v1/queues/{q}/messages");
	json_decref(lines);
	client = (struct client){ .fd = -1 };
	broker_free(&broker);
}
END_TEST

static void
cut_a_line(void)
{
	static const char piece[] = "{\"time\":\"2026-11-23T23:59:59.9";
	int fd = open(log_path, O_WRONLY | O_APPEND | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, piece, sizeof(piece) - 1), sizeof(piece) - 1);
	close(fd);
}

/* How many lines are no JSON. */
static unsigned
count_torn(void)
{
	char *text = read_file(log_path), *line_end;
	unsigned torn = 0;

	for (char *at = text; (line_end = strchr(at, '\n')) != NULL; at = line_end + 1) {
		json_t *line = json_loadb(at, (size_t)(line_end - at), JSON_REJECT_DUPLICATES, NULL);

		torn += line == NULL;
		json_decref(line);
	}
	free(text);
	return torn;
}

/* As a frontd leaves it that is killed while it writes. */
START_TEST(behind_a_line_that_was_cut_a_new_one_begins)
{
	begin(NULL);
	expect_status(client_json(&client, "{}", "PUT /v1/queues/one"), 201);
	ck_assert_uint_eq(count_torn(), 0);
	cut_a_line();
	broker_wait_live(&broker, SLOT_FRONT(0), broker_kill(&broker, SLOT_FRONT(0)));
	client_close(&client);
	client_open(&client, broker.port);
	expect_status(client_json(&client, "{}", "PUT /v1/queues/two"), 201);
	ck_assert_uint_eq(count_torn(), 1);
	cut_a_line();
	broker_kill_all(&broker);
	broker_start(&broker);
	client_close(&client);
	client_open(&client, broker.port);
	expect_status(client_json(&client, "{}", "PUT /v1/queues/three"), 201);
	ck_assert_uint_eq(count_torn(), 2);
	cut_a_line();
	ck_assert_int_eq(kill(broker.pid, SIGHUP), 0);
	broker_wait_log(&broker, "was opened again");
	expect_status(client_json(&client, "{}", "PUT /v1/queues/four"), 201);
	ck_assert_uint_eq(count_torn(), 3);
	end();
}
END_TEST

START_TEST(a_log_that_cannot_be_opened_is_said_at_the_start)
{
	static const char *const options[] = { "audit.file=/proc/no-such-folder/audit", NULL };
	int status;

	broker_init(&broker, options);
	ck_assert(!broker_try_start(&broker, &status));
	broker_wait_log(&broker, "cannot open the audit log /proc/no-such-folder/audit");
	broker_free(&broker);
}
END_TEST

/* ---- who ---- */

/* The last line of this verb. */
static json_t *
line_of_verb(json_t *lines, const char *verb)
{
	for (size_t i = json_array_size(lines); i > 0; i--) {
		json_t *line = json_array_get(lines, i - 1);
		const char *text = json_string_value(json_object_get(line, "verb"));

		if (text != NULL && strcmp(text, verb) == 0)
			return line;
	}
	ck_abort_msg("%s has no line", verb);
}

/* One that nobody waits for: it is there in a moment. */
static void
expect_line(const char *verb, const char *member, const char *wanted, int status)
{
	uint64_t deadline_ms = deadline_in(CLIENT_TIMEOUT_MS);

	for (;;) {
		json_t *lines = read_log(), *line;
		size_t i;
		bool is_there = false;

		json_array_foreach(lines, i, line) {
			const char *text = json_string_value(json_object_get(line, "verb"));
			const char *value = json_string_value(json_object_get(line, member));

			is_there |= text != NULL && strcmp(text, verb) == 0 && value != NULL && strcmp(value, wanted) == 0 &&
			    json_integer_value(json_object_get(line, "status")) == status;
		}
		json_decref(lines);
		if (is_there)
			return;
		ck_assert_msg(deadline_pause(deadline_ms), "no line of %s with %s %s and status %d", verb, member, wanted, status);
	}
}

START_TEST(who_did_it_and_with_which_credential_and_who_was_refused)
{
	static const char *const required[] = { "auth.mode=required", NULL };
	char token[ACCOUNTS_TOKEN_BYTES], narrow[ACCOUNTS_TOKEN_BYTES], id[32], session_token[ACCOUNTS_TOKEN_BYTES];

	begin(required);
	session.broker = broker;
	session.client = client;
	accounts_user("alice", "correct horse");
	struct response *answer = accounts_ask_basic("alice", "correct horse", "{\"name\":\"t\"}", "POST /v1/tokens");
	expect_status(answer, 201);
	snprintf(token, sizeof(token), "%s", response_text(answer, "token"));
	snprintf(id, sizeof(id), "%s", response_text(answer, "id"));
	json_t *lines = read_log(), *line = line_of_verb(lines, "PUT /v1/users/{u}");
	expect_member(line, "user", "admin");
	expect_member(line, "object", "alice");
	ck_assert(json_is_string(json_object_get(line, "credential"))); /* that of the bootstrap token */
	line = line_of_verb(lines, "POST /v1/tokens");
	expect_member(line, "user", "alice");
	expect_member(line, "object", id);
	ck_assert(json_is_null(json_object_get(line, "credential")));
	json_decref(lines);

	expect_status(accounts_ask(token, NULL, "PUT /v1/queues/alice"), 201);
	lines = read_log();
	line = line_of_verb(lines, "PUT /v1/queues/{q}");
	expect_member(line, "user", "alice");
	expect_member(line, "credential", id);
	json_decref(lines);

	accounts_login("alice", "correct horse", session_token);
	expect_line("POST /v1/sessions", "user", "alice", 201);
	expect_status(accounts_ask_basic("alice", "wrong horse", NULL, "GET /v1/queues"), 401);
	expect_line("GET /v1/queues", "tried", "alice", 401);
	expect_status(accounts_ask(NULL, NULL, "GET /v1/queues/alice"), 401);
	expect_line("GET /v1/queues/{q}", "object", "alice", 401);
	accounts_token("alice", "\"consume:#\"", narrow);
	expect_status(accounts_ask(narrow, "{}", "POST /v1/queues/alice/messages"), 403);
	expect_line("POST /v1/queues/{q}/messages", "user", "alice", 403);
	expect_status(accounts_ask(token, NULL, "GET /v1/users"), 403);
	expect_line("GET /v1/users", "credential", id, 403);
	/* A token where its id belongs. */
	expect_status(accounts_ask(token, NULL, "DELETE /v1/tokens/%s", narrow), 404);

	char *text = read_file(log_path);
	ck_assert_ptr_null(strstr(text, "horse"));
	ck_assert_ptr_null(strstr(text, "mq_"));
	ck_assert_ptr_null(strstr(text, "mqs_"));
	ck_assert_ptr_null(strstr(text, accounts_admin()));
	free(text);
	client = session.client;
	end();
}
END_TEST

/* ---- under way, and with things dying ---- */

/* What a client was answered. */
struct answered {
	char request[64];
	unsigned status;
	char object[32];
};

enum { WRITERS = 4, ANSWERS_MAX = 200000 };

struct writer {
	unsigned number;
	unsigned count;
	struct answered *answers;
	pthread_t thread;
};

static uint32_t is_over;

static void
write_down(struct writer *writer, struct wire *wire, const char *object)
{
	const char *id = response_field(&wire->answer, "Mq-Request-Id");

	if (wire->answer.status >= 300 || writer->count == ANSWERS_MAX)
		return;
	struct answered *answered = &writer->answers[writer->count++];
	snprintf(answered->request, sizeof(answered->request), "%s", id != NULL ? id : "none");
	snprintf(answered->object, sizeof(answered->object), "%s", object);
	answered->status = wire->answer.status;
}

/* Makes a queue, changes it and removes it, again and again. */
static void *
writer_run(void *argument)
{
	static const char *const verbs[] = { "PUT", "PATCH", "DELETE" };
	struct writer *writer = argument;
	char request[256], object[32];
	struct wire wire;

	wire_init(&wire);
	for (unsigned turn = 0; !load_relaxed(&is_over); turn++) {
		const char *verb = verbs[turn % 3];

		snprintf(object, sizeof(object), "w%u-%u", writer->number, turn / 3);
		int bytes = snprintf(request, sizeof(request), "%s /v1/queues/%s HTTP/1.1\r\nHost: h\r\n%s", verb, object,
		    turn % 3 == 1 ? "Content-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"lease\":\"9s\"}\n" : "\r\n");
		if (!wire_open(&wire, broker.port)) {
			usleep(1000);
			continue;
		}
		if (wire_ask(&wire, request, (size_t)bytes, 20000) == WIRE_ANSWERED)
			write_down(writer, &wire, object);
	}
	wire_free(&wire);
	return NULL;
}

static void
writers_begin(struct writer writers[WRITERS])
{
	store_relaxed(&is_over, 0);
	for (unsigned i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){ .number = i, .answers = calloc(ANSWERS_MAX, sizeof(struct answered)) };
		ck_assert_ptr_nonnull(writers[i].answers);
		ck_assert_int_eq(pthread_create(&writers[i].thread, NULL, writer_run, &writers[i]), 0);
	}
}

/* Every answer has its line, once, and the line says the same. */
static unsigned
writers_end(struct writer writers[WRITERS])
{
	json_t *lines, *by_request = json_object(), *line;
	unsigned answers = 0;
	size_t i;

	store_relaxed(&is_over, 1);
	for (unsigned w = 0; w < WRITERS; w++)
		ck_assert_int_eq(pthread_join(writers[w].thread, NULL), 0);
	lines = read_log();
	json_array_foreach(lines, i, line) {
		const char *id = json_string_value(json_object_get(line, "request"));

		ck_assert_msg(id == NULL || json_object_get(by_request, id) == NULL, "request %s has two lines", id);
		if (id != NULL)
			json_object_set(by_request, id, line);
	}
	for (unsigned w = 0; w < WRITERS; w++) {
		for (unsigned a = 0; a < writers[w].count; a++, answers++) {
			const struct answered *answered = &writers[w].answers[a];

			line = json_object_get(by_request, answered->request);
			ck_assert_msg(line != NULL, "request %s (%s) was answered %u and has no line", answered->request,
			    answered->object, answered->status);
			expect_member(line, "object", answered->object);
			ck_assert_int_eq(json_integer_value(json_object_get(line, "status")), answered->status);
		}
		free(writers[w].answers);
	}
	json_decref(by_request);
	json_decref(lines);
	return answers;
}

/* Move the log away as logrotate does and have it opened anew. */
static void
rotate(unsigned number)
{
	char moved[240];
	struct stat st;

	snprintf(moved, sizeof(moved), "%s.%u", log_path, number);
	ck_assert_int_eq(rename(log_path, moved), 0);
	ck_assert_int_eq(kill(broker.pid, SIGHUP), 0);
	uint64_t deadline_ms = deadline_in(BROKER_START_MS);
	while (stat(log_path, &st) != 0)
		ck_assert(deadline_pause(deadline_ms));
}

START_TEST(rotation_under_way_loses_no_line_and_the_old_file_comes_to_rest)
{
	static const char *const two[] = { "server.processes=2", NULL };
	struct writer writers[WRITERS];
	struct stat before, after;
	char moved[240];

	begin(two);
	writers_begin(writers);
	for (unsigned i = 0; i < 10; i++) {
		usleep(100000);
		rotate(i);
	}
	/* A second after the signal nobody writes to it any more. */
	usleep(1000000);
	snprintf(moved, sizeof(moved), "%s.9", log_path);
	ck_assert_int_eq(stat(moved, &before), 0);
	usleep(500000);
	ck_assert_int_eq(stat(moved, &after), 0);
	ck_assert_int_eq(before.st_size, after.st_size);
	ck_assert_int_eq(stat(log_path, &after), 0);
	ck_assert_int_gt(after.st_size, 0);
	ck_assert_uint_gt(writers_end(writers), 100);
	end();
}
END_TEST

/* Which process dies next: each kind in turn, the supervisor with all of its now and then. */
static void
strike(unsigned turn)
{
	static const uint32_t victims[] = { SLOT_FRONT(0), SLOT_WORKER(0), SLOT_FRONT(1), SLOT_PERSIST, SLOT_WORKER(1) };
	uint32_t slot = victims[turn % 5];

	if (turn % 11 == 10) {
		broker_kill_all(&broker);
		broker_start(&broker);
		return;
	}
	uint64_t epoch = broker_kill(&broker, slot);
	broker_wait_live(&broker, slot, epoch);
}

START_TEST(every_admin_action_that_was_answered_has_its_line_whatever_died_meanwhile)
{
	static const char *const options[] = { "server.processes=2", "worker.shards=2", NULL };
	uint64_t seconds = getenv("CHASQUI_SOAK_SECONDS") != NULL ? strtoull(getenv("CHASQUI_SOAK_SECONDS"), NULL, 10) : 12;
	uint64_t until_ms = deadline_in(seconds * 1000);
	struct writer writers[WRITERS];
	unsigned strikes = 0;

	may_be_cut = true;
	begin(options);
	writers_begin(writers);
	while (deadline_left_ms(until_ms) > 0) {
		usleep(20000 + (unsigned)rand() % 80000);
		strike(strikes++);
		if (strikes % 4 == 0)
			rotate(strikes);
	}
	unsigned answers = writers_end(writers);
	printf("%u strikes, %u admin actions answered, all with their line\n", strikes, answers);
	ck_assert_uint_gt(answers, 100);
	ck_assert_uint_ge(strikes, 11);
	end();
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("audit");
	TCase *tcase = tcase_create("audit");

	tcase_set_timeout(tcase, getenv("CHASQUI_SOAK_SECONDS") != NULL ? 86400 : 120);
	tcase_add_test(tcase, what_changes_a_queue_has_a_line_and_messages_have_none);
	tcase_add_test(tcase, without_users_there_is_no_log_unless_it_is_asked_for);
	tcase_add_test(tcase, a_clean_stop_loses_no_line);
	tcase_add_test(tcase, behind_a_line_that_was_cut_a_new_one_begins);
	tcase_add_test(tcase, a_log_that_cannot_be_opened_is_said_at_the_start);
	tcase_add_test(tcase, who_did_it_and_with_which_credential_and_who_was_refused);
	tcase_add_test(tcase, rotation_under_way_loses_no_line_and_the_old_file_comes_to_rest);
	tcase_add_test(tcase, every_admin_action_that_was_answered_has_its_line_whatever_died_meanwhile);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
