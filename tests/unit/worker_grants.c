/*
 * grants: who may do what with a queue.  Ann owns it, bob is given rights, eve has none, and nobody is root but admins.
 */
#include <signal.h>

#include "tests/harness/people.h"
#include "tests/harness/unit.h"

static struct engine *engine;
static uint64_t ann, bob, eve;

static void
setup(void)
{
	engine = engine_open(&(struct engine_options){ .grants = 6, .fronts = 2 });
	ann = people_make(engine, "ann", USER_ROLE_USER);
	bob = people_make(engine, "bob", USER_ROLE_USER);
	eve = people_make(engine, "eve", USER_ROLE_USER);
	engine->caller = (struct caller){ .uid = ann, .flags = CALLER_MAY_CREATE };
	ck_assert_int_eq(engine_put(engine, "q", NULL, 0), OUTCOME_CREATED);
}

static void
teardown(void)
{
	ck_assert_ptr_null(engine_check(engine));
	engine_close(engine);
}

static void
ask_as(uint64_t uid)
{
	engine->caller = people_user(uid);
}

static void
grant(uint64_t uid, uint32_t rights)
{
	struct caller caller = engine->caller;
	enum outcome outcome;

	ask_as(ann);
	outcome = people_grant(engine, OP_GRANT_PUT, "q", uid, rights);
	ck_assert(outcome == OUTCOME_OK || outcome == OUTCOME_CREATED);
	engine->caller = caller;
}

static enum outcome
settle_of(struct engine *of, enum op op)
{
	struct delivery none = { .token = 5 };

	return engine_settle(of, op, "q", &none, 0, NACK_RELEASE);
}

/* One row for each operation on a queue: the right that it needs, and how it is tried. */
enum trial {
	TRY_PUBLISH,
	TRY_RECEIVE,
	TRY_ACK,
	TRY_EXTEND,
	TRY_NACK,
	TRY_GET,
	TRY_PATCH,
	TRY_PURGE,
	TRY_GRANT,
	TRY_REVOKE,
	TRY_LIST,
	TRY_DELETE,
	TRY_COUNT
};

static const uint32_t needs[TRY_COUNT] = {
	[TRY_PUBLISH] = RIGHT_PUBLISH,
	[TRY_RECEIVE] = RIGHT_CONSUME,
	[TRY_ACK] = RIGHT_CONSUME,
	[TRY_EXTEND] = RIGHT_CONSUME,
	[TRY_NACK] = RIGHT_CONSUME,
	[TRY_GET] = RIGHT_BROWSE,
	[TRY_PATCH] = RIGHT_MANAGE,
	[TRY_PURGE] = RIGHT_MANAGE,
	[TRY_GRANT] = RIGHT_MANAGE,
	[TRY_REVOKE] = RIGHT_MANAGE,
	[TRY_LIST] = RIGHT_MANAGE,
	[TRY_DELETE] = RIGHT_MANAGE,
};

static enum outcome
patch(const char *queue, uint32_t fields, uint64_t owner)
{
	struct queue_config_request *request = engine_frame(
	    engine, 0, OP_QUEUE_PATCH, 7, sizeof(*request));

	request->queue.name = engine_name(queue);
	request->config.lease_ms = 777;
	request->fields = fields;
	request->owner = owner;
	engine_post(engine, 0);
	engine_run(engine);
	return (enum outcome)engine_reply(engine, 0)->header.op;
}

static enum outcome
try_it(enum trial trial, const char *queue)
{
	struct queue_entry entry;
	struct delivery delivery;
	uint64_t removed;
	uint32_t count;

	switch (trial) {
	case TRY_PUBLISH:
		return engine_publish(engine, queue, "x", 0, 1);
	case TRY_RECEIVE:
		return engine_receive(engine, queue, 1, 0, &delivery, &count);
	case TRY_ACK:
	case TRY_EXTEND:
	case TRY_NACK:
		return settle_of(engine,
		    trial == TRY_ACK          ? OP_ACK
		        : trial == TRY_EXTEND ? OP_EXTEND
		                              : OP_NACK);
	case TRY_GET:
		return engine_get(engine, queue, &entry);
	case TRY_PATCH:
		return patch(queue, FIELD_LEASE, 0);
	case TRY_PURGE:
		return engine_purge(engine, queue, PURGE_DEAD, &removed);
	case TRY_GRANT:
		return people_grant(engine, OP_GRANT_PUT, queue, bob, RIGHTS_ALL);
	case TRY_REVOKE:
		return people_grant(engine, OP_GRANT_DELETE, queue, ann, 0);
	case TRY_LIST:
		return people_grants(engine, queue);
	case TRY_DELETE:
		return engine_delete(engine, queue);
	default:
		ck_abort_msg("no such trial");
	}
}

