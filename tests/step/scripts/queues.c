/*
 * Queues: created, changed, looked at, listed, removed.
 */
#include "tests/step/scripts/scripts.h"

static void
queue_put_perform(struct play *play)
{
	struct queue_config config = queue_config_default();
	uint64_t first = play_queue_put(play, "orders", NULL), again = play_queue_put(play, "orders", NULL);

	play_run(play);
	play_expect(play, first, OUTCOME_CREATED);
	play_expect(play, again, OUTCOME_OK);

	config.lease_ms = 1000;
	config.max_in_flight = 3;
	uint64_t changed = play_queue_put(play, "orders", &config), other = play_queue_put(play, "invoices", NULL);
	play_run(play);
	play_expect(play, changed, OUTCOME_OK);
	play_expect(play, other, OUTCOME_CREATED);

	/* Six slots in all; a name that is none. */
	uint64_t filling[5];
	for (unsigned i = 0; i < 5; i++) {
		char name[] = "filler.0";

		name[7] = (char)('0' + i);
		filling[i] = play_queue_put(play, name, NULL);
	}
	uint64_t bad = play_queue_put(play, ".hidden", NULL);
	play_run(play);
	play_expect(play, filling[3], OUTCOME_CREATED);
	play_expect(play, filling[4], OUTCOME_TOO_MANY_QUEUES);
	play_expect(play, bad, OUTCOME_BAD_NAME);
}

const struct script queue_put_script = { .name = "queue_put", .perform = queue_put_perform };

static void
queue_patch_perform(struct play *play)
{
	struct queue_config config = { .lease_ms = 5000, .delay_ms = 70, .max_deliveries = 2, .max_messages = 4 };
	uint64_t none = play_queue_patch(play, "orders", &config, FIELD_LEASE);

	play_queue_put(play, "orders", NULL);
	uint64_t lease = play_queue_patch(play, "orders", &config, FIELD_LEASE);
	uint64_t more = play_queue_patch(play, "orders", &config, FIELD_DELAY | FIELD_MAX_DELIVERIES | FIELD_MAX_MESSAGES);
	uint64_t same = play_queue_patch(play, "orders", &config, FIELD_LEASE);
	play_run(play);
	play_expect(play, none, OUTCOME_NO_QUEUE);
	play_expect(play, lease, OUTCOME_OK);
	play_expect(play, more, OUTCOME_OK);
	play_expect(play, same, OUTCOME_OK);

	/* A limit lifted lets the waiter have what was there. */
	config.max_in_flight = 1;
	play_queue_patch(play, "orders", &config, FIELD_MAX_IN_FLIGHT);
	play_publish(play, "orders", 2, 0);
	uint64_t first = play_receive(play, "orders", (struct play_receive){ .max = 1, .lease_ms = 60000 });
	uint64_t second =
	    play_receive(play, "orders", (struct play_receive){ .max = 1, .lease_ms = 60000, .wait_ms = 60000 });
	play_run(play);
	play_expect_delivered(play, first, 1);
	play_expect_none(play, second);
	config.max_in_flight = 2;
	play_queue_patch(play, "orders", &config, FIELD_MAX_IN_FLIGHT);
	play_run(play);
	play_expect_delivered(play, second, 1);
}

const struct script queue_patch_script = { .name = "queue_patch", .perform = queue_patch_perform };

static void
queue_get_perform(struct play *play)
{
	uint64_t none = play_queue_get(play, "orders");

	play_queue_put(play, "orders", NULL);
	play_publish(play, "orders", 3, 0);
	play_publish(play, "orders", 1, 5000);
	play_receive(play, "orders", (struct play_receive){ .max = 1, .lease_ms = 1000 });
	play_run(play);
	play_expect(play, none, OUTCOME_NO_QUEUE);
	play_expect_stats(play, "orders", 2, 1, 1, 0);
}

const struct script queue_get_script = { .name = "queue_get", .perform = queue_get_perform };

static void
queue_list_perform(struct play *play)
{
	uint64_t empty = play_queue_list(play, 0, 10, "");

	play_queue_put(play, "a.one", NULL);
	play_queue_put(play, "a.two", NULL);
	play_queue_put(play, "b", NULL);
	uint64_t page = play_queue_list(play, 0, 2, ""), prefixed = play_queue_list(play, 0, 10, "a.");
	uint64_t bad = play_queue_list(play, 0, QUEUE_LIST_PAGE_MAX + 1, "");
	play_run(play);
	play_expect(play, empty, OUTCOME_OK);
	play_expect(play, page, OUTCOME_OK);
	play_expect(play, prefixed, OUTCOME_OK);
	play_expect(play, bad, OUTCOME_BAD_REQUEST);
}

