/*
 * The journal when the disk misbehaves, and a journal that somebody has damaged: what was acknowledged is there or its loss is
 * said; what was not acknowledged is no error.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "persistd/check.h"
#include "shm/atomic.h"
#include "tests/unit/persist_world.h"

#define FIRST_SEGMENT "0000000000000001.seg"

static struct world world;

static void
setup(void)
{
	world_make(&world);
	ck_assert_int_eq(world_open(&world), 0);
}

static void
teardown(void)
{
	world_remove(&world);
}

/* check_main(), with what it prints put into `said`. */
static int
check(bool repairs, char *said, size_t capacity)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/said", world.directory);
	fflush(stdout);
	int saved = dup(1), fd = open(path, O_CREAT | O_TRUNC | O_RDWR, 0600);
	ck_assert(dup2(fd, 1) == 1);
	int code = check_main(world.directory, repairs);
	fflush(stdout);
	ck_assert(dup2(saved, 1) == 1);
	close(saved);
	ssize_t bytes = pread(fd, said, capacity - 1, 0);
	ck_assert_int_ge(bytes, 1);
	said[bytes] = '\0';
	close(fd);
	return code;
}

static int
check_quietly(bool repairs)
{
	char said[8192];

	return check(repairs, said, sizeof(said));
}

/* --- while it runs --- */

START_TEST(two_batches_fly_at_once_and_a_third_has_to_wait)
{
	(void)world_append(&world, 0, 10);
	(void)world_append(&world, 1, 10);
	ck_assert_ptr_null(journal_free(&world.journal));
	ck_assert_int_eq(world_settle(&world), 0);
	ck_assert_uint_eq(world.journal.durable.index, 2);
	ck_assert_ptr_nonnull(journal_free(&world.journal));
	world_crash(&world);
}
END_TEST

START_TEST(a_batch_is_durable_only_after_all_before_it)
{
	(void)world_append(&world, 0, 10);
	(void)world_append(&world, 0, 20);
	/* The second lands first. */
	ck_assert_int_eq(journal_land(&world.journal, 0, 4096, 1), 0);
	ck_assert_ptr_null(journal_next_durable(&world.journal));
	ck_assert_int_eq(journal_land(&world.journal, 1, BLOCK_BYTES, 2), 0);
	ck_assert_uint_eq(journal_next_durable(&world.journal)->batch.header->index, 1);
	ck_assert_uint_eq(journal_next_durable(&world.journal)->batch.header->index, 2);
	ck_assert_ptr_null(journal_next_durable(&world.journal));
	world_crash(&world);
}
END_TEST

/* After a write that ended with `result`, nothing more is acknowledged, and the next start is right. */
static void
write_fails(int32_t result, uint32_t bytes)
{
	world_write(&world, 0, 10);
	world_fault(&world, IO_WRITE, 1, result, bytes);
	(void)world_append(&world, 0, 5000);
	(void)world_append(&world, 0, 30);
	diag_set_level(DIAG_ERROR);
	ck_assert_int_eq(world_settle(&world), -1);
	ck_assert(world.journal.is_broken);
	ck_assert_uint_eq(world.journal.durable.index, 1);
	ck_assert_ptr_null(journal_free(&world.journal));
	ck_assert_ptr_null(journal_next_durable(&world.journal));
	world_crash(&world);
	ck_assert_int_eq(world_open(&world), 0);
	ck_assert_uint_ge(world.journal.durable.index, 1);
	world_fetch(&world, 0, LSN_FIRST, 10);
	world_write(&world, 0, 40);
	world_crash(&world);
}

START_TEST(an_error_of_a_write_breaks_the_journal_for_good)
{
	write_fails(-EIO, UINT32_MAX);
}
END_TEST

START_TEST(a_short_write_breaks_the_journal_for_good)
{
	write_fails(0, 4096);
}
END_TEST

START_TEST(no_space_at_a_write_breaks_the_journal_for_good)
{
	write_fails(-ENOSPC, 0);
}
END_TEST

