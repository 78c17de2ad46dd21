/*
 * Replay equals live: seeded random requests through a live shard; its stream, bodies left out, through a second one; at
 * random points both digests are the same and both shards are whole.  In between the live worker is restarted as after a
 * SIGKILL, which must change nothing.  Snapshots are asked for at random points too; a third shard is loaded from each that comes
 * to its end, goes on with the records above its beginning, and has to be the live one as well.
 *
 * CHASQUI_SOAK_SECONDS makes it long; CHASQUI_SEED repeats a run.
 */
#include <signal.h>
#include <time.h>

#include "shm/state/check.h"
#include "shm/state/digest.h"
#include "tests/harness/engine.h"
#include "tests/harness/loading.h"
#include "tests/harness/people.h"
#include "tests/harness/unit.h"
#include "workerd/people.h"
#include "workerd/replay.h"

#define QUEUES 6
#define RECEIPTS 512
#define STEPS 4000
#define FRONTS 2
#define SLOTS 16

struct held {
	struct receipt receipt;
	unsigned queue;
};

struct run {
	struct engine *live;
	struct engine *copy;
	struct loading loading;
	uint64_t compared_loaded;
	uint64_t replayed_lsn;
	uint64_t random;
	struct held held[RECEIPTS];
	unsigned held_next;
	uint64_t parked_id[FRONTS][SLOTS];
	uint64_t compared_users, compared_credentials, compared_grants;
};

static uint64_t
any(struct run *run, uint64_t below)
{
	run->random ^= run->random << 13;
	run->random ^= run->random >> 7;
	run->random ^= run->random << 17;
	return run->random % below;
}

static const char *
queue_of(unsigned queue)
{
	static const char *const names[QUEUES] = { "a", "bb", "ccc", "memory", "limited", "other-queue" };

	return names[queue];
}

static struct queue_config
any_config(struct run *run)
{
	struct queue_config config = queue_config_default();

	config.lease_ms = any(run, 5000);
	config.delay_ms = any(run, 4) == 0 ? any(run, 3000) : 0;
	config.backoff_min_ms = any(run, 500);
	config.backoff_max_ms = config.backoff_min_ms + any(run, 5000);
	config.backoff_type = (uint8_t)any(run, 2);
	config.max_messages = any(run, 3) == 0 ? any(run, 200) : 0;
	config.max_in_flight = any(run, 3) == 0 ? (uint32_t)any(run, 30) : 0;
	config.max_deliveries = 1 + (uint32_t)any(run, 5);
	config.durability = (uint8_t)any(run, 2);
	return config;
}

/* --- people --- */

#define USERS 5

static const char *
user_named(unsigned user)
{
	static const char *const names[USERS + 1] = { "ann", "bob", "eve", "admin", "o.p", "more" };

	return names[user];
}

/* Somebody who is there, mostly. */
static uint64_t
any_uid(struct run *run)
{
	const struct shard *shard = &run->live->worker.shard;
	uint32_t slot = (uint32_t)any(run, USERS);

	if (slot >= shard->root->users.high || any(run, 12) == 0)
		return any(run, 3) << 32 | slot;
	return user_at(shard, slot)->entry.uid;
}

static uint64_t
any_credential(struct run *run)
{
	const struct shard *shard = &run->live->worker.shard;
	uint32_t slot = (uint32_t)any(run, 24);

	if (slot >= shard->root->credentials.high || any(run, 12) == 0)
		return CREDENTIAL_ID(any(run, 30), slot);
	return credential_at(shard, slot)->entry.id;
}

static void
any_user(struct run *run)
{
	static const enum op ops[] = { OP_USER_PUT, OP_USER_PUT, OP_USER_PATCH, OP_USER_PATCH,
		OP_USER_DELETE };
	enum op op = ops[any(run, 5)];
	struct user_request *request = engine_frame(run->live, 0, op, 1, sizeof(*request));
	char text[16];

	request->name = engine_name(user_named((unsigned)any(run, USERS + 1)));
	if (op == OP_USER_DELETE)
		return;
	snprintf(text, sizeof(text), "$y$%u", (unsigned)any(run, 5));
	request->config = people_config(
	    (enum user_role)any(run, 2), any(run, 3) ? text : NULL, any(run, 2) ? "a.# b" : NULL);
	request->config.is_disabled = any(run, 4) == 0;
	request->config.quotas.queues = any(run, 9);
	request->fields = (uint32_t)any(run, 2 * USER_FIELD_BYTES_PER_SECOND);
	request->condition = any(run, 8) == 0 ? (uint32_t)any(run, 4) : 0;
}

