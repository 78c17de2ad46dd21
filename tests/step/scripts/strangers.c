/*
 * What others do to a worker: a frontd that dies with requests posted and receivers waiting, one that lies, one that does not
 * take its answers, frames that no frontd would post.
 */
#include <string.h>

#include "tests/step/scripts/scripts.h"

static void
front_death_perform(struct play *play)
{
	struct play_receive waiting = { .max = 1, .lease_ms = 60000, .wait_ms = 60000 };

	play_queue_put(play, "orders", NULL);
	play_run(play);
	play->front = 1;
	for (waiting.waiter_slot = 0; waiting.waiter_slot < 3; waiting.waiter_slot++)
		play_receive(play, "orders", waiting);
	play_run(play);

	/* JOB_CLOSE_FRONT.  It posts, and is dead before anybody looks: what it asked is done, whom it had waiting is gone. */
	play_publish(play, "orders", 2, 0);
	play_receive(play, "orders", waiting);
	play_front_dies(play, 1);
	play_run(play);
	play->front = 0;
	play_expect_stats(play, "orders", 2, 0, 0, 0);

	play_front_returns(play, 1);
	play->front = 1;
	waiting.waiter_slot = 0;
	waiting.max = 5;
	uint64_t received = play_receive(play, "orders", waiting), waits = play_receive(play, "orders", waiting);
	play_run(play);
	play_expect_delivered(play, received, 2);
	play_expect_none(play, waits);
	play->front = 0;
	play_publish(play, "orders", 1, 0);
	play_run(play);
	play_expect_delivered(play, waits, 1);
}

const struct script front_death_script = { .name = "front_death", .perform = front_death_perform };

static void
refused_perform(struct play *play)
{
	static const char junk[256] = "\x50junk";
	uint64_t requests[OP_COUNT + 2];

	play_queue_put(play, "orders", NULL);
	play_run(play);
	/* Each operation cut short, a number that is none, and one that names a queue of 80 letters of junk. */
	for (unsigned op = 0; op <= OP_COUNT; op++)
		requests[op] = play_raw(play, (uint16_t)op, junk, 0);
	requests[OP_COUNT + 1] = play_raw(play, OP_PUBLISH, junk, sizeof(junk));
	play_run(play);
	for (unsigned op = 0; op <= OP_COUNT; op++) {
		if (op != OP_RECEIVE_CANCEL && op != OP_CREDENTIAL_TOUCH) /* nobody waits for those */
			play_expect(play, requests[op], OUTCOME_BAD_REQUEST);
	}
	play_expect_stats(play, "orders", 0, 0, 0, 0);
}

const struct script refused_script = { .name = "refused", .perform = refused_perform };

static void
front_lies_perform(struct play *play)
{
	struct play_receive waiting = { .max = 1, .lease_ms = 60000, .wait_ms = 60000 };

	play_queue_put(play, "orders", NULL);
	play->front = 1;
	uint64_t published = play_publish(play, "orders", 2, 0);
	play_run(play);
	play_expect(play, published, OUTCOME_OK);
	play_lie(play);
	uint64_t unread = play_publish(play, "orders", 1, 0);
	play_run(play);
	play_expect_none(play, unread);

	/* It is given up; the supervisor kills it and another comes. */
	play_front_dies(play, 1);
	play_run(play);
	play_front_returns(play, 1);
	waiting.waiter_slot = 1;
	uint64_t received = play_receive(play, "orders", waiting);
	play_run(play);
	play_expect_delivered(play, received, 1);
	play_expect_stats(play, "orders", 1, 0, 1, 0);
}

const struct script front_lies_script = { .name = "front_lies", .perform = front_lies_perform };

