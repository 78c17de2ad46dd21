/*
 * people: users and credentials as shard 0 keeps them and as the directory shows them.
 */
#include <signal.h>

#include "tests/harness/people.h"
#include "tests/harness/unit.h"

#include "shm/state/digest.h"
#include "workerd/people.h"

static struct engine *engine;

static void
setup(void)
{
	engine = engine_open(
	    &(struct engine_options){ .users = 6, .credentials = 80, .fronts = 2 });
}

/* What the directory shows is what shard 0 holds. */
static void
check_directory(void)
{
	const struct shard *shard = &engine->worker.shard;
	const struct directory *directory = &engine->worker.directory;

	ck_assert_ptr_null(directory_check(directory));
	ck_assert_uint_eq(directory_user_count(directory), table_used(&shard->root->users));
	ck_assert_uint_eq(
	    directory_credential_count(directory), table_used(&shard->root->credentials));
	for (uint32_t slot = 0; slot < shard->root->users.high; slot++) {
		struct user_entry user;

		if (!user_at(shard, slot)->is_used)
			continue;
		ck_assert_int_eq(
		    directory_user_by_uid(directory, user_at(shard, slot)->entry.uid, &user),
		    DIRECTORY_FOUND);
		ck_assert_mem_eq(&user, &user_at(shard, slot)->entry, sizeof(user));
	}
	for (uint32_t slot = 0; slot < shard->root->credentials.high; slot++) {
		struct credential_entry credential;

		if (!credential_at(shard, slot)->is_used)
			continue;
		ck_assert_int_eq(directory_credential_by_id(
		                     directory, credential_at(shard, slot)->entry.id, &credential),
		    DIRECTORY_FOUND);
		ck_assert_mem_eq(
		    &credential, &credential_at(shard, slot)->entry, sizeof(credential));
	}
}

static void
teardown(void)
{
	ck_assert_ptr_null(engine_check(engine));
	check_directory();
	engine_close(engine);
}

static uint64_t
generation(void)
{
	return directory_generation(&engine->worker.directory);
}

static const struct user_entry *
replied(void)
{
	return &((struct user_reply *)(void *)engine->reply)->user;
}

static struct user_entry
user_named(const char *text)
{
	struct queue_name name = engine_name(text);
	struct user_entry user;

	ck_assert_int_eq(
	    directory_user_by_name(&engine->worker.directory, &name, &user), DIRECTORY_FOUND);
	return user;
}

/* As a frontd asks: by the hash of what a client sent. */
static bool
is_good(const char *secret)
{
	uint8_t hash[CREDENTIAL_HASH_BYTES];
	struct credential_entry credential;
	struct user_entry user;

	people_hash(secret, hash);
	return directory_credential_by_hash(&engine->worker.directory, hash, &credential, &user) ==
	    DIRECTORY_FOUND &&
	    credential_is_good(&credential, &user, engine->now_ms);
}

static enum outcome
conditional(enum op op, const char *name, uint32_t condition, uint64_t etag)
{
	struct user_request *request = engine_frame(engine, 0, op, 9, sizeof(*request));

	request->name = engine_name(name);
	request->config.quotas.queues = 5;
	request->fields = USER_FIELD_QUEUES;
	request->condition = condition;
	request->etag = etag;
	engine_post(engine, 0);
	engine_run(engine);
	return (enum outcome)engine_reply(engine, 0)->header.op;
}

/* --- users --- */

START_TEST(a_new_user_may_create_under_his_name_and_nothing_else)
{
	struct user_config none = { 0 };

	ck_assert_int_eq(people_put(engine, "bob", &none, 0), OUTCOME_CREATED);
	ck_assert_uint_ne(replied()->uid, 0);
	ck_assert_uint_ne(replied()->etag, 0);
	ck_assert_uint_eq(replied()->password_etag, 0);
	ck_assert_int_eq(replied()->config.role, USER_ROLE_USER);
	ck_assert_uint_eq(replied()->config.creates_bytes, strlen("bob bob.#"));
	ck_assert_mem_eq(replied()->config.creates, "bob bob.#", strlen("bob bob.#"));
	ck_assert_uint_ne(((struct reply *)(void *)engine->reply)->lsn, 0);
	ck_assert_uint_eq(user_named("bob").created_ms, engine->now_ms);
}
END_TEST

