/*
 * Messages: published, leased, settled, one and many at a time.
 */
#include <string.h>

#include "tests/step/scripts/scripts.h"

static void
publish_perform(struct play *play)
{
	struct queue_config config = queue_config_default();
	uint64_t none = play_publish(play, "orders", 1, 0);

	config.max_messages = 3;
	config.durability = DURABILITY_MEMORY;
	play_queue_put(play, "orders", NULL);
	play_queue_put(play, "soft", &config);
	uint64_t one = play_publish(play, "orders", 1, 0), other = play_publish(play, "orders", 1, 0);
	play_run(play);
	play_expect(play, none, OUTCOME_NO_QUEUE);
	play_expect(play, one, OUTCOME_OK);
	play_expect(play, other, OUTCOME_OK);

	play_publish(play, "soft", 3, 0);
	uint64_t full = play_publish(play, "soft", 1, 0);
	play->front = 1;
	uint64_t from_another = play_publish(play, "orders", 1, 0);
	play_run(play);
	play_expect(play, full, OUTCOME_QUEUE_FULL);
	play_expect(play, from_another, OUTCOME_OK);
}

const struct script publish_script = { .name = "publish", .perform = publish_perform };

static void
publish_batch_perform(struct play *play)
{
	play_queue_put(play, "orders", NULL);
	uint64_t batch = play_publish(play, "orders", 12, 0), mixed = play_publish(play, "orders", 6, 100);
	uint64_t too_many = play_publish(play, "orders", 7, 0), fits = play_publish(play, "orders", 6, 0);
	play_run(play);
	play_expect(play, batch, OUTCOME_OK);
	play_expect(play, mixed, OUTCOME_OK);
	play_expect(play, too_many, OUTCOME_SHARD_FULL);
	play_expect(play, fits, OUTCOME_OK);
	play_expect_stats(play, "orders", 18, 6, 0, 0);
}

const struct script publish_batch_script = { .name = "publish_batch", .perform = publish_batch_perform };

static void
publish_largest_perform(struct play *play)
{
	play_queue_put(play, "orders", NULL);
	play_run(play);
	/* Delayed ones log the most words. */
	uint64_t batch = play_publish(play, "orders", PUBLISH_BATCH_MAX, 7777777);
	play_run(play);
	play_expect(play, batch, OUTCOME_OK);
}

const struct script publish_largest_script = { .name = "publish_largest", .perform = publish_largest_perform,
	.messages = PUBLISH_BATCH_MAX + 8, .stride = 401 };

static void
receive_perform(struct play *play)
{
	play_queue_put(play, "orders", NULL);
	uint64_t empty = play_receive(play, "orders", (struct play_receive){ .max = 1, .lease_ms = 1000 });
	uint64_t none = play_receive(play, "nothing", (struct play_receive){ .max = 1, .lease_ms = 1000 });
	play_publish(play, "orders", 5, 0);
	uint64_t one = play_receive(play, "orders", (struct play_receive){ .max = 1, .lease_ms = LEASE_DEFAULT });
	uint64_t three = play_receive(play, "orders", (struct play_receive){ .max = 3, .lease_ms = 1000 });
	play->front = 1;
	uint64_t rest = play_receive(play, "orders", (struct play_receive){ .max = 100, .lease_ms = 1000 });
	play_run(play);
	play_expect(play, empty, OUTCOME_EMPTY);
	play_expect(play, none, OUTCOME_NO_QUEUE);
	play_expect_delivered(play, one, 1);
	play_expect_delivered(play, three, 3);
	play_expect_delivered(play, rest, 1);
}

const struct script receive_script = { .name = "receive", .perform = receive_perform };

