/*
 * Anything in any order: operations drawn by a seed, several in a turn, time and crashes of everything in between.  It expects
 * nothing but what the oracle asks of every script.  STEP_SEED in the environment plays another one.
 *
 * mixture_snapshots is the same with snapshots, most of them under way while the operations are done.  What comes after a crash
 * has lost the snapshot and writes other records than the reference did: it is recovered and judged, but not played on.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/step/core/people.h"
#include "tests/step/scripts/scripts.h"

#define RUNS 40
#define WAIT_MS 200 /* the longest wait of a receive */
#define RECEIVES_KEPT 16

/* What has been asked so far; made again from the seed in every life. */
struct mixture {
	struct play *play;
	uint64_t random;
	uint64_t receives[RECEIVES_KEPT]; /* requests whose receipts are settled later, perhaps twice, perhaps too late */
	const char *receive_queues[RECEIVES_KEPT];
	unsigned receive_count;
};

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint32_t
below(struct mixture *mixture, uint32_t limit)
{
	uint64_t z = mixture->random += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (uint32_t)((z ^ z >> 31) % limit);
}

static const char *
any_queue(struct mixture *mixture)
{
	static const char *const names[] = { "orders", "orders", "orders", "invoices", "letters" };

	return names[below(mixture, 5)];
}

static uint64_t
any_delay_ms(struct mixture *mixture)
{
	static const uint64_t delays_ms[] = { 0, 0, 0, 0, 1, 30, 500, 2000, 300000, DELAY_DEFAULT };

	return delays_ms[below(mixture, 10)];
}

static void
put_or_patch(struct mixture *mixture)
{
	struct queue_config config = queue_config_default();

	config.backoff_jitter_ppm = 0;
	config.backoff_min_ms = below(mixture, 3) * 50;
	config.max_deliveries = 1 + below(mixture, 4);
	config.max_in_flight = below(mixture, 4) * 2;
	config.delay_ms = below(mixture, 3) * 20;
	config.lease_ms = 20 + below(mixture, 3) * 2000;
	if (below(mixture, 2) == 0)
		play_queue_put(mixture->play, any_queue(mixture), &config);
	else
		play_queue_patch(mixture->play, any_queue(mixture), &config, FIELD_MAX_IN_FLIGHT | FIELD_LEASE);
}

static void
receive(struct mixture *mixture)
{
	unsigned kept = mixture->receive_count++ % RECEIVES_KEPT;
	struct play_receive wanted = { .max = 1 + below(mixture, 5), .lease_ms = 10 + below(mixture, 3) * 3000,
		.wait_ms = below(mixture, 2) * (1 + below(mixture, WAIT_MS)), .waiter_slot = below(mixture, 9) };

	mixture->receive_queues[kept] = any_queue(mixture);
	mixture->receives[kept] = play_receive(mixture->play, mixture->receive_queues[kept], wanted);
}

static void
settle(struct mixture *mixture)
{
	static const enum op ops[] = { OP_ACK, OP_ACK, OP_EXTEND, OP_NACK, OP_NACK };
	unsigned kept = below(mixture, RECEIVES_KEPT);
	enum op op = ops[below(mixture, 5)];
	struct play_settle how = { .lease_ms = any_delay_ms(mixture), .mode = below(mixture, 2) ? NACK_FAIL : NACK_RELEASE };

	if (mixture->receives[kept] == 0)
		return;
	struct play_receipts receipts = play_receipts(mixture->play, mixture->receives[kept]);
	if (receipts.count > 0)
		play_settle(mixture->play, op, mixture->receive_queues[kept], &receipts, how);
}

static void
cancel(struct mixture *mixture)
{
	uint64_t id = mixture->receives[below(mixture, RECEIVES_KEPT)];

	play_receive_cancel(mixture->play, id, below(mixture, 9));
}

/* One who may be there, or may have been. */
static uint64_t
any_uid(struct mixture *mixture)
{
	return USER_UID(1 + below(mixture, 5), below(mixture, 4));
}

static void
any_person(struct mixture *mixture)
{
	static const char *const names[] = { "ann", "bob", "eve", "joe", "sue" };
	const char *name = names[below(mixture, 5)];
	struct user_config config = { .is_disabled = below(mixture, 3) == 0,
		.role = (uint8_t)below(mixture, 2) };
	enum credential_kind kind = (enum credential_kind)below(mixture, 2);
	struct play *play = mixture->play;

	switch (below(mixture, 8)) {
	case 0:
		play_user(play, OP_USER_PUT, name, &config, USER_FIELD_ROLE | USER_FIELD_DISABLED);
		return;
	case 1:
		play_user(play, OP_USER_PATCH, name, &config, USER_FIELD_DISABLED);
		return;
	case 2:
		play_user_delete(play, name);
		return;
	case 3 ... 4:
		play_credential(play, any_uid(mixture), kind, (char)below(mixture, 100),
		    below(mixture, 2) * 600);
		return;
	case 5:
		play_revoke_all(play, any_uid(mixture), kind);
		return;
	case 6:
		play_touch(play, CREDENTIAL_ID(1 + below(mixture, 8), below(mixture, 6)));
		return;
	default:
		play_revoke(play, CREDENTIAL_ID(1 + below(mixture, 8), below(mixture, 6)), kind);
	}
}

