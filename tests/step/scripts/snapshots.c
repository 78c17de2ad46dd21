/*
 * Snapshots: a commit that writes images first, a slice, the end, each cut off at any store.  A
 * snapshot is begun at the end of a turn, and a frontd is given 64 frames of a turn: so what is
 * posted behind 64 others is done while the snapshot runs.
 *
 * A life that comes after a crash has no snapshot: it cannot end as the reference does, and is not
 * played on.
 */
#include "tests/step/core/people.h"
#include "tests/step/scripts/scripts.h"

/* Frames that do nothing and are not answered: a turn is over with them. */
static void
fill_turn(struct play *play)
{
	for (unsigned i = 0; i < TURN_FRAMES_MAX; i++)
		play_receive_cancel(play, 1u << 30, 0);
}

/* What stands in the stream from LSN `from` on: records of a type. */
static unsigned
count_records(const struct play *play, uint64_t from, enum record_type type)
{
	unsigned count = 0;

	for (uint64_t lsn = from, tail = play_root(play)->stream_tail; lsn < tail;) {
		const struct record *record =
		    (const struct record *)(play->world->stream_bytes +
					    (lsn & (WORLD_STREAM_BYTES - 1)));

		count += record->type == type;
		lsn += record->bytes;
	}
	return count;
}

/* A snapshot was begun and ended behind `from`, with images before those of the last slice. */
static void
expect_snapshot(struct play *play, uint64_t from)
{
	play_expect_that(
	    play, count_records(play, from, RECORD_SNAPSHOT_BEGUN) == 1, "a snapshot is begun");
	play_expect_that(
	    play, count_records(play, from, RECORD_SNAPSHOT_IMAGES) > 1, "a commit writes images");
	play_expect_that(
	    play, count_records(play, from, RECORD_SNAPSHOT_ENDED) == 1, "a snapshot is ended");
}

static void
stage_set(struct play *play)
{
	play_queue_put(play, "orders", NULL);
	play_queue_put(play, "other", NULL);
	play_publish(play, "orders", 8, 0);
	play_publish(play, "orders", 2, 500);
	play_publish(play, "other", 2, 0);
	play_user_make(play, "ann", USER_ROLE_ADMIN);
	play_user_make(play, "bob", USER_ROLE_USER);
	play_credential(play, USER_UID(1, 0), CREDENTIAL_TOKEN, 't', 0);
	play_grant(play, OP_GRANT_PUT, "orders", USER_UID(2, 1), RIGHT_CONSUME);
	play_run(play);
}

static void
snapshot_perform(struct play *play)
{
	struct user_config config = { .quotas.connections = 7 };
	struct play_receipts one = { .count = 1 };
	uint64_t from;

	stage_set(play);
	uint64_t received =
	    play_receive(play, "orders", (struct play_receive){ .max = 4, .lease_ms = 60000 });
	play_run(play);
	struct play_receipts all = play_receipts(play, received);
	from = play_root(play)->stream_tail;

	play_snapshot(play);
	fill_turn(play);
	one.items[0] = all.items[0];
	play_ack(play, "orders", &one);
	one.items[0] = all.items[1];
	play_settle(play, OP_NACK, "orders", &one, (struct play_settle){ .lease_ms = 700 });
	play_publish(play, "orders", 2, 0);
	play_receive(play, "orders", (struct play_receive){ .max = 2, .lease_ms = 60000 });
	play_user(play, OP_USER_PATCH, "ann", &config, USER_FIELD_CONNECTIONS);
	play_grant(play, OP_GRANT_DELETE, "orders", USER_UID(2, 1), 0);
	play_queue_delete(play, "other");
	play_purge(play, "orders", PURGE_DELAYED);
	play_run(play);
	expect_snapshot(play, from);

	/* Nothing happens beside it. */
	from = play_root(play)->stream_tail;
	play_snapshot(play);
	play_run(play);
	play_expect_that(
	    play, count_records(play, from, RECORD_SNAPSHOT_ENDED) == 1, "a second one");

	/* Replayed they change nothing; and timers write images too. */
	play_cold_start(play, true);
	from = play_root(play)->stream_tail;
	play_snapshot(play);
	fill_turn(play);
	play_run(play);
	play_advance(play, 100000);
	play_run(play);
	play_expect_that(play, count_records(play, from, RECORD_SNAPSHOT_ENDED) == 1,
	    "a third one, of the next life");
}

const struct script snapshot_script = {
	.name = "snapshot", .perform = snapshot_perform, .is_not_resumed = true
};

/* Images of more than one record before one commit. */
static void
snapshot_batch_perform(struct play *play)
{
	uint64_t from, received[6];
	struct play_receipts all = { .count = 0 };

	play_queue_put(play, "orders", NULL);
	play->is_quiet = true;
	for (unsigned i = 0; i < 6; i++)
		play_publish(play, "orders", 100, 0);
	play_run(play);
	for (unsigned i = 0; i < 6; i++)
		received[i] = play_receive(
		    play, "orders", (struct play_receive){ .max = 100, .lease_ms = 60000 });
	play_run(play);
	from = play_root(play)->stream_tail;
	all = play_receipts(play, received[0]);
	play->is_quiet = false;

	play_snapshot(play);
	fill_turn(play);
	play_ack(play, "orders", &all);
	play_run(play);
	expect_snapshot(play, from);
}

const struct script snapshot_batch_script = { .name = "snapshot_batch",
	.perform = snapshot_batch_perform,
	.messages = 640,
	.stride = 16,
	.is_not_resumed = true };
