/*
 * What a process cannot reach once it serves, tried from inside each of them (inside/probe.c): each
 * try is refused, or the process is killed for it, and the broker goes on with its work.  A frontd
 * that was taken over writes what it likes into its rings and makes system calls by chance: nobody
 * else notices.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "shm/atomic.h"
#include "tests/harness/broker.h"
#include "tests/harness/client.h"
#include "tests/harness/deadline.h"
#include "tests/harness/probe.h"
#include "tests/harness/unit.h"

enum {
	TEST_SECONDS = 120,
	HOSTILE_MS = 4000,
	HOSTILE = 1,
	PATIENCE_MS = 300,
	OUTPUT_BYTES = 1 << 16
};

/* Users that every Debian has stand for those that make install makes. */
#define USERS "sandbox.front_user=games", "sandbox.worker_user=bin", "sandbox.persist_user=daemon"
#define NO_USERS "sandbox.front_user=no-such-user", "sandbox.worker_user=no-such-user", \
	"sandbox.persist_user=no-such-user"

static const char *const with_users[] = { USERS, NULL };
static const char *const without_users[] = { NO_USERS, NULL };
static const char *const required[] = { USERS, "sandbox.mode=required", NULL };
static const char *const required_without_users[] = { NO_USERS, "sandbox.mode=required", NULL };
static const char *const off[] = { "sandbox.mode=off", NULL };
static const char *const hostile[] = { USERS, "server.processes=2", "worker.shards=1", NULL };

static const uint32_t slots[] = { SLOT_FRONT(0), SLOT_WORKER(0), SLOT_PERSIST };

static bool
has_sanitizer(void)
{
	const char *san = getenv("SAN");

#ifdef CHASQUI_SANITIZED
	return true;
#endif
	return san != NULL && san[0] != '\0';
}

static bool
is_skipped(bool needs_root)
{
	if (has_sanitizer())
		printf("skipped: a build with a sanitizer has no sandbox\n");
	else if (needs_root && geteuid() != 0)
		printf("skipped: only root can give each process a user of its own\n");
	else
		return false;
	return true;
}

static void
use_inside(void)
{
	char program[512], folder[600];

	broker_program(program, "chasqui");
	*strrchr(program, '/') = '\0';
	snprintf(folder, sizeof(folder), "%s/../inside", program);
	ck_assert_int_eq(setenv("CHASQUI_BIN", folder, 1), 0);
}

static struct probe_file *
share(const struct broker *broker)
{
	struct probe_file *file;
	char path[200];

	snprintf(path, sizeof(path), "%s/probes", broker->directory);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, sizeof(*file)), 0);
	file = mmap(NULL, sizeof(*file), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(file, MAP_FAILED);
	close(fd);
	snprintf(file->data, sizeof(file->data), "%s", broker->data);
	snprintf(file->outside, sizeof(file->outside), "%s/made", broker->directory);
	ck_assert_int_eq(setenv(PROBE_FILE, path, 1), 0);
	return file;
}

static void
work(struct client *client, unsigned count)
{
	struct response *answer;
	char path[120];

	for (unsigned i = 0; i < count; i++) {
		expect_status(client_publish(client, "q", "hello"), 201);
		answer = client_receive(client, "q", "{}");
		expect_status(answer, 200);
		snprintf(path, sizeof(path), "DELETE /v1/queues/q/leases/%s",
		    response_text(answer, "messages.0.receipt"));
		expect_status(client_do(client, "%s", path), 204);
	}
}

/* --- tries --- */