static void
any_create(struct run *run)
{
	struct credential_request *request = engine_frame(
	    run->live, 0, OP_CREDENTIAL_CREATE, 1, sizeof(*request));
	char secret[16];

	snprintf(secret, sizeof(secret), "%u", (unsigned)any(run, 1000));
	request->credential = people_credential(
	    any_uid(run), (enum credential_kind)any(run, 2), secret, "publish:a.# *");
	request->credential.expires_ms = any(run, 2) ? run->live->now_ms + any(run, 20000) : 0;
	request->credential.idle_ms = any(run, 2) ? 1 + any(run, 9000) : 0;
}

static void
any_revoke(struct run *run)
{
	struct credential_revoke_request *request;
	struct credential_revoke_all_request *all;
	struct credential_touch_request *touch;

	switch (any(run, 6)) {
	case 0:
		request = engine_frame(run->live, 0, OP_CREDENTIAL_REVOKE, 1, sizeof(*request));
		request->id = any_credential(run);
		request->kind = (uint32_t)any(run, 2);
		return;
	case 1:
		all = engine_frame(run->live, 0, OP_CREDENTIAL_REVOKE_ALL, 1, sizeof(*all));
		all->uid = any_uid(run);
		all->kind = (uint32_t)any(run, 2);
		return;
	default:
		touch = engine_frame(run->live, 0, OP_CREDENTIAL_TOUCH, 1, sizeof(*touch));
		touch->id = any_credential(run);
	}
}

static void
any_grant(struct run *run)
{
	struct grant_request *request = engine_frame(
	    run->live, 0, any(run, 3) ? OP_GRANT_PUT : OP_GRANT_DELETE, 1, sizeof(*request));

	request->queue.name = engine_name(queue_of((unsigned)any(run, QUEUES)));
	request->uid = any_uid(run);
	request->rights = (uint32_t)any(run, RIGHTS_ALL + 1);
}

static void
any_person(struct run *run)
{
	switch (any(run, 5)) {
	case 0:
		any_user(run);
		break;
	case 1 ... 2:
		any_create(run);
		break;
	case 3:
		any_revoke(run);
		break;
	default:
		any_grant(run);
		break;
	}
}

static void
any_bootstrap(struct run *run)
{
	struct bootstrap asked = { .number = 2, .mode = any(run, 3) };
	char secret[16];

	snprintf(secret, sizeof(secret), "admin%u", (unsigned)any(run, 4));
	people_hash(secret, asked.hash);
	(void)bootstrap_make(&run->live->worker, &asked);
}

/* From here on somebody else asks: mostly an admin, so that much comes about. */
static void
any_caller(struct run *run)
{
	run->live->caller = any(run, 3) ? people_admin()
	    : (struct caller){ .uid = any_uid(run), .flags = any(run, 2) ? CALLER_MAY_CREATE : 0 };
}

/* --- queues --- */

static void
any_configure(struct run *run)
{
	bool is_patch = any(run, 2);
	struct queue_config_request *request =
	    engine_frame(run->live, (uint32_t)any(run, FRONTS), is_patch ? OP_QUEUE_PATCH : OP_QUEUE_PUT, 1, sizeof(*request));

	request->queue.name = engine_name(queue_of((unsigned)any(run, QUEUES)));
	request->config = any_config(run);
	request->fields = (uint32_t)any(run, 2 * FIELD_OWNER);
	request->owner = any_uid(run);
	request->condition = any(run, 8) == 0 ? (uint32_t)any(run, 4) : 0;
}

static void
any_purge_or_delete(struct run *run)
{
	struct purge_request *purge;
	struct queue_request *request;
	unsigned queue = (unsigned)any(run, QUEUES);

	if (any(run, 3) == 0) {
		request = engine_frame(run->live, 0, OP_QUEUE_DELETE, 1, sizeof(*request));
		request->name = engine_name(queue_of(queue));
		return;
	}
	purge = engine_frame(run->live, 0, OP_PURGE, 1 + any(run, 2), sizeof(*purge));
	purge->queue.name = engine_name(queue_of(queue));
	purge->states = (uint32_t)any(run, 17);
	purge->older_than_ms = any(run, 2) ? run->live->now_ms - any(run, 3000) : 0;
}