static bool
is_settling(enum trial trial)
{
	return trial == TRY_ACK || trial == TRY_EXTEND || trial == TRY_NACK;
}

/* _i: the operation. */
START_TEST(each_operation_takes_the_right_it_needs_and_no_other)
{
	enum trial trial = (enum trial)_i;
	enum outcome outcome;

	for (uint32_t right = RIGHT_PUBLISH; right <= RIGHT_MANAGE; right <<= 1) {
		grant(bob, right);
		ask_as(bob);
		outcome = try_it(trial, "q");
		if (right == needs[trial])
			ck_assert_int_ne(outcome, OUTCOME_FORBIDDEN);
		else
			ck_assert_int_eq(outcome, OUTCOME_FORBIDDEN);
		ck_assert_int_ne(outcome, OUTCOME_NO_QUEUE);
		engine_run(engine);
	}
}
END_TEST

START_TEST(the_owner_and_an_admin_may_do_everything)
{
	const struct caller callers[] = { people_user(ann), { .uid = eve, .flags = CALLER_ADMIN },
		people_admin() };

	for (unsigned i = 0; i < 3; i++) {
		engine->caller = callers[i];
		enum outcome outcome = try_it((enum trial)_i, "q");

		ck_assert_int_ne(outcome, OUTCOME_FORBIDDEN);
		if (i == 0)
			ck_assert_int_ne(outcome, OUTCOME_NO_QUEUE);
		engine_run(engine);
	}
}
END_TEST

/* To eve each answer about the queue is, byte for byte, that about a name which nobody has. */
START_TEST(without_any_right_a_queue_is_not_there)
{
	static char seen[2][REPLY_BYTES_MAX];
	uint32_t bytes[2];

	grant(bob, RIGHTS_ALL);
	ck_assert_int_eq(engine_publish(engine, "q", "secret", 0, 3), OUTCOME_OK);
	ask_as(eve);
	for (unsigned i = 0; i < 2; i++) {
		enum outcome outcome = try_it((enum trial)_i, i == 0 ? "q" : "z");
		struct reply *reply = (struct reply *)(void *)engine->reply;

		ck_assert_int_eq(outcome,
		    is_settling((enum trial)_i) ? OUTCOME_LEASE_EXPIRED : OUTCOME_NO_QUEUE);
		reply->header.id = 0;
		bytes[i] = reply->header.bytes;
		memcpy(seen[i], reply, bytes[i]);
	}
	ck_assert_uint_eq(bytes[0], bytes[1]);
	ck_assert_mem_eq(seen[0], seen[1], bytes[0]);
}
END_TEST

START_TEST(nobody_owns_what_has_no_owner)
{
	engine->caller = people_admin();
	ck_assert_int_eq(engine_put(engine, "ownerless", NULL, 0), OUTCOME_CREATED);
	engine->caller = people_user(0);
	ck_assert_int_eq(engine_publish(engine, "ownerless", "x", 0, 1), OUTCOME_NO_QUEUE);
}
END_TEST

static unsigned
listed(void)
{
	struct queue_list_request *request = engine_frame(
	    engine, 0, OP_QUEUE_LIST, 4, sizeof(*request));

	request->limit = 10;
	engine_post(engine, 0);
	engine_run(engine);
	ck_assert_int_eq(engine_reply(engine, 0)->header.op, OUTCOME_OK);
	return ((struct queue_list_reply *)(void *)engine->reply)->count;
}