static const struct {
	const char *name;
	enum probe_end end[4];
} wanted[] = {
#define X(name, front, worker, persist, hasher) \
	{ #name, { PROBE_##front, PROBE_##worker, PROBE_##persist, PROBE_##hasher } },
	PROBES(X)
#undef X
};

static void
expect_report(const struct probe_report *report, unsigned role)
{
	static const char *const names[] = { "frontd", "workerd", "persistd", "hasher" };
	uint64_t deadline_ms = deadline_in(TEST_SECONDS * 500);

	/* A hasher is not waited for when the others serve. */
	while (load_acquire(&report->is_done) == 0)
		ck_assert_msg(role == 3 && deadline_pause(deadline_ms), "%s did not try", names[role]);
	for (unsigned i = 0; i < PROBE_COUNT; i++) {
		unsigned end = report->tries[i].end;
		int error = report->tries[i].error;

		ck_assert_msg(end == (unsigned)wanted[i].end[role],
		    "%s: %s ended as %u (%s) and not as %d", names[role], wanted[i].name, end,
		    strerror(error), (int)wanted[i].end[role]);
		/*
		 * No other reason: a file that is not there, a number that is wrong would hide a
		 * hole.
		 */
		if (end == PROBE_REFUSED)
			ck_assert_msg(error == EACCES || error == EPERM || error == ENOSYS,
			    "%s: %s was refused as %s", names[role], wanted[i].name,
			    strerror(error));
		if (end == PROBE_KILLED)
			ck_assert_msg(error == SIGSYS, "%s: %s ended by signal %d", names[role],
			    wanted[i].name, error);
	}
}

/* _i: 0 each with a user of its own, 1 all as the user that started them. */
START_TEST(what_is_not_its_own_is_out_of_reach_of_each_process)
{
	struct probe_file *file;
	struct broker broker;
	struct client client;

	if (is_skipped(_i == 0))
		return;
	use_inside();
	broker_init(&broker, _i == 0 ? with_users : without_users);
	broker.is_probed = true;
	file = share(&broker);
	broker_start(&broker);
	client_open(&client, broker.port);
	client_queue(&client, "q", "{}");
	work(&client, 20);
	char *log = broker_log(&broker);
	if (strstr(log, "sandbox: no Landlock") != NULL ||
	    strstr(log, "sandbox: no filter") != NULL) {
		printf("skipped: this kernel has not all of the sandbox\n");
	} else {
		for (unsigned role = 0; role < 3; role++)
			expect_report(&file->report[slots[role]], role);
		expect_report(&file->report[PROBE_HASHER], 3);
	}
	for (unsigned role = 0; role < 3; role++)
		ck_assert_uint_eq(broker_role(&broker, slots[role]).epoch, 1);
	ck_assert_int_ne(access(file->outside, F_OK), 0);
	/* What comes later comes through the socket: a frontd's rings. */
	for (unsigned role = 0; role < 3; role++)
		broker_wait_live(&broker, slots[role], broker_kill(&broker, slots[role]));
	client_close(&client);
	client_open(&client, broker.port);
	work(&client, 20);
	client_close(&client);
	free(log);
	broker_free(&broker);
}
END_TEST

/* --- users and files --- */

static uid_t
uid_of(const struct broker *broker, uint32_t slot)
{
	char path[64];
	struct stat status;
	char line[200];
	unsigned uid = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)broker_pid(broker, slot));
	FILE *file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file) != NULL)
		(void)sscanf(line, "Uid: %u", &uid); /* the other lines do not match */
	fclose(file);
	/* Not dumpable: what it is made of is root's to look at. */
	ck_assert_int_eq(stat(path, &status), 0);
	ck_assert_uint_eq(status.st_uid, 0);
	return uid;
}

static uid_t
owner_of(const char *folder, const char *name)
{
	char path[400];
	struct stat status;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	ck_assert_msg(lstat(path, &status) == 0, "%s: %s", path, strerror(errno));
	return status.st_uid;
}

static void
make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	close(fd);
}