static void
any_publish(struct run *run)
{
	char body[200] = "";
	uint64_t delay_ms = any(run, 3) == 0 ? any(run, 4000) : DELAY_DEFAULT;

	memset(body, 'b', (size_t)any(run, sizeof(body)));
	(void)engine_post_publish(run->live, (uint32_t)any(run, FRONTS), queue_of((unsigned)any(run, QUEUES)), body, delay_ms,
	    any(run, 20) == 0 ? 1000 : 1 + (uint32_t)any(run, 10));
}

static void
any_receive(struct run *run)
{
	uint32_t front = (uint32_t)any(run, FRONTS), slot = (uint32_t)any(run, SLOTS);
	unsigned queue = (unsigned)any(run, QUEUES);
	uint64_t id = engine_post_receive(run->live, front, queue_of(queue), 1 + (uint32_t)any(run, 20),
	    any(run, 2) ? LEASE_DEFAULT : any(run, 6000), any(run, 2) ? 0 : (uint32_t)any(run, 5000), slot);

	run->parked_id[front][slot] = id;
}

static void
any_cancel(struct run *run)
{
	uint32_t front = (uint32_t)any(run, FRONTS), slot = (uint32_t)any(run, SLOTS);
	struct receive_cancel_request *cancel =
	    engine_frame(run->live, front, OP_RECEIVE_CANCEL, run->parked_id[front][slot], sizeof(*cancel));

	cancel->waiter_slot = slot;
}

static void
any_settle(struct run *run)
{
	static const enum op ops[] = { OP_ACK, OP_ACK, OP_EXTEND, OP_NACK, OP_NACK };
	struct receipt receipts[40];
	unsigned queue = run->held[any(run, RECEIPTS)].queue;
	uint32_t count = 0, wanted = 1 + (uint32_t)any(run, 40);

	for (unsigned i = 0, at = (unsigned)any(run, RECEIPTS); i < RECEIPTS && count < wanted; i++) {
		const struct held *held = &run->held[(at + i) % RECEIPTS];

		if (held->queue == queue || any(run, 50) == 0)
			receipts[count++] = held->receipt;
	}
	if (count > 0)
		(void)engine_post_settle(run->live, (uint32_t)any(run, FRONTS), ops[any(run, 5)], queue_of(queue), receipts, count,
		    any(run, 2) ? DELAY_DEFAULT : any(run, 4000), (enum nack_mode)any(run, 2));
}

/* Bytes that mean nothing. */
static void
any_garbage(struct run *run)
{
	uint32_t bytes = 16 + 8 * (uint32_t)any(run, 40);
	char *frame = engine_frame(run->live, (uint32_t)any(run, FRONTS), (enum op)any(run, OP_COUNT + 2), any(run, 3), bytes);

	for (uint32_t i = sizeof(struct frame_header); i < bytes; i++)
		frame[i] = (char)any(run, any(run, 2) ? 256 : 3);
}

static void
any_request(struct run *run)
{
	if (any(run, 8) == 0)
		any_caller(run);
	if (any(run, 6) == 0)
		any_person(run);
	switch (any(run, 16)) {
	case 0:
		any_configure(run);
		break;
	case 1:
		if (any(run, 4) == 0)
			any_purge_or_delete(run);
		break;
	case 2 ... 5:
		any_publish(run);
		break;
	case 6 ... 9:
		any_receive(run);
		break;
	case 10:
		any_cancel(run);
		break;
	case 11 ... 14:
		any_settle(run);
		break;
	default:
		any_garbage(run);
		break;
	}
}

/* Which of our names the queue of a leased message has; a stranger's now and then. */
static unsigned
queue_of_message(struct run *run, uint32_t msg_idx)
{
	const struct shard *shard = &run->live->worker.shard;
	const struct queue_name *name = &queue_at(shard, msg_at(shard, msg_idx)->queue_idx)->name;

	for (unsigned queue = 0; queue < QUEUES && any(run, 20) != 0; queue++) {
		if (strcmp(name->text, queue_of(queue)) == 0)
			return queue;
	}
	return (unsigned)any(run, QUEUES);
}