START_TEST(put_replaces_all_but_the_password_and_patch_what_it_names)
{
	struct user_config config = people_config(USER_ROLE_USER, "$y$one", "x.#");

	config.quotas = (struct user_quotas){ 1, 2, 3, 4, 5 };
	ck_assert_int_eq(people_put(engine, "bob", &config, UINT32_MAX), OUTCOME_CREATED);
	ck_assert_mem_eq(&replied()->config, &config, sizeof(config));
	ck_assert_uint_eq(replied()->password_etag, replied()->etag);
	config.quotas.connections = 33;
	config.quotas.queues = 11;
	ck_assert_int_eq(people_patch(engine, "bob", &config, USER_FIELD_CONNECTIONS), OUTCOME_OK);
	ck_assert_uint_eq(replied()->config.quotas.connections, 33);
	ck_assert_uint_eq(replied()->config.quotas.queues, 1);
	ck_assert_int_eq(people_put(engine, "bob", &config, USER_FIELD_QUEUES), OUTCOME_OK);
	ck_assert_uint_eq(replied()->config.quotas.queues, 11);
	ck_assert_uint_eq(replied()->config.quotas.connections, 0);
	ck_assert_mem_eq(replied()->config.creates, "bob bob.#", 9);
	ck_assert_mem_eq(replied()->config.password, "$y$one", 6);
}
END_TEST

START_TEST(what_changes_nothing_writes_nothing)
{
	struct user_config config = people_config(USER_ROLE_USER, NULL, NULL);
	uint64_t etag, seen, tail;

	ck_assert_int_eq(people_put(engine, "bob", &config, 0), OUTCOME_CREATED);
	etag = replied()->etag;
	seen = generation();
	tail = engine->worker.shard.root->stream_tail;
	ck_assert_int_eq(people_put(engine, "bob", &config, 0), OUTCOME_OK);
	ck_assert_uint_eq(replied()->etag, etag);
	ck_assert_uint_eq(generation(), seen);
	ck_assert_uint_eq(engine->worker.shard.root->stream_tail, tail);
}
END_TEST

START_TEST(conditions_are_as_for_queues)
{
	uint64_t etag;

	ck_assert_int_eq(conditional(OP_USER_PATCH, "bob", CONDITION_NONE, 0), OUTCOME_NO_USER);
	ck_assert_int_eq(
	    conditional(OP_USER_PUT, "bob", CONDITION_IF_MATCH, 7), OUTCOME_PRECONDITION_FAILED);
	ck_assert_int_eq(conditional(OP_USER_PUT, "bob", CONDITION_IF_ABSENT, 0), OUTCOME_CREATED);
	etag = replied()->etag;
	ck_assert_int_eq(
	    conditional(OP_USER_PUT, "bob", CONDITION_IF_ABSENT, 0), OUTCOME_PRECONDITION_FAILED);
	ck_assert_uint_ne(((struct reply *)(void *)engine->reply)->lsn,
	    0); /* it tells what is: not before that is on disk */
	ck_assert_int_eq(conditional(OP_USER_PATCH, "bob", CONDITION_IF_MATCH, etag + 8),
	    OUTCOME_PRECONDITION_FAILED);
	ck_assert_int_eq(conditional(OP_USER_PATCH, "bob", CONDITION_IF_MATCH, etag), OUTCOME_OK);
	ck_assert_int_eq(conditional(OP_USER_PUT, "bob", 7, 0), OUTCOME_BAD_REQUEST);
}
END_TEST

/* _i: what is out of bounds. */
START_TEST(a_value_out_of_bounds_is_refused)
{
	struct user_config config = people_config(USER_ROLE_USER, "x", "a");

	switch (_i) {
	case 0:
		config.role = 2;
		break;
	case 1:
		config.is_disabled = 2;
		break;
	case 2:
		config.password_bytes = PASSWORD_HASH_BYTES_MAX + 1;
		break;
	case 3:
		config.password[1] = 'y'; /* behind its end */
		break;
	case 4:
		config.password[0] = '\n';
		break;
	case 5:
		config.creates_bytes = CREATES_BYTES_MAX + 1;
		break;
	case 6:
		config.creates[1] = 'b';
		break;
	default:
		config.creates[0] = '/';
	}
	ck_assert_int_eq(people_put(engine, "bob", &config, UINT32_MAX), OUTCOME_BAD_FIELD);
	ck_assert_int_eq(people_put(engine, ".bob", &config, 0), OUTCOME_BAD_NAME);
}
END_TEST