START_TEST(a_full_disk_refuses_new_segments_keeps_a_reserve_and_recovers_by_itself)
{
	uint64_t now = now_ns();
	unsigned written = 0;

	ck_assert_int_eq(world_settle_at(&world, now), 0);
	ck_assert(!world.file.backend.ops->is_full(&world.file.backend));
	world_fault(&world, IO_ALLOCATE, 1, -ENOSPC, UINT32_MAX);
	world.is_for_ever = true;
	/* Use up what was made ahead: the reserve is still written to. */
	while (!world.file.backend.ops->is_full(&world.file.backend)) {
		world_append_large(&world, 0, 3000000);
		ck_assert_int_eq(world_settle_at(&world, now), 0);
		ck_assert_uint_lt(++written, 20);
	}
	uint64_t durable = world.journal.durable.index;
	(void)world_append(&world, 0, 10);
	ck_assert_int_eq(world_settle_at(&world, now), 0);
	ck_assert_uint_eq(world.journal.durable.index, durable + 1);
	/* It is tried again after a second, and goes on. */
	world.nth = 0;
	ck_assert_int_eq(world_settle_at(&world, now + 500000000), 0);
	ck_assert(world.file.backend.ops->is_full(&world.file.backend));
	ck_assert_int_eq(world_settle_at(&world, now + 1100000000), 0);
	ck_assert(!world.file.backend.ops->is_full(&world.file.backend));
	world_crash(&world);
}
END_TEST

START_TEST(with_the_reserve_used_up_batches_wait_and_are_written_when_there_is_space)
{
	uint64_t now = now_ns(), index;

	ck_assert_int_eq(world_settle_at(&world, now), 0);
	world_fault(&world, IO_ALLOCATE, 1, -ENOSPC, UINT32_MAX);
	world.is_for_ever = true;
	for (unsigned i = 0; i < 20 && journal_free(&world.journal) != NULL; i++) {
		world_append_large(&world, 0, 3000000);
		ck_assert_int_eq(world_settle_at(&world, now), 0);
	}
	ck_assert_ptr_null(journal_free(&world.journal));
	index = world.journal.sealed.index;
	ck_assert_uint_lt(world.journal.durable.index, index);
	world.nth = 0;
	ck_assert_int_eq(world_settle_at(&world, now + 1100000000), 0);
	ck_assert_uint_eq(world.journal.durable.index, index);
	world_crash(&world);
	ck_assert_int_eq(world_open(&world), 0);
	ck_assert_uint_eq(world.journal.durable.index, index);
	world_crash(&world);
}
END_TEST

START_TEST(another_error_while_a_segment_is_made_is_a_failing_disk)
{
	world_fault(&world, IO_SYNC, 1, -EIO, UINT32_MAX);
	diag_set_level(DIAG_ERROR);
	ck_assert_int_eq(world_settle(&world), -1);
	world_crash(&world);
}
END_TEST

/* --- after a power cut --- */

START_TEST(a_torn_batch_with_a_whole_one_behind_it_is_an_ordinary_power_cut)
{
	world_write(&world, 0, 10);
	uint64_t good = world.journal.durable.index;
	/* Of the first only one block got there; the other is whole; nobody heard of either. */
	world_fault(&world, IO_WRITE, 1, 0, 4096);
	(void)world_append(&world, 0, 9000);
	(void)world_append(&world, 0, 30);
	world_crash(&world);

	ck_assert_int_eq(world_open(&world), 0);
	ck_assert_uint_eq(world.journal.durable.index, good);
	world_write(&world, 0, 50);
	world_crash(&world);
	ck_assert_int_eq(world_open(&world), 0);
	ck_assert_uint_eq(world.journal.durable.index, good + 1);
	world_fetch(&world, 0, world.journal.durable.lsn[0] - 64 - 56, 50);
	world_crash(&world);
}
END_TEST

START_TEST(a_torn_last_batch_is_cut)
{
	world_write(&world, 0, 10);
	world_fault(&world, IO_WRITE, 1, 0, 4096);
	(void)world_append(&world, 0, 9000);
	world_crash(&world);
	ck_assert_int_eq(world_open(&world), 0);
	ck_assert_uint_eq(world.journal.durable.index, 1);
	world_crash(&world);
}
END_TEST

/* Five batches that were acknowledged one by one, at known places of segment 1; then closed. */
static void
write_five(void)
{
	for (unsigned i = 0; i < 5; i++)
		world_write(&world, 0, 100);
	world_crash(&world);
}

