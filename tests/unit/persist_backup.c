/*
 * Backups and what is restored from them, without processes: what is there, what is refused, and
 * that no byte of a backup can be other than it was written without a word.
 */
#include <signal.h>
#include <sys/wait.h>

#include "persistd/backup/backup.h"
#include "persistd/backup/restore.h"
#include "persistd/check.h"
#include "tests/unit/persist_world.h"

enum { BACKUP_BYTES_MAX = 200 << 10, RECORDS_MAX = 64 };

static struct world world;
static char to[100], partial[120], restored[sizeof(world.directory)];

/* What was written, to be found again. */
static struct { uint64_t lsn; uint32_t shard, body_bytes; } wrote[RECORDS_MAX];
static unsigned wrote_count;

static void
setup(void)
{
	world_make(&world);
	wrote_count = 0;
	snprintf(to, sizeof(to), "%s/the.backup", world.directory);
	snprintf(partial, sizeof(partial), "%s.partial", to);
	snprintf(restored, sizeof(restored), "%.50s.restored", world.directory);
}

static void
teardown(void)
{
	struct world other = { 0 };

	world_remove(&world);
	snprintf(other.directory, sizeof(other.directory), "%s", restored);
	world_remove(&other);
}

/* What it prints is not for the reader of a test. */
static int
quietly(int (*run)(void))
{
	fflush(stdout);
	fflush(stderr);
	int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC), out = dup(1), error = dup(2);

	ck_assert(null_fd >= 0 && dup2(null_fd, 1) == 1 && dup2(null_fd, 2) == 2);
	int code = run();
	fflush(stdout);
	ck_assert(dup2(out, 1) == 1 && dup2(error, 2) == 2);
	close(null_fd);
	close(out);
	close(error);
	return code;
}

static int
run_backup(void)
{
	return backup_main(&(struct backup_options){ .directory = world.directory, .to = to });
}

static int
run_check_backup(void)
{
	return backup_check_main(to);
}

static int
run_restore(void)
{
	return restore_main(to, restored);
}

static void
put(uint32_t shard, uint32_t body_bytes)
{
	ck_assert_uint_lt(wrote_count, RECORDS_MAX);
	wrote[wrote_count].lsn = world_append(&world, shard, body_bytes);
	wrote[wrote_count].shard = shard;
	wrote[wrote_count++].body_bytes = body_bytes;
	ck_assert_int_eq(world_settle(&world), 0);
}

static void
write_five(void)
{
	ck_assert_int_eq(world_open(&world), 0);
	for (uint32_t i = 0; i < 5; i++)
		put(i % 2, 100 + i * 1000);
	world_crash(&world);
}

/* The restored store, opened as persistd does it, has all of it and goes on behind it. */
static void
expect_restored(const struct journal_position *position)
{
	struct world other = { 0 };

	snprintf(other.directory, sizeof(other.directory), "%s", restored);
	ck_assert_int_eq(world_open(&other), 0);
	for (uint32_t s = 0; s < WORLD_SHARDS; s++)
		ck_assert_uint_eq(other.journal.durable.lsn[s], position->lsn[s]);
	for (unsigned i = 0; i < wrote_count; i++)
		world_fetch(&other, wrote[i].shard, wrote[i].lsn, wrote[i].body_bytes);
	ck_assert(!other.journal.opened.is_clean);
	uint64_t next = world_append(&other, 1, 4321);
	ck_assert_int_eq(world_settle(&other), 0);
	world_fetch(&other, 1, next, 4321);
	world_crash(&other);
}

static char *
read_backup(size_t *bytes)
{
	char *content = malloc(BACKUP_BYTES_MAX);
	int fd = open(to, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, content, BACKUP_BYTES_MAX);

	ck_assert(n > 0 && n < BACKUP_BYTES_MAX);
	close(fd);
	*bytes = (size_t)n;
	return content;
}

static void
write_backup(const char *content, size_t bytes)
{
	int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert(fd >= 0 && write(fd, content, bytes) == (ssize_t)bytes);
	close(fd);
}

/* --- whole --- */

