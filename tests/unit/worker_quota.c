#include "workerd/quota.h"

#include <signal.h>
#include <string.h>

#include "tests/harness/engine.h"
#include "tests/harness/unit.h"

#define ALICE USER_UID(7, 3)
#define BOB USER_UID(8, 4)

static struct engine *engine;
static struct usage_entry elsewhere[16]; /* what shard 1 shows */

/* A user with these quotas in the directory. */
static void
make_user(uint64_t uid, const char *name, struct user_quotas quotas)
{
	struct user_entry user = { .name = engine_name(name), .uid = uid, .etag = 1, .created_ms = 1 };

	user.config = user_config_default(&user.name);
	user.config.quotas = quotas;
	directory_begin(&engine->worker.directory);
	directory_put_user(&engine->worker.directory, USER_SLOT(uid), &user);
	directory_end(&engine->worker.directory, 1, true);
}

static void
setup(void)
{
	engine = engine_open(&(struct engine_options){ .queues = 16, .users = 16 });
	memset(elsewhere, 0, sizeof(elsewhere));
	usage_view(&engine->worker.usages[1], elsewhere, 16);
	engine->caller = (struct caller){ .uid = ALICE, .flags = CALLER_MAY_CREATE };
}

static void
teardown(void)
{
	const char *wrong = engine_check(engine);

	ck_assert_msg(wrong == NULL, "%s", wrong);
	engine_close(engine);
}

static struct usage_entry
used(uint64_t uid)
{
	return usage_of(&engine->worker.usages[0], uid);
}

START_TEST(queues_and_bytes_are_counted_for_the_owner_and_not_for_who_publishes)
{
	ck_assert_int_eq(engine_put(engine, "q", NULL, 0), OUTCOME_CREATED);
	engine->caller = (struct caller){ .uid = BOB, .flags = CALLER_ADMIN };
	ck_assert_int_eq(engine_publish(engine, "q", "0123456789", 0, 5), OUTCOME_OK);
	ck_assert_uint_eq(used(ALICE).queues, 1);
	ck_assert_uint_eq(used(ALICE).stored_bytes, 50);
	ck_assert_uint_eq(used(BOB).stored_bytes, 0);
}
END_TEST

START_TEST(what_is_acknowledged_purged_or_deleted_is_given_back)
{
	struct delivery delivery;
	uint64_t removed;
	uint32_t count;

	ck_assert_int_eq(engine_put(engine, "q", NULL, 0), OUTCOME_CREATED);
	ck_assert_int_eq(engine_publish(engine, "q", "0123456789", 0, 5), OUTCOME_OK);
	ck_assert_int_eq(engine_receive(engine, "q", 1, LEASE_DEFAULT, &delivery, &count), OUTCOME_OK);
	ck_assert_uint_eq(used(ALICE).stored_bytes, 50);
	ck_assert_int_eq(engine_settle(engine, OP_ACK, "q", &delivery, 0, NACK_RELEASE), OUTCOME_OK);
	ck_assert_uint_eq(used(ALICE).stored_bytes, 40);
	ck_assert_int_eq(engine_purge(engine, "q", PURGE_READY, &removed), OUTCOME_OK);
	ck_assert_uint_eq(used(ALICE).stored_bytes, 0);
	ck_assert_int_eq(engine_publish(engine, "q", "0123456789", 0, 5), OUTCOME_OK);
	ck_assert_int_eq(engine_delete(engine, "q"), OUTCOME_OK);
	engine_run(engine);
	ck_assert_uint_eq(used(ALICE).queues, 0);
	ck_assert_uint_eq(used(ALICE).stored_bytes, 0);
}
END_TEST

START_TEST(a_queue_that_passes_to_another_takes_its_bytes_along)
{
	ck_assert_int_eq(engine_put(engine, "q", NULL, 0), OUTCOME_CREATED);
	ck_assert_int_eq(engine_publish(engine, "q", "0123456789", 0, 5), OUTCOME_OK);
	engine->caller.flags = CALLER_ADMIN;
	struct queue_config_request *request = engine_frame(engine, 0, OP_QUEUE_PATCH, 1, sizeof(*request));
	request->queue.name = engine_name("q");
	request->fields = FIELD_OWNER;
	request->owner = BOB;
	engine_post(engine, 0);
	engine_run(engine);
	ck_assert_int_eq(engine_reply(engine, 0)->header.op, OUTCOME_OK);
	ck_assert_uint_eq(used(ALICE).queues, 0);
	ck_assert_uint_eq(used(ALICE).stored_bytes, 0);
	ck_assert_uint_eq(used(BOB).queues, 1);
	ck_assert_uint_eq(used(BOB).stored_bytes, 50);
}
END_TEST

START_TEST(a_worker_that_was_killed_counts_again_and_comes_to_the_same)
{
	ck_assert_int_eq(engine_put(engine, "q", NULL, 0), OUTCOME_CREATED);
	ck_assert_int_eq(engine_publish(engine, "q", "0123456789", 0, 5), OUTCOME_OK);
	engine->usage_memory[USER_SLOT(ALICE)].stored_bytes = 12345; /* what it was in the middle of */
	engine_restart(engine, SIGKILL);
	ck_assert_uint_eq(used(ALICE).queues, 1);
	ck_assert_uint_eq(used(ALICE).stored_bytes, 50);
}
END_TEST

