/*
 * stage: the columns of the matrix.  Each function leaves a shard in the state that its column names; check_stage() says
 * whether it is so, or a cell would claim what it does not try.
 */
#include <string.h>

#include "shm/record.h"
#include "shm/state/names.h"
#include "tests/step/matrix/matrix.h"

#define LEASE_MS 30000
#define QUEUES 6 /* the oracle's shard */
#define WAITERS 8
#define SMALLEST_REPLY sizeof(struct reply)
#define SMALLEST_RECORD sizeof(struct queue_idx_record)

static struct queue_config
config(uint32_t max_deliveries, uint32_t max_in_flight)
{
	struct queue_config config = queue_config_default();

	config.backoff_jitter_ppm = 0;
	config.max_deliveries = max_deliveries;
	config.max_in_flight = max_in_flight;
	return config;
}

/* --- messages --- */

struct counts {
	uint32_t ready, delayed, leased, dead;
};

static void
add_dead(struct play *play, uint32_t count)
{
	struct queue_config once = config(1, 0), often = config(3, 0);

	play_queue_put(play, "orders", &once);
	play_publish(play, "orders", count, 0);
	uint64_t received = play_receive(play, "orders", (struct play_receive){ .max = count, .lease_ms = LEASE_MS });
	play_run(play);
	struct play_receipts receipts = play_receipts(play, received);
	play_settle(play, OP_NACK, "orders", &receipts, (struct play_settle){ .mode = NACK_FAIL });
	play_queue_put(play, "orders", &often);
	play_run(play);
}

static void
add_messages(struct scene *scene, struct counts counts)
{
	struct play *play = scene->play;
	struct queue_config often = config(3, 0);

	play_queue_put(play, "orders", &often);
	if (counts.dead > 0)
		add_dead(play, counts.dead);
	if (counts.leased > 0) {
		play_publish(play, "orders", counts.leased, 0);
		scene->leased =
		    play_receive(play, "orders", (struct play_receive){ .max = counts.leased, .lease_ms = LEASE_MS });
	}
	if (counts.ready > 0)
		play_publish(play, "orders", counts.ready, 0);
	for (uint32_t i = 0; i < counts.delayed; i++)
		play_publish(play, "orders", 1, i == 0 ? 4 : 100);
	play_run(play);
}

static uint64_t
wait_at(struct play *play, unsigned front, const char *queue, uint32_t slot)
{
	play->front = front;
	uint64_t id = play_receive(play, queue,
	    (struct play_receive){ .max = 2, .lease_ms = LEASE_MS, .wait_ms = 60000, .waiter_slot = slot });
	play->front = 0;
	return id;
}

static void
add_many(struct scene *scene)
{
	add_messages(scene, (struct counts){ .ready = 2, .delayed = 2, .leased = 2, .dead = 1 });
	play_queue_put(scene->play, "other", NULL);
	wait_at(scene->play, 1, "other", 5);
	play_run(scene->play);
}

/* --- full tables --- */

static void
fill_messages(struct scene *scene, uint32_t left)
{
	add_many(scene);
	const struct shard_root *root = play_root(scene->play);
	uint64_t room = play_note(scene->play, SCRIPT_MESSAGES - root->messages_high + root->messages_free.count);

	play_publish(scene->play, "orders", (uint32_t)room - left, 0);
	play_run(scene->play);
}

static void
fill_queues(struct scene *scene)
{
	add_many(scene);
	for (char c = '0'; c < '0' + QUEUES - 2; c++) {
		char name[] = { 'f', c, '\0' };

		play_queue_put(scene->play, name, NULL);
	}
	play_run(scene->play);
}

/* --- rings --- */

/* So many bytes of replies to frontd 0: of 328 and of 24, which together make any multiple of 8 that is not small. */
static void
fill_replies(struct play *play, uint64_t bytes)
{
	uint64_t gets = 0, refusals;

	while ((bytes - gets * sizeof(struct queue_reply)) % SMALLEST_REPLY != 0)
		gets++;
	gets += (bytes / sizeof(struct queue_reply) - gets) / 3 * 3;
	refusals = (bytes - gets * sizeof(struct queue_reply)) / SMALLEST_REPLY;
	for (uint64_t i = 0; i < gets + refusals; i++) {
		if (i < gets)
			play_queue_get(play, "orders");
		else
			play_raw(play, OP_NONE, NULL, 0);
		if (i % 100 == 99)
			play_run(play);
	}
	play_run(play);
}

