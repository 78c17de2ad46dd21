/*
 * What time does: leases end, delays are over, waiters give up, the wheel turns; and the longest night, a cold start.
 */
#include "shm/record.h"
#include "tests/step/core/people.h"
#include "tests/step/scripts/scripts.h"

static void
lease_expiry_perform(struct play *play)
{
	struct queue_config config = queue_config_default();

	config.max_deliveries = 2;
	play_queue_put(play, "orders", &config);
	play_publish(play, "orders", 3, 0);
	uint64_t received = play_receive(play, "orders", (struct play_receive){ .max = 2, .lease_ms = 40 });
	play_run(play);
	struct play_receipts stale = play_receipts(play, received);

	/* Two at one tick: both end, in one turn, a transaction each. */
	play_advance(play, 60);
	uint64_t late = play_ack(play, "orders", &stale);
	play_run(play);
	play_expect(play, late, OUTCOME_OK);
	play_expect_stats(play, "orders", 3, 0, 0, 0);

	/* The second end is the last. */
	received = play_receive(play, "orders", (struct play_receive){ .max = 2, .lease_ms = 40 });
	play_run(play);
	play_expect_delivered(play, received, 2);
	play_advance(play, 60);
	play_run(play);
	play_expect_stats(play, "orders", 1, 0, 0, 2);
}

const struct script lease_expiry_script = { .name = "lease_expiry", .perform = lease_expiry_perform };

static void
delayed_perform(struct play *play)
{
	struct queue_config config = queue_config_default();

	config.delay_ms = 100;
	play_queue_put(play, "orders", &config);
	play_publish(play, "orders", 2, DELAY_DEFAULT);
	play_publish(play, "orders", 1, 0);
	uint64_t waiting =
	    play_receive(play, "orders", (struct play_receive){ .max = 4, .lease_ms = 60000, .wait_ms = 60000 });
	play_run(play);
	play_expect_delivered(play, waiting, 1);

	uint64_t waits_for_delay =
	    play_receive(play, "orders", (struct play_receive){ .max = 1, .lease_ms = 60000, .wait_ms = 60000 });
	play_run(play);
	play_expect_none(play, waits_for_delay);
	play_advance(play, 108);
	play_run(play);
	play_expect_delivered(play, waits_for_delay, 1);
	play_expect_stats(play, "orders", 1, 0, 2, 0);
}

const struct script delayed_script = { .name = "delayed", .perform = delayed_perform };

static void
wheel_cascade_perform(struct play *play)
{
	static const uint64_t delays_ms[] = { 4, 1023, 1024, 1028, 262144, 300000, 67108864, 70000000, 17179869184 };

	play_queue_put(play, "orders", NULL);
	for (unsigned i = 0; i < sizeof(delays_ms) / sizeof(delays_ms[0]); i++)
		play_publish(play, "orders", 1, delays_ms[i]);
	play_run(play);
	play_expect_stats(play, "orders", 0, 9, 0, 0);
	play_advance(play, 1020);
	play_run(play);
	play_expect_stats(play, "orders", 1, 8, 0, 0);
	play_advance(play, 20);
	play_run(play);
	play_expect_stats(play, "orders", 4, 5, 0, 0);
	play_advance(play, 300000);
	play_run(play);
	play_expect_stats(play, "orders", 6, 3, 0, 0);
	play_advance(play, 70000000);
	play_run(play);
	play_expect_stats(play, "orders", 8, 1, 0, 0);
	/* Half a year and more in one leap. */
	play_advance(play, 17179869184);
	play_run(play);
	play_expect_stats(play, "orders", 9, 0, 0, 0);
}

const struct script wheel_cascade_script = { .name = "wheel_cascade", .perform = wheel_cascade_perform };

static uint64_t
wait_for(struct play *play, uint32_t slot, uint32_t max, uint32_t wait_ms)
{
	return play_receive(play, "orders",
	    (struct play_receive){ .max = max, .lease_ms = 60000, .wait_ms = wait_ms, .waiter_slot = slot });
}