START_TEST(a_name_that_was_deleted_comes_back_as_another_user)
{
	uint64_t first = people_make(engine, "bob", USER_ROLE_USER), again;
	struct user_entry user;

	ck_assert_int_eq(people_delete(engine, "bob"), OUTCOME_OK);
	ck_assert_int_eq(people_delete(engine, "bob"), OUTCOME_NO_USER);
	again = people_make(engine, "bob", USER_ROLE_USER);
	ck_assert_uint_ne(first, again);
	ck_assert_uint_eq(USER_SLOT(first), USER_SLOT(again));
	ck_assert_int_eq(
	    directory_user_by_uid(&engine->worker.directory, first, &user), DIRECTORY_NONE);
	ck_assert_uint_eq(user_named("bob").uid, again);
}
END_TEST

START_TEST(the_last_enabled_admin_stays_one)
{
	struct user_config config = { .is_disabled = 1 };

	(void)people_make(engine, "ann", USER_ROLE_ADMIN);
	ck_assert_int_eq(people_delete(engine, "ann"), OUTCOME_LAST_ADMIN);
	ck_assert_int_eq(
	    people_patch(engine, "ann", &config, USER_FIELD_DISABLED), OUTCOME_LAST_ADMIN);
	ck_assert_int_eq(people_patch(engine, "ann", &config, USER_FIELD_ROLE), OUTCOME_LAST_ADMIN);
	ck_assert_int_eq(people_put(engine, "ann", &config, 0), OUTCOME_LAST_ADMIN);
	(void)people_make(engine, "eve", USER_ROLE_ADMIN);
	ck_assert_int_eq(people_patch(engine, "ann", &config, USER_FIELD_DISABLED), OUTCOME_OK);
	ck_assert_int_eq(
	    people_delete(engine, "eve"), OUTCOME_LAST_ADMIN); /* a disabled one does not count */
	ck_assert_int_eq(people_delete(engine, "ann"), OUTCOME_OK);
}
END_TEST

START_TEST(who_is_no_admin_may_set_his_own_password_and_nothing_else)
{
	uint64_t bob = people_make(engine, "bob", USER_ROLE_USER);
	struct user_config config = people_config(USER_ROLE_ADMIN, "$y$new", "#");

	(void)people_make(engine, "eve", USER_ROLE_USER);
	engine->caller = people_user(bob);
	ck_assert_int_eq(people_patch(engine, "bob", &config, USER_FIELD_PASSWORD), OUTCOME_OK);
	ck_assert_mem_eq(user_named("bob").config.password, "$y$new", 6);
	ck_assert_int_eq(user_named("bob").config.role, USER_ROLE_USER);
	ck_assert_int_eq(
	    people_patch(engine, "bob", &config, USER_FIELD_PASSWORD | USER_FIELD_ROLE),
	    OUTCOME_FORBIDDEN);
	ck_assert_int_eq(
	    people_patch(engine, "bob", &config, USER_FIELD_CREATES), OUTCOME_FORBIDDEN);
	ck_assert_int_eq(
	    people_put(engine, "bob", &config, USER_FIELD_PASSWORD), OUTCOME_FORBIDDEN);
	ck_assert_int_eq(
	    people_patch(engine, "eve", &config, USER_FIELD_PASSWORD), OUTCOME_FORBIDDEN);
	/* He learns nothing of who there is. */
	ck_assert_int_eq(
	    people_patch(engine, "nobody", &config, USER_FIELD_PASSWORD), OUTCOME_FORBIDDEN);
	ck_assert_int_eq(people_delete(engine, "bob"), OUTCOME_FORBIDDEN);
	ck_assert_int_eq(people_delete(engine, "nobody"), OUTCOME_FORBIDDEN);
	engine->caller = people_user(0);
	ck_assert_int_eq(
	    people_patch(engine, "nobody", &config, USER_FIELD_PASSWORD), OUTCOME_FORBIDDEN);
}
END_TEST

START_TEST(a_full_table_is_said_and_what_is_deleted_makes_room)
{
	char name[16];

	for (unsigned i = 0; i < 6; i++) {
		snprintf(name, sizeof(name), "user%u", i);
		(void)people_make(engine, name, USER_ROLE_USER);
	}
	ck_assert_int_eq(
	    people_put(engine, "one-more", &(struct user_config){ 0 }, 0), OUTCOME_TOO_MANY_USERS);
	ck_assert_int_eq(people_delete(engine, "user3"), OUTCOME_OK);
	ck_assert_int_eq(
	    people_put(engine, "one-more", &(struct user_config){ 0 }, 0), OUTCOME_CREATED);
}
END_TEST

