/*
 * Happy path: wheel_arm() puts a timer into the bucket of its tick; wheel_step() moves the wheel to the next occupied bucket
 * or to now, brings higher buckets down when it enters them, and names what is due.
 * Failure modes: none of its own; a kill between two steps leaves a wheel that goes on where it was.
 */
#include "shm/state/wheel.h"

#define LEVEL_BITS 8
_Static_assert(WHEEL_BUCKETS == 1 << LEVEL_BITS, "a level takes one digit of the tick");

static uint64_t
tick_of(uint64_t due_ms)
{
	return (due_ms + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS; /* up: never before it is due */
}

static unsigned
digit(uint64_t tick, unsigned level)
{
	return (unsigned)(tick >> (level * LEVEL_BITS)) & (WHEEL_BUCKETS - 1);
}

/* The first tick of bucket `at` of a level, seen from a wheel at `tick`. */
static uint64_t
bucket_tick(uint64_t tick, unsigned level, unsigned at)
{
	unsigned above = (level + 1) * LEVEL_BITS;

	return tick >> above << above | (uint64_t)at << (level * LEVEL_BITS);
}

static unsigned
level_of(uint64_t wheel_tick, uint64_t tick)
{
	uint64_t differing = wheel_tick ^ tick;
	unsigned level = differing == 0 ? 0 : (63u - (unsigned)__builtin_clzll(differing)) / LEVEL_BITS;

	assert(level < WHEEL_LEVELS);
	return level;
}

void
wheel_init(struct wheel *wheel, uint64_t now_ms)
{
	wheel->tick = now_ms / WHEEL_TICK_MS;
	wheel->count = 0;
	for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
		for (unsigned word = 0; word < WHEEL_BUCKETS / 64; word++)
			wheel->occupied[level][word] = 0;
		for (unsigned at = 0; at < WHEEL_BUCKETS; at++)
			list_init(&wheel->buckets[level][at]);
	}
}

static void
wheel_place(const struct wheel_view *view, struct timer *timer, uint32_t idx)
{
	struct wheel *wheel = view->wheel;
	uint64_t tick = tick_of(timer->due_ms);

	if (tick < wheel->tick)
		tick = wheel->tick;
	unsigned level = level_of(wheel->tick, tick), at = digit(tick, level);
	struct list *bucket = &wheel->buckets[level][at];
	uint64_t *word = &wheel->occupied[level][at / 64];

	assert(at >= digit(wheel->tick, level));
	assert((bucket->count != 0) == (*word >> at % 64 & 1));
	if (bucket->count == 0)
		txn_set(view->txn, word, *word | 1ull << at % 64);
	txn_set(view->txn, &timer->bucket, 1 + level * WHEEL_BUCKETS + at);
	list_append(view->txn, &view->links, bucket, idx);
}

static void
wheel_unplace(const struct wheel_view *view, struct timer *timer, uint32_t idx)
{
	struct wheel *wheel = view->wheel;
	uint32_t number = timer->bucket - 1;
	unsigned level = number / WHEEL_BUCKETS, at = number % WHEEL_BUCKETS;

	assert(timer->bucket != 0);
	assert(level < WHEEL_LEVELS);
	struct list *bucket = &wheel->buckets[level][at];
	uint64_t *word = &wheel->occupied[level][at / 64];

	list_remove(view->txn, &view->links, bucket, idx);
	if (bucket->count == 0)
		txn_set(view->txn, word, *word & ~(1ull << at % 64));
}

void
wheel_arm(const struct wheel_view *view, uint32_t idx, uint64_t due_ms)
{
	struct timer *timer = timer_at(view, idx);

	assert(timer->bucket == 0);
	txn_set(view->txn, &timer->due_ms, due_ms);
	wheel_place(view, timer, idx);
	txn_set(view->txn, &view->wheel->count, view->wheel->count + 1);
}

void
wheel_disarm(const struct wheel_view *view, uint32_t idx)
{
	struct timer *timer = timer_at(view, idx);

	if (timer->bucket == 0)
		return;
	assert(view->wheel->count > 0);
	wheel_unplace(view, timer, idx);
	txn_set(view->txn, &timer->bucket, 0);
	txn_set(view->txn, &view->wheel->count, view->wheel->count - 1);
}

/* The first occupied bucket of a level at or after `from`, or WHEEL_BUCKETS. */
static unsigned
occupied_from(const struct wheel *wheel, unsigned level, unsigned from)
{
	for (unsigned word = from / 64; word < WHEEL_BUCKETS / 64; word++) {
		uint64_t bits = wheel->occupied[level][word];

		if (word == from / 64)
			bits &= UINT64_MAX << from % 64;
		if (bits != 0)
			return word * 64 + (unsigned)__builtin_ctzll(bits);
	}
	return WHEEL_BUCKETS;
}