static void
waiter_served_perform(struct play *play)
{
	play_queue_put(play, "orders", NULL);
	uint64_t first = wait_for(play, 0, 1, 60000), second = wait_for(play, 1, 10, 60000);
	play->front = 1;
	uint64_t third = wait_for(play, 0, 1, 60000);
	play_run(play);
	play_expect_none(play, first);

	play->front = 0;
	play_publish(play, "orders", 1, 0);
	play_run(play);
	play_expect_delivered(play, first, 1);
	play_expect_none(play, second);
	play_publish(play, "orders", 3, 0);
	play_run(play);
	play_expect_delivered(play, second, 3);
	play_expect_none(play, third);

	/* What is given back goes to who waits. */
	struct play_receipts receipts = play_receipts(play, first);
	play_settle(play, OP_NACK, "orders", &receipts, (struct play_settle){ .lease_ms = 0 });
	play_run(play);
	play_expect_delivered(play, third, 1);
}

const struct script waiter_served_script = { .name = "waiter_served", .perform = waiter_served_perform };

static void
waiter_timeout_perform(struct play *play)
{
	play_queue_put(play, "orders", NULL);
	uint64_t first = wait_for(play, 0, 1, 50), second = wait_for(play, 7, 1, 50), third = wait_for(play, 2, 1, 2000);
	uint64_t beyond = wait_for(play, 8, 1, 50), taken = wait_for(play, 7, 1, 50);
	play_run(play);
	play_expect_none(play, first);
	play_expect(play, beyond, OUTCOME_TOO_MANY_WAITERS);
	play_expect(play, taken, OUTCOME_BAD_REQUEST);
	play_advance(play, 60);
	play_run(play);
	play_expect(play, first, OUTCOME_EMPTY);
	play_expect(play, second, OUTCOME_EMPTY);
	play_expect_none(play, third);
	play_advance(play, 2000);
	play_run(play);
	play_expect(play, third, OUTCOME_EMPTY);
}

const struct script waiter_timeout_script = { .name = "waiter_timeout", .perform = waiter_timeout_perform };

static void
receive_cancel_perform(struct play *play)
{
	play_queue_put(play, "orders", NULL);
	uint64_t first = wait_for(play, 0, 1, 60000), second = wait_for(play, 1, 1, 60000);
	play_run(play);
	play_receive_cancel(play, first, 0);
	play_receive_cancel(play, first, 1); /* another's slot */
	play_receive_cancel(play, first, UINT32_MAX);
	play_run(play);
	play_expect_none(play, first);
	play_publish(play, "orders", 1, 0);
	play_receive_cancel(play, second, 1); /* before it could be served, or too late: one of the two */
	play_run(play);
	uint64_t next = wait_for(play, 0, 1, 0);
	play_run(play);
	bool was_served = play_reply(play, second) != NULL;
	play_expect(play, next, was_served ? OUTCOME_EMPTY : OUTCOME_OK);
}

const struct script receive_cancel_script = { .name = "receive_cancel", .perform = receive_cancel_perform };

static void
in_flight_perform(struct play *play)
{
	struct queue_config config = queue_config_default();

	config.max_in_flight = 2;
	play_queue_put(play, "orders", &config);
	play_publish(play, "orders", 4, 0);
	uint64_t two = wait_for(play, 0, 10, 0), limited = wait_for(play, 0, 1, 0), waiting = wait_for(play, 0, 1, 60000);
	play_run(play);
	play_expect_delivered(play, two, 2);
	play_expect(play, limited, OUTCOME_IN_FLIGHT_LIMIT);
	play_expect_none(play, waiting);
	struct play_receipts receipts = play_receipts(play, two);
	receipts.count = 1;
	play_ack(play, "orders", &receipts);
	play_run(play);
	play_expect_delivered(play, waiting, 1);
}

const struct script in_flight_script = { .name = "in_flight", .perform = in_flight_perform };

static void
cold_start_perform(struct play *play)
{
	play_queue_put(play, "orders", NULL);
	play_queue_put(play, "other", NULL);
	play_publish(play, "orders", 5, 0);
	play_publish(play, "orders", 2, 100);
	play_publish(play, "other", 2, 0);
	uint64_t received = play_receive(play, "orders", (struct play_receive){ .max = 4, .lease_ms = 60000 });
	uint64_t waiting = wait_for(play, 3, 10, 60000);
	play_run(play);
	struct play_receipts receipts = play_receipts(play, received), two = receipts;

	two.count = 2;
	play_ack(play, "orders", &two);
	play_purge(play, "other", PURGE_READY);
	play_run(play);
	play_expect_delivered(play, waiting, 1);

	/* JOB_END_LEASES: what was leased comes back, and a receipt from before does not stand. */
	play_cold_start(play, false);
	play_expect_stats(play, "orders", 3, 2, 0, 0);
	play_ack(play, "orders", &receipts);
	play_expect_stats(play, "orders", 3, 2, 0, 0);

	/* After a clean stop leases stand. */
	received = play_receive(play, "orders", (struct play_receive){ .max = 2, .lease_ms = 60000 });
	play_run(play);
	receipts = play_receipts(play, received);
	play_cold_start(play, true);
	play_expect_stats(play, "orders", 1, 2, 2, 0);
	play_ack(play, "orders", &receipts);
	play_expect_stats(play, "orders", 1, 2, 0, 0);
	play_advance(play, 200);
	play_run(play);
	play_expect_stats(play, "orders", 3, 0, 0, 0);
}