static void
any_grant(struct mixture *mixture)
{
	play_grant(mixture->play, below(mixture, 3) == 0 ? OP_GRANT_DELETE : OP_GRANT_PUT,
	    any_queue(mixture), any_uid(mixture), 1 + below(mixture, RIGHTS_ALL));
}

/* Mostly an admin; or somebody who may be given rights meanwhile, or lose them. */
static void
any_caller(struct mixture *mixture)
{
	mixture->play->caller = below(mixture, 3) > 0
	    ? (struct caller){ .flags = CALLER_ADMIN | CALLER_MAY_CREATE }
	    : (struct caller){ .uid = any_uid(mixture),
		      .flags = below(mixture, 2) * CALLER_MAY_CREATE };
}

static void
any_operation(struct mixture *mixture)
{
	struct play *play = mixture->play;
	uint32_t choice = below(mixture, 120);

	any_caller(mixture);

	if (choice < 34)
		play_publish(play, any_queue(mixture), 1 + below(mixture, 4), any_delay_ms(mixture));
	else if (choice < 60)
		receive(mixture);
	else if (choice < 84)
		settle(mixture);
	else if (choice < 88)
		cancel(mixture);
	else if (choice < 96)
		put_or_patch(mixture);
	else if (choice < 100)
		play_queue_list(play, below(mixture, 4), 1 + below(mixture, 6), "");
	else if (choice < 114)
		any_person(mixture);
	else
		any_grant(mixture);
}

/*
 * One job, when nobody waits any more: slices of several jobs, or of a job and receivers that are served, take turns, and the
 * moment of a worker's death decides whose turn is first in its next life.
 */
static void
long_work(struct mixture *mixture)
{
	struct play *play = mixture->play;

	play->caller = (struct caller){ .flags = CALLER_ADMIN };
	play_advance(play, WAIT_MS + 50);
	play_run(play);
	if (below(mixture, 3) == 0)
		play_queue_delete(play, any_queue(mixture));
	else
		play_purge(play, any_queue(mixture), 1 + below(mixture, 15));
	for (uint32_t count = below(mixture, 4); count > 0; count--)
		play_publish(play, any_queue(mixture), 1 + below(mixture, 3), any_delay_ms(mixture));
	play_run(play);
}

/* What happens between two turns. */
static void
any_event(struct mixture *mixture, bool *is_front_dead)
{
	static const uint64_t steps_ms[] = { 0, 0, 0, 4, 50, 400, 5000, 400000 };

	play_advance(mixture->play, steps_ms[below(mixture, 8)]);
	switch (below(mixture, 12)) {
	case 0:
		if (*is_front_dead)
			play_front_returns(mixture->play, 1);
		else
			play_front_dies(mixture->play, 1);
		*is_front_dead = !*is_front_dead;
		break;
	case 1:
		if (below(mixture, 4) == 0) {
			play_cold_start(mixture->play, below(mixture, 2) != 0);
			*is_front_dead = false;
		}
		break;
	}
}

/* It is begun at the end of a turn; of one that is full, what comes then is done beside it. */
static void
any_snapshot(struct mixture *mixture)
{
	uint32_t choice = below(mixture, 8);

	if (choice < 4)
		play_snapshot(mixture->play);
	for (unsigned i = 0; choice < 3 && i < TURN_FRAMES_MAX; i++)
		play_receive_cancel(mixture->play, 1u << 30, 0);
}

static void
perform(struct play *play, bool has_snapshots)
{
	const char *seed = getenv("STEP_SEED");
	struct mixture mixture = { .play = play, .random = seed != NULL ? strtoull(seed, NULL, 10) : 1 };
	bool is_front_dead = false;

	play_queue_put(play, "orders", NULL);
	play_queue_put(play, "invoices", NULL);
	for (unsigned run = 0; run < RUNS; run++) {
		if (has_snapshots)
			any_snapshot(&mixture);
		for (uint32_t count = below(&mixture, 4); count > 0; count--) {
			play->front = is_front_dead ? 0 : below(&mixture, WORLD_FRONTS);
			any_operation(&mixture);
		}
		play_run(play);
		play->front = 0;
		if (below(&mixture, 8) == 0)
			long_work(&mixture);
		any_event(&mixture, &is_front_dead);
	}
}

static void
mixture_perform(struct play *play)
{
	perform(play, false);
}

const struct script mixture_script = { .name = "mixture", .perform = mixture_perform };

static void
mixture_snapshots_perform(struct play *play)
{
	perform(play, true);
}

const struct script mixture_snapshots_script = {
	.name = "mixture_snapshots", .perform = mixture_snapshots_perform, .is_not_resumed = true
};
