/*
 * Whatever a frontd writes into the ring by which it asks persistd for bodies: persistd lives, gives it nothing but whole
 * records of the length that was asked for, and serves another frontd as ever.  The journal is one of this test's own, which
 * answers as the input chooses: at once, later, never, by a read that succeeds, fails or is short.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "persistd/fetch.h"
#include "shm/record.h"
#include "tests/harness/attack.h"
#include "tests/harness/engine.h"

enum { HOSTILE, HONEST, FRONTS, SHARDS = 2, RECORDS = 64, RECORD_BYTES = 128, RING_BYTES = 4096, BODY_RING_BYTES = 4096,
	STEPS_MAX = 200 };

/* A frontd's rings in private memory. */
struct side {
	struct front_shared *shared;
	char *fetch;             /* mirrored */
	char *body;
	struct ring request;     /* the frontd's own view */
	struct ring answer;
};

struct journal_of_ours {
	struct backend backend;
	struct attack_source *source;
	_Alignas(8) char records[RECORDS * RECORD_BYTES];
	uint32_t reading_bytes[FETCH_SLOTS]; /* 0: no read of this slot is under way */
	bool is_kind;            /* the honest one is asking: no tricks */
};

static struct registry_shared registry;
static struct stats_shared stats;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

/* --- the journal --- */

static enum backend_fetch
fetch(struct backend *backend, uint32_t number, const struct backend_range *range, void *to, const char **here)
{
	struct journal_of_ours *journal = (struct journal_of_ours *)backend;
	uint64_t offset = range->lsn - LSN_FIRST;

	assert(number < FETCH_SLOTS && range->shard < SHARDS && range->lsn >= LSN_FIRST);
	assert(range->bytes >= sizeof(struct record) && range->bytes <= FETCH_BYTES_MAX && range->bytes % 8 == 0);
	if (offset >= sizeof(journal->records) || range->bytes > sizeof(journal->records) - offset)
		return BACKEND_NONE;
	*here = journal->records + offset;
	if (journal->is_kind)
		return BACKEND_HERE;
	switch (attack_choose(journal->source, 4)) {
	case 0:
		return BACKEND_LATER;
	case 1:
		memcpy(to, *here, range->bytes);
		journal->reading_bytes[number] = range->bytes;
		return BACKEND_FETCHING;
	case 2:
		return BACKEND_COMING;
	default:
		return BACKEND_HERE;
	}
}

static const struct backend_ops ops = { .fetch = fetch };

static void
fill_records(struct journal_of_ours *journal)
{
	for (uint32_t i = 0; i < RECORDS; i++) {
		struct record *record = (struct record *)(journal->records + i * RECORD_BYTES);

		memset(record, 'a' + (int)i % 26, RECORD_BYTES);
		*record = (struct record){ .bytes = RECORD_BYTES, .type = RECORD_ACKED, .flags = RECORD_LAST,
			.lsn = LSN_FIRST + (uint64_t)i * RECORD_BYTES, .time_ms = 1 };
	}
}

/* A read ends: well, short, or not at all. */
static void
complete(struct fetches *fetches, struct journal_of_ours *journal, uint32_t number, uint32_t how)
{
	int32_t bytes = (int32_t)journal->reading_bytes[number];

	if (bytes == 0)
		return;
	journal->reading_bytes[number] = 0;
	fetches_completed(fetches, number, how == 0 ? -EIO : how == 1 ? bytes - 8 : bytes);
}

/* --- fronts --- */

static void
make_sides(struct side sides[FRONTS])
{
	for (uint32_t i = 0; i < FRONTS; i++) {
		if (sides[i].fetch != NULL)
			continue;
		sides[i].shared = calloc(1, sizeof(*sides[i].shared));
		sides[i].fetch = engine_mirrored(RING_BYTES);
		sides[i].body = engine_mirrored(BODY_RING_BYTES);
		assert(sides[i].shared != NULL);
	}
}

/* The region of the next incarnation, as front_leave() and front_enter() change to it. */
static void
enter(struct fetches *fetches, struct side *side, uint32_t index)
{
	struct fetch_front *mine = &fetches->fronts[index];

	memset(side->shared, 0, sizeof(*side->shared));
	*mine = (struct fetch_front){ .epoch = mine->epoch + 1, .front.shared = side->shared };
	ring_init(&mine->fetch, &side->shared->fetch, side->fetch, RING_BYTES);
	ring_init(&mine->body, &side->shared->body, side->body, BODY_RING_BYTES);
	ring_init(&side->request, &side->shared->fetch, side->fetch, RING_BYTES);
	ring_init(&side->answer, &side->shared->body, side->body, BODY_RING_BYTES);
}

static void
enter_attack(struct fetches *fetches, struct side *side, struct attack_source *source, struct attack_fetch *attack)
{
	struct front front = { .shared = side->shared, .fetch_bytes = side->fetch, .body_bytes = side->body,
		.geometry = fetches->role->geometry.front };

	enter(fetches, side, HOSTILE);
	attack_fetch_begin(attack, source, &front);
	attack->lsn_end = LSN_FIRST + RECORDS * RECORD_BYTES;
}