START_TEST(other_shards_have_no_people)
{
	struct engine *other = engine;

	engine = engine_open(&(struct engine_options){ .users = 1, .credentials = 1 });
	engine->worker.shard.geometry.users = 0;
	ck_assert_int_eq(
	    people_put(engine, "bob", &(struct user_config){ 0 }, 0), OUTCOME_BAD_REQUEST);
	ck_assert_int_eq(people_delete(engine, "bob"), OUTCOME_BAD_REQUEST);
	ck_assert_int_eq(people_revoke(engine, 1, CREDENTIAL_TOKEN), OUTCOME_BAD_REQUEST);
	ck_assert_int_eq(people_revoke_all(engine, 1, CREDENTIAL_TOKEN), OUTCOME_BAD_REQUEST);
	struct credential_config config = people_credential(1, CREDENTIAL_TOKEN, "s", "*");
	ck_assert_int_eq(people_create(engine, &config), OUTCOME_BAD_REQUEST);
	engine_close(engine);
	engine = other;
}
END_TEST

/* --- credentials --- */

START_TEST(a_credential_is_found_by_the_hash_of_its_secret)
{
	uint64_t bob = people_make(engine, "bob", USER_ROLE_USER), id;
	struct credential_entry credential;

	id = people_credential_id(engine, bob, CREDENTIAL_TOKEN, "sesame");
	ck_assert_uint_ne(id, 0);
	ck_assert(is_good("sesame"));
	ck_assert(!is_good("Sesame"));
	ck_assert_int_eq(directory_credential_by_id(&engine->worker.directory, id, &credential),
	    DIRECTORY_FOUND);
	ck_assert_uint_eq(credential.config.uid, bob);
	ck_assert_uint_eq(credential.created_ms, engine->now_ms);
	ck_assert_uint_eq(credential.last_used_ms, engine->now_ms);
}
END_TEST

START_TEST(what_a_credential_may_not_be)
{
	uint64_t bob = people_make(engine, "bob", USER_ROLE_USER),
	         eve = people_make(engine, "eve", USER_ROLE_USER);
	struct credential_config config = people_credential(bob, CREDENTIAL_TOKEN, "a", "*");

	config.scopes[0] = '?';
	ck_assert_int_eq(people_create(engine, &config), OUTCOME_BAD_FIELD);
	config = people_credential(bob, CREDENTIAL_KIND_COUNT, "a", "*");
	ck_assert_int_eq(people_create(engine, &config), OUTCOME_BAD_FIELD);
	config = people_credential(bob, CREDENTIAL_TOKEN, "a", "*");
	config.scopes[1] = 'x'; /* behind its end */
	ck_assert_int_eq(people_create(engine, &config), OUTCOME_BAD_FIELD);
	config = people_credential(bob, CREDENTIAL_TOKEN, "a", "*");
	config.idle_ms = DELAY_MS_MAX + 1;
	ck_assert_int_eq(people_create(engine, &config), OUTCOME_BAD_FIELD);
	config = people_credential(eve + (1ull << 32), CREDENTIAL_TOKEN, "a", "*");
	ck_assert_int_eq(people_create(engine, &config), OUTCOME_NO_USER);
	config = people_credential(bob, CREDENTIAL_TOKEN, "a", "*");
	ck_assert_int_eq(people_create(engine, &config), OUTCOME_CREATED);
	ck_assert_int_eq(people_create(engine, &config), OUTCOME_BAD_FIELD); /* the same secret */
	engine->caller = people_user(eve);
	config = people_credential(bob, CREDENTIAL_TOKEN, "b", "*");
	ck_assert_int_eq(people_create(engine, &config), OUTCOME_FORBIDDEN);
	engine->caller = people_user(bob);
	ck_assert_int_eq(people_create(engine, &config), OUTCOME_CREATED);
}
END_TEST