START_TEST(a_list_shows_what_one_may_browse)
{
	const struct queue_list_reply *list = (struct queue_list_reply *)(void *)engine->reply;

	ask_as(eve);
	ck_assert_uint_eq(listed(), 0);
	grant(eve, RIGHT_PUBLISH | RIGHT_CONSUME);
	ck_assert_uint_eq(listed(), 0);
	grant(eve, RIGHT_BROWSE | RIGHT_PUBLISH);
	ck_assert_uint_eq(listed(), 1);
	ck_assert_uint_eq(list->queues[0].rights, RIGHT_BROWSE | RIGHT_PUBLISH);
	ck_assert_uint_eq(list->queues[0].owner, ann);
	ck_assert_uint_eq(list->queues[0].grant_count, 1);
	engine->caller = people_admin();
	ck_assert_uint_eq(listed(), 1);
	ck_assert_uint_eq(list->queues[0].rights, RIGHTS_ALL);
}
END_TEST

START_TEST(creating_takes_leave_and_tells_nothing)
{
	ask_as(eve);
	ck_assert_int_eq(engine_put(engine, "new", NULL, 0), OUTCOME_FORBIDDEN);
	ck_assert_int_eq(engine_put(engine, "q", NULL, 0), OUTCOME_FORBIDDEN);
	engine->caller.flags = CALLER_MAY_CREATE;
	ck_assert_int_eq(engine_put(engine, "q", NULL, 0), OUTCOME_FORBIDDEN);
	ck_assert_int_eq(engine_put(engine, "new", NULL, 0), OUTCOME_CREATED);
	ck_assert_uint_eq(((struct queue_reply *)(void *)engine->reply)->queue.owner, eve);
	ck_assert_int_eq(engine_put(engine, "new", NULL, 0), OUTCOME_OK);
	ck_assert_int_eq(engine_put(engine, "other", &(struct queue_config){ 0 }, FIELD_OWNER),
	    OUTCOME_FORBIDDEN);
}
END_TEST

START_TEST(an_admin_gives_a_queue_to_another)
{
	struct queue_entry entry;

	ask_as(ann);
	ck_assert_int_eq(patch("q", FIELD_OWNER, eve), OUTCOME_FORBIDDEN);
	engine->caller = people_admin();
	ck_assert_int_eq(patch("q", FIELD_OWNER, eve), OUTCOME_OK);
	ask_as(ann);
	ck_assert_int_eq(engine_get(engine, "q", &entry), OUTCOME_NO_QUEUE);
	ask_as(eve);
	ck_assert_int_eq(engine_get(engine, "q", &entry), OUTCOME_OK);
	ck_assert_uint_eq(entry.owner, eve);
	ck_assert_uint_eq(entry.config.lease_ms, 30000); /* and nothing else */
}
END_TEST

START_TEST(a_grant_is_replaced_and_taken_away)
{
	const struct grant_list_reply *list = (struct grant_list_reply *)(void *)engine->reply;

	ask_as(ann);
	ck_assert_int_eq(
	    people_grant(engine, OP_GRANT_PUT, "q", bob, RIGHT_PUBLISH), OUTCOME_CREATED);
	ck_assert_uint_ne(((struct reply *)(void *)engine->reply)->lsn, 0);
	ck_assert_int_eq(people_grant(engine, OP_GRANT_PUT, "q", bob, RIGHT_CONSUME), OUTCOME_OK);
	ck_assert_int_eq(people_grant(engine, OP_GRANT_PUT, "q", bob, RIGHT_CONSUME),
	    OUTCOME_OK); /* nothing changes */
	ck_assert_int_eq(people_grants(engine, "q"), OUTCOME_OK);
	ck_assert_uint_eq(list->count, 1);
	ck_assert_uint_eq(list->owner, ann);
	ck_assert_uint_eq(list->grants[0].uid, bob);
	ck_assert_uint_eq(list->grants[0].rights, RIGHT_CONSUME);
	ck_assert_int_eq(people_grant(engine, OP_GRANT_DELETE, "q", bob, 0), OUTCOME_OK);
	ck_assert_int_eq(people_grant(engine, OP_GRANT_DELETE, "q", bob, 0), OUTCOME_NO_GRANT);
	ck_assert_uint_ne(((struct reply *)(void *)engine->reply)->lsn, 0);
	ask_as(bob);
	ck_assert_int_eq(engine_publish(engine, "q", "x", 0, 1), OUTCOME_NO_QUEUE);
}
END_TEST

static uint64_t guests[8];

