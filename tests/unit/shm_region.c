/*
 * region: what was created is attached, what does not match is refused, a read-only one cannot be written, and the mirrored
 * mapping shows each byte twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/harness/unit.h"

#include "shm/atomic.h"
#include "shm/region.h"

#define REGION_BYTES (REGION_HEADER_BYTES + 16384)

static char instance[32];
static const struct region_identity identity = {
	.layout_hash = 11, .geometry = 22, .store_uuid = { 1, 2, 3 }, .boot_id = { 4, 5, 6 }, .epoch = 33,
};

static void
setup(void)
{
	leftovers_instance(instance, sizeof(instance));
}

static void
teardown(void)
{
	region_unlink_all(instance, "");
}

START_TEST(a_created_region_is_attached_zero_filled_with_its_header)
{
	struct region region;

	ck_assert_int_eq(region_create(instance, "a", REGION_BYTES, &identity), 0);
	ck_assert_int_eq(region_attach(&region, instance, "a", &identity, REGION_READ_WRITE), 0);
	ck_assert_uint_eq(region.size_bytes, REGION_BYTES);
	ck_assert(region.is_writable);

	const struct region_header *header = region.base;
	ck_assert_uint_eq(header->magic, REGION_MAGIC);
	ck_assert_uint_eq(header->size_bytes, REGION_BYTES);
	ck_assert_str_eq(header->name, "a");
	for (size_t i = REGION_HEADER_BYTES; i < REGION_BYTES; i++)
		ck_assert_int_eq(((const char *)region.base)[i], 0);
	region_detach(&region);
	ck_assert_ptr_null(region.base);
}
END_TEST

START_TEST(a_region_outlives_its_users_and_is_shared_between_them)
{
	struct region one, other;

	ck_assert_int_eq(region_create(instance, "a", REGION_BYTES, &identity), 0);
	ck_assert_int_eq(region_attach(&one, instance, "a", &identity, REGION_READ_WRITE), 0);
	strcpy((char *)one.base + REGION_HEADER_BYTES, "relay");
	ck_assert_int_eq(region_attach(&other, instance, "a", &identity, REGION_READ_ONLY), 0);
	ck_assert_str_eq((char *)other.base + REGION_HEADER_BYTES, "relay");
	region_detach(&one);
	region_detach(&other);
	ck_assert_int_eq(region_attach(&other, instance, "a", NULL, REGION_READ_ONLY), 0);
	ck_assert_str_eq((char *)other.base + REGION_HEADER_BYTES, "relay");
	region_detach(&other);
}
END_TEST

START_TEST(creating_again_gives_a_new_object_and_leaves_the_old_one_to_those_who_hold_it)
{
	struct region old, new;

	ck_assert_int_eq(region_create(instance, "a", REGION_BYTES, &identity), 0);
	ck_assert_int_eq(region_attach(&old, instance, "a", &identity, REGION_READ_WRITE), 0);
	strcpy((char *)old.base + REGION_HEADER_BYTES, "old");
	ck_assert_int_eq(region_create(instance, "a", REGION_BYTES, &identity), 0);
	ck_assert_int_eq(region_attach(&new, instance, "a", &identity, REGION_READ_ONLY), 0);
	ck_assert_str_eq((char *)new.base + REGION_HEADER_BYTES, "");
	ck_assert_str_eq((char *)old.base + REGION_HEADER_BYTES, "old");
	region_detach(&old);
	region_detach(&new);
}
END_TEST

START_TEST(a_missing_region_is_enoent)
{
	struct region region;

	errno = 0;
	ck_assert_int_eq(region_attach(&region, instance, "none", &identity, REGION_READ_WRITE), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_eq(region_unlink(instance, "none"), -1);
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(any_difference_in_identity_is_estale)
{
	struct region_identity wanted = identity;
	struct region region;

	switch (_i) {
	case 0:
		wanted.layout_hash++;
		break;
	case 1:
		wanted.geometry++;
		break;
	case 2:
		wanted.store_uuid[15]++;
		break;
	case 3:
		wanted.boot_id[0]++;
		break;
	case 4:
		wanted.epoch++;
		break;
	}
	ck_assert_int_eq(region_create(instance, "a", REGION_BYTES, &identity), 0);
	errno = 0;
	ck_assert_int_eq(region_attach(&region, instance, "a", &wanted, REGION_READ_WRITE), -1);
	ck_assert_int_eq(errno, ESTALE);
}
END_TEST

static int
object_open(const char *name)
{
	char object[96];

	snprintf(object, sizeof(object), "/chasqui.%s.%s", instance, name);
	return shm_open(object, O_RDWR, 0);
}

START_TEST(a_region_whose_creator_died_before_the_magic_is_estale)
{
	struct region region;
	uint64_t no_magic = 0;

	ck_assert_int_eq(region_create(instance, "a", REGION_BYTES, &identity), 0);
	int fd = object_open("a");
	ck_assert_int_eq(pwrite(fd, &no_magic, sizeof(no_magic), 0), sizeof(no_magic));
	ck_assert_int_eq(region_attach(&region, instance, "a", NULL, REGION_READ_ONLY), -1);
	ck_assert_int_eq(errno, ESTALE);
	close(fd);
}
END_TEST

START_TEST(a_region_of_another_size_than_its_header_says_is_estale)
{
	static const off_t sizes[] = { 0, 100, REGION_HEADER_BYTES, REGION_BYTES - 4096, REGION_BYTES + 4096 };
	struct region region;

	ck_assert_int_eq(region_create(instance, "a", REGION_BYTES, &identity), 0);
	int fd = object_open("a");
	ck_assert_int_eq(ftruncate(fd, sizes[_i]), 0);
	ck_assert_int_eq(region_attach(&region, instance, "a", &identity, REGION_READ_WRITE), -1);
	ck_assert_int_eq(errno, ESTALE);
	close(fd);
}
END_TEST

START_TEST(a_region_is_of_its_owner_alone)
{
	struct stat st;

	umask(0);
	ck_assert_int_eq(region_create(instance, "a", REGION_BYTES, &identity), 0);
	int fd = object_open("a");
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	ck_assert_int_ge(st.st_blocks * 512, REGION_BYTES); /* its pages are reserved */
	close(fd);
}
END_TEST