START_TEST(a_session_is_not_made_with_a_password_that_was_changed_meanwhile)
{
	uint64_t bob = people_make(engine, "bob", USER_ROLE_USER);
	struct user_config config = people_config(USER_ROLE_USER, "$y$one", NULL);
	struct credential_request *request;
	uint64_t verified;

	ck_assert_int_eq(people_patch(engine, "bob", &config, USER_FIELD_PASSWORD), OUTCOME_OK);
	verified = user_named("bob").password_etag;
	for (unsigned round = 0; round < 2; round++) {
		request = engine_frame(engine, 0, OP_CREDENTIAL_CREATE, 5, sizeof(*request));
		request->credential = people_credential(
		    bob, CREDENTIAL_SESSION, round == 0 ? "a" : "b", "*");
		request->password_etag = verified;
		engine_post(engine, 0);
		engine_run(engine);
		ck_assert_uint_eq(engine_reply(engine, 0)->header.op,
		    round == 0 ? OUTCOME_CREATED : OUTCOME_UNAUTHORIZED);
		config = people_config(USER_ROLE_USER, "$y$two", NULL);
		ck_assert_int_eq(
		    people_patch(engine, "bob", &config, USER_FIELD_PASSWORD), OUTCOME_OK);
	}
}
END_TEST

START_TEST(a_revoked_one_is_gone_at_once_and_the_generation_grows)
{
	uint64_t bob = people_make(engine, "bob", USER_ROLE_USER),
	         eve = people_make(engine, "eve", USER_ROLE_USER);
	uint64_t id = people_credential_id(engine, bob, CREDENTIAL_TOKEN, "sesame"),
	         seen = generation();

	engine->caller = people_user(eve);
	ck_assert_int_eq(people_revoke(engine, id, CREDENTIAL_TOKEN), OUTCOME_NO_TOKEN);
	engine->caller = people_user(bob);
	ck_assert_int_eq(people_revoke(engine, id, CREDENTIAL_SESSION), OUTCOME_NO_SESSION);
	ck_assert_uint_eq(generation(), seen);
	ck_assert(is_good("sesame"));
	ck_assert_int_eq(people_revoke(engine, id, CREDENTIAL_TOKEN), OUTCOME_OK);
	ck_assert(!is_good("sesame"));
	ck_assert_uint_gt(generation(), seen);
	ck_assert_int_eq(people_revoke(engine, id, CREDENTIAL_TOKEN), OUTCOME_NO_TOKEN);
	ck_assert_uint_ne(((struct reply *)(void *)engine->reply)->lsn, 0);
}
END_TEST

START_TEST(an_id_is_never_given_twice)
{
	uint64_t bob = people_make(engine, "bob", USER_ROLE_USER), last = 0;

	for (unsigned i = 0; i < 20; i++) {
		uint64_t id = people_credential_id(engine, bob, CREDENTIAL_TOKEN, "sesame");

		ck_assert_uint_gt(id, last);
		ck_assert_int_eq(people_revoke(engine, id, CREDENTIAL_TOKEN), OUTCOME_OK);
		last = id;
	}
}
END_TEST

/* _i: 0 the password is changed, 1 the user disabled, 2 all sessions revoked, 3 the user deleted. */
START_TEST(all_sessions_of_a_user_end_at_once)
{
	uint64_t bob = people_make(engine, "bob", USER_ROLE_USER),
	         eve = people_make(engine, "eve", USER_ROLE_USER), seen;
	struct user_config config = people_config(USER_ROLE_USER, "$y$new", NULL);
	enum outcome outcome;

	(void)people_credential_id(engine, bob, CREDENTIAL_SESSION, "one");
	(void)people_credential_id(engine, bob, CREDENTIAL_SESSION, "two");
	(void)people_credential_id(engine, bob, CREDENTIAL_TOKEN, "token");
	(void)people_credential_id(engine, eve, CREDENTIAL_SESSION, "eve's");
	seen = generation();
	config.is_disabled = 1;
	switch (_i) {
	case 0:
		outcome = people_patch(engine, "bob", &config, USER_FIELD_PASSWORD);
		break;
	case 1:
		outcome = people_patch(engine, "bob", &config, USER_FIELD_DISABLED);
		break;
	case 2:
		outcome = people_revoke_all(engine, bob, CREDENTIAL_SESSION);
		break;
	default:
		outcome = people_delete(engine, "bob");
	}
	ck_assert_int_eq(outcome, OUTCOME_OK);
	ck_assert_uint_gt(generation(), seen);
	ck_assert(!is_good("one") && !is_good("two"));
	ck_assert_int_eq(is_good("token"), _i == 0 || _i == 2);
	ck_assert(is_good("eve's"));
	engine_pass(engine, 1000); /* they are swept away; a disabled user's token is kept */
	ck_assert_uint_eq(directory_credential_count(&engine->worker.directory), _i == 3 ? 1 : 2);
	if (_i != 1)
		return;
	config.is_disabled = 0;
	ck_assert_int_eq(people_patch(engine, "bob", &config, USER_FIELD_DISABLED), OUTCOME_OK);
	ck_assert(is_good("token") && !is_good("one"));
}
END_TEST

