/*
 * Grants: rights on queues, given and taken away, and what that does to those who wait.
 */
#include "tests/step/core/people.h"
#include "tests/step/scripts/scripts.h"

#define ANN USER_UID(1, 0)
#define BOB USER_UID(2, 1)

static void
begin(struct play *play)
{
	play_user_make(play, "ann", USER_ROLE_USER);
	play_user_make(play, "bob", USER_ROLE_USER);
	play->caller = (struct caller){ .uid = ANN, .flags = CALLER_MAY_CREATE };
	play_queue_put(play, "orders", NULL);
	play_run(play);
}

static void
grant_put_perform(struct play *play)
{
	begin(play);
	uint64_t given = play_grant(play, OP_GRANT_PUT, "orders", BOB, RIGHT_PUBLISH);
	uint64_t other = play_grant(play, OP_GRANT_PUT, "orders", BOB, RIGHT_CONSUME);
	uint64_t same = play_grant(play, OP_GRANT_PUT, "orders", BOB, RIGHT_CONSUME);
	uint64_t bad = play_grant(play, OP_GRANT_PUT, "orders", BOB, 99);
	play_run(play);
	play_expect(play, given, OUTCOME_CREATED);
	play_expect(play, other, OUTCOME_OK);
	play_expect(play, same, OUTCOME_OK);
	play_expect(play, bad, OUTCOME_BAD_FIELD);

	play->caller = (struct caller){ .uid = BOB };
	uint64_t may = play_receive(
	    play, "orders", (struct play_receive){ .max = 1, .lease_ms = 1000 });
	uint64_t may_not = play_publish(play, "orders", 1, 0);
	play_run(play);
	play_expect(play, may, OUTCOME_EMPTY);
	play_expect(play, may_not, OUTCOME_FORBIDDEN);

	play->caller = (struct caller){ .uid = ANN };
	for (uint64_t uid = 100; uid < 103; uid++)
		play_grant(play, OP_GRANT_PUT, "orders", uid, RIGHT_BROWSE);
	/* The table is full of grants of nobody: one of them makes room. */
	uint64_t full = play_grant(play, OP_GRANT_PUT, "orders", 103, RIGHT_BROWSE);
	play_run(play);
	play_expect(play, full, OUTCOME_CREATED);
	/* All of them go with their queue. */
	play_queue_delete(play, "orders");
	play_run(play);
}

const struct script grant_put_script = { .name = "grant_put", .perform = grant_put_perform };

static void
grant_delete_perform(struct play *play)
{
	begin(play);
	play_grant(play, OP_GRANT_PUT, "orders", BOB, RIGHT_CONSUME);
	play_grant(play, OP_GRANT_PUT, "orders", 100, RIGHT_CONSUME);
	play_run(play);
	/* Bob waits, and behind him Ann. */
	play->caller = (struct caller){ .uid = BOB };
	uint64_t bob = play_receive(
	    play, "orders", (struct play_receive){ .max = 1, .lease_ms = 9000, .wait_ms = 60000 });
	play->caller = (struct caller){ .uid = ANN };
	uint64_t ann = play_receive(play, "orders",
	    (struct play_receive){
	        .max = 1, .lease_ms = 9000, .wait_ms = 60000, .waiter_slot = 1 });
	play_run(play);
	play_expect_none(play, bob);
	uint64_t gone = play_grant(play, OP_GRANT_DELETE, "orders", BOB, 0),
	         again = play_grant(play, OP_GRANT_DELETE, "orders", BOB, 0);
	play_publish(play, "orders", 1, 0);
	play_run(play);
	play_expect(play, gone, OUTCOME_OK);
	play_expect(play, again, OUTCOME_NO_GRANT);
	play_expect(play, bob, OUTCOME_EMPTY);
	play_expect_delivered(play, ann, 1);
}

const struct script grant_delete_script = { .name = "grant_delete",
	.perform = grant_delete_perform };

static void
grant_list_perform(struct play *play)
{
	begin(play);
	uint64_t none = play_grant_list(play, "orders");
	play_grant(play, OP_GRANT_PUT, "orders", BOB, RIGHTS_ALL);
	uint64_t one = play_grant_list(play, "orders");
	play_run(play);
	play_expect(play, none, OUTCOME_OK);
	play_expect(play, one, OUTCOME_OK);
	play->caller = (struct caller){ .uid = USER_UID(3, 2) };
	uint64_t unseen = play_grant_list(play, "orders");
	play_run(play);
	play_expect(play, unseen, OUTCOME_NO_QUEUE);
}

const struct script grant_list_script = { .name = "grant_list", .perform = grant_list_perform };

/* A queue is given to another; its records are replayed. */
static void
owner_changes_perform(struct play *play)
{
	struct queue_config_request request = {
		.queue.name = { .bytes = 6, .text = "orders" }, .fields = FIELD_OWNER, .owner = BOB
	};

	begin(play);
	play_publish(play, "orders", 1, 0);
	play->caller = (struct caller){ .flags = CALLER_ADMIN };
	uint64_t given = play_post(play, OP_QUEUE_PATCH, &request.queue.name,
	    sizeof(request) - offsetof(struct queue_request, name));
	play->caller = (struct caller){ .uid = ANN };
	uint64_t before = play_queue_get(play, "orders");
	play->caller = (struct caller){ .uid = BOB };
	uint64_t after = play_queue_get(play, "orders");
	play_run(play);
	play_expect(play, given, OUTCOME_OK);
	play_expect(play, before, OUTCOME_NO_QUEUE);
	play_expect(play, after, OUTCOME_OK);
	play_cold_start(play, true);
	after = play_queue_get(play, "orders");
	play_run(play);
	play_expect(play, after, OUTCOME_OK);
}

const struct script owner_changes_script = { .name = "owner_changes",
	.perform = owner_changes_perform };
