#include "tests/harness/engine.h"
#include "tests/harness/unit.h"

static struct engine *engine;

static void
setup(void)
{
	engine = engine_open(&(struct engine_options){ .queues = 40 });
}

static void
teardown(void)
{
	ck_assert_ptr_null(engine_check(engine));
	engine_close(engine);
}

/* A PUT or PATCH with a condition. */
static enum outcome
configure(enum op op, const char *queue, const struct queue_config *config, uint32_t fields, uint32_t condition,
    uint64_t etag)
{
	struct queue_config_request *request = engine_frame(engine, 0, op, 3, sizeof(*request));

	request->queue.name = engine_name(queue);
	request->config = *config;
	request->fields = fields;
	request->condition = condition;
	request->etag = etag;
	engine_post(engine, 0);
	engine_run(engine);
	return (enum outcome)engine_reply(engine, 0)->header.op;
}

static const struct queue_entry *
replied(void)
{
	return &((struct queue_reply *)engine->reply)->queue;
}

START_TEST(a_new_queue_has_the_defaults_and_an_etag)
{
	struct queue_config defaults = queue_config_default();

	ck_assert_int_eq(engine_put(engine, "a.b-c_1", NULL, 0), OUTCOME_CREATED);
	ck_assert_mem_eq(&replied()->config, &defaults, sizeof(defaults));
	ck_assert_uint_ne(replied()->etag, 0);
	ck_assert_uint_eq(replied()->created_ms, engine->now_ms);
	ck_assert_uint_ne(((struct reply *)engine->reply)->lsn, 0);
}
END_TEST

START_TEST(put_replaces_the_whole_configuration_and_patch_only_what_it_names)
{
	struct queue_config config = queue_config_default();

	config.lease_ms = 5000;
	config.max_messages = 7;
	ck_assert_int_eq(configure(OP_QUEUE_PUT, "q", &config, FIELD_LEASE | FIELD_MAX_MESSAGES, 0, 0), OUTCOME_CREATED);
	config.lease_ms = 6000;
	ck_assert_int_eq(configure(OP_QUEUE_PATCH, "q", &config, FIELD_LEASE, 0, 0), OUTCOME_OK);
	ck_assert_uint_eq(replied()->config.lease_ms, 6000);
	ck_assert_uint_eq(replied()->config.max_messages, 7);
	ck_assert_int_eq(configure(OP_QUEUE_PUT, "q", &config, FIELD_LEASE, 0, 0), OUTCOME_OK);
	ck_assert_uint_eq(replied()->config.max_messages, 0);
	ck_assert_int_eq(configure(OP_QUEUE_PATCH, "none", &config, FIELD_LEASE, 0, 0), OUTCOME_NO_QUEUE);
}
END_TEST

START_TEST(the_etag_changes_with_the_configuration_and_only_with_it)
{
	struct queue_config config = queue_config_default();
	uint64_t etag;

	ck_assert_int_eq(engine_put(engine, "q", NULL, 0), OUTCOME_CREATED);
	etag = replied()->etag;
	ck_assert_int_eq(engine_put(engine, "q", NULL, 0), OUTCOME_OK);
	ck_assert_uint_eq(replied()->etag, etag);
	config.lease_ms = 1;
	ck_assert_int_eq(engine_put(engine, "q", &config, FIELD_LEASE), OUTCOME_OK);
	ck_assert_uint_ne(replied()->etag, etag);
}
END_TEST