START_TEST(no_more_queues_than_the_quota_on_all_shards_together)
{
	make_user(ALICE, "alice", (struct user_quotas){ .queues = 3 });
	elsewhere[USER_SLOT(ALICE)] = (struct usage_entry){ .uid = ALICE, .queues = 1 };
	ck_assert_int_eq(engine_put(engine, "a", NULL, 0), OUTCOME_CREATED);
	ck_assert_int_eq(engine_put(engine, "b", NULL, 0), OUTCOME_CREATED);
	ck_assert_int_eq(engine_put(engine, "c", NULL, 0), OUTCOME_QUOTA_EXCEEDED);
	ck_assert_int_eq(engine_put(engine, "b", NULL, 0), OUTCOME_OK); /* it is there already */
	elsewhere[USER_SLOT(ALICE)].queues = 0;
	ck_assert_int_eq(engine_put(engine, "c", NULL, 0), OUTCOME_CREATED);
	engine->caller.uid = BOB;
	ck_assert_int_eq(engine_put(engine, "d", NULL, 0), OUTCOME_CREATED);
}
END_TEST

START_TEST(no_more_bytes_than_the_quota_and_room_again_when_they_are_consumed)
{
	struct delivery delivery;
	uint32_t count;

	make_user(ALICE, "alice", (struct user_quotas){ .stored_bytes = 100 });
	elsewhere[USER_SLOT(ALICE)] = (struct usage_entry){ .uid = ALICE, .stored_bytes = 60 };
	ck_assert_int_eq(engine_put(engine, "q", NULL, 0), OUTCOME_CREATED);
	ck_assert_int_eq(engine_publish(engine, "q", "0123456789", 0, 4), OUTCOME_OK);
	ck_assert_int_eq(engine_publish(engine, "q", "0123456789", 0, 1), OUTCOME_QUOTA_EXCEEDED);
	engine->caller = (struct caller){ .uid = BOB, .flags = CALLER_ADMIN }; /* whoever publishes, the owner pays */
	ck_assert_int_eq(engine_publish(engine, "q", "x", 0, 1), OUTCOME_QUOTA_EXCEEDED);
	ck_assert_int_eq(engine_receive(engine, "q", 1, LEASE_DEFAULT, &delivery, &count), OUTCOME_OK);
	ck_assert_int_eq(engine_settle(engine, OP_ACK, "q", &delivery, 0, NACK_RELEASE), OUTCOME_OK);
	ck_assert_int_eq(engine_publish(engine, "q", "0123456789", 0, 1), OUTCOME_OK);
	ck_assert_int_eq(engine_publish(engine, "q", "0123456789", 0, 11), OUTCOME_TOO_LARGE); /* it would never fit */
}
END_TEST

START_TEST(who_is_gone_has_no_quota_and_his_slot_is_his_successors)
{
	uint64_t next = USER_UID(9, USER_SLOT(ALICE));

	make_user(ALICE, "alice", (struct user_quotas){ .stored_bytes = 100 });
	ck_assert_int_eq(engine_put(engine, "q", NULL, 0), OUTCOME_CREATED);
	ck_assert_int_eq(engine_publish(engine, "q", "0123456789", 0, 10), OUTCOME_OK);
	make_user(next, "carol", (struct user_quotas){ .stored_bytes = 50 });
	engine->caller.uid = next;
	ck_assert_int_eq(engine_put(engine, "r", NULL, 0), OUTCOME_CREATED);
	ck_assert_int_eq(engine_publish(engine, "r", "0123456789", 0, 5), OUTCOME_OK);
	ck_assert_uint_eq(used(next).stored_bytes, 50);
	ck_assert_uint_eq(used(ALICE).stored_bytes, 0);
	engine->caller = (struct caller){ .uid = BOB, .flags = CALLER_ADMIN };
	ck_assert_int_eq(engine_publish(engine, "q", "0123456789", 0, 1), OUTCOME_OK);
	ck_assert_int_eq(engine_publish(engine, "r", "0123456789", 0, 1), OUTCOME_QUOTA_EXCEEDED);
}
END_TEST

START_TEST(while_the_directory_is_being_written_nobody_is_refused)
{
	make_user(ALICE, "alice", (struct user_quotas){ .queues = 1 });
	ck_assert_int_eq(engine_put(engine, "a", NULL, 0), OUTCOME_CREATED);
	directory_begin(&engine->worker.directory);
	ck_assert_int_eq(quota_decide_queue(&engine->worker, ALICE), OUTCOME_OK);
	directory_end(&engine->worker.directory, 1, false);
	ck_assert_int_eq(quota_decide_queue(&engine->worker, ALICE), OUTCOME_QUOTA_EXCEEDED);
}
END_TEST

START_TEST(an_owner_that_a_frontd_made_up_is_nobody)
{
	engine->caller.uid = USER_UID(1, 99999); /* no such slot */
	ck_assert_int_eq(engine_put(engine, "q", NULL, 0), OUTCOME_CREATED);
	ck_assert_int_eq(engine_publish(engine, "q", "x", 0, 1), OUTCOME_OK);
	ck_assert_uint_eq(used(engine->caller.uid).queues, 0);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("worker_quota");
	TCase *tcase = tcase_create("quota");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, queues_and_bytes_are_counted_for_the_owner_and_not_for_who_publishes);
	tcase_add_test(tcase, what_is_acknowledged_purged_or_deleted_is_given_back);
	tcase_add_test(tcase, a_queue_that_passes_to_another_takes_its_bytes_along);
	tcase_add_test(tcase, a_worker_that_was_killed_counts_again_and_comes_to_the_same);
	tcase_add_test(tcase, no_more_queues_than_the_quota_on_all_shards_together);
	tcase_add_test(tcase, no_more_bytes_than_the_quota_and_room_again_when_they_are_consumed);
	tcase_add_test(tcase, who_is_gone_has_no_quota_and_his_slot_is_his_successors);
	tcase_add_test(tcase, while_the_directory_is_being_written_nobody_is_refused);
	tcase_add_test(tcase, an_owner_that_a_frontd_made_up_is_nobody);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
