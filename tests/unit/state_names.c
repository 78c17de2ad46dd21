#include "shm/state/names.h"

#include <sys/mman.h>

#include "shm/state/check.h"
#include "shm/state/shard.h"
#include "tests/harness/unit.h"

static const struct shard_geometry geometry = { .messages = 16, .queues = 200, .fronts = 1, .waiters_per_front = 1 };
static struct shard shard;

static void
setup(void)
{
	void *memory = mmap(NULL, shard_size_bytes(&geometry), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert(memory != MAP_FAILED);
	shard_view(&shard, memory, &geometry);
	shard_format(&shard, 1000);
}

static void
teardown(void)
{
	ck_assert_ptr_null(shard_check(&shard, NULL));
	munmap(shard.shared, shard.size_bytes);
}

static struct queue_name
named(const char *text)
{
	struct queue_name name = { .bytes = (uint8_t)strlen(text) };

	memcpy(name.text, text, name.bytes);
	return name;
}

static struct queue_name
numbered(unsigned number)
{
	char text[32];

	snprintf(text, sizeof(text), "queue-%u", number);
	return named(text);
}

static uint32_t
take(const struct queue_name *name)
{
	struct queue_config config = queue_config_default();
	uint32_t idx = queue_next_free(&shard);

	queue_take(&shard, idx,
	    &(struct queue_birth){ .name = name, .config = &config, .etag = 8, .time_ms = 1000 });
	txn_commit(&shard.txn);
	return idx;
}

START_TEST(every_name_leads_to_its_queue)
{
	uint32_t idx[200];

	for (unsigned i = 0; i < 200; i++) {
		struct queue_name name = numbered(i);

		idx[i] = take(&name);
	}
	ck_assert_uint_eq(queue_next_free(&shard), NIL);
	for (unsigned i = 0; i < 200; i++) {
		struct queue_name name = numbered(i);

		ck_assert_uint_eq(names_find(&shard, &name), idx[i]);
	}
	struct queue_name missing = named("queue-"), longer = named("queue-1999");
	ck_assert_uint_eq(names_find(&shard, &missing), NIL);
	ck_assert_uint_eq(names_find(&shard, &longer), NIL);
}
END_TEST

START_TEST(a_name_that_was_removed_is_not_found_and_can_be_taken_again)
{
	for (unsigned i = 0; i < 100; i++) {
		struct queue_name name = numbered(i);

		(void)take(&name);
	}
	for (unsigned i = 0; i < 100; i += 3) {
		struct queue_name name = numbered(i);

		names_remove(&shard, names_find(&shard, &name));
		ck_assert_uint_eq(names_find(&shard, &name), NIL);
	}
	txn_rollback(&shard.txn); /* 34 removals, undone in one go */
	for (unsigned i = 0; i < 100; i++) {
		struct queue_name name = numbered(i);

		ck_assert_uint_ne(names_find(&shard, &name), NIL);
	}
}
END_TEST

START_TEST(names_are_as_the_api_allows_them)
{
	char longest[81 + 1] = "";
	struct queue_name name;

	memset(longest, 'a', 80);
	name = named(longest);
	ck_assert(name_is_valid(&name));
	name = named("a.B_9-z");
	ck_assert(name_is_valid(&name));
	const char *const bad[] = { "", ".a", "a b", "a/b", "\xc3\xa9", "a\n" };
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		name = named(bad[i]);
		ck_assert_msg(!name_is_valid(&name), "accepted: %s", bad[i]);
	}
	name = named("abc");
	name.bytes = 2; /* an unused byte is not zero */
	ck_assert(!name_is_valid(&name));
	name.bytes = 81;
	ck_assert(!name_is_valid(&name));
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("state_names");
	TCase *tcase = tcase_create("names");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, every_name_leads_to_its_queue);
	tcase_add_test(tcase, a_name_that_was_removed_is_not_found_and_can_be_taken_again);
	tcase_add_test(tcase, names_are_as_the_api_allows_them);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