/* The honest frontd asks for a record and gets it, whatever the other does. */
static void
honest_round(struct fetches *fetches, struct journal_of_ours *journal, struct side *side, uint64_t id)
{
	uint32_t which = (uint32_t)id % RECORDS;
	struct fetch_request *request = ring_reserve(&side->request, sizeof(*request));
	struct frame_header header;
	const void *frame;

	assert(request != NULL);
	*request = (struct fetch_request){ .header = { .bytes = sizeof(*request), .id = id }, .shard = 1,
		.lsn = LSN_FIRST + (uint64_t)which * RECORD_BYTES, .record_bytes = RECORD_BYTES };
	ring_push(&side->request, sizeof(*request));
	ring_post(&side->request);
	journal->is_kind = true;
	(void)fetches_serve(fetches);
	/* Reads for incarnations that are gone may hold all slots, for as long as the disk takes. */
	if (ring_peek(&side->answer, BODY_RING_BYTES, &header, &frame) == RING_EMPTY) {
		for (uint32_t i = 0; i < FETCH_SLOTS; i++)
			complete(fetches, journal, i, 2);
		(void)fetches_serve(fetches);
	}
	journal->is_kind = false;
	assert(ring_peek(&side->answer, BODY_RING_BYTES, &header, &frame) == RING_FRAME);
	assert(header.id == id && header.op == OUTCOME_OK);
	const struct fetch_reply *reply = frame;
	assert(reply->record_bytes == RECORD_BYTES);
	assert(memcmp(reply->bytes, journal->records + which * RECORD_BYTES, RECORD_BYTES) == 0);
	ring_skip(&side->answer, header.bytes);
	ring_drop(&side->answer);
	assert(ring_peek(&side->answer, BODY_RING_BYTES, &header, &frame) == RING_EMPTY);
}

static void
step(struct fetches *fetches, struct journal_of_ours *journal, struct side *sides, struct attack_fetch *attack)
{
	struct attack_source *source = journal->source;

	switch (attack_choose(source, 8)) {
	case 0:
	case 1:
		(void)fetches_serve(fetches);
		return;
	case 2:
		complete(fetches, journal, attack_choose(source, FETCH_SLOTS), attack_choose(source, 4));
		return;
	case 3:
		attack_fetch_take(attack);
		return;
	case 4:
		honest_round(fetches, journal, &sides[HONEST], ++attack->next_id);
		return;
	default:
		attack_fetch_step(attack, 24);
	}
}

/* The hostile one is gone for good: nothing of it may hold a slot. */
static void
drain(struct fetches *fetches, struct journal_of_ours *journal, struct side *sides)
{
	enter(fetches, &sides[HOSTILE], HOSTILE);
	journal->is_kind = true;
	for (uint32_t i = 0; i < FETCH_SLOTS; i++)
		complete(fetches, journal, i, 2);
	(void)fetches_serve(fetches);
	assert(!fetches_are_blocked(fetches));
	for (uint32_t i = 0; i < FETCH_SLOTS; i++)
		assert(fetches->slots[i].state == FETCH_FREE);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	static struct side sides[FRONTS];
	static struct role role;
	static struct fetches fetches;
	struct attack_source source = { .bytes = bytes, .left = count };
	struct journal_of_ours journal = { .backend.ops = &ops, .source = &source };
	struct attack_fetch attack;

	if (role.stats.shared == NULL) {
		role = (struct role){ .kind = ROLE_PERSIST, .slot = SLOT_PERSIST, .is_thread = true, .registry.shared = &registry,
			.stats.shared = &stats, .geometry = { .fronts = FRONTS, .workers = SHARDS,
			.front = { .workers = SHARDS, .fetch_bytes = RING_BYTES, .body_bytes = BODY_RING_BYTES } } };
		for (uint32_t i = 0; i < FRONTS; i++)
			role.waker[SLOT_FRONT(i)].word = &stats.parked;
		if (fetches_open(&fetches, &role, &journal.backend) != 0)
			abort();
	}
	fetches.backend = &journal.backend;
	make_sides(sides);
	fill_records(&journal);
	enter(&fetches, &sides[HONEST], HONEST);
	enter_attack(&fetches, &sides[HOSTILE], &source, &attack);
	for (unsigned i = 0; i < STEPS_MAX && !attack_is_used_up(&source); i++) {
		step(&fetches, &journal, sides, &attack);
		assert(!fetches.fronts[HONEST].is_broken);
		if (!fetches.fronts[HOSTILE].is_broken)
			continue;
		/* The supervisor is told, too. */
		assert(stats.closed_epoch[HOSTILE] == fetches.fronts[HOSTILE].epoch);
		enter_attack(&fetches, &sides[HOSTILE], &source, &attack);
	}
	honest_round(&fetches, &journal, &sides[HONEST], ++attack.next_id);
	drain(&fetches, &journal, sides);
	return 0;
}
