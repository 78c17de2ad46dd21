#include "tests/step/core/announcement.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "persistd/announce.h"
#include "tests/step/core/tracer.h"

#define SHARDS 3
#define BATCHES 4
#define REGION_BYTES ((sizeof(struct durable_shared) + 4095) & ~(size_t)4095)

static struct {
	struct verdict *verdict;
	struct durable_shared *live, *successor; /* persistd's, and its successor's copy, which is stepped in its turn */
	struct durable_shared seen, seen_successor;
	struct journal_position old, new; /* the live one goes from one to the other */
	struct journal_position taken;    /* by the successor */
	bool is_open;                     /* announce_open() is done, or may be */
} it;

static void
wrong(const char *what)
{
	if (it.verdict->wrong[0] == '\0')
		snprintf(it.verdict->wrong, sizeof(it.verdict->wrong), "durable point: %s [store %" PRIu64 "]", what,
		    it.verdict->steps);
	_exit(EXIT_SUCCESS);
}

/* Batch `number` of this life: all words differ from those of any other. */
static struct journal_position
position_of(uint64_t number)
{
	struct journal_position position = { .index = 100 + number, .hash = number * 0x9e3779b97f4a7c15ull,
		.segment = 7 + number };

	for (uint32_t shard = 0; shard < SHARDS; shard++)
		position.lsn[shard] = 8 + number * 4096 * (shard + 1);
	return position;
}

static bool
is_equal(const struct journal_position *a, const struct journal_position *b)
{
	return a->index == b->index && a->hash == b->hash && a->segment == b->segment &&
	    memcmp(a->lsn, b->lsn, sizeof(a->lsn)) == 0;
}

/* True if a predecessor is known: then *position is whole and covers all that anybody was told. */
static bool
read_back(const struct durable_shared *durable, struct journal_position *position)
{
	if (!announce_read(durable, position))
		return false;
	for (uint32_t shard = 0; shard < SHARDS; shard++) {
		if (durable->shard[shard].lsn > position->lsn[shard])
			wrong("a frontd was told of more than a successor knows");
	}
	return true;
}

static void
look_at_successor(const struct tracer_stop *stop)
{
	struct journal_position position;

	(void)stop;
	if (memcmp(&it.seen_successor, it.successor, sizeof(it.seen_successor)) == 0)
		return;
	it.seen_successor = *it.successor;
	if (!read_back(it.successor, &position) || !is_equal(&position, &it.taken))
		wrong("a successor that dies while it starts leaves another position than it found");
	it.verdict->recovery_states++;
}

static void
look(const struct tracer_stop *stop)
{
	struct tracer outer;

	(void)stop;
	it.verdict->steps++;
	if (memcmp(&it.seen, it.live, sizeof(it.seen)) == 0)
		return;
	it.seen = *it.live;
	it.verdict->changes++;
	it.verdict->states++;
	*it.successor = it.seen;
	it.seen_successor = it.seen;
	if (!read_back(it.successor, &it.taken)) {
		if (it.is_open)
			wrong("a successor does not know that there was a persistd");
		return;
	}
	if (!is_equal(&it.taken, &it.old) && !is_equal(&it.taken, &it.new))
		wrong("a successor reads half of a position");
	struct tracer_memory memory = { (char *)it.successor, REGION_BYTES };
	tracer_push(&outer, &memory, 1, look_at_successor);
	tracer_begin();
	announce_state(it.successor, JOURNAL_STARTING);
	announce_position(it.successor, &it.taken, SHARDS);
	announce_open(it.successor, it.seen.persist_epoch + 1, it.taken.segment + 1);
	announce_state(it.successor, JOURNAL_OK);
	tracer_end();
	tracer_pop(&outer);
	it.verdict->recoveries++;
}

void
announcement_judge(struct verdict *verdict)
{
	struct tracer_memory memory = { .bytes = REGION_BYTES };

	memset(&it, 0, sizeof(it));
	it.verdict = verdict;
	it.live = mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	it.successor = mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (it.live == MAP_FAILED || it.successor == MAP_FAILED)
		wrong("no memory");
	memory.base = (char *)it.live;
	it.new = position_of(0);
	tracer_open(&memory, 1, look, false);
	tracer_begin();
	announce_position(it.live, &it.new, SHARDS);
	announce_open(it.live, 1, it.new.segment);
	announce_state(it.live, JOURNAL_OK);
	tracer_end();
	it.is_open = true;
	for (uint64_t batch = 1; batch <= BATCHES; batch++) {
		it.old = it.new;
		it.new = position_of(batch);
		tracer_begin();
		announce_position(it.live, &it.new, SHARDS);
		tracer_end();
	}
	munmap(it.live, REGION_BYTES);
	munmap(it.successor, REGION_BYTES);
}