static void
ack_perform(struct play *play)
{
	play_queue_put(play, "orders", NULL);
	play_publish(play, "orders", 3, 0);
	uint64_t received = play_receive(play, "orders", (struct play_receive){ .max = 2, .lease_ms = 1000 });
	play_run(play);
	struct play_receipts receipts = play_receipts(play, received), one = receipts, stale = receipts;

	one.count = 1;
	uint64_t acked = play_ack(play, "orders", &one), again = play_ack(play, "orders", &one);
	uint64_t both = play_ack(play, "orders", &receipts);
	play_run(play);
	play_expect(play, acked, OUTCOME_OK);
	play_expect(play, again, OUTCOME_OK);
	play_expect(play, both, OUTCOME_OK);

	stale.items[0].token += 1000;
	stale.items[1].msg_idx = UINT32_MAX;
	uint64_t refused = play_ack(play, "orders", &stale), elsewhere = play_ack(play, "nothing", &one);
	play_run(play);
	play_expect(play, refused, OUTCOME_OK); /* each item says LEASE_EXPIRED */
	play_expect(play, elsewhere, OUTCOME_OK);
	play_expect_stats(play, "orders", 1, 0, 0, 0);
}

const struct script ack_script = { .name = "ack", .perform = ack_perform };

static void
extend_perform(struct play *play)
{
	play_queue_put(play, "orders", NULL);
	play_publish(play, "orders", 3, 0);
	uint64_t received = play_receive(play, "orders", (struct play_receive){ .max = 3, .lease_ms = 1000 });
	play_run(play);
	struct play_receipts receipts = play_receipts(play, received), two = receipts;

	two.count = 2;
	play_advance(play, 900);
	uint64_t extended = play_settle(play, OP_EXTEND, "orders", &two, (struct play_settle){ .lease_ms = 70000 });
	play_run(play);
	play_expect(play, extended, OUTCOME_OK);
	play_advance(play, 200);
	play_run(play);
	play_expect_stats(play, "orders", 1, 0, 2, 0);
	/* To its end at once: it comes back with the next tick. */
	play_settle(play, OP_EXTEND, "orders", &two, (struct play_settle){ .lease_ms = 0 });
	play_run(play);
	play_advance(play, 8);
	play_run(play);
	play_expect_stats(play, "orders", 3, 0, 0, 0);
}

const struct script extend_script = { .name = "extend", .perform = extend_perform };

static void
nack_perform(struct play *play)
{
	struct queue_config config = queue_config_default();

	config.max_deliveries = 2;
	config.backoff_min_ms = 100;
	config.backoff_jitter_ppm = 0;
	play_queue_put(play, "orders", &config);
	play_publish(play, "orders", 4, 0);
	uint64_t received = play_receive(play, "orders", (struct play_receive){ .max = 4, .lease_ms = 60000 });
	play_run(play);
	struct play_receipts all = play_receipts(play, received), one = { .count = 1 };

	one.items[0] = all.items[2];
	play_settle(play, OP_NACK, "orders", &one, (struct play_settle){ .lease_ms = 0 });
	one.items[0] = all.items[1];
	play_settle(play, OP_NACK, "orders", &one, (struct play_settle){ .lease_ms = 300 });
	one.items[0] = all.items[0];
	play_settle(play, OP_NACK, "orders", &one, (struct play_settle){ .lease_ms = DELAY_DEFAULT, .mode = NACK_FAIL });
	one.items[0] = all.items[3];
	play_settle(play, OP_NACK, "orders", &one, (struct play_settle){ .lease_ms = 0, .mode = NACK_FAIL });
	uint64_t again = play_settle(play, OP_NACK, "orders", &one, (struct play_settle){ .lease_ms = 0 });
	play_run(play);
	play_expect(play, again, OUTCOME_OK);
	play_expect_stats(play, "orders", 2, 2, 0, 0);

	/* All come back; whoever fails a second time is dead. */
	play_advance(play, 400);
	received = play_receive(play, "orders", (struct play_receive){ .max = 4, .lease_ms = 60000 });
	play_run(play);
	uint64_t late = play_receive(play, "orders", (struct play_receive){ .max = 4, .lease_ms = 60000 });
	play_run(play);
	struct play_receipts early = play_receipts(play, received), rest = play_receipts(play, late);
	play_settle(play, OP_NACK, "orders", &early, (struct play_settle){ .lease_ms = 0, .mode = NACK_FAIL });
	if (rest.count > 0)
		play_settle(play, OP_NACK, "orders", &rest, (struct play_settle){ .lease_ms = 0, .mode = NACK_FAIL });
	play_run(play);
	play_expect_stats(play, "orders", 2, 0, 0, 2);
	uint64_t purged = play_purge(play, "orders", PURGE_DEAD);
	play_run(play);
	play_expect(play, purged, OUTCOME_OK);
	play_expect_stats(play, "orders", 2, 0, 0, 0);
}