START_TEST(a_write_through_a_read_only_region_faults)
{
	struct region region;

	ck_assert_int_eq(region_create(instance, "a", REGION_BYTES, &identity), 0);
	ck_assert_int_eq(region_attach(&region, instance, "a", &identity, REGION_READ_ONLY), 0);
	signal(SIGSEGV, SIG_DFL); /* a sanitizer has its own handler */
	((volatile char *)region.base)[REGION_HEADER_BYTES] = 1;
}
END_TEST

START_TEST(a_read_only_region_cannot_be_made_writable)
{
	struct region region;

	ck_assert_int_eq(region_create(instance, "a", REGION_BYTES, &identity), 0);
	ck_assert_int_eq(region_attach(&region, instance, "a", &identity, REGION_READ_ONLY), 0);
	ck_assert(!region.is_writable);
	ck_assert_int_eq(mprotect(region.base, region.size_bytes, PROT_READ | PROT_WRITE), -1);
	ck_assert_int_eq(errno, EACCES);
	region_detach(&region);
}
END_TEST

START_TEST(a_mirrored_mapping_shows_each_byte_twice)
{
	size_t bytes = 8192;
	struct region region;

	ck_assert_int_eq(region_create(instance, "a", REGION_BYTES, &identity), 0);
	ck_assert_int_eq(region_attach(&region, instance, "a", &identity, REGION_READ_ONLY), 0);
	char *ring = region_map_mirrored(instance, "a", REGION_HEADER_BYTES + 4096, bytes, REGION_READ_WRITE);
	ck_assert_ptr_nonnull(ring);
	memcpy(ring + bytes - 3, "wrap", 4); /* one run over the end */
	compiler_barrier();                  /* the compiler does not know that two addresses are one byte */
	ck_assert_int_eq(ring[0], 'p');
	ck_assert_mem_eq(ring + 2 * bytes - 3, "wra", 3);
	ck_assert_mem_eq((char *)region.base + REGION_HEADER_BYTES + 4096 + bytes - 3, "wra", 3);
	ck_assert_int_eq(((char *)region.base)[REGION_HEADER_BYTES + 4096], 'p');
	region_unmap_mirrored(ring, bytes);
	region_detach(&region);
}
END_TEST