/* The reply ring's tail comes to stand so many bytes before its end. */
static void
place_replies(struct scene *scene, uint64_t before)
{
	add_many(scene);
	uint64_t tail = play_note(scene->play, play_root(scene->play)->fronts[0].reply_tail);

	fill_replies(scene->play, WORLD_REPLY_BYTES - tail % WORLD_REPLY_BYTES - before);
}

static void
fill_reply_ring(struct scene *scene)
{
	add_many(scene);
	scene->play->is_slow = true;
	fill_replies(scene->play, WORLD_REPLY_BYTES - 16);
}

static void
place_requests(struct scene *scene, uint64_t before)
{
	static const char junk[WORLD_REQUEST_BYTES / 4];

	add_many(scene);
	uint64_t tail = play_note(scene->play, scene->play->world->front[0]->worker[0].request.tail);
	uint64_t bytes = WORLD_REQUEST_BYTES - tail % WORLD_REQUEST_BYTES - before;
	const uint64_t header = sizeof(struct frame_header);

	while (bytes > sizeof(junk)) {
		play_raw(scene->play, OP_NONE, junk, (uint32_t)(sizeof(junk) - 2 * header));
		bytes -= sizeof(junk) - header;
		play_run(scene->play);
	}
	play_raw(scene->play, OP_NONE, junk, (uint32_t)(bytes - header));
	play_run(scene->play);
}

/* One record of exactly so many bytes. */
static void
pad_stream(struct play *play, uint64_t bytes)
{
	play_publish_bytes(play, "padding", (uint32_t)(bytes - RECORD_PUBLISHED_BYTES));
	play_run(play);
}

static void
place_stream(struct scene *scene, uint64_t before)
{
	add_many(scene);
	play_queue_put(scene->play, "padding", NULL);
	play_run(scene->play);
	uint64_t tail = play_note(scene->play, play_root(scene->play)->stream_tail);

	pad_stream(scene->play, WORLD_STREAM_BYTES - tail % WORLD_STREAM_BYTES - before);
}

static void
fill_stream_ring(struct scene *scene)
{
	/* Publishes may take what append_reserve_bytes() leaves them, settlements the rest, to the last byte. */
	const uint64_t most = 100000, reserve = WORLD_STREAM_BYTES / 4;
	const uint64_t extend_bytes = sizeof(struct settled_record) + 2 * sizeof(struct settled_item);
	uint64_t extends = (reserve + extend_bytes - 1) / extend_bytes, room = WORLD_STREAM_BYTES - extends * extend_bytes;

	add_many(scene);
	play_queue_put(scene->play, "padding", NULL);
	play_run(scene->play);
	scene->play->is_stalled = true;
	for (; room > most; room -= most)
		pad_stream(scene->play, most);
	pad_stream(scene->play, room);
	struct play_receipts receipts = play_receipts(scene->play, scene->leased);
	for (uint64_t i = 0; i < extends; i++) {
		play_settle(scene->play, OP_EXTEND, "orders", &receipts, (struct play_settle){ .lease_ms = LEASE_MS });
		if (i % 300 == 299)
			play_run(scene->play);
	}
	play_run(scene->play);
}

/* --- the stage --- */

static void
set_waiters(struct scene *scene)
{
	struct play *play = scene->play;

	add_messages(scene, (struct counts){ .leased = 1 });
	if (scene->column != COLUMN_waiter_other)
		scene->waiting = wait_at(play, 0, "orders", 0);
	if (scene->column != COLUMN_waiter_own)
		wait_at(play, 1, "orders", 3);
	if (scene->column == COLUMN_waiters_many)
		wait_at(play, 0, "orders", 7);
	play_run(play);
}

static void
set_in_flight(struct scene *scene)
{
	struct queue_config limited = config(3, 2);

	play_queue_put(scene->play, "orders", &limited);
	play_publish(scene->play, "orders", 4, 0);
	scene->leased = play_receive(scene->play, "orders", (struct play_receive){ .max = 4, .lease_ms = LEASE_MS });
	scene->waiting = wait_at(scene->play, 0, "orders", 0);
	play_run(scene->play);
}

