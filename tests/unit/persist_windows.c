/*
 * windows: a sequence of reads is served out of windows that are read ahead; single reads, large ones and what is not durable
 * yet are not; a window that cannot be read costs nobody his record.
 */
#include "persistd/windows.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/harness/unit.h"

enum { FILE_BYTES = 1 << 20, RECORD = 1000 };

static struct windows windows;
static struct disk *disk;
static char *bytes;
static int fd;
static unsigned reads;    /* completions so far */

static void
setup(void)
{
	char path[] = "/tmp/chasqui-windows.XXXXXX";

	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	unlink(path);
	bytes = malloc(FILE_BYTES);
	for (unsigned i = 0; i < FILE_BYTES; i++)
		bytes[i] = (char)(i * 2654435761u >> 24);
	ck_assert_int_eq(pwrite(fd, bytes, FILE_BYTES, 0), FILE_BYTES);
	memset(&windows, 0, sizeof(windows));
	disk = disk_open(true);
	ck_assert_ptr_nonnull(disk);
	reads = 0;
}

static void
teardown(void)
{
	disk_close(disk);
	windows_free(&windows);
	free(bytes);
	close(fd);
}

static void
settle(int32_t (*result)(int32_t))
{
	struct disk_completion completion;

	while (disk_pending(disk) > 0) {
		disk_park(disk, -1, 100);
		while (disk_reap(disk, &completion)) {
			ck_assert_int_eq(completion.tag.user, DISK_WINDOW);
			windows_completed(&windows, completion.tag.number, result == NULL ? completion.result : result(completion.result));
			reads++;
		}
	}
}

static enum window_found
find(uint64_t segment, uint64_t offset, uint32_t count, uint64_t end, const char **here)
{
	struct window_range range = { .segment = segment, .offset = offset, .bytes = count, .end = end, .fd = fd };

	return windows_find(&windows, disk, &range, here);
}

START_TEST(a_sequence_is_served_out_of_few_reads)
{
	unsigned exact = 0, count = 0;
	const char *here;

	for (uint64_t at = 0; at + RECORD <= FILE_BYTES; at += RECORD, count++) {
		enum window_found found = find(7, at, RECORD, UINT64_MAX, &here);

		if (found == WINDOW_COMING) {
			settle(NULL);
			found = find(7, at, RECORD, UINT64_MAX, &here);
		}
		if (found == WINDOW_EXACT) {
			exact++;
			continue;
		}
		ck_assert_int_eq(found, WINDOW_HERE);
		ck_assert_mem_eq(here, bytes + at, RECORD);
	}
	settle(NULL);
	ck_assert_uint_le(exact, 1); /* the first, which may be alone */
	ck_assert_uint_le(reads, FILE_BYTES / (WINDOW_BYTES - WINDOW_OVERLAP_BYTES) + 2);
	ck_assert_uint_gt(count, 1000);
}
END_TEST

START_TEST(single_and_large_reads_are_exact)
{
	const char *here;

	ck_assert_int_eq(find(7, 500000, RECORD, UINT64_MAX, &here), WINDOW_EXACT);
	ck_assert_int_eq(find(7, 100000, RECORD, UINT64_MAX, &here), WINDOW_EXACT);
	ck_assert_int_eq(find(8, 101000, RECORD, UINT64_MAX, &here), WINDOW_EXACT); /* another segment */
	ck_assert_int_eq(find(7, 101000, WINDOW_RECORD_BYTES_MAX + 8, UINT64_MAX, &here), WINDOW_EXACT);
	ck_assert_uint_eq(disk_pending(disk), 0);
}
END_TEST

START_TEST(nothing_is_read_that_is_not_durable)
{
	const char *here;
	uint64_t end = 8192;

	ck_assert_int_eq(find(7, 0, RECORD, end, &here), WINDOW_EXACT);
	ck_assert_int_eq(find(7, 1000, RECORD, end, &here), WINDOW_COMING);
	settle(NULL);
	ck_assert_int_eq(find(7, 7000, RECORD, end, &here), WINDOW_HERE);
	/* More has become durable: a window of it is another read. */
	ck_assert_int_eq(find(7, 8000, RECORD, 16384, &here), WINDOW_COMING);
	settle(NULL);
	ck_assert_int_eq(find(7, 8000, RECORD, 16384, &here), WINDOW_HERE);
	ck_assert_mem_eq(here, bytes + 8000, RECORD);
	/* Of a record that ends behind what is durable there can be no window. */
	ck_assert_int_eq(find(7, 16000, RECORD, 16384, &here), WINDOW_EXACT);
}
END_TEST

static int32_t
refuse(int32_t result)
{
	(void)result;
	return -5;
}

START_TEST(a_window_that_cannot_be_read_leaves_each_record_to_itself)
{
	const char *here;

	ck_assert_int_eq(find(7, 0, RECORD, UINT64_MAX, &here), WINDOW_EXACT);
	ck_assert_int_eq(find(7, 1000, RECORD, UINT64_MAX, &here), WINDOW_COMING);
	settle(refuse);
	ck_assert_int_eq(find(7, 1000, RECORD, UINT64_MAX, &here), WINDOW_EXACT);
}
END_TEST

static int32_t
cut_short(int32_t result)
{
	(void)result;
	return WINDOW_RECORD_BYTES_MAX;
}

/* A bad block behind: what was read before it does not hold the record, and another window would not either. */
START_TEST(a_window_that_ends_within_the_record_is_not_read_for_ever)
{
	const char *here;

	ck_assert_int_eq(find(7, 3000, RECORD, UINT64_MAX, &here), WINDOW_EXACT);
	ck_assert_int_eq(find(7, 4000, WINDOW_RECORD_BYTES_MAX, UINT64_MAX, &here), WINDOW_COMING);
	settle(cut_short);
	ck_assert_int_eq(find(7, 4000, WINDOW_RECORD_BYTES_MAX, UINT64_MAX, &here), WINDOW_EXACT);
}
END_TEST

START_TEST(a_forgotten_segment_is_read_again)
{
	const char *here;

	ck_assert_int_eq(find(7, 0, RECORD, UINT64_MAX, &here), WINDOW_EXACT);
	ck_assert_int_eq(find(7, 1000, RECORD, UINT64_MAX, &here), WINDOW_COMING);
	settle(NULL);
	ck_assert_int_eq(find(7, 2000, RECORD, UINT64_MAX, &here), WINDOW_HERE);
	windows_forget(&windows, 7);
	ck_assert_int_eq(find(7, 3000, RECORD, UINT64_MAX, &here), WINDOW_EXACT);
}
END_TEST

static Suite *
windows_suite(void)
{
	Suite *suite = suite_create("persistd/windows");
	TCase *tests = tcase_create("windows");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, a_sequence_is_served_out_of_few_reads);
	tcase_add_test(tests, single_and_large_reads_are_exact);
	tcase_add_test(tests, nothing_is_read_that_is_not_durable);
	tcase_add_test(tests, a_window_that_cannot_be_read_leaves_each_record_to_itself);
	tcase_add_test(tests, a_window_that_ends_within_the_record_is_not_read_for_ever);
	tcase_add_test(tests, a_forgotten_segment_is_read_again);
	suite_add_tcase(suite, tests);
	return suite;
}

UNIT_MAIN(windows_suite)