/* The journal does not open, the check names `segment` and `offset`, changes nothing, and repairs with `kept` batches left. */
static void
expect_damage(const char *segment, uint64_t offset, uint64_t kept)
{
	char place[96], text[8192];

	diag_set_level(DIAG_ERROR);
	ck_assert_int_eq(world_open(&world), EXIT_CORRUPT);
	snprintf(place, sizeof(place), "%s at offset %" PRIu64, segment, offset);
	ck_assert_msg(strstr(world.file.loader.finding.text, place) != NULL, "\"%s\" does not name %s",
	    world.file.loader.finding.text, place);
	world_crash(&world);

	ck_assert_int_eq(check(false, text, sizeof(text)), EXIT_CORRUPT);
	ck_assert_msg(strstr(text, place) != NULL, "\"%s\" does not name %s", text, place);
	ck_assert_int_eq(check(false, text, sizeof(text)), EXIT_CORRUPT);
	ck_assert_int_eq(check(true, text, sizeof(text)), 0);
	ck_assert_msg(strstr(text, "repaired") != NULL, "%s", text);
	ck_assert_int_eq(check_quietly(false), 0);

	ck_assert_int_eq(world_open(&world), 0);
	ck_assert_uint_eq(world.journal.durable.index, kept);
	world_write(&world, 0, 77);
	world_crash(&world);
	ck_assert_int_eq(world_open(&world), 0);
	ck_assert_uint_eq(world.journal.durable.index, kept + 1);
	world_crash(&world);
}

START_TEST(a_bit_flipped_in_the_payload_of_an_acknowledged_batch_is_found_with_file_and_offset)
{
	write_five();
	world_flip_bit(&world, FIRST_SEGMENT, 3 * BLOCK_BYTES + 250);
	expect_damage(FIRST_SEGMENT, 3 * BLOCK_BYTES, 2);
}
END_TEST

START_TEST(a_bit_flipped_in_the_header_of_an_acknowledged_batch_is_found_with_file_and_offset)
{
	write_five();
	world_flip_bit(&world, FIRST_SEGMENT, 2 * BLOCK_BYTES + 50);
	expect_damage(FIRST_SEGMENT, 2 * BLOCK_BYTES, 1);
}
END_TEST

START_TEST(a_hole_of_zeros_in_the_journal_is_found_with_file_and_offset)
{
	char zeros[BLOCK_BYTES] = "";

	write_five();
	int fd = world_file(&world, FIRST_SEGMENT);
	ck_assert_int_eq(pwrite(fd, zeros, sizeof(zeros), 4 * BLOCK_BYTES), BLOCK_BYTES);
	close(fd);
	expect_damage(FIRST_SEGMENT, 4 * BLOCK_BYTES, 3);
}
END_TEST

/* Three segments and more; which are there is in the catalog. */
static void
write_segments(void)
{
	ck_assert_int_eq(world_settle(&world), 0);
	for (unsigned i = 0; i < 8; i++) {
		world_append_large(&world, 0, 3000000);
		ck_assert_int_eq(world_settle(&world), 0);
	}
	world_crash(&world);
}

START_TEST(a_missing_last_segment_is_noticed)
{
	char name[SEGMENT_NAME_BYTES];

	write_segments();
	segment_name(name, world.store.current.highest);
	ck_assert(world_exists(&world, name));
	world_unlink(&world, name);
	diag_set_level(DIAG_ERROR);
	ck_assert_int_eq(world_open(&world), EXIT_CORRUPT);
	ck_assert_ptr_nonnull(strstr(world.file.loader.finding.text, name));
	world_crash(&world);
	ck_assert_int_eq(check_quietly(true), 0);
	ck_assert_int_eq(world_open(&world), 0);
	world_crash(&world);
}
END_TEST

START_TEST(a_missing_segment_in_the_middle_is_noticed_and_repair_cuts_there)
{
	write_segments();
	world_unlink(&world, "0000000000000003.seg");
	expect_damage("0000000000000003.seg", 0, 4);
}
END_TEST

/* Its first batches, with the second half of the last one, are all that is left; and nothing says that there were more. */
START_TEST(a_last_segment_that_is_cut_off_is_noticed)
{
	write_five();
	int fd = world_file(&world, FIRST_SEGMENT);
	ck_assert_int_eq(ftruncate(fd, 3 * BLOCK_BYTES + 100), 0);
	close(fd);
	expect_damage(FIRST_SEGMENT, 3 * BLOCK_BYTES + 100, 2);
}
END_TEST

/* Without a header it is like one that was not begun; but those are whole. */
START_TEST(a_last_segment_that_is_cut_off_before_its_header_ends_is_noticed)
{
	write_five();
	int fd = world_file(&world, FIRST_SEGMENT);
	ck_assert_int_eq(ftruncate(fd, 100), 0);
	close(fd);
	ck_assert_int_eq(world_open(&world), EXIT_CORRUPT);
	world_crash(&world);
	ck_assert_int_eq(check_quietly(false), EXIT_CORRUPT);
}
END_TEST