static void
set_tables(struct scene *scene)
{
	struct play *play = scene->play;

	switch (scene->column) {
	case COLUMN_empty:
		add_messages(scene, (struct counts){ 0 });
		break;
	case COLUMN_one:
		add_messages(scene, (struct counts){ .ready = 1 });
		break;
	case COLUMN_delayed:
		add_messages(scene, (struct counts){ .delayed = 3 });
		break;
	case COLUMN_leased:
	case COLUMN_tombstones:
	case COLUMN_expired:
		add_messages(scene, (struct counts){ .leased = 3 });
		break;
	case COLUMN_dead:
		add_messages(scene, (struct counts){ .dead = 1 });
		break;
	case COLUMN_messages_last:
		fill_messages(scene, 1);
		break;
	case COLUMN_messages_full:
		fill_messages(scene, 0);
		break;
	case COLUMN_queues_full:
		fill_queues(scene);
		break;
	case COLUMN_waiters_full:
		add_many(scene);
		for (uint32_t slot = 0; slot < WAITERS; slot++)
			wait_at(play, 0, "other", slot);
		play_run(play);
		break;
	default:
		add_many(scene);
	}
}

static void
set_rings(struct scene *scene)
{
	/* A page before the end, at it, or so that no header fits before it. */
	switch (scene->column) {
	case COLUMN_request_before:
		place_requests(scene, 4096);
		break;
	case COLUMN_request_at:
		place_requests(scene, 0);
		break;
	case COLUMN_request_over:
		place_requests(scene, 8);
		break;
	case COLUMN_reply_before:
		place_replies(scene, 4096);
		break;
	case COLUMN_reply_at:
		place_replies(scene, 0);
		break;
	case COLUMN_reply_over:
		place_replies(scene, 8);
		break;
	case COLUMN_stream_before:
		place_stream(scene, 4096);
		break;
	case COLUMN_stream_at:
		place_stream(scene, 0);
		break;
	case COLUMN_stream_over:
		place_stream(scene, 8);
		break;
	case COLUMN_reply_full:
		fill_reply_ring(scene);
		break;
	case COLUMN_stream_full:
		fill_stream_ring(scene);
		break;
	default:
		set_tables(scene);
	}
}

/* What is under way or has just come to pass when the row happens. */
static void
set_present(struct scene *scene)
{
	struct play *play = scene->play;

	switch (scene->column) {
	case COLUMN_expired:
		play_advance(play, LEASE_MS + 10);
		break;
	case COLUMN_tombstones:
		play_ack(play, "orders", &scene->receipts);
		play_run(play);
		break;
	case COLUMN_purging:
		play_purge(play, "orders", PURGE_READY | PURGE_DELAYED);
		break;
	case COLUMN_deleting:
		play_queue_delete(play, "orders");
		break;
	default:
		break;
	}
}