START_TEST(what_was_acknowledged_is_in_the_restored_store_which_is_another_one)
{
	struct stat status;
	struct store one, other;

	ck_assert_int_eq(world_open(&world), 0);
	for (uint32_t i = 0; i < 20; i++)
		put(i % 2, i * 3001);
	struct journal_position position = world.journal.durable;
	world_crash(&world);

	ck_assert_int_eq(quietly(run_backup), 0);
	ck_assert_int_eq(quietly(run_check_backup), 0);
	ck_assert_int_ne(access(partial, F_OK), 0);
	ck_assert_int_eq(stat(to, &status), 0);
	ck_assert_uint_eq(status.st_mode & 0777, 0600);
	ck_assert_int_eq(quietly(run_restore), 0);

	ck_assert_int_eq(stat(restored, &status), 0);
	ck_assert_uint_eq(status.st_mode & 0777, 0700);
	ck_assert_int_eq(store_open(&one, world.directory, NULL, 0, STORE_LOCK_NONE), 0);
	ck_assert_int_eq(store_open(&other, restored, NULL, WORLD_SHARDS, STORE_LOCK_NONE), 0);
	ck_assert_mem_ne(one.uuid, other.uuid, sizeof(one.uuid));
	/* Receipts name the generation: those of one are strangers to the other for long. */
	ck_assert_uint_gt(other.current.generation, one.current.generation + 100);
	store_close(&one);
	store_close(&other);
	expect_restored(&position);
}
END_TEST

START_TEST(a_journal_of_many_segments_and_epochs_comes_back)
{
	struct journal_position position;

	for (unsigned life = 0; life < 3; life++) {
		ck_assert_int_eq(life == 1 ? world_open_with(&world, &position, 2) :
		    world_open(&world), 0);
		for (unsigned i = 0; i < 8; i++) {
			ck_assert_int_eq(world_settle(&world), 0);
			if (i % 3 == 0)
				world_append_large(&world, i % 2, 3000000);
			else
				put(i % 2, 999 * i);
			ck_assert_int_eq(world_settle(&world), 0);
		}
		position = world.journal.durable;
		world_crash(&world);
	}
	ck_assert_int_eq(quietly(run_backup), 0);
	ck_assert_int_eq(quietly(run_restore), 0);
	expect_restored(&position);
}
END_TEST

START_TEST(an_empty_store_can_be_backed_up_too)
{
	ck_assert_int_eq(world_open(&world), 0);
	struct journal_position position = world.journal.durable;
	world_crash(&world);
	ck_assert_int_eq(quietly(run_backup), 0);
	ck_assert_int_eq(quietly(run_restore), 0);
	expect_restored(&position);
}
END_TEST

static uint64_t
seconds_to_back_up(uint64_t bytes_per_second)
{
	struct backup_options options = { .directory = world.directory, .to = to,
	    .bytes_per_second = bytes_per_second };
	uint64_t begun_ns = now_ns();

	ck_assert_int_eq(backup_main(&options), 0);
	return (now_ns() - begun_ns) / 1000000000;
}

START_TEST(a_rate_is_kept)
{
	ck_assert_int_eq(world_open(&world), 0);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_int_eq(world_settle(&world), 0);
		world_append_large(&world, 0, 3000000);
		ck_assert_int_eq(world_settle(&world), 0);
	}
	world_crash(&world);
	/* More than 9 MB, at 4 MiB a second. */
	ck_assert_uint_ge(seconds_to_back_up(4 << 20), 2);
}
END_TEST

/* --- not whole --- */

