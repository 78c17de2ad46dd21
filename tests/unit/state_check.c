#include "shm/hash.h"
#include "shm/state/check.h"

#include "tests/harness/people.h"
#include "tests/harness/unit.h"

static struct engine *engine;
static struct shard *shard;

/*
 * Queue 0 with ready, leased, delayed messages, a tombstone and two grants, and a waiter on queue 1; users 0 and 2, of three that
 * were made, and two credentials of three.
 */
static void
setup(void)
{
	struct delivery got[4];

	engine = engine_open(&(struct engine_options){ 0 });
	shard = &engine->worker.shard;
	ck_assert_int_eq(engine_put(engine, "q", NULL, 0), OUTCOME_CREATED);
	ck_assert_int_eq(engine_put(engine, "waited", NULL, 0), OUTCOME_CREATED);
	ck_assert_int_eq(engine_publish(engine, "q", "x", DELAY_DEFAULT, 10), OUTCOME_OK);
	ck_assert_int_eq(engine_publish(engine, "q", "x", 5000, 3), OUTCOME_OK);
	ck_assert_int_eq(engine_receive(engine, "q", 4, 10000, got, NULL), OUTCOME_OK);
	ck_assert_int_eq(engine_settle(engine, OP_ACK, "q", &got[0], 0, 0), OUTCOME_OK);
	for (uint64_t uid = 1; uid <= 3; uid++)
		ck_assert_int_eq(
		    people_grant(engine, OP_GRANT_PUT, "q", uid, RIGHT_BROWSE), OUTCOME_CREATED);
	ck_assert_int_eq(people_grant(engine, OP_GRANT_DELETE, "q", 2, 0), OUTCOME_OK);
	uint64_t ann = people_make(engine, "ann", USER_ROLE_ADMIN);
	(void)people_make(engine, "bob", USER_ROLE_USER);
	(void)people_make(engine, "eve", USER_ROLE_USER);
	ck_assert_int_eq(people_delete(engine, "bob"), OUTCOME_OK);
	(void)people_credential_id(engine, ann, CREDENTIAL_TOKEN, "one");
	uint64_t two = people_credential_id(engine, ann, CREDENTIAL_SESSION, "two");
	(void)people_credential_id(engine, ann, CREDENTIAL_SESSION, "three");
	ck_assert_int_eq(people_revoke(engine, two, CREDENTIAL_SESSION), OUTCOME_OK);
	(void)engine_post_receive(engine, 0, "waited", 1, LEASE_DEFAULT, 20000, 7);
	engine_run(engine);
	ck_assert_ptr_null(engine_check(engine));
}

static void
teardown(void)
{
	engine_close(engine);
}

static void
is_found(const char *number)
{
	const char *wrong = engine_check(engine);

	ck_assert_msg(wrong != NULL, "%s was not found", number);
	ck_assert_msg(strncmp(wrong, number, strlen(number)) == 0, "%s was found as `%s`", number, wrong);
}

/* Damage one word, see it found by its number, repair it. */
#define damaged(number, word, value)                      \
	do {                                              \
		__typeof__(word) *damaged_p = &(word);    \
		__typeof__(word) damaged_old = *damaged_p; \
		*damaged_p = (value);                     \
		is_found(number);                         \
		*damaged_p = damaged_old;                 \
		ck_assert_ptr_null(engine_check(engine)); \
	} while (0)

START_TEST(damage_in_the_root_is_found)
{
	damaged("S1", shard->shared->undo.count, 1);
	damaged("S2", shard->root->next_seq, 0);
	damaged("S2", shard->root->lease_counter, 0);
	damaged("S2", shard->root->stream_tail, shard->root->stream_tail + 3);
	damaged("S3", shard->root->messages_high, 5000);
	damaged("S3", shard->root->messages_free.count, 2);
	damaged("S3", shard->root->messages_free.head, NIL);
	damaged("S4", engine->stream_shared->tail, shard->root->stream_tail + 8);
	damaged("S4", engine->fronts[0].pair.request.head, shard->root->fronts[0].request_head + 8);
	damaged("S4", engine->fronts[0].pair.reply.tail, shard->root->fronts[0].reply_tail + 8);
	damaged("S5", shard->root->job_count, 1);
	damaged("S6", shard->root->message_wheel.count, 1);
}
END_TEST

START_TEST(damage_in_messages_is_found)
{
	struct queue *queue = &shard->queues[0];
	struct msg *leased = msg_at(shard, queue->lists[MSG_LEASED].head);
	struct msg *ready = msg_at(shard, queue->lists[MSG_READY].head);

	damaged("M1", ready->state, MSG_DEAD);
	damaged("M1", ready->queue_idx, 1);
	damaged("M1", shard->root->messages_high, shard->root->messages_high + 1);
	damaged("M2", ready->link.next, NIL);
	damaged("M2", ready->link.prev, 3);
	damaged("M2", queue->lists[MSG_READY].tail, 0);
	damaged("M2", queue->lists[MSG_READY].count, 2);
	damaged("M2", queue->lists[MSG_READY].head, 4000000);
	damaged("M3", leased->timer.bucket, 0);
	damaged("M4", ready->seq, shard->root->next_seq);
	damaged("M4", ready->lsn, shard->root->stream_tail);
	damaged("M5", leased->token, shard->root->lease_counter + 1);
	damaged("M5", ready->flags, MSG_ACKED);
}
END_TEST