/* Remember what was leased. */
static void
take_replies(struct run *run)
{
	for (uint32_t front = 0; front < FRONTS; front++) {
		const struct reply *reply;

		while ((reply = engine_reply(run->live, front)) != NULL) {
			const struct receive_reply *received = (const struct receive_reply *)reply;

			if (reply->header.op != OUTCOME_OK || reply->header.bytes < sizeof(*received) + sizeof(struct delivery) ||
			    (reply->header.bytes - sizeof(*received)) != received->count * sizeof(struct delivery))
				continue;
			for (uint32_t i = 0; i < received->count; i++) {
				const struct delivery *delivery = &received->deliveries[i];

				if (delivery->msg_idx >= run->live->geometry.messages)
					continue;
				run->held[run->held_next++ % RECEIPTS] = (struct held){
					.receipt = { .token = delivery->token, .msg_idx = delivery->msg_idx },
					.queue = queue_of_message(run, delivery->msg_idx),
				};
			}
		}
	}
}

/* Hand everything new to the second shard. */
static void
replay_stream(struct run *run)
{
	const struct stream *stream = &run->live->worker.stream;

	while (run->replayed_lsn < stream->shared->tail) {
		const struct record *record = (const struct record *)stream_at(stream, run->replayed_lsn);
		_Alignas(8) static char bytes[REPLAY_FRAME_BYTES_MAX];
		size_t count = record->type == RECORD_PUBLISHED ? RECORD_PUBLISHED_BYTES : record->bytes;

		ck_assert_uint_eq(record->lsn, run->replayed_lsn);
		ck_assert_uint_le(count, sizeof(bytes));
		memcpy(bytes, record, count);
		replay_record(&run->copy->worker, (const struct record *)bytes);
		loading_feed(&run->loading, record);
		run->replayed_lsn += record->bytes;
	}
}

static void
compare_loaded(struct run *run)
{
	const struct shard *loaded = &run->loading.engine->worker.shard;

	if (run->loading.loaded == 0)
		return;
	ck_assert_msg(shard_digest(loaded) == shard_digest(&run->live->worker.shard),
	    "the shard that was loaded from a snapshot is another one");
	const char *wrong = shard_check(loaded, NULL);
	ck_assert_msg(wrong == NULL, "the loaded shard: %s", wrong);
	run->compared_loaded++;
}

static void
compare(struct run *run)
{
	struct shard *copy = &run->copy->worker.shard;

	ck_assert_uint_eq(shard_digest(copy), shard_digest(&run->live->worker.shard));
	copy->root->stream_tail = run->replayed_lsn;
	run->compared_users += table_used(&copy->root->users);
	run->compared_credentials += table_used(&copy->root->credentials);
	run->compared_grants += table_used(&copy->root->grants);
	const char *wrong = shard_check(copy, NULL);
	ck_assert_msg(wrong == NULL, "the replayed shard: %s", wrong);
	wrong = engine_check(run->live);
	ck_assert_msg(wrong == NULL, "the live shard: %s", wrong);
	wrong = directory_check(&run->live->worker.directory);
	ck_assert_msg(wrong == NULL, "the directory: %s", wrong);
	compare_loaded(run);
}

/* What was posted is served: of a shard that is snapshotted mostly one turn, so that a snapshot takes many requests' time. */
static void
serve(struct run *run)
{
	bool is_imaging = run->live->worker.is_imaging;
	uint64_t loaded = run->loading.loaded;

	if (any(run, is_imaging ? 16 : 3) == 0 || (is_imaging && any(run, 16) != 0))
		(void)worker_turn(&run->live->worker, run->live->now_ms += any(run, 3)); /* jobs in mid-flight */
	else
		engine_pass(run->live, any(run, 4) == 0 ? any(run, 2000) : 0);
	take_replies(run);
	replay_stream(run);
	if (run->loading.loaded != loaded)
		compare_loaded(run);
}

static void
restart(struct run *run)
{
	uint64_t digest = shard_digest_all(&run->live->worker.shard);

	engine_restart(run->live, SIGKILL);
	ck_assert_uint_eq(shard_digest_all(&run->live->worker.shard), digest);
}