/* Each byte of it, alone: header, batches, padding, end. */
START_TEST(whatever_byte_of_a_backup_changes_is_noticed)
{
	size_t bytes;

	write_five();
	ck_assert_int_eq(quietly(run_backup), 0);
	char *content = read_backup(&bytes);
	int fd = open(to, O_WRONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	for (size_t i = _i; i < bytes; i += 8) {
		char changed = content[i] ^ (char)(1 << (i / 8 % 8));

		ck_assert_int_eq(pwrite(fd, &changed, 1, (off_t)i), 1);
		ck_assert_msg(quietly(run_check_backup) == EXIT_CORRUPT, "byte %zu of %zu", i,
		    bytes);
		ck_assert_int_eq(pwrite(fd, &content[i], 1, (off_t)i), 1);
	}
	close(fd);
	ck_assert_int_eq(quietly(run_check_backup), 0);
	free(content);
}
END_TEST

/* What a backup that was killed leaves, and what a full disk or a broken pipe would. */
START_TEST(a_backup_cut_off_anywhere_is_none_and_nothing_is_restored_from_it)
{
	size_t bytes;

	write_five();
	ck_assert_int_eq(quietly(run_backup), 0);
	char *content = read_backup(&bytes);
	for (size_t cut = 0; cut < bytes; cut += cut % BLOCK_BYTES == 0 ? 1 : BLOCK_BYTES - 1) {
		write_backup(content, cut);
		ck_assert_msg(quietly(run_check_backup) == EXIT_CORRUPT, "cut to %zu of %zu", cut,
		    bytes);
		ck_assert_msg(quietly(run_restore) == EXIT_CORRUPT, "restored of %zu of %zu", cut,
		    bytes);
		/* No store, and room for another try. */
		char store[120];
		snprintf(store, sizeof(store), "%s/store", restored);
		ck_assert_int_ne(access(store, F_OK), 0);
	}
	write_backup(content, bytes);
	ck_assert_int_eq(quietly(run_restore), 0);
	free(content);
}
END_TEST

START_TEST(parts_of_backups_do_not_fit_together)
{
	size_t bytes, second_bytes;

	write_five();
	ck_assert_int_eq(quietly(run_backup), 0);
	char *first = read_backup(&bytes);

	/* Behind its end. */
	char *longer = calloc(1, 2 * bytes);
	memcpy(longer, first, bytes);
	write_backup(longer, bytes + 1);
	ck_assert_int_eq(quietly(run_check_backup), EXIT_CORRUPT);
	/* One batch left out, two exchanged: all of 4 KiB here. */
	memcpy(longer + 2 * BLOCK_BYTES, first + 3 * BLOCK_BYTES, bytes - 3 * BLOCK_BYTES);
	write_backup(longer, bytes - BLOCK_BYTES);
	ck_assert_int_eq(quietly(run_check_backup), EXIT_CORRUPT);
	/* The end of a longer one of the same store. */
	ck_assert_int_eq(world_open(&world), 0);
	put(0, 77);
	world_crash(&world);
	ck_assert_int_eq(unlink(to), 0);
	ck_assert_int_eq(quietly(run_backup), 0);
	char *second = read_backup(&second_bytes);
	ck_assert_uint_gt(second_bytes, bytes);
	memcpy(longer, first, bytes);
	memcpy(longer + bytes - BLOCK_BYTES, second + second_bytes - BLOCK_BYTES, BLOCK_BYTES);
	write_backup(longer, bytes);
	ck_assert_int_eq(quietly(run_check_backup), EXIT_CORRUPT);
	free(first);
	free(second);
	free(longer);
}
END_TEST

START_TEST(a_damaged_journal_is_not_backed_up)
{
	write_five();
	world_flip_bit(&world, "0000000000000001.seg", 3 * BLOCK_BYTES + 250);
	ck_assert_int_eq(quietly(run_backup), EXIT_CORRUPT);
	ck_assert_int_ne(access(to, F_OK), 0);
	ck_assert_int_ne(access(partial, F_OK), 0);
}
END_TEST

START_TEST(what_exists_is_not_written_over)
{
	write_five();
	ck_assert_int_eq(quietly(run_backup), 0);
	ck_assert_int_eq(quietly(run_backup), EXIT_TARGET);
	ck_assert_int_eq(quietly(run_check_backup), 0);
	ck_assert_int_eq(quietly(run_restore), 0);
	ck_assert_int_eq(quietly(run_restore), EXIT_TARGET);
	/* Of another backup that is being written. */
	ck_assert_int_eq(rename(to, partial), 0);
	ck_assert_int_eq(quietly(run_backup), EXIT_TARGET);
	ck_assert_int_eq(rename(partial, to), 0);
	ck_assert_int_eq(quietly(run_check_backup), 0);
}
END_TEST

/* --- ended from outside --- */

/* A backup that takes a minute, in a process of its own, once it has begun to write. */
static pid_t
begin_slow_backup(void)
{
	struct backup_options options = { .directory = world.directory, .to = to,
	    .bytes_per_second = 100000 };
	pid_t pid;

	ck_assert_int_eq(world_open(&world), 0);
	world_append_large(&world, 0, 3000000);
	ck_assert_int_eq(world_settle(&world), 0);
	world_append_large(&world, 1, 3000000);
	ck_assert_int_eq(world_settle(&world), 0);
	world_crash(&world);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(backup_main(&options));
	for (struct stat status = { 0 }; status.st_size == 0; (void)usleep(1000)) {
		ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), 0);
		(void)stat(partial, &status);
	}
	return pid;
}