/* Users, and a grant for as many of them as there is room for. */
static void
fill_up(const char *queue)
{
	char name[16];

	engine->caller = people_admin();
	for (unsigned i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "guest%u", i);
		guests[i] = people_make(engine, name, USER_ROLE_USER);
	}
	ask_as(ann);
	for (unsigned i = 0; i < 6; i++)
		ck_assert_int_eq(people_grant(engine, OP_GRANT_PUT, queue, guests[i], RIGHT_BROWSE),
		    OUTCOME_CREATED);
}

START_TEST(what_is_no_grant_is_refused)
{
	ask_as(ann);
	ck_assert_int_eq(people_grant(engine, OP_GRANT_PUT, "q", bob, 0), OUTCOME_BAD_FIELD);
	ck_assert_int_eq(
	    people_grant(engine, OP_GRANT_PUT, "q", bob, RIGHTS_ALL + 1), OUTCOME_BAD_FIELD);
	ck_assert_int_eq(people_grant(engine, OP_GRANT_PUT, "q", 0, RIGHTS_ALL), OUTCOME_BAD_FIELD);
	fill_up("q");
	ck_assert_int_eq(
	    people_grant(engine, OP_GRANT_PUT, "q", guests[6], RIGHT_BROWSE), OUTCOME_TOO_MANY_GRANTS);
	ck_assert_int_eq(people_grant(engine, OP_GRANT_PUT, "q", guests[5], RIGHT_CONSUME), OUTCOME_OK);
}
END_TEST

static uint32_t
rights_of(uint64_t uid, const char *queue)
{
	struct grant_list_reply *list = (struct grant_list_reply *)(void *)engine->reply;

	ask_as(ann);
	ck_assert_int_eq(people_grants(engine, queue), OUTCOME_OK);
	for (uint32_t i = 0; i < list->count; i++)
		if (list->grants[i].uid == uid)
			return list->grants[i].rights;
	return 0;
}

static void
remove_guest(unsigned i)
{
	char name[16];

	snprintf(name, sizeof(name), "guest%u", i);
	engine->caller = people_admin();
	ck_assert_int_eq(people_delete(engine, name), OUTCOME_OK);
	ask_as(ann);
}

START_TEST(who_is_gone_makes_room_for_another)
{
	engine->caller.flags = CALLER_MAY_CREATE;
	ck_assert_int_eq(engine_put(engine, "r", NULL, 0), OUTCOME_CREATED);
	fill_up("q");
	remove_guest(2);
	ck_assert_uint_eq(rights_of(guests[2], "q"), RIGHT_BROWSE); /* it is left alone */
	ck_assert_int_eq(people_grant(engine, OP_GRANT_PUT, "r", guests[6], RIGHT_CONSUME),
	    OUTCOME_CREATED);
	ck_assert_uint_eq(rights_of(guests[2], "q"), 0);
	ck_assert_uint_eq(rights_of(guests[6], "r"), RIGHT_CONSUME);
	for (unsigned i = 0; i < 6; i++)
		ck_assert_uint_eq(rights_of(guests[i], "q"), i == 2 ? 0 : RIGHT_BROWSE);
	ck_assert_int_eq(people_grant(engine, OP_GRANT_PUT, "q", guests[7], RIGHT_BROWSE),
	    OUTCOME_TOO_MANY_GRANTS);
	ck_assert_ptr_null(engine_check(engine));
}
END_TEST

/* A directory that cannot be read says of nobody that he is gone. */
START_TEST(while_it_is_not_known_who_is_gone_nobody_is)
{
	ask_as(ann);
	fill_up("q");
	remove_guest(0);
	directory_begin(&engine->worker.directory);
	ck_assert_int_eq(people_grant(engine, OP_GRANT_PUT, "q", guests[6], RIGHT_BROWSE),
	    OUTCOME_TOO_MANY_GRANTS);
	directory_end(&engine->worker.directory, engine->worker.shard.root->stream_tail, false);
	ck_assert_int_eq(people_grant(engine, OP_GRANT_PUT, "q", guests[6], RIGHT_BROWSE),
	    OUTCOME_CREATED);
}
END_TEST