START_TEST(a_write_through_a_read_only_mirrored_mapping_faults)
{
	ck_assert_int_eq(region_create(instance, "a", REGION_BYTES, &identity), 0);
	volatile char *ring = region_map_mirrored(instance, "a", REGION_HEADER_BYTES, 4096, REGION_READ_ONLY);
	ck_assert_ptr_nonnull((void *)ring);
	signal(SIGSEGV, SIG_DFL);
	ring[5000] = 1;
}
END_TEST

START_TEST(unlinking_all_takes_the_instance_and_prefix_and_nothing_else)
{
	char neighbour[sizeof(instance) + 1];
	struct region region;

	region_unlink_all(instance, "");
	snprintf(neighbour, sizeof(neighbour), "%sx", instance);
	ck_assert_int_eq(region_create(instance, "front.0.1", REGION_BYTES, &identity), 0);
	ck_assert_int_eq(region_create(instance, "front.1.1", REGION_BYTES, &identity), 0);
	ck_assert_int_eq(region_create(instance, "shard.0", REGION_BYTES, &identity), 0);
	ck_assert_int_eq(region_create(neighbour, "front.0.1", REGION_BYTES, &identity), 0);
	ck_assert_int_eq(region_unlink_all(instance, "front."), 2);
	ck_assert_int_eq(region_unlink_all(instance, ""), 1);
	ck_assert_int_eq(region_attach(&region, neighbour, "front.0.1", &identity, REGION_READ_ONLY), 0);
	region_detach(&region);
	ck_assert_int_eq(region_unlink_all(neighbour, ""), 1);
}
END_TEST

START_TEST(the_boot_id_is_read_and_stays_the_same)
{
	uint8_t one[16], other[16], none[16] = { 0 };

	ck_assert_int_eq(region_boot_id(one), 0);
	ck_assert_int_eq(region_boot_id(other), 0);
	ck_assert_mem_eq(one, other, sizeof(one));
	ck_assert_mem_ne(one, none, sizeof(one));
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("shm/region");
	TCase *region = tcase_create("region");

	/* Unchecked: the name is the parent's, which removes the objects of a test that died. */
	tcase_add_unchecked_fixture(region, setup, teardown);
	tcase_add_test(region, a_created_region_is_attached_zero_filled_with_its_header);
	tcase_add_test(region, a_region_outlives_its_users_and_is_shared_between_them);
	tcase_add_test(region, creating_again_gives_a_new_object_and_leaves_the_old_one_to_those_who_hold_it);
	tcase_add_test(region, a_missing_region_is_enoent);
	tcase_add_loop_test(region, any_difference_in_identity_is_estale, 0, 5);
	tcase_add_test(region, a_region_whose_creator_died_before_the_magic_is_estale);
	tcase_add_loop_test(region, a_region_of_another_size_than_its_header_says_is_estale, 0, 5);
	tcase_add_test(region, a_region_is_of_its_owner_alone);
	tcase_add_test(region, a_read_only_region_cannot_be_made_writable);
	tcase_add_test(region, a_mirrored_mapping_shows_each_byte_twice);
	tcase_add_test(region, unlinking_all_takes_the_instance_and_prefix_and_nothing_else);
	tcase_add_test(region, the_boot_id_is_read_and_stays_the_same);
	tcase_add_test_raise_signal(region, a_write_through_a_read_only_region_faults, SIGSEGV);
	tcase_add_test_raise_signal(region, a_write_through_a_read_only_mirrored_mapping_faults, SIGSEGV);
	suite_add_tcase(suite, region);
	return suite;
}

UNIT_MAIN(suite)