START_TEST(conditions_are_kept)
{
	struct queue_config config = queue_config_default();
	uint64_t etag;

	ck_assert_int_eq(configure(OP_QUEUE_PUT, "q", &config, 0, CONDITION_IF_MATCH, 5), OUTCOME_PRECONDITION_FAILED);
	ck_assert_int_eq(configure(OP_QUEUE_PUT, "q", &config, 0, CONDITION_IF_ABSENT, 0), OUTCOME_CREATED);
	etag = replied()->etag;
	ck_assert_int_eq(configure(OP_QUEUE_PUT, "q", &config, 0, CONDITION_IF_ABSENT, 0), OUTCOME_PRECONDITION_FAILED);
	ck_assert_uint_ne(((struct reply *)engine->reply)->lsn, 0); /* it may be a repeated one */
	ck_assert_int_eq(configure(OP_QUEUE_PUT, "q", &config, 0, CONDITION_IF_MATCH, etag + 8), OUTCOME_PRECONDITION_FAILED);
	config.lease_ms = 1;
	ck_assert_int_eq(configure(OP_QUEUE_PUT, "q", &config, FIELD_LEASE, CONDITION_IF_MATCH, etag), OUTCOME_OK);
	ck_assert_int_eq(configure(OP_QUEUE_PUT, "q", &config, FIELD_LEASE, 9, etag), OUTCOME_BAD_REQUEST);
}
END_TEST

START_TEST(hostile_names_and_values_are_refused)
{
	struct queue_config config = queue_config_default();

	ck_assert_int_eq(engine_put(engine, "", NULL, 0), OUTCOME_BAD_NAME);
	ck_assert_int_eq(engine_put(engine, ".hidden", NULL, 0), OUTCOME_BAD_NAME);
	ck_assert_int_eq(engine_put(engine, "a/b", NULL, 0), OUTCOME_BAD_NAME);
	struct queue_config_request *request = engine_frame(engine, 0, OP_QUEUE_PUT, 1, sizeof(*request));
	request->queue.name.bytes = 255;
	engine_post(engine, 0);
	engine_run(engine);
	ck_assert_int_eq(engine_reply(engine, 0)->header.op, OUTCOME_BAD_NAME);
	config.max_deliveries = 0;
	ck_assert_int_eq(engine_put(engine, "q", &config, FIELD_MAX_DELIVERIES), OUTCOME_BAD_FIELD);
	(void)engine_frame(engine, 0, OP_QUEUE_GET, 1, 16);
	engine_post(engine, 0);
	engine_run(engine);
	ck_assert_int_eq(engine_reply(engine, 0)->header.op, OUTCOME_BAD_REQUEST);
}
END_TEST

START_TEST(a_full_table_of_queues_is_refused_and_a_deleted_ones_slot_comes_back)
{
	char name[16];

	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "q%d", i);
		ck_assert_int_eq(engine_put(engine, name, NULL, 0), OUTCOME_CREATED);
	}
	ck_assert_int_eq(engine_put(engine, "one-more", NULL, 0), OUTCOME_TOO_MANY_QUEUES);
	ck_assert_int_eq(engine_delete(engine, "q17"), OUTCOME_OK);
	ck_assert_int_eq(engine_put(engine, "one-more", NULL, 0), OUTCOME_CREATED);
}
END_TEST

START_TEST(a_list_comes_in_pages_and_by_prefix)
{
	char name[16];
	uint32_t from = 0, seen = 0;

	for (int i = 0; i < 30; i++) {
		snprintf(name, sizeof(name), "%c%d", i % 2 ? 'a' : 'b', i);
		ck_assert_int_eq(engine_put(engine, name, NULL, 0), OUTCOME_CREATED);
	}
	while (from != UINT32_MAX) {
		struct queue_list_request *request = engine_frame(engine, 0, OP_QUEUE_LIST, 3, sizeof(*request));

		request->from_idx = from;
		request->limit = 4;
		request->prefix = engine_name("a");
		engine_post(engine, 0);
		engine_run(engine);
		const struct queue_list_reply *reply = (const struct queue_list_reply *)engine_reply(engine, 0);
		ck_assert_uint_le(reply->count, 4);
		for (uint32_t i = 0; i < reply->count; i++)
			ck_assert_int_eq(reply->queues[i].name.text[0], 'a');
		seen += reply->count;
		from = reply->next_idx;
	}
	ck_assert_uint_eq(seen, 15);
}
END_TEST