START_TEST(a_queue_takes_its_grants_with_it)
{
	struct queue_entry entry;

	grant(bob, RIGHTS_ALL);
	grant(eve, RIGHT_BROWSE);
	ask_as(ann);
	ck_assert_int_eq(engine_delete(engine, "q"), OUTCOME_OK);
	engine_run(engine);
	ck_assert_uint_eq(table_used(&engine->worker.shard.root->grants), 0);
	engine->caller.flags = CALLER_MAY_CREATE;
	ck_assert_int_eq(engine_put(engine, "q", NULL, 0), OUTCOME_CREATED);
	ask_as(bob);
	ck_assert_int_eq(engine_get(engine, "q", &entry), OUTCOME_NO_QUEUE);
}
END_TEST

/* The most that a queue may have, in one transaction. */
START_TEST(a_queue_with_all_its_grants_is_freed_at_once)
{
	struct engine *other = engine;

	engine = engine_open(&(struct engine_options){ .grants = QUEUE_GRANTS_MAX + 10 });
	ck_assert_int_eq(engine_put(engine, "q", NULL, 0), OUTCOME_CREATED);
	for (uint64_t uid = 1; uid <= QUEUE_GRANTS_MAX; uid++)
		ck_assert_int_eq(
		    people_grant(engine, OP_GRANT_PUT, "q", uid, RIGHT_BROWSE), OUTCOME_CREATED);
	/* None of these is a user: one makes room for one more. */
	ck_assert_int_eq(
	    people_grant(engine, OP_GRANT_PUT, "q", QUEUE_GRANTS_MAX + 1, RIGHT_BROWSE),
	    OUTCOME_CREATED);
	ck_assert_int_eq(people_grants(engine, "q"), OUTCOME_OK);
	ck_assert_uint_eq(
	    ((struct grant_list_reply *)(void *)engine->reply)->count, QUEUE_GRANTS_MAX);
	ck_assert_ptr_null(engine_check(engine));
	ck_assert_int_eq(engine_delete(engine, "q"), OUTCOME_OK);
	engine_run(engine);
	ck_assert_uint_eq(table_used(&engine->worker.shard.root->grants), 0);
	ck_assert_ptr_null(engine_check(engine));
	engine_close(engine);
	engine = other;
}
END_TEST

/* --- those who wait --- */

static uint64_t
wait_as(uint64_t uid, uint32_t slot)
{
	struct receive_request *request = engine_frame(
	    engine, 1, OP_RECEIVE, 100 + slot, sizeof(*request));

	request->queue.caller = people_user(uid);
	request->queue.name = engine_name("q");
	request->lease_ms = LEASE_DEFAULT;
	request->max = 1;
	request->wait_ms = 5000;
	request->waiter_slot = slot;
	request->bytes_max = UINT32_MAX;
	engine_post(engine, 1);
	engine_run(engine);
	return 100 + slot;
}

/* _i: 0 the grant is taken away, 1 it is narrowed, 2 the queue is given to another. */
START_TEST(who_lost_his_right_while_he_waited_gets_nothing)
{
	uint64_t waiting;

	grant(bob, RIGHT_CONSUME);
	waiting = wait_as(_i == 2 ? ann : bob, 3);
	ck_assert_ptr_null(engine_reply(engine, 1));
	engine->caller = people_admin();
	if (_i == 0)
		ck_assert_int_eq(people_grant(engine, OP_GRANT_DELETE, "q", bob, 0), OUTCOME_OK);
	else if (_i == 1)
		ck_assert_int_eq(
		    people_grant(engine, OP_GRANT_PUT, "q", bob, RIGHT_PUBLISH), OUTCOME_OK);
	else
		ck_assert_int_eq(patch("q", FIELD_OWNER, eve), OUTCOME_OK);
	ck_assert_int_eq(engine_publish(engine, "q", "secret", 0, 1), OUTCOME_OK);
	const struct reply *reply = engine_reply(engine, 1);
	ck_assert_ptr_nonnull(reply);
	ck_assert_uint_eq(reply->header.id, waiting);
	ck_assert_int_eq(reply->header.op, OUTCOME_EMPTY);
	struct queue_entry entry;
	ck_assert_int_eq(engine_get(engine, "q", &entry), OUTCOME_OK);
	ck_assert_uint_eq(entry.stats.ready, 1);
	ck_assert_uint_eq(entry.stats.waiters, 0);
}
END_TEST