START_TEST(damage_in_queues_and_waiters_is_found)
{
	struct queue *queue = &shard->queues[0];
	struct waiter *waiter = waiter_at(shard, 7);

	damaged("Q1", queue->name.text[0], 'z');
	damaged("Q1", queue->state, QUEUE_DELETING);
	damaged("Q2", queue->bytes, 1);
	damaged("Q4", queue->to_serve, 1);
	damaged("Q5", queue->purge_states, PURGE_READY);
	damaged("V1", waiter->is_parked, 0);
	damaged("V1", waiter->queue_idx, 0);
	damaged("V1", shard->queues[1].waiters.count, 0);
	damaged("V2", shard->root->fronts[0].waiter_count, 0);
	damaged("V2", shard->root->fronts[0].state, FRONT_CLOSED);
}
END_TEST

START_TEST(damage_in_a_wheel_is_found)
{
	struct queue *queue = &shard->queues[0];
	struct msg *leased = msg_at(shard, queue->lists[MSG_LEASED].head);
	uint32_t number = leased->timer.bucket - 1;
	struct wheel *wheel = &shard->root->message_wheel;

	damaged("W1", leased->timer.bucket, leased->timer.bucket + 1);
	damaged("W2", leased->timer.due_ms, leased->timer.due_ms + 100000000);
	damaged("W3", wheel->occupied[number / 256][number % 256 / 64], 0);
	damaged("W1", wheel->buckets[number / 256][number % 256].tail, NIL);
	damaged("W", wheel->tick, wheel->tick + 1000000);
}
END_TEST

START_TEST(damage_in_people_is_found)
{
	struct shard_root *root = shard->root;
	struct user *ann = user_at(shard, 0);
	struct credential *one = credential_at(shard, 0);

	damaged("P1", root->users.free.count, 0);
	damaged("P1", root->users.free.head, 2);
	damaged("P1", root->users.free.head, 400);
	damaged("P2", root->users.high, 2);
	damaged("P1", root->users.high, 4);
	damaged("P1", user_at(shard, 1)->is_used, 1);
	damaged("P1", ann->is_used, 0);
	damaged("P2", ann->hash_next, 0);
	damaged("P2", *index_bucket(&shard->user_index, hash_bytes("ann", 3)), NIL);
	damaged("P2", ann->entry.name.text[0], 'x');
	damaged("P2", ann->entry.name.bytes, 81);
	damaged("P2", ann->entry.uid, ann->entry.uid + 1);
	damaged("P2", ann->entry.uid, ann->entry.uid + (9ull << 32));
	damaged("P3", ann->entry.config.role, 7);
	damaged("P3", ann->entry.config.creates_bytes, 513);
	damaged("P3", ann->entry.void_to[CREDENTIAL_TOKEN], root->credential_counter + 1);
	damaged("C1", root->credentials.free.tail, 0);
	damaged("C1", root->credentials.free.count, 2);
	damaged("C1", one->is_used, 0);
	damaged("C2", one->hash_next, 99);
	damaged("C2", one->entry.config.hash[0], one->entry.config.hash[0] ^ 1);
	damaged("C2", one->entry.id, one->entry.id + 1);
	damaged("C2", root->credential_counter, 2);
	damaged("C3", one->entry.config.kind, CREDENTIAL_KIND_COUNT);
}
END_TEST

START_TEST(damage_in_grants_is_found)
{
	struct queue *queue = &shard->queues[0];
	struct grant *grant = grant_at(shard, queue->grants.head);

	damaged("G2", shard->root->grants.high, 2);
	damaged("G1", shard->root->grants.free.head, 0);
	damaged("G1", queue->grants.count, 1);
	damaged("G1", queue->grants.tail, 0);
	damaged("G1", queue->grants.head, 4000);
	damaged("G1", grant->link.prev, 2);
	damaged("G1", grant->rights, 0);
	damaged("G2", grant->rights, RIGHTS_ALL + 1);
	damaged("G2", grant->uid, 77);
	damaged("G2", grant->queue_idx, 1);
	damaged("G2", grant->hash_next, 0);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("state_check");
	TCase *tcase = tcase_create("check");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, damage_in_the_root_is_found);
	tcase_add_test(tcase, damage_in_messages_is_found);
	tcase_add_test(tcase, damage_in_queues_and_waiters_is_found);
	tcase_add_test(tcase, damage_in_a_wheel_is_found);
	tcase_add_test(tcase, damage_in_people_is_found);
	tcase_add_test(tcase, damage_in_grants_is_found);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