START_TEST(a_deleted_queue_is_gone_at_once_with_messages_leases_and_waiters)
{
	struct queue_entry entry;
	struct delivery delivery;

	ck_assert_int_eq(engine_put(engine, "q", NULL, 0), OUTCOME_CREATED);
	ck_assert_int_eq(engine_publish(engine, "q", "x", DELAY_DEFAULT, 900), OUTCOME_OK);
	ck_assert_int_eq(engine_publish(engine, "q", "x", 5000, 100), OUTCOME_OK);
	ck_assert_int_eq(engine_receive(engine, "q", 1, 10000, &delivery, NULL), OUTCOME_OK);
	ck_assert_int_eq(engine_put(engine, "empty", NULL, 0), OUTCOME_CREATED);
	uint64_t waiting = engine_post_receive(engine, 0, "empty", 1, LEASE_DEFAULT, 20000, 0);
	engine_run(engine);
	ck_assert_int_eq(engine_delete(engine, "q"), OUTCOME_OK);
	ck_assert_uint_ne(((struct reply *)engine->reply)->lsn, 0);
	ck_assert_int_eq(engine_delete(engine, "q"), OUTCOME_NO_QUEUE);
	ck_assert_uint_ne(((struct reply *)engine->reply)->lsn, 0); /* it is a repeated one */
	ck_assert_int_eq(engine_get(engine, "q", &entry), OUTCOME_NO_QUEUE);
	ck_assert_int_eq(engine_settle(engine, OP_ACK, "q", &delivery, 0, 0), OUTCOME_LEASE_EXPIRED);
	ck_assert_int_eq(engine_put(engine, "q", NULL, 0), OUTCOME_CREATED);
	ck_assert_int_eq(engine_settle(engine, OP_ACK, "q", &delivery, 0, 0), OUTCOME_LEASE_EXPIRED);
	ck_assert_uint_eq(msg_room(&engine->worker.shard), 4096);

	ck_assert_int_eq(engine_delete(engine, "empty"), OUTCOME_OK);
	struct reply *reply = engine_reply(engine, 0);
	ck_assert_uint_eq(reply->header.id, waiting);
	ck_assert_int_eq(reply->header.op, OUTCOME_NO_QUEUE);
}
END_TEST

/* Ask for queues until the ring of replies holds no more, and take none. */
static void
fill_replies(struct engine *small, uint32_t front)
{
	for (unsigned i = 0; i < 65536 / sizeof(struct queue_reply) + 1; i++) {
		struct queue_request *get = engine_frame(small, front, OP_QUEUE_GET, 50 + i, sizeof(*get));

		get->name = engine_name("q");
	}
	engine_post(small, front);
	engine_run(small);
}

START_TEST(a_frontd_that_takes_no_replies_does_not_keep_the_messages_of_a_deleted_queue)
{
	struct engine *small = engine_open(&(struct engine_options){ .reply_ring_bytes = 65536, .fronts = 2 });

	ck_assert_int_eq(engine_put(small, "q", NULL, 0), OUTCOME_CREATED);
	ck_assert_int_eq(engine_publish(small, "q", "x", 60000, 500), OUTCOME_OK);
	(void)engine_post_receive(small, 1, "q", 1, LEASE_DEFAULT, 20000, 0);
	engine_run(small);
	fill_replies(small, 1);
	ck_assert_int_eq(engine_delete(small, "q"), OUTCOME_OK);
	ck_assert_uint_eq(msg_room(&small->worker.shard), 4096);
	ck_assert_ptr_null(engine_check(small));
	while (engine_reply(small, 1) != NULL)
		;
	engine_run(small);
	ck_assert_uint_eq(small->worker.shard.root->job_count, 0);
	engine_close(small);
}
END_TEST

