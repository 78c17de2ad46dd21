/*
 * directory: what is put in is found, what is taken out is not, and a reader beside the writer never sees half of anything.
 */
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/harness/unit.h"

#include "shm/atomic.h"
#include "shm/directory.h"

#define USERS 32
#define CREDENTIALS 1024

static const struct shard_geometry geometry = { .users = USERS, .credentials = CREDENTIALS };
static struct directory directory;
static void *memory;

static void
setup(void)
{
	memory = mmap(NULL, directory_size_bytes(&geometry), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(memory, MAP_FAILED);
	directory_view(&directory, memory, &geometry);
}

static void
begin(void)
{
	directory_begin(&directory);
	if (directory_generation(&directory) == 0)
		directory_clear(&directory);
}

static void
teardown(void)
{
	ck_assert_ptr_null(directory_check(&directory));
	munmap(memory, directory_size_bytes(&geometry));
}

static struct user_entry
user_of(uint32_t slot, uint64_t number)
{
	struct user_entry user = { .uid = USER_UID(number, slot), .etag = number };

	user.name.bytes = (uint8_t)snprintf(
	    user.name.text, sizeof(user.name.text), "user-%u", slot);
	/* Every word says which writing it is of. */
	user.config.quotas = (struct user_quotas){ number, number, number, number, number };
	memset(user.config.password, (int)('a' + number % 26), sizeof(user.config.password));
	memset(user.config.creates, (int)('a' + number % 26), sizeof(user.config.creates));
	return user;
}

static struct credential_entry
credential_of(uint32_t slot, uint64_t number, uint64_t uid)
{
	struct credential_entry credential = { .id = CREDENTIAL_ID(number, slot),
		.created_ms = number,
		.config = { .uid = uid, .kind = slot % 2 } };

	memset(credential.config.hash, 7, sizeof(credential.config.hash)); /* many of one bucket */
	memcpy(credential.config.hash + 8, &slot, sizeof(slot));
	memset(
	    credential.config.scopes, (int)('a' + number % 26), sizeof(credential.config.scopes));
	return credential;
}

START_TEST(before_anything_was_mirrored_nobody_knows)
{
	struct user_entry user;
	struct directory_page page = { .limit = 1 };

	ck_assert_uint_eq(directory_generation(&directory), 0);
	ck_assert_int_eq(directory_user_by_uid(&directory, 1ull << 32, &user), DIRECTORY_NOT_NOW);
	ck_assert_int_eq(directory_users(&directory, &page, &user), DIRECTORY_NOT_NOW);
	begin();
	directory_end(&directory, 8, false);
	ck_assert_uint_eq(directory_generation(&directory), 1);
	ck_assert_int_eq(directory_user_by_uid(&directory, 1ull << 32, &user), DIRECTORY_NONE);
}
END_TEST

START_TEST(what_is_put_in_is_found_by_all_its_names)
{
	struct user_entry one = user_of(3, 1), other = user_of(9, 2), found;
	struct credential_entry token = credential_of(5, 1, one.uid), seen;

	begin();
	directory_put_user(&directory, 3, &one);
	directory_put_user(&directory, 9, &other);
	directory_put_credential(&directory, 5, &token);
	directory_end(&directory, 8, false);
	ck_assert_int_eq(directory_user_by_name(&directory, &one.name, &found), DIRECTORY_FOUND);
	ck_assert_mem_eq(&found, &one, sizeof(one));
	ck_assert_int_eq(directory_user_by_uid(&directory, other.uid, &found), DIRECTORY_FOUND);
	ck_assert_int_eq(directory_user_by_uid(&directory, USER_UID(2, 3), &found), DIRECTORY_NONE);
	ck_assert_int_eq(
	    directory_user_by_uid(&directory, USER_UID(1, USERS), &found), DIRECTORY_NONE);
	ck_assert_int_eq(directory_user_by_uid(&directory, 0, &found), DIRECTORY_NONE);
	ck_assert_int_eq(directory_credential_by_hash(&directory, token.config.hash, &seen, &found),
	    DIRECTORY_FOUND);
	ck_assert_mem_eq(&seen, &token, sizeof(token));
	ck_assert_mem_eq(&found, &one, sizeof(one));
	ck_assert_int_eq(directory_credential_by_id(&directory, token.id, &seen), DIRECTORY_FOUND);
	ck_assert_int_eq(
	    directory_credential_by_id(&directory, token.id + (1u << CREDENTIAL_SLOT_BITS), &seen),
	    DIRECTORY_NONE);
}
END_TEST

START_TEST(a_credential_of_a_user_who_is_gone_is_not_found)
{
	struct user_entry user = user_of(0, 1), found;
	struct credential_entry token = credential_of(0, 1, user.uid), seen;

	begin();
	directory_put_user(&directory, 0, &user);
	directory_put_credential(&directory, 0, &token);
	directory_put_user(&directory, 0, NULL);
	directory_end(&directory, 8, true);
	ck_assert_int_eq(directory_credential_by_hash(&directory, token.config.hash, &seen, &found),
	    DIRECTORY_NONE);
	ck_assert_int_eq(directory_user_by_name(&directory, &user.name, &found), DIRECTORY_NONE);
	/* Another in his slot is not he. */
	user = user_of(0, 2);
	directory_begin(&directory);
	directory_put_user(&directory, 0, &user);
	directory_end(&directory, 16, false);
	ck_assert_int_eq(directory_credential_by_hash(&directory, token.config.hash, &seen, &found),
	    DIRECTORY_NONE);
}
END_TEST

START_TEST(the_generation_grows_when_something_is_taken_away)
{
	struct user_entry user = user_of(0, 1);

	begin();
	directory_put_user(&directory, 0, &user);
	directory_end(&directory, 8, false);
	ck_assert_uint_eq(directory_generation(&directory), 1);
	directory_begin(&directory);
	directory_end(&directory, 16, false);
	ck_assert_uint_eq(directory_generation(&directory), 1);
	directory_begin(&directory);
	directory_put_user(&directory, 0, NULL);
	directory_end(&directory, 24, true);
	ck_assert_uint_eq(directory_generation(&directory), 2);
	ck_assert_uint_eq(directory.shared->lsn, 24);
}
END_TEST

START_TEST(a_writer_that_was_killed_at_work_is_not_waited_for)
{
	struct user_entry user = user_of(1, 1), found;

	begin();
	directory_put_user(&directory, 1, &user);
	ck_assert_int_eq(directory_user_by_uid(&directory, user.uid, &found), DIRECTORY_NOT_NOW);
	directory_begin(&directory); /* its successor */
	directory_clear(&directory);
	directory_put_user(&directory, 1, &user);
	directory_end(&directory, 8, true);
	ck_assert_int_eq(directory_user_by_uid(&directory, user.uid, &found), DIRECTORY_FOUND);
	ck_assert_uint_eq(directory_user_count(&directory), 1);
}
END_TEST

START_TEST(pages_show_everybody_once)
{
	struct directory_page page = { .limit = 3 };
	struct directory_wish wish = { .uid = USER_UID(1, 0), .kind = CREDENTIAL_SESSION };
	struct user_entry users[3];
	struct credential_entry credentials[3];
	unsigned seen = 0;

	begin();
	for (uint32_t slot = 0; slot < 20; slot++) {
		struct user_entry user = user_of(slot, slot + 1);

		if (slot % 5 != 4)
			directory_put_user(&directory, slot, &user);
	}
	for (uint32_t slot = 0; slot < 900; slot++) {
		struct credential_entry credential = credential_of(
		    slot, slot + 1, slot % 3 == 0 ? USER_UID(1, 0) : USER_UID(2, 1));

		directory_put_credential(&directory, slot, &credential);
	}
	directory_end(&directory, 8, false);
	do {
		ck_assert_int_eq(directory_users(&directory, &page, users), DIRECTORY_FOUND);
		for (uint32_t i = 0; i < page.count; i++)
			ck_assert_uint_eq(USER_SLOT(users[i].uid) % 5 != 4, 1);
		seen += page.count;
	} while (page.from != DIRECTORY_NIL);
	ck_assert_uint_eq(seen, 16);
	ck_assert_uint_eq(directory_user_count(&directory), 16);
	page = (struct directory_page){ .limit = 3 };
	seen = 0;
	do {
		ck_assert_int_eq(
		    directory_credentials(&directory, &wish, &page, credentials), DIRECTORY_FOUND);
		for (uint32_t i = 0; i < page.count; i++)
			ck_assert(credentials[i].config.kind == CREDENTIAL_SESSION &&
			    credentials[i].config.uid == wish.uid);
		seen += page.count;
	} while (page.from != DIRECTORY_NIL);
	ck_assert_uint_eq(seen, 150); /* odd multiples of 3 below 900 */
	page = (struct directory_page){ .from = 5000, .limit = 3 };
	ck_assert_int_eq(directory_users(&directory, &page, users), DIRECTORY_FOUND);
	ck_assert_uint_eq(page.count, 0);
	ck_assert_uint_eq(page.from, DIRECTORY_NIL);
}
END_TEST

START_TEST(chains_survive_any_order_of_coming_and_going)
{
	bool is_there[CREDENTIALS] = { false };
	uint64_t random = 99, number = 0;

	begin();
	for (unsigned step = 0; step < 20000; step++) {
		random = random * 6364136223846793005ull + 1442695040888963407ull;
		uint32_t slot = (uint32_t)(random >> 33) % 64;
		struct credential_entry credential = credential_of(slot, ++number, USER_UID(1, 0));

		if (random >> 63)
			directory_put_credential(&directory, slot, &credential);
		else
			directory_put_credential(&directory, slot, NULL);
		is_there[slot] = random >> 63;
	}
	directory_end(&directory, 8, false);
	uint32_t count = 0;
	for (uint32_t slot = 0; slot < 64; slot++)
		count += is_there[slot];
	ck_assert_uint_eq(directory_credential_count(&directory), count);
	ck_assert_ptr_null(directory_check(&directory));
}
END_TEST

/* --- beside a writer --- */

/* Without the second look at the sequence number some thousands of finds are enough to see one that is torn. */
#define FINDS_MIN 100000
#define WRITINGS_MIN 20000
#define WRITINGS_MAX 20000000

static uint32_t stop;
static uint64_t looks, finds, not_now;

static bool
is_whole(const struct user_entry *user)
{
	uint64_t number = user->etag;
	char letter = (char)('a' + number % 26);

	if (USER_NUMBER(user->uid) != number || user->config.quotas.queues != number ||
	    user->config.quotas.bytes_per_second != number)
		return false;
	for (unsigned i = 0; i < sizeof(user->config.creates); i++) {
		if (user->config.creates[i] != letter)
			return false;
	}
	return user->config.password[0] == letter &&
	    user->config.password[PASSWORD_HASH_BYTES_MAX - 1] == letter;
}

static const char *
look_on(void)
{
	while (!load_relaxed(&stop)) {
		struct user_entry wanted = user_of((uint32_t)(looks % USERS), 1), user;
		struct credential_entry credential = credential_of((uint32_t)(looks % 64), 1, 0),
		                        seen;
		enum directory_look look = looks % 2 == 0
		    ? directory_user_by_name(&directory, &wanted.name, &user)
		    : directory_credential_by_hash(
		          &directory, credential.config.hash, &seen, &user);

		looks++;
		not_now += look == DIRECTORY_NOT_NOW;
		if (look != DIRECTORY_FOUND)
			continue;
		finds++;
		if (!is_whole(&user))
			return "a user was seen in the making";
		if (looks % 2 == 0 &&
		    (seen.config.uid != user.uid ||
		        seen.config.scopes[0] != seen.config.scopes[511] ||
		        seen.created_ms != CREDENTIAL_NUMBER(seen.id)))
			return "a credential was seen in the making, or with another's user";
	}
	return NULL;
}

static void *
reader(void *unused)
{
	const char *wrong = look_on();

	(void)unused;
	store_relaxed(&stop, 1);
	return (void *)(uintptr_t)wrong;
}

START_TEST(a_reader_beside_the_writer_sees_everything_whole)
{
	pthread_t thread;
	void *wrong;

	begin();
	directory_end(&directory, 8, false);
	ck_assert_int_eq(pthread_create(&thread, NULL, reader, NULL), 0);
	for (uint64_t number = 1; number < WRITINGS_MAX && !load_relaxed(&stop) &&
	    (number < WRITINGS_MIN || load_relaxed(&finds) < FINDS_MIN); number++) {
		uint32_t slot = (uint32_t)number % USERS, at = (uint32_t)number % 64;
		struct user_entry user = user_of(slot, number);
		struct credential_entry credential = credential_of(at, number, user.uid);

		directory_begin(&directory);
		directory_put_user(&directory, slot, number % 7 == 0 ? NULL : &user);
		directory_put_credential(&directory, at, number % 5 == 0 ? NULL : &credential);
		directory_end(&directory, number * 8, number % 3 == 0);
		if (number % 16 == 0)
			usleep(1); /* on one processor too the reader is to come to it */
	}
	store_relaxed(&stop, 1);
	ck_assert_int_eq(pthread_join(thread, &wrong), 0);
	ck_assert_msg(wrong == NULL, "%s", (const char *)wrong);
	ck_assert_uint_ge(finds, FINDS_MIN);
}
END_TEST

/* --- the region --- */

START_TEST(the_region_is_attached_by_who_knows_its_sizes)
{
	struct region_identity store = { .store_uuid = "directory" };
	struct shard_geometry other = geometry;
	struct directory ours, theirs;
	struct user_entry user = user_of(1, 1), found;
	char instance[32];

	leftovers_instance(instance, sizeof(instance));
	ck_assert_int_eq(directory_create(instance, &geometry, &store), 0);
	ck_assert_int_eq(
	    directory_attach(&ours, instance, &geometry, &store, REGION_READ_WRITE), 0);
	ck_assert_int_eq(
	    directory_attach(&theirs, instance, &geometry, &store, REGION_READ_ONLY), 0);
	directory_begin(&ours);
	directory_clear(&ours);
	directory_put_user(&ours, 1, &user);
	directory_end(&ours, 8, false);
	ck_assert_int_eq(directory_user_by_name(&theirs, &user.name, &found), DIRECTORY_FOUND);
	directory_detach(&theirs);
	other.users++;
	ck_assert_int_eq(directory_attach(&theirs, instance, &other, &store, REGION_READ_ONLY), -1);
	ck_assert_int_eq(errno, ESTALE);
	directory_detach(&ours);
	ck_assert_int_eq(region_unlink(instance, "directory"), 0);
	begin(); /* teardown looks at ours */
	directory_end(&directory, 8, false);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("shm/directory");
	TCase *tcase = tcase_create("directory");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, before_anything_was_mirrored_nobody_knows);
	tcase_add_test(tcase, what_is_put_in_is_found_by_all_its_names);
	tcase_add_test(tcase, a_credential_of_a_user_who_is_gone_is_not_found);
	tcase_add_test(tcase, the_generation_grows_when_something_is_taken_away);
	tcase_add_test(tcase, a_writer_that_was_killed_at_work_is_not_waited_for);
	tcase_add_test(tcase, pages_show_everybody_once);
	tcase_add_test(tcase, chains_survive_any_order_of_coming_and_going);
	tcase_add_test(tcase, a_reader_beside_the_writer_sees_everything_whole);
	tcase_add_test(tcase, the_region_is_attached_by_who_knows_its_sizes);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
