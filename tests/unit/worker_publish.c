#include "tests/harness/engine.h"
#include "tests/harness/unit.h"
#include "shm/hash.h"

static struct engine *engine;

static void
setup(void)
{
	engine = engine_open(&(struct engine_options){ 0 });
	ck_assert_int_eq(engine_put(engine, "q", NULL, 0), OUTCOME_CREATED);
}

static void
teardown(void)
{
	ck_assert_ptr_null(engine_check(engine));
	engine_close(engine);
}

START_TEST(a_published_message_is_answered_with_its_id_and_waits_for_its_lsn)
{
	ck_assert_int_eq(engine_publish(engine, "q", "hello", DELAY_DEFAULT, 1), OUTCOME_OK);
	const struct publish_reply *reply = (const struct publish_reply *)engine->reply;

	ck_assert_uint_eq(reply->count, 1);
	ck_assert_uint_eq(reply->is_memory, 0);
	ck_assert_uint_eq(reply->published[0].seq, 1);
	ck_assert_uint_eq(reply->published[0].enqueued_ms, engine->now_ms);
	ck_assert_uint_eq(reply->published[0].visible_ms, engine->now_ms);
	ck_assert_uint_eq(reply->reply.lsn, engine->stream_shared->tail);
}
END_TEST

START_TEST(persistd_is_told_what_somebody_waits_for_and_what_nobody_does)
{
	struct queue_config config = queue_config_default();

	ck_assert_int_eq(engine_publish(engine, "q", "durable", DELAY_DEFAULT, 1), OUTCOME_OK);
	uint64_t wanted = engine->stream_shared->wanted;
	ck_assert_uint_eq(wanted, engine->stream_shared->tail);
	config.durability = DURABILITY_MEMORY;
	ck_assert_int_eq(engine_put(engine, "soft", &config, FIELD_DURABILITY), OUTCOME_CREATED);
	wanted = engine->stream_shared->wanted;
	ck_assert_int_eq(engine_publish(engine, "soft", "not waited for", DELAY_DEFAULT, 3), OUTCOME_OK);
	ck_assert_uint_eq(engine->stream_shared->wanted, wanted);
	ck_assert_uint_lt(wanted, engine->stream_shared->tail);
	ck_assert_int_eq(engine_publish(engine, "q", "durable", DELAY_DEFAULT, 1), OUTCOME_OK);
	ck_assert_uint_eq(engine->stream_shared->wanted, engine->stream_shared->tail);
}
END_TEST

START_TEST(the_record_carries_body_and_hash)
{
	uint64_t lsn = engine->stream_shared->tail;

	ck_assert_int_eq(engine_publish(engine, "q", "hello", DELAY_DEFAULT, 1), OUTCOME_OK);
	const struct published_record *record = (const struct published_record *)stream_at(&engine->worker.stream, lsn);
	ck_assert_uint_eq(record->record.type, RECORD_PUBLISHED);
	ck_assert_uint_eq(record->record.flags, RECORD_LAST);
	ck_assert_uint_eq(record->record.lsn, lsn);
	ck_assert_uint_eq(record->record.bytes, RECORD_PUBLISHED_BYTES + 8);
	ck_assert_mem_eq(record + 1, "hello\0\0\0", 8);
	ck_assert_uint_eq(record->payload_hash, hash_bytes("hello", 5));
}
END_TEST

START_TEST(a_batch_is_one_transaction_of_many_records)
{
	uint64_t lsn = engine->stream_shared->tail, last = 0, count = 0;

	ck_assert_int_eq(engine_publish(engine, "q", "x", DELAY_DEFAULT, 1000), OUTCOME_OK);
	while (lsn < engine->stream_shared->tail) {
		const struct record *record = (const struct record *)stream_at(&engine->worker.stream, lsn);

		ck_assert_uint_eq(record->type, RECORD_PUBLISHED);
		last += record->flags & RECORD_LAST;
		lsn += record->bytes;
		count++;
	}
	ck_assert_uint_eq(count, 1000);
	ck_assert_uint_eq(last, 1);
}
END_TEST