START_TEST(each_role_has_its_user_and_persistd_s_user_has_the_journal_and_no_more)
{
	char path[300], other[300];
	struct broker broker;
	struct client client;

	if (is_skipped(true))
		return;
	broker_init(&broker, with_users);
	/*
	 * Made by root before, as by a broker of an older version; and what a persistd that was
	 * taken over might leave there.
	 */
	broker.options[0] = "sandbox.mode=off";
	broker_start(&broker);
	client_open(&client, broker.port);
	client_queue(&client, "q", "{}");
	expect_status(client_publish(&client, "q", "kept"), 201);
	client_close(&client);
	broker_stop(&broker);
	snprintf(path, sizeof(path), "%s/secret", broker.directory);
	make_file(path);
	snprintf(other, sizeof(other), "%s/journal/named-twice", broker.data);
	ck_assert_int_eq(link(path, other), 0);
	snprintf(other, sizeof(other), "%s/journal/points-there", broker.data);
	ck_assert_int_eq(symlink(path, other), 0);
	snprintf(other, sizeof(other), "%s/admin-token", broker.data);
	make_file(other);

	broker.options[0] = with_users[0];
	broker_start(&broker);
	uid_t persist = getpwnam("daemon")->pw_uid;
	ck_assert_uint_eq(uid_of(&broker, SLOT_FRONT(0)), getpwnam("games")->pw_uid);
	ck_assert_uint_eq(uid_of(&broker, SLOT_WORKER(0)), getpwnam("bin")->pw_uid);
	ck_assert_uint_eq(uid_of(&broker, SLOT_PERSIST), persist);
	ck_assert_uint_eq(owner_of(broker.data, "journal"), persist);
	ck_assert_uint_eq(owner_of(broker.data, "journal/current"), persist);
	ck_assert_uint_eq(owner_of(broker.data, "journal/0000000000000001.seg"), persist);
	ck_assert_uint_eq(owner_of(broker.data, "store"), persist);
	ck_assert_uint_eq(owner_of(broker.data, "admin-token"), 0);
	ck_assert_uint_eq(owner_of(broker.directory, "secret"), 0);
	ck_assert_uint_eq(owner_of(broker.data, "journal/points-there"), 0);
	client_open(&client, broker.port);
	ck_assert_str_eq(
	    response_text(client_receive(&client, "q", "{}"), "messages.0.body"), "kept");
	client_close(&client);
	broker_stop(&broker);

	/* And back to root, who without capabilities would not be let in. */
	broker.options[0] = without_users[0];
	broker.options[1] = without_users[1];
	broker.options[2] = without_users[2];
	broker_start(&broker);
	ck_assert_uint_eq(owner_of(broker.data, "journal/current"), 0);
	client_open(&client, broker.port);
	work(&client, 1);
	client_close(&client);
	broker_free(&broker);
}
END_TEST

/* --- what is in force --- */

static void
expect_shown(const struct broker *broker, unsigned role, const char *layers)
{
	static const char *const names[] = { "frontd", "workerd", "persistd" };
	static char output[OUTPUT_BYTES];
	char line[200], *at;

	ck_assert_int_eq(broker_command(output, sizeof(output),
	                     (const char *[]){ "status", "-i", broker->instance, NULL }),
	    0);
	snprintf(line, sizeof(line), "\n%s ", names[role]);
	at = strstr(output, line);
	ck_assert_ptr_nonnull(at);
	at[1 + strcspn(at + 1, "\n")] = '\0';
	ck_assert_msg(strstr(at, layers) != NULL && strcmp(strstr(at, layers), layers) == 0,
	    "%s is not %s", at + 1, layers);
}

START_TEST(status_shows_what_is_in_force_and_required_means_all_of_it)
{
	struct broker broker;

	if (is_skipped(true))
		return;
	broker_up(&broker, required);
	expect_shown(&broker, 0, " regions,user,privileges,files,calls,ring");
	expect_shown(&broker, 1, " regions,user,privileges,files,calls");
	expect_shown(&broker, 2, " regions,user,privileges,files,calls,ring");
	broker_free(&broker);
}
END_TEST

START_TEST(what_is_required_and_missing_ends_the_start)
{
	struct broker broker;
	int exit_status = 0;

	if (is_skipped(true))
		return;
	broker_init(&broker, required_without_users);
	ck_assert(!broker_try_start(&broker, &exit_status));
	ck_assert_int_eq(exit_status, EX_CONFIG);
	broker_wait_log(&broker, "sandbox: no user no-such-user");
	ck_assert_uint_eq(broker_regions(&broker), 0);
	broker_free(&broker);
}
END_TEST