static bool
stands(const struct scene *scene)
{
	const struct world *world = scene->play->world;
	const struct shard_root *root = play_root(scene->play);
	struct shard shard;

	shard_view(&shard, world->shard, &world->geometry);
	uint32_t idx = names_find(&shard, &(struct queue_name){ .bytes = 6, .text = "orders" });
	const struct queue *queue = idx != NIL ? queue_at(&shard, idx) : NULL;
	const struct list *lists = queue != NULL ? queue->lists : NULL;
	uint64_t tick = root->message_wheel.tick, reply_tail = root->fronts[0].reply_tail;
	uint64_t request_tail = world->front[0]->worker[0].request.tail;

	switch (scene->column) {
	case COLUMN_no_queue:
		return queue == NULL;
	case COLUMN_empty:
		return queue_message_count(queue) == 0;
	case COLUMN_one:
		return lists[MSG_READY].count == 1 && queue_message_count(queue) == 1;
	case COLUMN_delayed:
		return lists[MSG_DELAYED].count == 3 && queue_message_count(queue) == 3;
	case COLUMN_leased:
		return lists[MSG_LEASED].count == 3 && queue_message_count(queue) == 3;
	case COLUMN_expired:
		return lists[MSG_LEASED].count == 3 && msg_at(&shard, lists[MSG_LEASED].head)->timer.due_ms < scene->play->now_ms;
	case COLUMN_dead:
		return lists[MSG_DEAD].count == 1 && queue_message_count(queue) == 1;
	case COLUMN_tombstones:
		return root->messages_free.count == 3 && queue_message_count(queue) == 0;
	case COLUMN_messages_last:
		return msg_room(&shard) == 1;
	case COLUMN_messages_full:
		return msg_room(&shard) == 0;
	case COLUMN_queues_full:
		return queue_next_free(&shard) == NIL;
	case COLUMN_waiters_full:
		return root->fronts[0].waiter_count == WAITERS;
	case COLUMN_waiter_own:
		return queue->waiters.count == 1 && root->fronts[0].waiter_count == 1;
	case COLUMN_waiter_other:
		return queue->waiters.count == 1 && root->fronts[1].waiter_count == 1;
	case COLUMN_waiters_many:
		return queue->waiters.count == 3;
	case COLUMN_in_flight:
		return queue_lease_room(queue) == 0 && lists[MSG_READY].count > 0 && queue->waiters.count == 1;
	case COLUMN_request_at:
		return request_tail > 0 && request_tail % WORLD_REQUEST_BYTES == 0;
	case COLUMN_request_over:
		return request_tail % WORLD_REQUEST_BYTES == WORLD_REQUEST_BYTES - 8;
	case COLUMN_reply_at:
		return reply_tail > 0 && reply_tail % WORLD_REPLY_BYTES == 0;
	case COLUMN_reply_over:
		return reply_tail % WORLD_REPLY_BYTES == WORLD_REPLY_BYTES - 8;
	case COLUMN_reply_full:
		return reply_tail - world->front[0]->worker[0].reply.head > WORLD_REPLY_BYTES - SMALLEST_REPLY;
	case COLUMN_stream_at:
		return root->stream_tail % WORLD_STREAM_BYTES == 0;
	case COLUMN_stream_over:
		return root->stream_tail % WORLD_STREAM_BYTES == WORLD_STREAM_BYTES - 8;
	case COLUMN_stream_full:
		return root->stream_tail - world->durable->shard[0].lsn > WORLD_STREAM_BYTES - SMALLEST_RECORD;
	case COLUMN_wheel_1:
		return (tick & 0xff) == 0xff && (tick & 0xffff) != 0xffff;
	case COLUMN_wheel_2:
		return (tick & 0xffff) == 0xffff && (tick & 0xffffff) != 0xffffff;
	case COLUMN_wheel_3:
		return (tick & 0xffffff) == 0xffffff && (tick & 0xffffffff) != 0xffffffff;
	case COLUMN_wheel_4:
		return (tick & 0xffffffff) == 0xffffffff;
	default:
		return lists[MSG_READY].count == 2 && lists[MSG_DELAYED].count == 2 && lists[MSG_LEASED].count == 2 &&
		    lists[MSG_DEAD].count == 1;
	}
}

void
stage_set(struct scene *scene)
{
	struct play *play = scene->play;

	play->is_quiet = true;
	if (scene->column == COLUMN_waiter_own || scene->column == COLUMN_waiter_other || scene->column == COLUMN_waiters_many)
		set_waiters(scene);
	else if (scene->column == COLUMN_in_flight)
		set_in_flight(scene);
	else if (scene->column == COLUMN_no_queue)
		play_run(play);
	else
		set_rings(scene);
	/* Who leased nothing comes with a receipt that never was. */
	scene->receipts = scene->leased != 0 ? play_receipts(play, scene->leased)
	    : (struct play_receipts){ .count = 2, .items = { { .token = 4711 }, { .token = 4712, .msg_idx = 1 } } };
	set_present(scene);
	play->is_quiet = false;
	if (!play_is_past(play))
		play_expect_that(play, stands(scene), matrix_column_names[scene->column]);
}

void
stage_clear(struct scene *scene)
{
	struct play *play = scene->play;

	if (scene->column != COLUMN_reply_full && scene->column != COLUMN_stream_full)
		return;
	play->is_slow = false;
	play->is_stalled = false;
	/* The others have their turn after the worker's. */
	play_run(play);
	play_advance(play, 50);
	play_run(play);
}