START_TEST(a_session_made_after_all_were_revoked_is_good)
{
	uint64_t bob = people_make(engine, "bob", USER_ROLE_USER);

	(void)people_credential_id(engine, bob, CREDENTIAL_SESSION, "old");
	engine->caller = people_user(bob);
	ck_assert_int_eq(people_revoke_all(engine, bob, CREDENTIAL_SESSION), OUTCOME_OK);
	(void)people_credential_id(engine, bob, CREDENTIAL_SESSION, "new");
	ck_assert(!is_good("old") && is_good("new"));
	engine->caller = people_user(bob + 1);
	ck_assert_int_eq(people_revoke_all(engine, bob, CREDENTIAL_SESSION), OUTCOME_FORBIDDEN);
	engine->caller = people_admin();
	ck_assert_int_eq(people_revoke_all(engine, bob + 1, CREDENTIAL_SESSION), OUTCOME_NO_USER);
	ck_assert_int_eq(
	    people_revoke_all(engine, bob, CREDENTIAL_KIND_COUNT), OUTCOME_BAD_REQUEST);
}
END_TEST

START_TEST(what_expires_and_what_is_not_used_ends_by_the_clock)
{
	uint64_t bob = people_make(engine, "bob", USER_ROLE_USER), id, seen;
	struct credential_config config = people_credential(bob, CREDENTIAL_TOKEN, "expires", "*");

	config.expires_ms = engine->now_ms + 10000;
	ck_assert_int_eq(people_create(engine, &config), OUTCOME_CREATED);
	config = people_credential(bob, CREDENTIAL_SESSION, "idle", "*");
	config.idle_ms = 3000;
	ck_assert_int_eq(people_create(engine, &config), OUTCOME_CREATED);
	id = ((struct credential_reply *)(void *)engine->reply)->credential.id;
	seen = generation();
	engine_pass(engine, 2900);
	people_touch(engine, id);
	engine_pass(engine, 2900);
	ck_assert(is_good("idle") && is_good("expires"));
	engine_pass(engine, 100);
	ck_assert(!is_good("idle") && is_good("expires"));
	engine_pass(engine, 4099);
	ck_assert(is_good("expires"));
	engine_pass(engine, 1);
	ck_assert(!is_good("expires"));
	engine_pass(engine, 100);
	ck_assert_uint_eq(directory_credential_count(&engine->worker.directory), 0);
	ck_assert_uint_eq(generation(), seen); /* whoever remembers one knows when it ends */
}
END_TEST

START_TEST(a_use_is_remembered_and_nobody_is_answered)
{
	uint64_t bob = people_make(engine, "bob", USER_ROLE_USER);
	uint64_t id = people_credential_id(engine, bob, CREDENTIAL_TOKEN, "sesame"),
	         seen = generation();
	struct credential_entry credential;

	engine_pass(engine, 60000);
	people_touch(engine, id);
	people_touch(engine, id + (1u << CREDENTIAL_SLOT_BITS)); /* none */
	people_touch(engine, UINT64_MAX);
	ck_assert_ptr_null(engine_reply(engine, 0));
	ck_assert_int_eq(directory_credential_by_id(&engine->worker.directory, id, &credential),
	    DIRECTORY_FOUND);
	ck_assert_uint_eq(credential.last_used_ms, engine->now_ms);
	ck_assert_uint_eq(generation(), seen);
}
END_TEST