START_TEST(off_is_off_but_for_the_rights_on_regions)
{
	struct broker broker;
	struct client client;

	broker_up(&broker, off);
	for (unsigned role = 0; role < 3; role++)
		expect_shown(&broker, role, " regions");
	client_open(&client, broker.port);
	client_queue(&client, "q", "{}");
	work(&client, 1);
	client_close(&client);
	broker_free(&broker);
}
END_TEST

/* --- a frontd that was taken over --- */

/* The kernel deals out connections: ask until one came to the frontd that serves. */
static void
open_at_the_honest(const struct broker *broker, struct client *client)
{
	uint64_t deadline_ms = deadline_in(BROKER_START_MS);

	for (;;) {
		client_open(client, broker->port);
		client_request(client, "GET /livez", NULL, NULL, 0);
		if (client_try_answer(client, PATIENCE_MS) != NULL)
			return;
		client_close(client);
		ck_assert(deadline_pause(deadline_ms));
	}
}

START_TEST(a_frontd_that_was_taken_over_harms_nobody_by_rings_or_system_calls)
{
	struct probe_file *file;
	struct broker broker;
	struct client client;
	unsigned rounds = 0;

	if (is_skipped(true))
		return;
	use_inside();
	broker_init(&broker, hostile);
	broker.is_probed = true;
	file = share(&broker);
	file->hostile_front = HOSTILE + 1;
	file->hostile_seed = clock_ms() | 1;
	printf("seed %llu\n", (unsigned long long)file->hostile_seed);
	/*
	 * It begins when the broker is there: the supervisor gives up what dies before it ever
	 * served.
	 */
	broker_start(&broker);
	store_relaxed(&file->hostile_begins, 1);
	open_at_the_honest(&broker, &client);
	client_queue(&client, "q", "{}");
	for (uint64_t until_ms = deadline_in(HOSTILE_MS); clock_ms() < until_ms; rounds++)
		work(&client, 1);
	uint64_t lives = broker_role(&broker, SLOT_FRONT(HOSTILE)).epoch;
	char *log = broker_log(&broker);
	ck_assert_msg(broker_role(&broker, SLOT_FRONT(0)).epoch == 1 &&
	        broker_role(&broker, SLOT_WORKER(0)).epoch == 1 &&
	        broker_role(&broker, SLOT_PERSIST).epoch == 1,
	    "somebody else died");
	printf("%u rounds of the good client; the other: %llu lives, %llu frames, %llu system "
	       "calls that came back\n",
	    rounds, (unsigned long long)lives, (unsigned long long)file->hostile_frames,
	    (unsigned long long)file->hostile_calls);
	ck_assert_uint_gt(lives, 2);
	ck_assert_msg(strstr(log, "killed by signal 31") != NULL, "no system call was deadly");
	ck_assert_uint_gt(file->hostile_frames, 100);
	free(log);
	client_close(&client);
	/* It does not end by itself. */
	file->hostile_front = 0;
	broker_kill_all(&broker);
	broker_wipe(&broker);
	broker_start(&broker);
	client_open(&client, broker.port);
	work(&client, 1);
	client_close(&client);
	broker_free(&broker);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("fault/sandbox");
	TCase *tcase = tcase_create("sandbox");

	tcase_set_timeout(tcase, TEST_SECONDS);
	tcase_add_loop_test(tcase, what_is_not_its_own_is_out_of_reach_of_each_process, 0, 2);
	tcase_add_test(
	    tcase, each_role_has_its_user_and_persistd_s_user_has_the_journal_and_no_more);
	tcase_add_test(tcase, status_shows_what_is_in_force_and_required_means_all_of_it);
	tcase_add_test(tcase, what_is_required_and_missing_ends_the_start);
	tcase_add_test(tcase, off_is_off_but_for_the_rights_on_regions);
	tcase_add_test(tcase, a_frontd_that_was_taken_over_harms_nobody_by_rings_or_system_calls);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