START_TEST(who_kept_his_right_is_served_behind_one_who_lost_it)
{
	grant(bob, RIGHT_CONSUME);
	(void)wait_as(bob, 3);
	(void)wait_as(ann, 4);
	engine->caller = people_admin();
	ck_assert_int_eq(people_grant(engine, OP_GRANT_DELETE, "q", bob, 0), OUTCOME_OK);
	engine_restart(engine, SIGKILL);
	ck_assert_int_eq(engine_publish(engine, "q", "x", 0, 1), OUTCOME_OK);
	ck_assert_int_eq(engine_reply(engine, 1)->header.op, OUTCOME_EMPTY);
	const struct reply *reply = engine_reply(engine, 1);
	ck_assert_ptr_nonnull(reply);
	ck_assert_uint_eq(reply->header.id, 104);
	ck_assert_int_eq(reply->header.op, OUTCOME_OK);
}
END_TEST

/* --- receipts --- */

START_TEST(a_receipt_is_worth_nothing_in_other_hands)
{
	struct delivery delivery;
	uint32_t count;

	ask_as(ann);
	ck_assert_int_eq(engine_publish(engine, "q", "x", 0, 1), OUTCOME_OK);
	ck_assert_int_eq(
	    engine_receive(engine, "q", 1, LEASE_DEFAULT, &delivery, &count), OUTCOME_OK);
	ask_as(eve);
	ck_assert_int_eq(
	    engine_settle(engine, OP_ACK, "q", &delivery, 0, NACK_RELEASE), OUTCOME_LEASE_EXPIRED);
	/* Nor by way of a queue of her own. */
	engine->caller.flags = CALLER_MAY_CREATE;
	ck_assert_int_eq(engine_put(engine, "eve", NULL, 0), OUTCOME_CREATED);
	ck_assert_int_eq(engine_settle(engine, OP_ACK, "eve", &delivery, 0, NACK_RELEASE),
	    OUTCOME_LEASE_EXPIRED);
	ask_as(ann);
	ck_assert_int_eq(
	    engine_settle(engine, OP_ACK, "q", &delivery, 0, NACK_RELEASE), OUTCOME_OK);
	ck_assert_int_eq(
	    engine_settle(engine, OP_ACK, "q", &delivery, 0, NACK_RELEASE), OUTCOME_OK);
	/* A guessed receipt does not tell eve that it was acknowledged. */
	ask_as(eve);
	ck_assert_int_eq(
	    engine_settle(engine, OP_ACK, "q", &delivery, 0, NACK_RELEASE), OUTCOME_LEASE_EXPIRED);
	ck_assert_int_eq(engine_settle(engine, OP_ACK, "nowhere", &delivery, 0, NACK_RELEASE),
	    OUTCOME_LEASE_EXPIRED);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("workerd/grants");
	TCase *tcase = tcase_create("grants");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(
	    tcase, each_operation_takes_the_right_it_needs_and_no_other, 0, TRY_COUNT);
	tcase_add_loop_test(tcase, the_owner_and_an_admin_may_do_everything, 0, TRY_COUNT);
	tcase_add_loop_test(tcase, without_any_right_a_queue_is_not_there, 0, TRY_COUNT);
	tcase_add_test(tcase, nobody_owns_what_has_no_owner);
	tcase_add_test(tcase, a_list_shows_what_one_may_browse);
	tcase_add_test(tcase, creating_takes_leave_and_tells_nothing);
	tcase_add_test(tcase, an_admin_gives_a_queue_to_another);
	tcase_add_test(tcase, a_grant_is_replaced_and_taken_away);
	tcase_add_test(tcase, what_is_no_grant_is_refused);
	tcase_add_test(tcase, who_is_gone_makes_room_for_another);
	tcase_add_test(tcase, while_it_is_not_known_who_is_gone_nobody_is);
	tcase_add_test(tcase, a_queue_takes_its_grants_with_it);
	tcase_add_test(tcase, a_queue_with_all_its_grants_is_freed_at_once);
	tcase_add_loop_test(tcase, who_lost_his_right_while_he_waited_gets_nothing, 0, 3);
	tcase_add_test(tcase, who_kept_his_right_is_served_behind_one_who_lost_it);
	tcase_add_test(tcase, a_receipt_is_worth_nothing_in_other_hands);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