START_TEST(a_batch_that_does_not_fit_is_refused_whole)
{
	struct queue_config config = queue_config_default();
	struct queue_entry entry;

	config.max_messages = 10;
	ck_assert_int_eq(engine_put(engine, "q", &config, FIELD_MAX_MESSAGES), OUTCOME_OK);
	ck_assert_int_eq(engine_publish(engine, "q", "x", DELAY_DEFAULT, 8), OUTCOME_OK);
	ck_assert_int_eq(engine_publish(engine, "q", "x", DELAY_DEFAULT, 3), OUTCOME_QUEUE_FULL);
	ck_assert_int_eq(engine_get(engine, "q", &entry), OUTCOME_OK);
	ck_assert_uint_eq(entry.stats.ready, 8);
	ck_assert_int_eq(engine_publish(engine, "q", "x", DELAY_DEFAULT, 2), OUTCOME_OK);
}
END_TEST

START_TEST(limits_of_bytes_are_kept)
{
	struct queue_config config = queue_config_default();

	config.max_message_bytes = 4;
	config.max_bytes = 10;
	ck_assert_int_eq(engine_put(engine, "q", &config, FIELD_MAX_MESSAGE_BYTES | FIELD_MAX_BYTES), OUTCOME_OK);
	ck_assert_int_eq(engine_publish(engine, "q", "12345", DELAY_DEFAULT, 1), OUTCOME_TOO_LARGE);
	ck_assert_int_eq(engine_publish(engine, "q", "1234", DELAY_DEFAULT, 2), OUTCOME_OK);
	ck_assert_int_eq(engine_publish(engine, "q", "1234", DELAY_DEFAULT, 1), OUTCOME_QUEUE_FULL);
}
END_TEST

START_TEST(a_full_table_is_shard_full)
{
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(engine_publish(engine, "q", "x", DELAY_DEFAULT, 1000), OUTCOME_OK);
	ck_assert_int_eq(engine_publish(engine, "q", "x", DELAY_DEFAULT, 97), OUTCOME_SHARD_FULL);
	ck_assert_int_eq(engine_publish(engine, "q", "x", DELAY_DEFAULT, 96), OUTCOME_OK);
	ck_assert_int_eq(engine_publish(engine, "q", "x", DELAY_DEFAULT, 1), OUTCOME_SHARD_FULL);
}
END_TEST

START_TEST(a_slow_disk_refuses_publishes_but_not_acks)
{
	char body[4001] = "";
	struct delivery delivery;
	uint32_t count;
	enum outcome outcome = OUTCOME_OK;

	memset(body, 'x', 4000);
	engine->is_disk_slow = true;
	for (int i = 0; i < 4000 && outcome == OUTCOME_OK; i++)
		outcome = engine_publish(engine, "q", body, DELAY_DEFAULT, 1);
	ck_assert_int_eq(outcome, OUTCOME_BUSY);
	ck_assert_int_eq(engine_receive(engine, "q", 1, LEASE_DEFAULT, &delivery, &count), OUTCOME_OK);
	ck_assert_int_eq(engine_settle(engine, OP_ACK, "q", &delivery, 0, 0), OUTCOME_OK);
	engine->is_disk_slow = false;
	engine_run(engine);
	ck_assert_int_eq(engine_publish(engine, "q", body, DELAY_DEFAULT, 1), OUTCOME_OK);
}
END_TEST

START_TEST(a_journal_in_trouble_refuses_publishes_by_name)
{
	engine->durable->journal_state = JOURNAL_DISK_FULL;
	ck_assert_int_eq(engine_publish(engine, "q", "x", DELAY_DEFAULT, 1), OUTCOME_DISK_FULL);
	engine->durable->journal_state = JOURNAL_FAILED;
	ck_assert_int_eq(engine_publish(engine, "q", "x", DELAY_DEFAULT, 1), OUTCOME_JOURNAL_FAILED);
	engine->durable->journal_state = JOURNAL_OK;
	ck_assert_int_eq(engine_publish(engine, "q", "x", DELAY_DEFAULT, 1), OUTCOME_OK);
}
END_TEST