START_TEST(a_full_table_of_credentials_empties_by_itself)
{
	uint64_t bob = people_make(engine, "bob", USER_ROLE_USER);
	struct credential_config config;
	char secret[16];

	for (unsigned i = 0; i < 80; i++) {
		snprintf(secret, sizeof(secret), "s%u", i);
		(void)people_credential_id(engine, bob, CREDENTIAL_SESSION, secret);
	}
	config = people_credential(bob, CREDENTIAL_SESSION, "more", "*");
	ck_assert_int_eq(people_create(engine, &config), OUTCOME_TOO_MANY_CREDENTIALS);
	ck_assert_int_eq(people_revoke_all(engine, bob, CREDENTIAL_SESSION), OUTCOME_OK);
	engine_pass(engine, 50);
	ck_assert_uint_eq(directory_credential_count(&engine->worker.directory), 0);
	ck_assert_int_eq(people_create(engine, &config), OUTCOME_CREATED);
}
END_TEST

/* --- the mirror --- */

START_TEST(a_restarted_worker_shows_everything_anew)
{
	uint64_t bob = people_make(engine, "bob", USER_ROLE_USER), seen;
	struct directory *directory = &engine->worker.directory;

	(void)people_credential_id(engine, bob, CREDENTIAL_TOKEN, "sesame");
	seen = generation();
	/* It was killed in the middle of writing: nobody reads, and nothing of it is believed. */
	directory_begin(directory);
	directory->name_buckets[0] = 12345;
	directory->shared->user_count = 99;
	struct user_entry user;
	ck_assert_int_eq(directory_user_by_uid(directory, bob, &user), DIRECTORY_NOT_NOW);
	engine_restart(engine, SIGKILL);
	ck_assert_uint_gt(generation(), seen);
	ck_assert(is_good("sesame"));
}
END_TEST

START_TEST(more_changes_in_a_turn_than_are_noted_show_all_the_same)
{
	uint64_t bob = people_make(engine, "bob", USER_ROLE_USER);
	uint64_t id = people_credential_id(engine, bob, CREDENTIAL_TOKEN, "sesame");

	for (unsigned i = 0; i < CHANGES_MAX + 5; i++)
		people_changed_credential(&engine->worker, id, false);
	(void)people_make(engine, "eve", USER_ROLE_USER);
	ck_assert(is_good("sesame"));
}
END_TEST

START_TEST(a_change_that_cannot_be_shown_is_kept_until_it_can)
{
	struct user_request *request = engine_frame(engine, 1, OP_USER_PUT, 5, sizeof(*request));
	struct directory *directory = &engine->worker.directory;

	request->name = engine_name("bob");
	engine_post(engine, 1);
	/* The region is not there. */
	struct directory there = *directory;
	directory->shared = NULL;
	engine_run(engine);
	*directory = there;
	ck_assert_uint_eq(engine->worker.changes.count, 1);
	people_mirror(&engine->worker);
	ck_assert_uint_eq(user_named("bob").uid, USER_UID(1, 0));
}
END_TEST

/* --- the first admin --- */

static struct bootstrap
asked(enum bootstrap_mode mode, const char *secret)
{
	struct bootstrap bootstrap = { .number = 2, .mode = mode };

	people_hash(secret, bootstrap.hash);
	return bootstrap;
}

static void
bootstrap(enum bootstrap_mode mode, const char *secret)
{
	struct bootstrap request = asked(mode, secret);

	ck_assert(bootstrap_make(&engine->worker, &request));
	engine_run(engine);
	worker_mirror(&engine->worker);
}

START_TEST(an_admin_with_a_token_is_made_when_there_is_nobody)
{
	struct user_entry admin;

	bootstrap(BOOTSTRAP_NONE, "nothing");
	ck_assert_uint_eq(directory_user_count(&engine->worker.directory), 0);
	bootstrap(BOOTSTRAP_IF_NONE, "first");
	admin = user_named("admin");
	ck_assert_int_eq(admin.config.role, USER_ROLE_ADMIN);
	ck_assert_uint_eq(admin.config.password_bytes, 0);
	ck_assert(is_good("first"));
	bootstrap(BOOTSTRAP_IF_NONE, "second");
	ck_assert(!is_good("second"));
}
END_TEST

START_TEST(a_token_that_was_revoked_does_not_come_back_with_the_next_start)
{
	struct directory_page page = { .limit = 4 };
	struct directory_wish wish = { .kind = CREDENTIAL_TOKEN };
	struct credential_entry tokens[4];

	bootstrap(BOOTSTRAP_ALWAYS, "first");
	ck_assert_int_eq(directory_credentials(&engine->worker.directory, &wish, &page, tokens),
	    DIRECTORY_FOUND);
	ck_assert_uint_eq(page.count, 1);
	ck_assert_int_eq(people_revoke(engine, tokens[0].id, CREDENTIAL_TOKEN), OUTCOME_OK);
	engine_restart(engine, SIGKILL);
	bootstrap(BOOTSTRAP_ALWAYS, "first");
	ck_assert(!is_good("first"));
	bootstrap(BOOTSTRAP_ALWAYS, "another");
	ck_assert(is_good("another"));
}
END_TEST