START_TEST(after_a_clean_stop_a_tail_that_is_gone_with_its_marker_is_noticed)
{
	char zeros[4 * BLOCK_BYTES] = "";

	for (unsigned i = 0; i < 5; i++)
		world_write(&world, 0, 100);
	ck_assert_ptr_nonnull(journal_free(&world.journal));
	journal_append(&world.journal, 1700000000000, BATCH_CLEAN, now_ns());
	ck_assert_int_eq(world_settle(&world), 0);
	ck_assert(world.file.backend.ops->seal(&world.file.backend, world.journal.durable.index));
	world_crash(&world);
	ck_assert_int_eq(check_quietly(false), 0);
	int fd = world_file(&world, FIRST_SEGMENT);
	ck_assert_int_eq(pwrite(fd, zeros, sizeof(zeros), 4 * BLOCK_BYTES), sizeof(zeros));
	close(fd);
	expect_damage(FIRST_SEGMENT, 4 * BLOCK_BYTES, 3);
}
END_TEST

START_TEST(a_missing_current_is_noticed_and_repair_makes_it_anew)
{
	write_five();
	world_unlink(&world, "current");
	diag_set_level(DIAG_ERROR);
	ck_assert_int_eq(world_open(&world), EXIT_CORRUPT);
	world_crash(&world);
	ck_assert_int_eq(check_quietly(true), 0);
	ck_assert_int_eq(world_open(&world), 0);
	ck_assert_uint_eq(world.journal.durable.index, 5);
	world_crash(&world);
}
END_TEST

START_TEST(a_damaged_current_is_noticed)
{
	write_five();
	world_flip_bit(&world, "current", 70);
	diag_set_level(DIAG_ERROR);
	ck_assert_int_eq(world_open(&world), EXIT_CORRUPT);
	world_crash(&world);
}
END_TEST

/*
 * persistd was killed with a batch in flight that landed all the same, and its successor wrote another in its place: the
 * void one must not stand up again when the head of the successor's segment is damaged.
 */
START_TEST(a_damaged_head_of_an_epochs_first_segment_is_noticed)
{
	char said[8192];

	world_write(&world, 0, 100);
	struct journal_position warm = world.journal.durable;
	world_write(&world, 0, 200);
	world_crash(&world);
	ck_assert_int_eq(world_open_with(&world, &warm, 2), 0);
	world_write(&world, 0, 300);
	ck_assert_ptr_nonnull(journal_free(&world.journal));
	journal_append(&world.journal, 1700000000000, BATCH_WITNESS, now_ns());
	ck_assert_int_eq(world_settle(&world), 0);
	world_crash(&world);
	ck_assert_int_eq(check_quietly(false), 0);
	world_flip_bit(&world, "0000000000000002.seg", 40);
	ck_assert_int_eq(world_open(&world), EXIT_CORRUPT);
	world_crash(&world);
	ck_assert_int_eq(check(false, said, sizeof(said)), EXIT_CORRUPT);
	ck_assert_msg(strstr(said, "0000000000000002.seg at offset 0") != NULL, "%s", said);
	ck_assert_int_eq(check_quietly(true), 0);
	ck_assert_int_eq(world_open(&world), 0);
	world_crash(&world);
}
END_TEST

/* --- killed --- */

/* What the child promised, in memory that outlives it. */
struct promised {
	struct journal_position durable;
	uint64_t sequence; /* odd while durable is being written */
};

static _Noreturn void
write_until_killed(struct promised *promised)
{
	if (world_open(&world) != 0)
		_exit(1);
	for (unsigned i = 0;; i++) {
		while (journal_free(&world.journal) != NULL) {
			if (i++ % 7 == 0)
				world_append_large(&world, i % 2, 1100000);
			else
				(void)world_append(&world, i % 2, i * 97 % 5000);
		}
		int step = world.file.backend.ops->step(&world.file.backend, now_ns());
		bool has_pushed = journal_push(&world.journal, now_ns());
		if (step == 0 && !has_pushed)
			disk_park(world.disk, -1, 100);
		if (world_reap(&world, now_ns()) < 0)
			_exit(2);
		store_relaxed(&promised->sequence, promised->sequence + 1);
		compiler_barrier();
		promised->durable = world.journal.durable;
		compiler_barrier();
		store_relaxed(&promised->sequence, promised->sequence + 1);
	}
}