const struct script queue_list_script = { .name = "queue_list", .perform = queue_list_perform };

static void
queue_delete_perform(struct play *play)
{
	uint64_t none = play_queue_delete(play, "orders");

	play_queue_put(play, "orders", NULL);
	play_queue_put(play, "other", NULL);
	play_publish(play, "orders", 4, 0);
	play_publish(play, "orders", 2, 9000);
	play_publish(play, "other", 2, 0);
	uint64_t received = play_receive(play, "orders", (struct play_receive){ .max = 2, .lease_ms = 60000 });
	play_run(play);
	play_expect(play, none, OUTCOME_NO_QUEUE);
	play_expect_delivered(play, received, 2);

	/* JOB_DELETE.  In one turn: it goes, its name comes back as another queue, a lease of the old one does not stand. */
	struct play_receipts receipts = play_receipts(play, received);
	uint64_t deleted = play_queue_delete(play, "orders"), again = play_queue_put(play, "orders", NULL);
	play_publish(play, "orders", 1, 0);
	play_run(play);
	play_expect(play, deleted, OUTCOME_OK);
	play_expect(play, again, OUTCOME_CREATED);
	play_ack(play, "orders", &receipts);
	play_expect_stats(play, "orders", 1, 0, 0, 0);
	play_expect_stats(play, "other", 2, 0, 0, 0);

	/* One after the other: whose slice comes next after a death is not said (job_next is no word of a transaction). */
	play_queue_delete(play, "orders");
	play_run(play);
	play_queue_delete(play, "other");
	play_run(play);
}

const struct script queue_delete_script = { .name = "queue_delete", .perform = queue_delete_perform };

static void
waiters_of_deleted_perform(struct play *play)
{
	play_queue_put(play, "orders", NULL);
	uint64_t waiting[3];
	for (uint32_t i = 0; i < 3; i++)
		waiting[i] = play_receive(play, "orders",
		    (struct play_receive){ .max = 1, .lease_ms = 1000, .wait_ms = 60000, .waiter_slot = i });
	play_run(play);
	play_expect_none(play, waiting[0]);

	uint64_t deleted = play_queue_delete(play, "orders");
	play_run(play);
	play_expect(play, deleted, OUTCOME_OK);
	for (unsigned i = 0; i < 3; i++)
		play_expect(play, waiting[i], OUTCOME_NO_QUEUE);
}

const struct script waiters_of_deleted_script = { .name = "waiters_of_deleted", .perform = waiters_of_deleted_perform };

static void
purge_perform(struct play *play)
{
	play_queue_put(play, "orders", NULL);
	play_publish(play, "orders", 5, 0);
	play_publish(play, "orders", 2, 9000);
	uint64_t received = play_receive(play, "orders", (struct play_receive){ .max = 2, .lease_ms = 60000 });
	play_run(play);
	play_expect_delivered(play, received, 2);

	/* JOB_PURGE.  What is published behind it stays. */
	uint64_t purged = play_purge(play, "orders", PURGE_READY | PURGE_DELAYED);
	play_publish(play, "orders", 1, 0);
	uint64_t busy = play_purge(play, "orders", PURGE_READY);
	play_run(play);
	play_expect(play, purged, OUTCOME_OK);
	play_expect(play, busy, OUTCOME_BUSY);
	play_expect_stats(play, "orders", 1, 0, 2, 0);

	uint64_t leased = play_purge(play, "orders", PURGE_LEASED), nothing = play_purge(play, "orders", 0);
	play_run(play);
	play_expect(play, leased, OUTCOME_OK);
	play_expect(play, nothing, OUTCOME_BAD_REQUEST);
	play_expect_stats(play, "orders", 1, 0, 0, 0);
}

const struct script purge_script = { .name = "purge", .perform = purge_perform };

static void
purge_slices_perform(struct play *play)
{
	play_queue_put(play, "orders", NULL);
	play_run(play);
	play_publish(play, "orders", 100, 0);
	play_publish(play, "orders", 40, 5000);
	play_run(play);
	/* JOB_PURGE and JOB_DELETE, several slices each; a request in between. */
	uint64_t purged = play_purge(play, "orders", PURGE_READY);
	play_publish(play, "orders", 30, 0);
	play_run(play);
	play_expect(play, purged, OUTCOME_OK);
	play_expect_stats(play, "orders", 30, 40, 0, 0);
	uint64_t deleted = play_queue_delete(play, "orders");
	play_run(play);
	play_expect(play, deleted, OUTCOME_OK);
}

const struct script purge_slices_script = { .name = "purge_slices", .perform = purge_slices_perform, .messages = 180,
	.stride = 3 };