START_TEST(who_has_lost_all_admins_gets_one_back)
{
	struct user_config config = { .is_disabled = 1 };

	(void)people_make(engine, "admin", USER_ROLE_USER);
	ck_assert_int_eq(people_patch(engine, "admin", &config, USER_FIELD_DISABLED), OUTCOME_OK);
	bootstrap(BOOTSTRAP_ALWAYS, "rescue");
	ck_assert(is_good("rescue"));
	ck_assert_int_eq(user_named("admin").config.role, USER_ROLE_ADMIN);
	ck_assert_int_eq(user_named("admin").config.is_disabled, 0);
}
END_TEST

START_TEST(a_full_table_makes_no_admin_and_no_harm)
{
	char name[16];

	for (unsigned i = 0; i < 6; i++) {
		snprintf(name, sizeof(name), "user%u", i);
		(void)people_make(engine, name, USER_ROLE_USER);
	}
	bootstrap(BOOTSTRAP_ALWAYS, "rescue");
	ck_assert(!is_good("rescue"));
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("workerd/people");
	TCase *users = tcase_create("users"), *credentials = tcase_create("credentials"),
	      *mirror = tcase_create("mirror");

	tcase_add_checked_fixture(users, setup, teardown);
	tcase_add_test(users, a_new_user_may_create_under_his_name_and_nothing_else);
	tcase_add_test(users, put_replaces_all_but_the_password_and_patch_what_it_names);
	tcase_add_test(users, what_changes_nothing_writes_nothing);
	tcase_add_test(users, conditions_are_as_for_queues);
	tcase_add_loop_test(users, a_value_out_of_bounds_is_refused, 0, 8);
	tcase_add_test(users, a_name_that_was_deleted_comes_back_as_another_user);
	tcase_add_test(users, the_last_enabled_admin_stays_one);
	tcase_add_test(users, who_is_no_admin_may_set_his_own_password_and_nothing_else);
	tcase_add_test(users, a_full_table_is_said_and_what_is_deleted_makes_room);
	tcase_add_test(users, other_shards_have_no_people);
	suite_add_tcase(suite, users);
	tcase_add_checked_fixture(credentials, setup, teardown);
	tcase_add_test(credentials, a_credential_is_found_by_the_hash_of_its_secret);
	tcase_add_test(credentials, what_a_credential_may_not_be);
	tcase_add_test(
	    credentials, a_session_is_not_made_with_a_password_that_was_changed_meanwhile);
	tcase_add_test(credentials, a_revoked_one_is_gone_at_once_and_the_generation_grows);
	tcase_add_test(credentials, an_id_is_never_given_twice);
	tcase_add_loop_test(credentials, all_sessions_of_a_user_end_at_once, 0, 4);
	tcase_add_test(credentials, a_session_made_after_all_were_revoked_is_good);
	tcase_add_test(credentials, what_expires_and_what_is_not_used_ends_by_the_clock);
	tcase_add_test(credentials, a_use_is_remembered_and_nobody_is_answered);
	tcase_add_test(credentials, a_full_table_of_credentials_empties_by_itself);
	suite_add_tcase(suite, credentials);
	tcase_add_checked_fixture(mirror, setup, teardown);
	tcase_add_test(mirror, a_restarted_worker_shows_everything_anew);
	tcase_add_test(mirror, more_changes_in_a_turn_than_are_noted_show_all_the_same);
	tcase_add_test(mirror, a_change_that_cannot_be_shown_is_kept_until_it_can);
	tcase_add_test(mirror, an_admin_with_a_token_is_made_when_there_is_nobody);
	tcase_add_test(mirror, a_token_that_was_revoked_does_not_come_back_with_the_next_start);
	tcase_add_test(mirror, who_has_lost_all_admins_gets_one_back);
	tcase_add_test(mirror, a_full_table_makes_no_admin_and_no_harm);
	suite_add_tcase(suite, mirror);
	return suite;
}

UNIT_MAIN(suite)