START_TEST(a_kill_at_any_moment_loses_nothing_that_was_acknowledged)
{
	struct promised *promised = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct timespec pause = { 0 };
	unsigned rounds = getenv("CHASQUI_SOAK_SECONDS") != NULL ? 1000 : 25;

	world_crash(&world);
	srandom(4711);
	for (unsigned round = 0; round < rounds; round++) {
		struct journal_position kept = { 0 };
		pid_t child = fork();
		int status;

		if (child == 0)
			write_until_killed(promised);
		pause.tv_nsec = random() % 120000000;
		nanosleep(&pause, NULL);
		kill(child, SIGKILL);
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		ck_assert(WIFSIGNALED(status));
		if (promised->sequence % 2 == 0)
			kept = promised->durable;
		promised->sequence &= ~1ull;
		/* Warm every other time, as if shared memory had lived on. */
		int code = round % 2 == 1 && kept.index > 0 ? world_open_with(&world, &kept, 2) : world_open(&world);
		ck_assert_int_eq(code, 0);
		ck_assert_uint_ge(world.journal.durable.index, kept.index);
		ck_assert_uint_ge(world.journal.durable.lsn[0], kept.lsn[0]);
		ck_assert_uint_ge(world.journal.durable.lsn[1], kept.lsn[1]);
		if (round % 2 == 1)
			promised->durable = world.journal.durable;
		world_crash(&world);
	}
	ck_assert_int_eq(check_quietly(false), 0);
	munmap(promised, 4096);
}
END_TEST

static Suite *
journal_suite(void)
{
	Suite *suite = suite_create("persistd/journal");
	TCase *running = tcase_create("running"), *cut = tcase_create("power cut and damage"), *killed = tcase_create("killed");

	tcase_set_timeout(running, 60);
	tcase_add_checked_fixture(running, setup, teardown);
	tcase_add_test(running, two_batches_fly_at_once_and_a_third_has_to_wait);
	tcase_add_test(running, a_batch_is_durable_only_after_all_before_it);
	tcase_add_test(running, an_error_of_a_write_breaks_the_journal_for_good);
	tcase_add_test(running, a_short_write_breaks_the_journal_for_good);
	tcase_add_test(running, no_space_at_a_write_breaks_the_journal_for_good);
	tcase_add_test(running, a_full_disk_refuses_new_segments_keeps_a_reserve_and_recovers_by_itself);
	tcase_add_test(running, with_the_reserve_used_up_batches_wait_and_are_written_when_there_is_space);
	tcase_add_test(running, another_error_while_a_segment_is_made_is_a_failing_disk);
	suite_add_tcase(suite, running);

	tcase_set_timeout(cut, 60);
	tcase_add_checked_fixture(cut, setup, teardown);
	tcase_add_test(cut, a_torn_batch_with_a_whole_one_behind_it_is_an_ordinary_power_cut);
	tcase_add_test(cut, a_torn_last_batch_is_cut);
	tcase_add_test(cut, a_bit_flipped_in_the_payload_of_an_acknowledged_batch_is_found_with_file_and_offset);
	tcase_add_test(cut, a_bit_flipped_in_the_header_of_an_acknowledged_batch_is_found_with_file_and_offset);
	tcase_add_test(cut, a_hole_of_zeros_in_the_journal_is_found_with_file_and_offset);
	tcase_add_test(cut, a_missing_last_segment_is_noticed);
	tcase_add_test(cut, a_missing_segment_in_the_middle_is_noticed_and_repair_cuts_there);
	tcase_add_test(cut, a_last_segment_that_is_cut_off_is_noticed);
	tcase_add_test(cut, a_last_segment_that_is_cut_off_before_its_header_ends_is_noticed);
	tcase_add_test(cut, after_a_clean_stop_a_tail_that_is_gone_with_its_marker_is_noticed);
	tcase_add_test(cut, a_missing_current_is_noticed_and_repair_makes_it_anew);
	tcase_add_test(cut, a_damaged_current_is_noticed);
	tcase_add_test(cut, a_damaged_head_of_an_epochs_first_segment_is_noticed);
	suite_add_tcase(suite, cut);

	tcase_set_timeout(killed, 900);
	tcase_add_checked_fixture(killed, setup, teardown);
	tcase_add_test(killed, a_kill_at_any_moment_loses_nothing_that_was_acknowledged);
	suite_add_tcase(suite, killed);
	return suite;
}

UNIT_MAIN(journal_suite)
