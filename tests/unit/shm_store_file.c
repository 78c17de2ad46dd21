/*
 * store_file: a data directory gets its name once and keeps it; a damaged one is refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/harness/unit.h"

#include "shm/store_file.h"

static char directory[64], path[80];

static void
setup(void)
{
	snprintf(directory, sizeof(directory), "/tmp/chasqui-unit-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/store", directory);
}

static void
teardown(void)
{
	unlink(path);
	rmdir(directory);
}

static void
write_store(const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

START_TEST(without_a_file_loading_is_enoent)
{
	struct store_file store;

	ck_assert_int_eq(store_file_load(directory, &store), -1);
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(a_store_keeps_its_uuid_and_the_shards_it_was_made_with)
{
	struct store_file made, loaded, again;
	struct stat st;

	ck_assert_int_eq(store_file_load_or_create(directory, 3, &made), 0);
	ck_assert_int_eq(store_file_load(directory, &loaded), 0);
	ck_assert_mem_eq(made.uuid, loaded.uuid, 16);
	ck_assert_uint_eq(loaded.shards, 3);
	ck_assert_int_eq(store_file_load_or_create(directory, 5, &again), 0);
	ck_assert_mem_eq(made.uuid, again.uuid, 16);
	ck_assert_uint_eq(again.shards, 3);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
}
END_TEST

START_TEST(two_stores_have_two_names)
{
	struct store_file one, other;

	ck_assert_int_eq(store_file_load_or_create(directory, 1, &one), 0);
	unlink(path);
	ck_assert_int_eq(store_file_load_or_create(directory, 1, &other), 0);
	ck_assert_mem_ne(one.uuid, other.uuid, 16);
}
END_TEST

START_TEST(the_format_is_this_one)
{
	struct store_file store;

	write_store("chasqui-store 1\nuuid 00112233445566778899aabbccddeeff\nshards 2\ncreated 2026-11-23T11:00:00Z\n");
	ck_assert_int_eq(store_file_load(directory, &store), 0);
	ck_assert_uint_eq(store.uuid[1], 0x11);
	ck_assert_uint_eq(store.uuid[15], 0xff);
	ck_assert_uint_eq(store.shards, 2);
}
END_TEST

/* _i: whether it ends with a checksum, which the oldest do not. */
START_TEST(an_older_one_is_brought_up_to_this_version_and_is_the_same_store)
{
	static const char *const texts[] = {
		"chasqui-store 1\nuuid 00112233445566778899aabbccddeeff\nshards 2\ncreated "
		"2026-11-23T11:00:00Z\n",
		"chasqui-store 1\nuuid 00112233445566778899aabbccddeeff\nshards 2\ncreated "
		"2026-11-23T11:00:00Z\n"
		"check 9f078185c10ddc8a\n",
		"chasqui-store 2\nuuid 00112233445566778899aabbccddeeff\nshards 2\ncreated "
		"2026-11-23T11:00:00Z\n"
		"check 89cca84ee382acf6\n",
	};
	struct store_file store;
	char text[512] = "";

	write_store(texts[_i]);
	ck_assert_int_eq(store_file_load(directory, &store), 0);
	ck_assert_uint_eq(store.version, _i == 2 ? 2 : 1);
	ck_assert_int_eq(store_file_load_or_create(directory, 5, &store), 0);
	ck_assert_int_eq(store_file_load(directory, &store), 0);
	ck_assert_uint_eq(store.version, 3);
	ck_assert_uint_eq(store.shards, 2);
	ck_assert_uint_eq(store.uuid[1], 0x11);
	int fd = open(path, O_RDONLY);
	ck_assert_int_gt(read(fd, text, sizeof(text) - 1), 0);
	close(fd);
	ck_assert_ptr_nonnull(strstr(text, "created 2026-11-23T11:00:00Z\ncheck "));
}
END_TEST

START_TEST(a_digit_that_changed_is_noticed)
{
	struct store_file store;
	char text[512];
	ssize_t bytes;

	ck_assert_int_eq(store_file_load_or_create(directory, 2, &store), 0);
	int fd = open(path, O_RDONLY);
	bytes = read(fd, text, sizeof(text) - 1);
	ck_assert_int_gt(bytes, 0);
	close(fd);
	text[bytes] = '\0';
	char *shards = strstr(text, "shards 2");
	ck_assert_ptr_nonnull(shards);
	shards[strlen("shards ")] = '3';
	write_store(text);
	ck_assert_int_eq(store_file_load(directory, &store), -1);
}
END_TEST

/* _i: how it is damaged. */
START_TEST(a_damaged_file_is_refused_and_not_replaced)
{
	static const char *const texts[] = {
		"",
		"chasqui-store 4\nuuid 00112233445566778899aabbccddeeff\nshards 2\n",
		"chasqui-store 0\nuuid 00112233445566778899aabbccddeeff\nshards 2\n",
		"chasqui-store 1\nuuid 00112233445566778899aabbccddee\nshards 2\n",
		"chasqui-store 1\nuuid 00112233445566778899aabbccddeeff\nshards 0\n",
		"chasqui-store 1\nuuid 00112233445566778899aabbccddeeff\nshards 33\n",
		"chasqui-store 1\nuuid 00112233445566778899aabbccddeeff\n",
		"something else\n",
		"chasqui-store 1\nuuid 00112233445566778899aabbccddeeff\nshards 2\ncheck 0000000000000000\n",
		/* Only the first were made without a checksum. */
		"chasqui-store 2\nuuid 00112233445566778899aabbccddeeff\nshards 2\ncreated 2026-11-23T11:00:00Z\n",
		"chasqui-store 3\nuuid 00112233445566778899aabbccddeeff\nshards 2\ncreated 2026-11-23T11:00:00Z\nchekk 0\n",
	};
	struct store_file store;

	write_store(texts[_i]);
	ck_assert_int_eq(store_file_load_or_create(directory, 1, &store), -1);
	ck_assert_int_eq(store_file_load(directory, &store), -1);
	ck_assert_int_ne(errno, ENOENT);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("shm/store_file");
	TCase *store = tcase_create("store_file");

	tcase_add_checked_fixture(store, setup, teardown);
	tcase_add_test(store, without_a_file_loading_is_enoent);
	tcase_add_test(store, a_store_keeps_its_uuid_and_the_shards_it_was_made_with);
	tcase_add_test(store, two_stores_have_two_names);
	tcase_add_test(store, the_format_is_this_one);
	tcase_add_loop_test(
	    store, an_older_one_is_brought_up_to_this_version_and_is_the_same_store, 0, 3);
	tcase_add_test(store, a_digit_that_changed_is_noticed);
	tcase_add_loop_test(store, a_damaged_file_is_refused_and_not_replaced, 0, 11);
	suite_add_tcase(suite, store);
	return suite;
}

UNIT_MAIN(suite)
