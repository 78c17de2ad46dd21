/*
 * front: each side maps what it may touch, frames pass both ways, and a new incarnation shares nothing with the old one.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/harness/unit.h"

#include "shm/front.h"

static char instance[32];
static const struct region_identity store = { .store_uuid = { 7 }, .boot_id = { 8 } };
static const struct front_geometry geometry = {
	.workers = 2, .request_bytes = 8192, .reply_bytes = 16384, .fetch_bytes = 4096, .body_bytes = 8192,
};

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
	ck_assert_int_eq(front_create(instance, 1, 4, &geometry, &store), 0);
}

static void
attach(struct front *front, int worker)
{
	ck_assert_int_eq(front_attach(front, instance, 1, 4, &geometry, &store, worker), 0);
}

START_TEST(each_side_maps_only_its_own_rings)
{
	struct front front, worker, persist;

	attach(&front, FRONT_MAP_ALL);
	attach(&worker, 1);
	attach(&persist, FRONT_MAP_FETCH);
	for (unsigned w = 0; w < 2; w++) {
		ck_assert_ptr_nonnull(front.request_bytes[w]);
		ck_assert_ptr_nonnull(front.reply_bytes[w]);
		ck_assert_ptr_null(persist.request_bytes[w]);
		ck_assert_ptr_null(persist.reply_bytes[w]);
	}
	ck_assert_ptr_nonnull(front.fetch_bytes);
	ck_assert_ptr_nonnull(front.body_bytes);
	ck_assert_ptr_nonnull(persist.fetch_bytes);
	ck_assert_ptr_nonnull(persist.body_bytes);
	ck_assert_ptr_null(worker.request_bytes[0]);
	ck_assert_ptr_null(worker.reply_bytes[0]);
	ck_assert_ptr_nonnull(worker.request_bytes[1]);
	ck_assert_ptr_nonnull(worker.reply_bytes[1]);
	ck_assert_ptr_null(worker.fetch_bytes);
	ck_assert_ptr_null(worker.body_bytes);
	front_detach(&front);
	front_detach(&worker);
	front_detach(&persist);
	ck_assert_ptr_null(front.request_bytes[0]);
}
END_TEST

START_TEST(no_two_rings_share_a_byte)
{
	struct front front;

	attach(&front, FRONT_MAP_ALL);
	for (unsigned w = 0; w < 2; w++) {
		memset(front.request_bytes[w], 1 + (int)w, geometry.request_bytes);
		memset(front.reply_bytes[w], 3 + (int)w, geometry.reply_bytes);
	}
	memset(front.fetch_bytes, 5, geometry.fetch_bytes);
	memset(front.body_bytes, 6, geometry.body_bytes);

	const unsigned char *base = front.region.base;
	size_t counted[7] = { 0 };
	for (size_t i = 0; i < front.region.size_bytes; i++) {
		if (i >= REGION_HEADER_BYTES + sizeof(struct front_shared) && base[i] < 7)
			counted[base[i]]++;
	}
	ck_assert_uint_eq(counted[1], geometry.request_bytes);
	ck_assert_uint_eq(counted[2], geometry.request_bytes);
	ck_assert_uint_eq(counted[3], geometry.reply_bytes);
	ck_assert_uint_eq(counted[4], geometry.reply_bytes);
	ck_assert_uint_eq(counted[5], geometry.fetch_bytes);
	ck_assert_uint_eq(counted[6], geometry.body_bytes);
	for (size_t i = 0; i < sizeof(struct front_shared); i++)
		ck_assert_int_eq(base[REGION_HEADER_BYTES + i], 0); /* nor does any touch the cursors */
	front_detach(&front);
}
END_TEST

START_TEST(frames_pass_over_the_wrap_from_one_mapping_to_another)
{
	struct front front, worker;
	struct ring producer, consumer;
	struct frame_header header;
	const void *frame;

	attach(&front, FRONT_MAP_ALL);
	attach(&worker, 1);
	ring_init(&producer, &front.shared->worker[1].request, front.request_bytes[1], geometry.request_bytes);
	ring_init(&consumer, &worker.shared->worker[1].request, worker.request_bytes[1], geometry.request_bytes);
	for (uint64_t id = 1; id <= 100; id++) {
		uint32_t bytes = 1000;
		struct frame_header *at = ring_reserve(&producer, bytes);

		ck_assert_ptr_nonnull(at);
		memset(at, (int)id, bytes);
		*at = (struct frame_header){ .bytes = bytes, .op = 1, .id = id };
		ring_push(&producer, bytes);
		ring_post(&producer);
		ck_assert_int_eq(ring_peek(&consumer, 4096, &header, &frame), RING_FRAME);
		ck_assert_uint_eq(header.id, id);
		for (uint32_t i = sizeof(header); i < bytes; i++)
			ck_assert_int_eq(((const unsigned char *)frame)[i], (int)id);
		ring_skip(&consumer, bytes);
		ring_drop(&consumer);
	}
	front_detach(&front);
	front_detach(&worker);
}
END_TEST

START_TEST(another_incarnation_is_another_region)
{
	struct front old, new;

	attach(&old, FRONT_MAP_ALL);
	old.shared->worker[0].request.tail = 64;
	ck_assert_int_eq(front_attach(&new, instance, 1, 5, &geometry, &store, FRONT_MAP_ALL), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_eq(front_create(instance, 1, 5, &geometry, &store), 0);
	ck_assert_int_eq(front_attach(&new, instance, 1, 5, &geometry, &store, FRONT_MAP_ALL), 0);
	ck_assert_uint_eq(new.shared->worker[0].request.tail, 0);
	ck_assert_uint_eq(old.shared->worker[0].request.tail, 64);
	front_detach(&old);
	front_detach(&new);
}
END_TEST

START_TEST(another_geometry_or_store_does_not_attach)
{
	struct front_geometry other_geometry = geometry;
	struct region_identity other_store = store;
	struct front front;

	other_geometry.body_bytes *= 2;
	ck_assert_int_eq(front_attach(&front, instance, 1, 4, &other_geometry, &store, FRONT_MAP_ALL), -1);
	ck_assert_int_eq(errno, ESTALE);
	other_store.store_uuid[0]++;
	ck_assert_int_eq(front_attach(&front, instance, 1, 4, &geometry, &other_store, FRONT_MAP_ALL), -1);
	ck_assert_int_eq(errno, ESTALE);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("shm/front");
	TCase *front = tcase_create("front");

	tcase_add_unchecked_fixture(front, name_instance, remove_instance);
	tcase_add_checked_fixture(front, setup, NULL);
	tcase_add_test(front, each_side_maps_only_its_own_rings);
	tcase_add_test(front, no_two_rings_share_a_byte);
	tcase_add_test(front, frames_pass_over_the_wrap_from_one_mapping_to_another);
	tcase_add_test(front, another_incarnation_is_another_region);
	tcase_add_test(front, another_geometry_or_store_does_not_attach);
	suite_add_tcase(suite, front);
	return suite;
}

UNIT_MAIN(suite)