START_TEST(a_purge_takes_the_states_it_names_and_counts_them)
{
	struct queue_entry entry;
	struct delivery delivery;
	uint64_t removed;

	ck_assert_int_eq(engine_put(engine, "q", NULL, 0), OUTCOME_CREATED);
	ck_assert_int_eq(engine_publish(engine, "q", "x", DELAY_DEFAULT, 500), OUTCOME_OK);
	ck_assert_int_eq(engine_publish(engine, "q", "x", 5000, 300), OUTCOME_OK);
	ck_assert_int_eq(engine_receive(engine, "q", 1, 10000, &delivery, NULL), OUTCOME_OK);
	ck_assert_int_eq(engine_purge(engine, "q", PURGE_READY, &removed), OUTCOME_OK);
	ck_assert_uint_eq(removed, 499);
	ck_assert_int_eq(engine_get(engine, "q", &entry), OUTCOME_OK);
	ck_assert_uint_eq(entry.stats.ready, 0);
	ck_assert_uint_eq(entry.stats.delayed, 300);
	ck_assert_uint_eq(entry.stats.leased, 1);
	ck_assert_uint_eq(entry.stats.removed, 499);
	ck_assert_int_eq(engine_purge(engine, "q", PURGE_DELAYED | PURGE_LEASED, &removed), OUTCOME_OK);
	ck_assert_uint_eq(removed, 301);
	ck_assert_int_eq(engine_settle(engine, OP_ACK, "q", &delivery, 0, 0), OUTCOME_LEASE_EXPIRED);
	ck_assert_int_eq(engine_purge(engine, "q", 0, &removed), OUTCOME_BAD_REQUEST);
	ck_assert_int_eq(engine_purge(engine, "q", 16, &removed), OUTCOME_BAD_REQUEST);
}
END_TEST

START_TEST(what_is_purged_is_invisible_before_the_job_is_done)
{
	struct purge_request *purge;
	uint64_t waiting;

	ck_assert_int_eq(engine_put(engine, "q", NULL, 0), OUTCOME_CREATED);
	ck_assert_int_eq(engine_publish(engine, "q", "x", DELAY_DEFAULT, 1000), OUTCOME_OK);
	purge = engine_frame(engine, 0, OP_PURGE, 100, sizeof(*purge));
	purge->queue.name = engine_name("q");
	purge->states = PURGE_READY;
	waiting = engine_post_receive(engine, 0, "q", 5, LEASE_DEFAULT, 20000, 0);
	(void)engine_post_publish(engine, 0, "q", "new", DELAY_DEFAULT, 1);
	(void)worker_turn(&engine->worker, engine->now_ms); /* purge, receive and publish in one turn */
	ck_assert_int_eq(engine_reply(engine, 0)->header.op, OUTCOME_OK); /* the publish */
	ck_assert_ptr_null(engine_reply(engine, 0));
	engine_run(engine);
	ck_assert_uint_eq(engine_reply(engine, 0)->header.id, 100);
	ck_assert_uint_eq(((struct purge_reply *)engine->reply)->removed, 1000);
	ck_assert_uint_eq(engine_reply(engine, 0)->header.id, waiting);
	ck_assert_uint_eq(((struct receive_reply *)engine->reply)->count, 1);
	ck_assert_uint_eq(((struct receive_reply *)engine->reply)->deliveries[0].body_bytes, 3);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("worker_queues");
	TCase *tcase = tcase_create("queues");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_new_queue_has_the_defaults_and_an_etag);
	tcase_add_test(tcase, put_replaces_the_whole_configuration_and_patch_only_what_it_names);
	tcase_add_test(tcase, the_etag_changes_with_the_configuration_and_only_with_it);
	tcase_add_test(tcase, conditions_are_kept);
	tcase_add_test(tcase, hostile_names_and_values_are_refused);
	tcase_add_test(tcase, a_full_table_of_queues_is_refused_and_a_deleted_ones_slot_comes_back);
	tcase_add_test(tcase, a_list_comes_in_pages_and_by_prefix);
	tcase_add_test(tcase, a_deleted_queue_is_gone_at_once_with_messages_leases_and_waiters);
	tcase_add_test(tcase, a_frontd_that_takes_no_replies_does_not_keep_the_messages_of_a_deleted_queue);
	tcase_add_test(tcase, a_purge_takes_the_states_it_names_and_counts_them);
	tcase_add_test(tcase, what_is_purged_is_invisible_before_the_job_is_done);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