static void
answers_full_perform(struct play *play)
{
	struct play_receive waiting = { .max = 1, .lease_ms = 60000, .wait_ms = 100 };
	uint64_t lists[40];

	play_queue_put(play, "orders", NULL);
	play_queue_put(play, "other", NULL);
	for (unsigned i = 0; i < 4; i++) {
		char name[] = "filler.0";

		name[7] = (char)('0' + i);
		play_queue_put(play, name, NULL);
	}
	uint64_t timed_out = play_receive(play, "other", waiting);
	waiting.waiter_slot = 1;
	waiting.wait_ms = 60000;
	uint64_t served = play_receive(play, "orders", waiting);
	play_run(play);

	/* Its ring is full: what it asks stays asked, who waits is not served, but others are. */
	play->is_slow = true;
	for (unsigned i = 0; i < 40; i++)
		lists[i] = play_queue_list(play, 0, 6, "");
	play_run(play);
	play->front = 1;
	uint64_t published = play_publish(play, "orders", 2, 0);
	play_run(play);
	play_expect(play, published, OUTCOME_OK);
	play_expect_none(play, served);
	play_advance(play, 150);
	uint64_t purged = play_purge(play, "other", PURGE_READY);
	play_run(play);
	play_expect(play, purged, OUTCOME_OK);
	play_expect_none(play, timed_out);

	play->is_slow = false;
	play->front = 0;
	play_run(play); /* it takes what is there, and with that there is room */
	play_advance(play, 50);
	play_run(play);
	play_run(play);
	play_expect(play, lists[39], OUTCOME_OK);
	play_expect(play, timed_out, OUTCOME_EMPTY);
	play_expect_delivered(play, served, 1);
}

const struct script answers_full_script = { .name = "answers_full", .perform = answers_full_perform };

/* Each way in which a worker and an incarnation of a frontd can miss each other. */
static void
front_epochs_perform(struct play *play)
{
	struct play_receive waiting = { .max = 1, .lease_ms = 60000, .wait_ms = 60000, .waiter_slot = 2 };

	play_queue_put(play, "orders", NULL);
	play_run(play);

	/* Dead before the worker ever saw it: opened, what it posted is done, closed. */
	play_front_dies(play, 1);
	play_run(play);
	play_front_returns(play, 1);
	play->front = 1;
	play_publish(play, "orders", 1, 0);
	play_receive(play, "orders", (struct play_receive){ .max = 1, .lease_ms = 1000 });
	play_front_dies(play, 1);
	play_run(play);
	play->front = 0;
	play_expect_stats(play, "orders", 1, 0, 0, 0);

	/* It dies together with the worker, and its region is gone before a successor looks. */
	play_front_returns(play, 1);
	play->front = 1;
	uint64_t only = play_receive(play, "orders", waiting);
	play_run(play);
	play_expect_delivered(play, only, 1);
	uint64_t dropped = play_receive(play, "orders", waiting);
	play_run(play);
	play_front_replaced(play, 1);
	play_restart(play);
	uint64_t again = play_receive(play, "orders", waiting);
	play->front = 0;
	play_publish(play, "orders", 1, 0);
	play_run(play);
	play_expect_none(play, dropped);
	play_expect_delivered(play, again, 1);

	/* The shard was damaged and is loaded anew: whom it spoke to before, it gives up. */
	play_reload(play);
	uint64_t unheard = play_queue_get(play, "orders");
	play_run(play);
	play_expect_none(play, unheard);
	play_front_dies(play, 0);
	play_front_dies(play, 1);
	play_run(play);
	play_front_returns(play, 0);
	play_front_returns(play, 1);
	play_expect_stats(play, "orders", 2, 0, 0, 0);
}

const struct script front_epochs_script = { .name = "front_epochs", .perform = front_epochs_perform };

/* persistd is gone for a while, then its journal is bad, then full; announcement.c steps its own side. */
static void
persist_restart_perform(struct play *play)
{
	struct play_receive two = { .max = 2, .lease_ms = 60000 };

	play_queue_put(play, "orders", NULL);
	play_publish(play, "orders", 3, 0);
	play_run(play);
	play_journal(play, JOURNAL_STARTING);
	uint64_t published = play_publish(play, "orders", 1, 0), received = play_receive(play, "orders", two);
	play_run(play);
	play_expect(play, published, OUTCOME_OK);
	play_expect_delivered(play, received, 2);
	play_restart(play);

	play_journal(play, JOURNAL_FAILED);
	struct play_receipts receipts = play_receipts(play, received);
	uint64_t refused = play_publish(play, "orders", 1, 0), acked = play_ack(play, "orders", &receipts);
	play_run(play);
	play_expect(play, refused, OUTCOME_JOURNAL_FAILED);
	play_expect(play, acked, OUTCOME_OK);
	play_restart(play);

	play_journal(play, JOURNAL_DISK_FULL);
	refused = play_publish(play, "orders", 1, 0);
	play_run(play);
	play_expect(play, refused, OUTCOME_DISK_FULL);
	play_journal(play, JOURNAL_OK);
	play_restart(play);
	play_expect_stats(play, "orders", 2, 0, 0, 0);
}

const struct script persist_restart_script = { .name = "persist_restart", .perform = persist_restart_perform };