START_TEST(a_killed_backup_leaves_nothing_that_passes_for_one)
{
	pid_t pid = begin_slow_backup();
	int status;

	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_ne(access(to, F_OK), 0);
	ck_assert_int_eq(rename(partial, to), 0);
	ck_assert_int_eq(quietly(run_check_backup), EXIT_CORRUPT);
	ck_assert_int_eq(quietly(run_restore), EXIT_CORRUPT);
	ck_assert_int_eq(unlink(to), 0);
	ck_assert_int_eq(quietly(run_backup), 0);
}
END_TEST

START_TEST(an_interrupted_backup_removes_what_it_wrote)
{
	pid_t pid = begin_slow_backup();
	int status;

	ck_assert_int_eq(kill(pid, SIGINT), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_TARGET);
	ck_assert_int_ne(access(to, F_OK), 0);
	ck_assert_int_ne(access(partial, F_OK), 0);
}
END_TEST

/* --- beside a broker --- */

START_TEST(while_a_backup_reads_no_segment_is_dropped)
{
	struct store reading, second;

	ck_assert_int_eq(world_open(&world), 0);
	ck_assert_int_eq(store_open(&reading, world.directory, NULL, 0, STORE_LOCK_BACKUP), 0);
	ck_assert_int_eq(store_open(&second, world.directory, NULL, 0, STORE_LOCK_BACKUP), 0);
	ck_assert(!store_trim_begin(&world.store));
	store_close(&reading);
	ck_assert(!store_trim_begin(&world.store));
	store_close(&second);
	ck_assert(store_trim_begin(&world.store));
	/* And the other way round: it waits until that is done. */
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		(void)usleep(200000);
		store_trim_end(&world.store);
		_exit(0);
	}
	ck_assert_int_eq(store_open(&reading, world.directory, NULL, 0, STORE_LOCK_BACKUP), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	store_close(&reading);
	world_crash(&world);
}
END_TEST

static Suite *
backup_suite(void)
{
	Suite *suite = suite_create("persistd/backup");
	TCase *tests = tcase_create("backup");

	tcase_set_timeout(tests, 120);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, what_was_acknowledged_is_in_the_restored_store_which_is_another_one);
	tcase_add_test(tests, a_journal_of_many_segments_and_epochs_comes_back);
	tcase_add_test(tests, an_empty_store_can_be_backed_up_too);
	tcase_add_test(tests, a_rate_is_kept);
	tcase_add_loop_test(tests, whatever_byte_of_a_backup_changes_is_noticed, 0, 8);
	tcase_add_test(tests, a_backup_cut_off_anywhere_is_none_and_nothing_is_restored_from_it);
	tcase_add_test(tests, parts_of_backups_do_not_fit_together);
	tcase_add_test(tests, a_damaged_journal_is_not_backed_up);
	tcase_add_test(tests, what_exists_is_not_written_over);
	tcase_add_test(tests, a_killed_backup_leaves_nothing_that_passes_for_one);
	tcase_add_test(tests, an_interrupted_backup_removes_what_it_wrote);
	tcase_add_test(tests, while_a_backup_reads_no_segment_is_dropped);
	suite_add_tcase(suite, tests);
	return suite;
}

UNIT_MAIN(backup_suite)
