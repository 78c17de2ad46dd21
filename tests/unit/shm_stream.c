/*
 * stream: a reader gets the bytes of an LSN or is told that they have moved on, also while the worker overwrites them.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/harness/unit.h"

#include "shm/atomic.h"
#include "shm/stream.h"

static char instance[32];
static const struct region_identity store = { .store_uuid = { 7 }, .boot_id = { 8 } };
static const struct stream_geometry geometry = { .stream_bytes = 8192, .replay_bytes = 4096 };
static struct stream worker, front;

static void
name_instance(void)
{
	leftovers_instance(instance, sizeof(instance));
}

static void
remove_instance(void)
{
	region_unlink_all(instance, "");
}

static void
setup(void)
{
	ck_assert_int_eq(stream_create(instance, 3, &geometry, &store), 0);
	ck_assert_int_eq(stream_attach(&worker, instance, 3, &geometry, &store, STREAM_WORKER), 0);
	ck_assert_int_eq(stream_attach(&front, instance, 3, &geometry, &store, STREAM_FRONT), 0);
}

static void
teardown(void)
{
	stream_detach(&worker);
	stream_detach(&front);
}

/* As a worker appends: reserve, bytes, tail.  Each 8 bytes hold their own LSN. */
static void
append(uint64_t bytes)
{
	uint64_t tail = worker.shared->tail;

	store_release(&worker.shared->reserve, tail + bytes);
	fence_release();
	for (uint64_t lsn = tail; lsn < tail + bytes; lsn += 8)
		store_relaxed((uint64_t *)stream_at(&worker, lsn), lsn);
	store_release(&worker.shared->tail, tail + bytes);
}

static void
assert_copied(const uint64_t *words, uint64_t lsn, uint32_t count)
{
	/* Not an assertion for each: Check makes a system call of it. */
	for (uint32_t i = 0; i < count / 8; i++) {
		if (words[i] != lsn + i * 8)
			ck_abort_msg("at LSN %" PRIu64 " saw %" PRIu64, lsn + i * 8, words[i]);
	}
}

START_TEST(what_was_appended_is_copied)
{
	uint64_t words[512];

	append(4096);
	ck_assert(stream_copy(&front, 0, words, 4096));
	assert_copied(words, 0, 4096);
	ck_assert(stream_copy(&front, 4088, words, 8));
	assert_copied(words, 4088, 8);
}
END_TEST

START_TEST(what_is_not_yet_there_is_refused)
{
	uint64_t words[512];

	append(64);
	ck_assert(!stream_copy(&front, 64, words, 8));
	ck_assert(!stream_copy(&front, 0, words, 72));
	ck_assert(stream_copy(&front, 0, words, 64));
}
END_TEST

START_TEST(a_run_over_the_end_of_the_ring_is_whole)
{
	uint64_t words[512];

	append(8192 + 2048);
	ck_assert(stream_copy(&front, 8192 - 1024, words, 2048));
	assert_copied(words, 8192 - 1024, 2048);
}
END_TEST

START_TEST(what_has_been_overwritten_is_refused_to_the_byte)
{
	uint64_t words[512];

	append(8192);
	ck_assert(stream_copy(&front, 0, words, 8));
	append(64);
	ck_assert(!stream_copy(&front, 0, words, 8));
	ck_assert(!stream_copy(&front, 56, words, 8));
	ck_assert(stream_copy(&front, 64, words, 8));
	assert_copied(words, 64, 8);
}
END_TEST

START_TEST(what_is_about_to_be_overwritten_is_refused)
{
	uint64_t words[512];

	append(8192);
	store_release(&worker.shared->reserve, 8192 + 128); /* the worker died here, before it wrote */
	ck_assert(!stream_copy(&front, 120, words, 8));
	ck_assert(stream_copy(&front, 128, words, 8));
}
END_TEST

static uint64_t is_over;

static void *
append_without_end(void *arg)
{
	(void)arg;
	while (!load_relaxed(&is_over))
		append(512);
	return NULL;
}

START_TEST(a_copy_raced_by_the_worker_is_right_or_refused)
{
	uint64_t words[256];
	unsigned good = 0, refused = 0;
	pthread_t thread;

	append(8192);
	ck_assert_int_eq(pthread_create(&thread, NULL, append_without_end, NULL), 0);
	for (unsigned i = 0; i < 200000; i++) {
		/* From the edge where the worker overwrites to the newest. */
		uint64_t lsn = load_acquire(&front.shared->tail) - 8192 + i % 32 * 192;

		if (stream_copy(&front, lsn, words, sizeof(words))) {
			assert_copied(words, lsn, sizeof(words));
			good++;
		} else {
			refused++;
		}
	}
	store_relaxed(&is_over, 1);
	pthread_join(thread, NULL);
	ck_assert_uint_gt(good, 0);
	ck_assert_uint_gt(refused, 0);
}
END_TEST

START_TEST(a_frontd_cannot_write_a_stream)
{
	signal(SIGSEGV, SIG_DFL); /* a sanitizer has its own handler */
	*(volatile char *)front.bytes = 1;
}
END_TEST

START_TEST(persistd_cannot_write_the_records)
{
	struct stream persist;

	ck_assert_int_eq(stream_attach(&persist, instance, 3, &geometry, &store, STREAM_PERSIST), 0);
	*(volatile char *)persist.replay_bytes = 1; /* this is its own side */
	ck_assert_int_eq(*worker.replay_bytes, 1);
	signal(SIGSEGV, SIG_DFL);
	*(volatile char *)persist.bytes = 1;
}
END_TEST

START_TEST(a_frontd_does_not_see_the_replay)
{
	ck_assert_ptr_null(front.replay_bytes);
}
END_TEST

START_TEST(another_geometry_does_not_attach)
{
	struct stream_geometry other = geometry;
	struct stream stream;

	other.replay_bytes *= 2;
	ck_assert_int_eq(stream_attach(&stream, instance, 3, &other, &store, STREAM_WORKER), -1);
	ck_assert_int_eq(errno, ESTALE);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("shm/stream");
	TCase *stream = tcase_create("stream");

	tcase_add_unchecked_fixture(stream, name_instance, remove_instance);
	tcase_add_checked_fixture(stream, setup, teardown);
	tcase_set_timeout(stream, 60);
	tcase_add_test(stream, what_was_appended_is_copied);
	tcase_add_test(stream, what_is_not_yet_there_is_refused);
	tcase_add_test(stream, a_run_over_the_end_of_the_ring_is_whole);
	tcase_add_test(stream, what_has_been_overwritten_is_refused_to_the_byte);
	tcase_add_test(stream, what_is_about_to_be_overwritten_is_refused);
	tcase_add_test(stream, a_copy_raced_by_the_worker_is_right_or_refused);
	tcase_add_test_raise_signal(stream, a_frontd_cannot_write_a_stream, SIGSEGV);
	tcase_add_test_raise_signal(stream, persistd_cannot_write_the_records, SIGSEGV);
	tcase_add_test(stream, a_frontd_does_not_see_the_replay);
	tcase_add_test(stream, another_geometry_does_not_attach);
	suite_add_tcase(suite, stream);
	return suite;
}

UNIT_MAIN(suite)