const struct script nack_script = { .name = "nack", .perform = nack_perform };

static void
settle_batch_perform(struct play *play)
{
	play_queue_put(play, "orders", NULL);
	play_publish(play, "orders", 15, 0);
	uint64_t received = play_receive(play, "orders", (struct play_receive){ .max = 15, .lease_ms = 60000 });
	play_run(play);
	struct play_receipts all = play_receipts(play, received), some = all;

	some.count = 5;
	play_ack(play, "orders", &some);
	memcpy(some.items, all.items + 3, 6 * sizeof(some.items[0]));
	some.count = 6; /* two of them are acknowledged already */
	play_settle(play, OP_EXTEND, "orders", &some, (struct play_settle){ .lease_ms = 120000 });
	memcpy(some.items, all.items + 9, 6 * sizeof(some.items[0]));
	some.items[5] = some.items[4]; /* twice in one request */
	play_settle(play, OP_NACK, "orders", &some, (struct play_settle){ .lease_ms = 0 });
	play_run(play);
	play_expect_stats(play, "orders", 5, 0, 5, 0);
}

const struct script settle_batch_script = { .name = "settle_batch", .perform = settle_batch_perform };

static void
settle_largest_perform(struct play *play)
{
	struct play_receipts all;

	play_queue_put(play, "orders", NULL);
	play_run(play);
	play_publish(play, "orders", RECEIVE_BATCH_MAX, 0);
	uint64_t received =
	    play_receive(play, "orders", (struct play_receive){ .max = RECEIVE_BATCH_MAX, .lease_ms = 60000 });
	play_run(play);
	all = play_receipts(play, received);
	/* Each to its own bucket would log the same; delayed ones move from one wheel place to another. */
	uint64_t released = play_settle(play, OP_NACK, "orders", &all, (struct play_settle){ .lease_ms = 7777777 });
	play_run(play);
	play_expect(play, released, OUTCOME_OK);
	play_expect_stats(play, "orders", 0, RECEIVE_BATCH_MAX, 0, 0);
}

const struct script settle_largest_script = { .name = "settle_largest", .perform = settle_largest_perform,
	.messages = RECEIVE_BATCH_MAX + 8, .stride = 7 };

static void
slots_reused_perform(struct play *play)
{
	struct play_receipts receipts, first;

	play_queue_put(play, "orders", NULL);
	play_publish(play, "orders", 24, 0); /* every slot of the shard */
	uint64_t received = play_receive(play, "orders", (struct play_receive){ .max = 4, .lease_ms = 60000 });
	play_run(play);
	first = receipts = play_receipts(play, received);
	play_ack(play, "orders", &receipts);
	play_run(play);

	/* Tombstones are taken again; a receipt of their earlier life does not stand. */
	uint64_t published = play_publish(play, "orders", 3, 0), full = play_publish(play, "orders", 2, 0);
	uint64_t last = play_publish(play, "orders", 1, 50);
	uint64_t again = play_ack(play, "orders", &first);
	play_run(play);
	play_expect(play, published, OUTCOME_OK);
	play_expect(play, full, OUTCOME_SHARD_FULL);
	play_expect(play, last, OUTCOME_OK);
	play_expect(play, again, OUTCOME_OK);
	play_expect_stats(play, "orders", 23, 1, 0, 0);

	/* A queue's slot, too. */
	play_queue_delete(play, "orders");
	play_run(play);
	play_queue_put(play, "orders", NULL);
	play_publish(play, "orders", 2, 0);
	play_expect_stats(play, "orders", 2, 0, 0, 0);
}

const struct script slots_reused_script = { .name = "slots_reused", .perform = slots_reused_perform };