/* The tick at which the wheel has something to do: now, if that is the present one. */
static uint64_t
wheel_next_tick(const struct wheel *wheel)
{
	if (wheel->count == 0)
		return WHEEL_NEVER;
	for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
		unsigned here = digit(wheel->tick, level);
		unsigned at = occupied_from(wheel, level, here);

		/* A higher bucket that the wheel has just entered is to be moved down before anything else happens. */
		if (at != WHEEL_BUCKETS)
			return at == here ? wheel->tick : bucket_tick(wheel->tick, level, at);
	}
	assert(!"W4: an armed timer lies behind the wheel");
	return WHEEL_NEVER;
}

uint64_t
wheel_next_ms(const struct wheel *wheel)
{
	uint64_t tick = wheel_next_tick(wheel);

	return tick == WHEEL_NEVER ? WHEEL_NEVER : tick * WHEEL_TICK_MS;
}

/* Bring one timer down from the buckets that the wheel has entered, highest level first.  False if there is none. */
static bool
wheel_cascade(const struct wheel_view *view)
{
	struct wheel *wheel = view->wheel;

	for (unsigned level = WHEEL_LEVELS - 1; level > 0; level--) {
		const struct list *bucket = &wheel->buckets[level][digit(wheel->tick, level)];

		if (bucket->count == 0)
			continue;
		uint32_t idx = bucket->head;
		struct timer *timer = timer_at(view, idx);

		wheel_unplace(view, timer, idx);
		wheel_place(view, timer, idx);
		assert(timer->bucket - 1 < level * WHEEL_BUCKETS);
		return true;
	}
	return false;
}

enum wheel_step
wheel_step(const struct wheel_view *view, uint64_t now_ms, uint32_t *idx)
{
	struct wheel *wheel = view->wheel;
	uint64_t now_tick = now_ms / WHEEL_TICK_MS;

	if (wheel->count > 0 && wheel_cascade(view))
		return WHEEL_MOVED;
	const struct list *due = &wheel->buckets[0][digit(wheel->tick, 0)];
	if (due->count > 0) {
		*idx = due->head;
		assert(timer_at(view, *idx)->due_ms <= now_ms);
		return WHEEL_DUE;
	}
	if (wheel->tick >= now_tick)
		return WHEEL_IDLE;
	uint64_t next = wheel_next_tick(wheel);
	assert(next > wheel->tick);
	txn_set(view->txn, &wheel->tick, next < now_tick ? next : now_tick);
	return WHEEL_MOVED;
}

/* W1, W2 and W4 for one timer that a walk found in bucket (level, at). */
static const char *
timer_check(const struct wheel *wheel, const struct timer *timer, unsigned level, unsigned at)
{
	uint64_t tick = tick_of(timer->due_ms);
	unsigned above = (level + 1) * LEVEL_BITS;

	if (timer->bucket != 1 + level * WHEEL_BUCKETS + at)
		return "W1: a timer's bucket number is not that of its list";
	if (tick < wheel->tick)
		tick = wheel->tick;
	if (tick >> above != wheel->tick >> above || digit(tick, level) != at)
		return "W2: a timer is not in the bucket of its tick";
	if (at < digit(wheel->tick, level))
		return "W4: a timer lies before the wheel's tick";
	return NULL;
}

static const char *
bucket_check(const struct wheel_view *view, unsigned level, unsigned at)
{
	const struct wheel *wheel = view->wheel;
	const struct list *bucket = &wheel->buckets[level][at];
	bool is_marked = (wheel->occupied[level][at / 64] >> at % 64 & 1) != 0;
	uint32_t idx = bucket->head, prev = NIL, walked = 0;

	if (is_marked != (bucket->count != 0))
		return "W3: an occupied bit does not match its bucket";
	for (; idx != NIL; idx = link_at(&view->links, idx)->next) {
		if (idx >= view->links.slot_count || ++walked > bucket->count)
			return "W1: a bucket's links lead astray";
		if (link_at(&view->links, idx)->prev != prev)
			return "W1: a bucket's links do not agree";
		const char *wrong = timer_check(wheel, timer_at(view, idx), level, at);
		if (wrong != NULL)
			return wrong;
		prev = idx;
	}
	if (walked != bucket->count || bucket->tail != prev)
		return "W1: a bucket's count or tail is wrong";
	return NULL;
}

const char *
wheel_check(const struct wheel_view *view)
{
	uint64_t count = 0;

	for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
		for (unsigned at = 0; at < WHEEL_BUCKETS; at++) {
			const char *wrong = bucket_check(view, level, at);

			if (wrong != NULL)
				return wrong;
			count += view->wheel->buckets[level][at].count;
		}
	}
	return count == view->wheel->count ? NULL : "S6: a wheel's count is not the number of its timers";
}
