/*
 * handed: what a process was handed it can map, with the right it was handed and no other; what it
 * was not handed is not there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/harness/unit.h"

#include "shm/front.h"
#include "shm/handed.h"

#define REGION_BYTES (REGION_HEADER_BYTES + 16384)

static char instance[32];
static int ends[2];
static const struct region_identity identity = { .layout_hash = 1 };
static const struct front_geometry geometry = { .workers = 1,
	.request_bytes = 4096,
	.reply_bytes = 4096,
	.fetch_bytes = 4096,
	.body_bytes = 4096 };

static void
setup(void)
{
	leftovers_instance(instance, sizeof(instance));
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	ck_assert_int_eq(region_create(instance, "a", REGION_BYTES, &identity), 0);
	ck_assert_int_eq(region_create(instance, "b", REGION_BYTES, &identity), 0);
}

static void
teardown(void)
{
	region_unlink_all(instance, "");
}

static void
hand(const char *name, enum region_access access)
{
	struct handed_region region = { .fd = region_open(instance, name, access) };

	ck_assert_int_ge(region.fd, 0);
	snprintf(region.name, sizeof(region.name), "%s", name);
	ck_assert_int_eq(handed_send(ends[0], &region, 1), 0);
	close(region.fd);
}

static unsigned
descriptors_open(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

START_TEST(until_something_is_handed_over_regions_are_opened_by_name)
{
	struct region region;

	ck_assert(!handed_is_all());
	ck_assert_int_eq(region_attach(&region, instance, "a", &identity, REGION_READ_WRITE), 0);
	ck_assert_int_eq(handed_take(ends[1]), 0);
	ck_assert(handed_is_all());
	ck_assert_int_eq(region_attach(&region, instance, "a", &identity, REGION_READ_WRITE), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_ptr_null(
	    region_map_mirrored(instance, "a", REGION_HEADER_BYTES, 4096, REGION_READ_ONLY));
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(a_region_handed_for_reading_can_be_read_and_never_written)
{
	struct region region;

	hand("a", REGION_READ_ONLY);
	hand("b", REGION_READ_WRITE);
	ck_assert_int_eq(handed_take(ends[1]), 0);
	ck_assert_int_eq(region_attach(&region, instance, "b", &identity, REGION_READ_WRITE), 0);
	ck_assert_int_eq(region_attach(&region, instance, "a", &identity, REGION_READ_WRITE), -1);
	ck_assert_int_eq(errno, EACCES);
	ck_assert_int_eq(region_attach(&region, instance, "a", &identity, REGION_READ_ONLY), 0);
	ck_assert_int_eq(mprotect(region.base, region.size_bytes, PROT_READ | PROT_WRITE), -1);
	ck_assert_int_eq(errno, EACCES);
	ck_assert_int_eq(mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
	                     handed_find("a"), 0) == MAP_FAILED,
	    1);
	ck_assert_int_eq(ftruncate(handed_find("a"), 0), -1);
}
END_TEST

START_TEST(a_mapped_region_needs_its_descriptor_no_more)
{
	unsigned before = descriptors_open();
	struct region region;

	hand("a", REGION_READ_ONLY);
	ck_assert_int_eq(handed_take(ends[1]), 0);
	ck_assert_uint_eq(descriptors_open(), before + 1);
	ck_assert_int_eq(region_attach(&region, instance, "a", &identity, REGION_READ_ONLY), 0);
	ck_assert_uint_eq(descriptors_open(), before + 1);
	handed_forget("");
	ck_assert_uint_eq(descriptors_open(), before);
	ck_assert_int_eq(handed_find("a"), -1);
	ck_assert_mem_eq(region.base, "chasqui1", 8);
}
END_TEST

START_TEST(a_new_incarnation_of_a_front_takes_the_place_of_the_old)
{
	unsigned before = descriptors_open();
	struct front front;

	for (uint64_t epoch = 9; epoch <= 11; epoch++) {
		char name[64];

		ck_assert_int_eq(front_create(instance, 1, epoch, &geometry, &identity), 0);
		front_name(name, 1, epoch);
		hand(name, REGION_READ_WRITE);
	}
	ck_assert_int_eq(front_create(instance, 10, 3, &geometry, &identity), 0);
	hand("front.10.3", REGION_READ_WRITE);
	ck_assert_int_eq(handed_take(ends[1]), 0);
	ck_assert_uint_eq(descriptors_open(), before + 2);
	ck_assert_int_eq(
	    front_attach(&front, instance, 1, 10, &geometry, &identity, FRONT_MAP_ALL), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_eq(
	    front_attach(&front, instance, 1, 11, &geometry, &identity, FRONT_MAP_ALL), 0);
	ck_assert_uint_eq(descriptors_open(), before + 1); /* mapped, and closed */
	ck_assert_int_eq(front_attach(&front, instance, 10, 3, &geometry, &identity, 0), 0);
	ck_assert_uint_eq(descriptors_open(), before);
}
END_TEST

START_TEST(many_come_in_one_go)
{
	struct handed_region regions[100];

	for (unsigned i = 0; i < 100; i++) {
		regions[i].fd = region_open(instance, "a", REGION_READ_ONLY);
		snprintf(regions[i].name, sizeof(regions[i].name), "stats.%u", i);
	}
	ck_assert_int_eq(handed_send(ends[0], regions, 100), 0);
	ck_assert_int_eq(handed_take(ends[1]), 0);
	for (unsigned i = 0; i < 100; i++)
		ck_assert_int_ge(handed_find(regions[i].name), 0);
}
END_TEST

START_TEST(without_a_free_descriptor_nothing_is_half_taken)
{
	struct handed_region regions[8];
	struct rlimit limit = { 64, 64 };
	int fd, last = -1;

	for (unsigned i = 0; i < 8; i++) {
		regions[i].fd = region_open(instance, "a", REGION_READ_ONLY);
		snprintf(regions[i].name, sizeof(regions[i].name), "stats.%u", i);
	}
	ck_assert_int_eq(handed_send(ends[0], regions, 8), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	while ((fd = dup(0)) >= 0)
		last = fd;
	close(last); /* room for one, and eight come */
	ck_assert_int_eq(handed_take(ends[1]), -1);
	ck_assert_int_eq(errno, EMFILE);
	ck_assert_int_eq(handed_find("stats.0"), -1);
	ck_assert_int_eq(dup(0), last); /* it was given back */
	/* Whoever looks at this process when it ends, as a sanitizer does, needs some. */
	while (last > 32)
		close(last--);
}
END_TEST

START_TEST(a_supervisor_that_is_gone_is_no_error)
{
	hand("a", REGION_READ_ONLY);
	close(ends[0]);
	ck_assert_int_eq(handed_take(ends[1]), 0);
	ck_assert_int_ge(handed_find("a"), 0);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("shm/handed");
	TCase *handed = tcase_create("handed");

	tcase_add_checked_fixture(handed, setup, teardown);
	tcase_add_test(handed, until_something_is_handed_over_regions_are_opened_by_name);
	tcase_add_test(handed, a_region_handed_for_reading_can_be_read_and_never_written);
	tcase_add_test(handed, a_mapped_region_needs_its_descriptor_no_more);
	tcase_add_test(handed, a_new_incarnation_of_a_front_takes_the_place_of_the_old);
	tcase_add_test(handed, many_come_in_one_go);
	tcase_add_test(handed, without_a_free_descriptor_nothing_is_half_taken);
	tcase_add_test(handed, a_supervisor_that_is_gone_is_no_error);
	suite_add_tcase(suite, handed);
	return suite;
}

UNIT_MAIN(suite)
