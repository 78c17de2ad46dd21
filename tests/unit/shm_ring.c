/*
 * ring: frames pass in order over the wrap, room is what the consumer gave back, and a producer or consumer that lies is
 * noticed or hurts only itself.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "tests/harness/unit.h"

#include "shm/ring.h"

#define RING_BYTES 4096u
#define FRAME_MAX 1024u

/* The mapping is mirrored in the broker; here the tests keep both halves equal by writing through frame_put(). */
static struct {
	struct ring_shared shared;
	_Alignas(8) char bytes[2 * RING_BYTES];
	struct ring producer, consumer;
} it;

static void
setup(void)
{
	memset(&it, 0, sizeof(it));
	ring_init(&it.producer, &it.shared, it.bytes, RING_BYTES);
	ring_init(&it.consumer, &it.shared, it.bytes, RING_BYTES);
}

static void
frame_put(void *at, uint32_t bytes, uint64_t id)
{
	struct frame_header header = { .bytes = bytes, .op = 7, .flags = 3, .id = id };
	size_t offset = (size_t)((char *)at - it.bytes);

	memset(at, (int)id, bytes);
	memcpy(at, &header, sizeof(header));
	for (size_t i = offset; i < offset + bytes; i++)
		it.bytes[(i + RING_BYTES) % (2 * RING_BYTES)] = it.bytes[i];
}

static bool
produce(uint32_t bytes, uint64_t id)
{
	void *at = ring_reserve(&it.producer, bytes);

	if (at == NULL)
		return false;
	frame_put(at, bytes, id);
	ring_push(&it.producer, bytes);
	ring_post(&it.producer);
	return true;
}

static enum ring_peek
consumer_sees(struct frame_header *header)
{
	const void *frame;

	return ring_peek(&it.consumer, FRAME_MAX, header, &frame);
}

START_TEST(an_empty_ring_has_no_frame_and_all_its_room)
{
	struct frame_header header;

	ck_assert_int_eq(consumer_sees(&header), RING_EMPTY);
	ck_assert_uint_eq(ring_room(&it.producer, 8), RING_BYTES);
}
END_TEST

START_TEST(what_is_pushed_is_seen_only_when_posted)
{
	struct frame_header header;
	void *at = ring_reserve(&it.producer, 64);

	ck_assert_ptr_eq(ring_reserve(&it.producer, 64), at);
	frame_put(at, 64, 1);
	ring_push(&it.producer, 64);
	ck_assert_int_eq(consumer_sees(&header), RING_EMPTY);
	ring_post(&it.producer);
	ck_assert_int_eq(consumer_sees(&header), RING_FRAME);
	ck_assert_uint_eq(header.bytes, 64);
	ck_assert_uint_eq(header.op, 7);
	ck_assert_uint_eq(header.flags, 3);
	ck_assert_uint_eq(header.id, 1);
}
END_TEST

START_TEST(room_comes_back_when_the_consumer_drops_and_not_when_it_skips)
{
	struct frame_header header;

	for (uint64_t id = 1; id <= 4; id++)
		ck_assert(produce(FRAME_MAX, id));
	ck_assert_uint_eq(ring_room(&it.producer, 8), 0);
	ck_assert_ptr_null(ring_reserve(&it.producer, 8));

	ck_assert_int_eq(consumer_sees(&header), RING_FRAME);
	ring_skip(&it.consumer, header.bytes);
	ck_assert_ptr_null(ring_reserve(&it.producer, 8));
	ring_drop(&it.consumer);
	ck_assert_uint_eq(ring_room(&it.producer, 8), FRAME_MAX);
	ck_assert_ptr_nonnull(ring_reserve(&it.producer, FRAME_MAX));
}
END_TEST

START_TEST(frames_of_all_sizes_pass_in_order_over_the_wrap)
{
	struct frame_header header;
	const void *frame;
	uint64_t sent = 0, got = 0;

	while (got < 5000) {
		uint32_t bytes = 16 + (uint32_t)(sent * 40 % 1000) / 8 * 8;

		if (produce(bytes, sent + 1)) {
			sent++;
			continue;
		}
		ck_assert_int_eq(ring_peek(&it.consumer, FRAME_MAX, &header, &frame), RING_FRAME);
		ck_assert_uint_eq(header.id, got + 1);
		ck_assert_uint_eq(header.bytes, 16 + got * 40 % 1000 / 8 * 8);
		/* Not an assertion for each byte: Check makes a system call of it. */
		for (uint32_t i = sizeof(header); i < header.bytes; i++) {
			if (((const uint8_t *)frame)[i] != (uint8_t)header.id)
				ck_abort_msg("frame %u, byte %u: saw %u", (unsigned)header.id, i, ((const uint8_t *)frame)[i]);
		}
		ring_skip(&it.consumer, header.bytes);
		ring_drop(&it.consumer);
		got++;
	}
}
END_TEST