static void
run_seed(uint64_t seed)
{
	static struct run zero;
	struct run *run = &zero;
	struct engine_options options = { .messages = 3000, .queues = 5, .fronts = FRONTS, .waiters_per_front = SLOTS,
		.users = USERS, .credentials = 24, .grants = 12 };

	memset(run, 0, sizeof(*run));
	run->random = seed * 0x9e3779b97f4a7c15ull | 1;
	run->live = engine_open(&options);
	loading_open(&run->loading, &options);
	options.is_fresh = true;
	run->copy = engine_open(&options);
	shard_format(&run->copy->worker.shard, 0);
	run->replayed_lsn = LSN_FIRST;
	for (int step = 0; step < STEPS; step++) {
		for (uint64_t n = any(run, 5); n > 0; n--)
			any_request(run);
		for (uint32_t front = 0; front < FRONTS; front++)
			engine_post(run->live, front);
		serve(run);
		if (any(run, 12) == 0)
			run->live->stream_shared->snapshot_wanted++;
		if (any(run, 20) == 0)
			compare(run);
		if (any(run, 50) == 0)
			restart(run);
		if (any(run, 50) == 0)
			any_bootstrap(run);
	}
	compare(run);
	ck_assert_uint_gt(run->live->stats->acked, STEPS / 50);
	ck_assert_uint_gt(run->live->stats->nacked, STEPS / 50);
	ck_assert_uint_gt(run->live->stats->leases_expired, STEPS / 50);
	ck_assert_uint_gt(run->compared_users, STEPS / 50);
	ck_assert_uint_gt(run->compared_credentials, STEPS / 50);
	ck_assert_uint_gt(run->compared_grants, STEPS / 50);
	ck_assert_uint_gt(run->loading.loaded, STEPS / 100);
	ck_assert_uint_gt(run->compared_loaded, STEPS / 50);
	printf("%llu snapshots loaded of %llu begun, %llu pieces, %llu comparisons\n", (unsigned long long)run->loading.loaded,
	    (unsigned long long)run->live->stats->snapshots_begun, (unsigned long long)run->loading.pieces,
	    (unsigned long long)run->compared_loaded);
	loading_close(&run->loading);
	engine_close(run->live);
	engine_close(run->copy);
}

/* A record as a build wrote it that knew no users: the same, but without what came to be behind it. */
static const struct record *
older(const void *record, uint32_t bytes)
{
	static _Alignas(8) char room[1024];

	memset(room, 0xff, sizeof(room));
	memcpy(room, record, bytes);
	((struct record *)(void *)room)->bytes = bytes;
	return (const struct record *)(void *)room;
}

START_TEST(a_journal_from_before_there_were_users_makes_queues_of_nobody)
{
	struct engine *engine = engine_open(&(struct engine_options){ .is_fresh = true });
	struct shard *shard = &engine->worker.shard;
	struct queue_created_record created = {
		.record = { .type = RECORD_QUEUE_CREATED, .lsn = LSN_FIRST, .time_ms = 5 },
		.config = queue_config_default(),
		.name = engine_name("old"),
		.etag = LSN_FIRST
	};
	struct queue_changed_record changed = {
		.record = { .type = RECORD_QUEUE_CHANGED, .lsn = LSN_FIRST + 208, .time_ms = 6 },
		.config = queue_config_default(),
		.etag = LSN_FIRST + 208
	};

	shard_format(shard, 0);
	changed.config.lease_ms = 1234;
	replay_record(
	    &engine->worker, older(&created, offsetof(struct queue_created_record, owner)));
	ck_assert_uint_eq(queue_at(shard, 0)->owner, 0);
	replay_record(
	    &engine->worker, older(&changed, offsetof(struct queue_changed_record, owner)));
	ck_assert_uint_eq(queue_at(shard, 0)->owner, 0);
	ck_assert_uint_eq(queue_at(shard, 0)->config.lease_ms, 1234);
	shard->root->stream_tail = LSN_FIRST + 4096;
	ck_assert_ptr_null(shard_check(shard, NULL));
	engine_close(engine);
}
END_TEST

START_TEST(a_replayed_shard_is_the_live_one)
{
	const char *seed = getenv("CHASQUI_SEED"), *soak = getenv("CHASQUI_SOAK_SECONDS");
	uint64_t first = seed != NULL ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL);
	time_t end = time(NULL) + (soak != NULL ? atoi(soak) : 0);
	unsigned runs = 0;

	do {
		printf("seed %llu\n", (unsigned long long)(first + runs));
		fflush(stdout);
		run_seed(first + runs++);
	} while (runs < 4 || time(NULL) < end);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("replay");
	TCase *tcase = tcase_create("replay");

	tcase_set_timeout(tcase, 0);
	tcase_add_test(tcase, a_journal_from_before_there_were_users_makes_queues_of_nobody);
	tcase_add_test(tcase, a_replayed_shard_is_the_live_one);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