START_TEST(a_memory_queue_is_not_waited_for)
{
	struct queue_config config = queue_config_default();

	config.durability = DURABILITY_MEMORY;
	ck_assert_int_eq(engine_put(engine, "m", &config, FIELD_DURABILITY), OUTCOME_CREATED);
	ck_assert_int_eq(engine_publish(engine, "m", "x", DELAY_DEFAULT, 1), OUTCOME_OK);
	ck_assert_uint_eq(((struct publish_reply *)engine->reply)->is_memory, 1);
	ck_assert_uint_eq(((struct publish_reply *)engine->reply)->reply.lsn, 0);
}
END_TEST

/* A frame of 200 bytes that lies about what it holds. */
static enum outcome
publish_lying(uint32_t count, uint32_t attributes_bytes, uint32_t body_bytes)
{
	struct publish_request *request = engine_frame(engine, 0, OP_PUBLISH, 77, 200);
	struct publish_item *item = (struct publish_item *)(request + 1);

	request->queue.name = engine_name("q");
	request->count = count;
	item->attributes_bytes = attributes_bytes;
	item->body_bytes = body_bytes;
	engine_post(engine, 0);
	engine_run(engine);
	return (enum outcome)engine_reply(engine, 0)->header.op;
}

START_TEST(lengths_that_do_not_add_up_are_refused)
{
	ck_assert_int_eq(publish_lying(0, 0, 1), OUTCOME_BAD_REQUEST);
	ck_assert_int_eq(publish_lying(1001, 0, 1), OUTCOME_BAD_REQUEST);
	ck_assert_int_eq(publish_lying(1, 0, 1000), OUTCOME_BAD_REQUEST);
	ck_assert_int_eq(publish_lying(2, 60, 4), OUTCOME_BAD_REQUEST);
	ck_assert_int_eq(publish_lying(1, UINT32_MAX, UINT32_MAX), OUTCOME_TOO_LARGE);
	ck_assert_int_eq(publish_lying(1, 0, BODY_BYTES_MAX + 1), OUTCOME_TOO_LARGE);
	ck_assert_int_eq(publish_lying(1, 8, 8), OUTCOME_OK);
}
END_TEST

START_TEST(an_unknown_operation_is_refused_and_counted)
{
	(void)engine_frame(engine, 0, (enum op)999, 5, sizeof(struct queue_request));
	engine_post(engine, 0);
	engine_run(engine);
	ck_assert_int_eq(engine_reply(engine, 0)->header.op, OUTCOME_BAD_REQUEST);
	ck_assert_uint_eq(engine->stats->frames_refused, 1);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("worker_publish");
	TCase *tcase = tcase_create("publish");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_published_message_is_answered_with_its_id_and_waits_for_its_lsn);
	tcase_add_test(tcase, persistd_is_told_what_somebody_waits_for_and_what_nobody_does);
	tcase_add_test(tcase, the_record_carries_body_and_hash);
	tcase_add_test(tcase, a_batch_is_one_transaction_of_many_records);
	tcase_add_test(tcase, a_batch_that_does_not_fit_is_refused_whole);
	tcase_add_test(tcase, limits_of_bytes_are_kept);
	tcase_add_test(tcase, a_full_table_is_shard_full);
	tcase_add_test(tcase, a_slow_disk_refuses_publishes_but_not_acks);
	tcase_add_test(tcase, a_journal_in_trouble_refuses_publishes_by_name);
	tcase_add_test(tcase, a_memory_queue_is_not_waited_for);
	tcase_add_test(tcase, lengths_that_do_not_add_up_are_refused);
	tcase_add_test(tcase, an_unknown_operation_is_refused_and_counted);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