const struct script cold_start_script = { .name = "cold_start", .perform = cold_start_perform,
	.steps_emptying = true };

/* Which types of record the stream holds, a bit each. */
static uint64_t
recorded_types(const struct play *play)
{
	uint64_t types = 0, tail = play_root(play)->stream_tail;

	for (uint64_t lsn = play->world->log->first_lsn; lsn < tail;) {
		const struct record *record = (const struct record *)(play->world->stream_bytes + lsn);

		types |= 1ull << record->type;
		lsn += record->bytes;
	}
	return types;
}

/* Their records too. */
static void
people_come_and_go(struct play *play)
{
	struct user_config config = { .quotas.connections = 7 };

	play_user_make(play, "ann", USER_ROLE_ADMIN);
	play_user_make(play, "bob", USER_ROLE_USER);
	play_user(play, OP_USER_PATCH, "ann", &config, USER_FIELD_CONNECTIONS);
	play_credential(play, USER_UID(1, 0), CREDENTIAL_TOKEN, 't', 0);
	play_credential(play, USER_UID(1, 0), CREDENTIAL_TOKEN, 'u', 0);
	play_run(play);
	play_advance(play, 10); /* used later than it was made */
	play_touch(play, CREDENTIAL_ID(1, 0));
	play_revoke(play, CREDENTIAL_ID(2, 1), CREDENTIAL_TOKEN);
	play_grant(play, OP_GRANT_PUT, "orders", USER_UID(1, 0), RIGHT_BROWSE);
	play_user_delete(play, "bob");
	play_run(play);
}

static void
replay_each_perform(struct play *play)
{
	struct queue_config config = queue_config_default();
	struct play_receipts one = { .count = 1 };

	config.backoff_jitter_ppm = 0;
	config.lease_ms = 45000;
	play_queue_put(play, "orders", NULL);
	play_queue_put(play, "orders", &config);
	play_queue_put(play, "other", NULL);
	play_publish(play, "orders", 5, 0);
	play_publish(play, "orders", 1, 100);
	play_publish(play, "other", 3, 0);
	uint64_t received = play_receive(play, "orders", (struct play_receive){ .max = 4, .lease_ms = 60000 });
	play_run(play);
	struct play_receipts all = play_receipts(play, received);
	one.items[0] = all.items[0];
	play_ack(play, "orders", &one);
	one.items[0] = all.items[1];
	play_settle(play, OP_EXTEND, "orders", &one, (struct play_settle){ .lease_ms = 90000 });
	one.items[0] = all.items[2];
	play_settle(play, OP_NACK, "orders", &one, (struct play_settle){ .lease_ms = 0 });
	/* One job after the other: with two, a successor may begin with the other one, and the answers name other LSNs. */
	play_purge(play, "orders", PURGE_READY);
	play_run(play);
	play_queue_delete(play, "other");
	play_run(play);
	people_come_and_go(play);
	play_cold_start(play, false);
	if (!play_is_past(play)) {
		uint64_t types = recorded_types(play);

/* But for those of a snapshot, which a script of their own has (snapshots.c). */
#define X(name, value, lower) \
	play_expect_that(play, types >> (value) & 1 || (value) >= RECORD_SNAPSHOT_BEGUN, "a " #name " is replayed");
#include "shm/records.def"
#undef X
	}
	/* Each of them, the RESTARTED of the first start too. */
	play_cold_start(play, true);
	play_advance(play, 100000);
	play_run(play);
	play_expect_stats(play, "orders", 3, 0, 0, 0);
}

const struct script replay_each_script = { .name = "replay_each", .perform = replay_each_perform };