START_TEST(cursors_pass_2_to_the_64)
{
	struct frame_header header;

	it.shared.tail = it.shared.head = UINT64_MAX - 63;
	ring_init(&it.producer, &it.shared, it.bytes, RING_BYTES);
	ring_init(&it.consumer, &it.shared, it.bytes, RING_BYTES);
	for (uint64_t id = 1; id <= 10; id++) {
		ck_assert(produce(128, id));
		ck_assert_int_eq(consumer_sees(&header), RING_FRAME);
		ck_assert_uint_eq(header.id, id);
		ring_skip(&it.consumer, header.bytes);
		ring_drop(&it.consumer);
	}
	ck_assert_uint_eq(it.shared.tail, 10 * 128 - 64);
}
END_TEST

static const struct {
	uint64_t tail;
	uint32_t frame_bytes;
} lies[] = {
	{ RING_BYTES + 8, 64 },      /* more posted than the ring holds */
	{ UINT64_MAX - 7, 64 },      /* a tail behind the head */
	{ 8, 64 },                   /* less posted than a header */
	{ 256, 0 },
	{ 256, 8 },                  /* shorter than a header */
	{ 256, 68 },                 /* not a multiple of 8 */
	{ 256, 264 },                /* longer than what is posted */
	{ 256, UINT32_MAX - 7 },
	{ RING_BYTES, FRAME_MAX + 8 }, /* longer than any frame may be */
};

START_TEST(a_producer_that_lies_is_found_out)
{
	struct frame_header header = { .bytes = lies[_i].frame_bytes };

	memcpy(it.bytes, &header, sizeof(header));
	it.shared.tail = lies[_i].tail;
	ck_assert_int_eq(consumer_sees(&header), RING_LIES);
	ck_assert_int_eq(consumer_sees(&header), RING_LIES);
}
END_TEST

START_TEST(the_header_given_is_a_copy_that_the_producer_cannot_change)
{
	struct frame_header header;

	ck_assert(produce(64, 9));
	ck_assert_int_eq(consumer_sees(&header), RING_FRAME);
	memset(it.bytes, 0xff, 64);
	ck_assert_uint_eq(header.bytes, 64);
	ck_assert_uint_eq(header.id, 9);
}
END_TEST

START_TEST(a_consumer_that_lies_has_no_room_and_gets_none_of_it_overwritten)
{
	for (uint64_t id = 1; id <= 4; id++)
		ck_assert(produce(FRAME_MAX, id));
	it.shared.head = it.producer.tail + 8; /* beyond the tail */
	ck_assert_uint_eq(ring_room(&it.producer, 8), 0);
	ck_assert_ptr_null(ring_reserve(&it.producer, 8));
	it.shared.head = it.producer.tail - RING_BYTES - 8; /* far behind it */
	ck_assert_uint_eq(ring_room(&it.producer, 8), 0);
	it.shared.head = it.producer.tail; /* and the truth at last */
	ck_assert_uint_eq(ring_room(&it.producer, 8), RING_BYTES);
}
END_TEST

START_TEST(cursors_committed_elsewhere_are_mirrored)
{
	struct frame_header header;
	void *at = ring_reserve(&it.producer, 64);

	frame_put(at, 64, 5);
	ring_mirror_tail(&it.producer, 64);
	ck_assert_uint_eq(it.shared.tail, 64);
	ck_assert_int_eq(consumer_sees(&header), RING_FRAME);
	ring_mirror_head(&it.consumer, 64);
	ck_assert_uint_eq(it.shared.head, 64);
	ck_assert_int_eq(consumer_sees(&header), RING_EMPTY);
}
END_TEST

START_TEST(a_new_process_goes_on_where_the_cursors_stand)
{
	struct ring successor;
	struct frame_header header;
	const void *frame;

	ck_assert(produce(64, 1));
	ck_assert(produce(64, 2));
	ck_assert_int_eq(consumer_sees(&header), RING_FRAME);
	ring_skip(&it.consumer, header.bytes);
	ring_drop(&it.consumer);
	ck_assert_int_eq(consumer_sees(&header), RING_FRAME);
	ring_skip(&it.consumer, header.bytes); /* and dies before the drop */

	ring_init(&successor, &it.shared, it.bytes, RING_BYTES);
	ck_assert_int_eq(ring_peek(&successor, FRAME_MAX, &header, &frame), RING_FRAME);
	ck_assert_uint_eq(header.id, 2);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("shm/ring");
	TCase *ring = tcase_create("ring");

	tcase_add_checked_fixture(ring, setup, NULL);
	tcase_add_test(ring, an_empty_ring_has_no_frame_and_all_its_room);
	tcase_add_test(ring, what_is_pushed_is_seen_only_when_posted);
	tcase_add_test(ring, room_comes_back_when_the_consumer_drops_and_not_when_it_skips);
	tcase_add_test(ring, frames_of_all_sizes_pass_in_order_over_the_wrap);
	tcase_add_test(ring, cursors_pass_2_to_the_64);
	tcase_add_loop_test(ring, a_producer_that_lies_is_found_out, 0, (int)(sizeof(lies) / sizeof(lies[0])));
	tcase_add_test(ring, the_header_given_is_a_copy_that_the_producer_cannot_change);
	tcase_add_test(ring, a_consumer_that_lies_has_no_room_and_gets_none_of_it_overwritten);
	tcase_add_test(ring, cursors_committed_elsewhere_are_mirrored);
	tcase_add_test(ring, a_new_process_goes_on_where_the_cursors_stand);
	suite_add_tcase(suite, ring);
	return suite;
}

UNIT_MAIN(suite)
