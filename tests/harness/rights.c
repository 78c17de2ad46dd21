/*
 * Happy path: rights_check() sorts the changes by fact, then asks of each use what its facts were while it was under way.
 *
 * Time: an event's effect lies between its begin and its end, so "before" is always one's end before the other's begin.
 */
#include "tests/harness/rights.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Within so long an ended credential is refused everywhere (docs/api.md). */
static const uint64_t everywhere_us = 1000000;

enum { ROOM_FOR_A_BREACH = 1500, CHANGES_SHOWN = 6 };

struct change {
	uint32_t fact;
	const struct rights_event *event;
};

struct check {
	const struct rights *rights;
	const struct history_cut *cuts;
	unsigned cut_count;
	struct change *changes;         /* by fact, then by begin */
	size_t change_count;
	struct rights_verdict *verdict;
};

const char *
rights_rule_name(enum rights_rule rule)
{
	static const char *const names[RIGHTS_RULES] = { "ENDED", "TRESPASS", "STANDS" };

	return names[rule];
}

void
rights_init(struct rights *rights, uint64_t late_us)
{
	memset(rights, 0, sizeof(*rights));
	rights->late_us = late_us;
	uint32_t never = rights_fact(rights, FACT_RIGHT);

	assert(never == FACT_NEVER);
	(void)never;
}

void
rights_free(struct rights *rights)
{
	for (unsigned i = 0; i < RIGHTS_CLIENTS_MAX; i++)
		free(rights->lists[i].events);
	memset(rights->lists, 0, sizeof(rights->lists));
}

uint32_t
rights_fact(struct rights *rights, enum rights_kind kind)
{
	uint32_t fact = __atomic_fetch_add(&rights->fact_count, 1, __ATOMIC_RELAXED);

	assert(fact < RIGHTS_FACTS_MAX);
	rights->kinds[fact] = (uint8_t)kind;
	return fact;
}

void
rights_add(struct rights *rights, unsigned client, const struct rights_event *event)
{
	struct rights_list *list = &rights->lists[client];

	assert(client < RIGHTS_CLIENTS_MAX && event->need_count <= RIGHTS_NEEDS_MAX);
	if (list->count == list->capacity) {
		list->capacity = list->capacity == 0 ? 1024 : 2 * list->capacity;
		list->events = realloc(list->events, list->capacity * sizeof(*list->events));
		assert(list->events != NULL);
	}
	list->events[list->count++] = *event;
}

/* --- what a fact was --- */

static int
by_fact(const void *left, const void *right)
{
	const struct change *a = left, *b = right;

	if (a->fact != b->fact)
		return a->fact < b->fact ? -1 : 1;
	return (a->event->begin_us > b->event->begin_us) - (a->event->begin_us < b->event->begin_us);
}

static void
gather(struct check *check)
{
	const struct rights *rights = check->rights;
	size_t room = 0;

	for (unsigned i = 0; i < RIGHTS_CLIENTS_MAX; i++)
		room += rights->lists[i].count;
	check->changes = calloc(room + 1, sizeof(*check->changes));
	assert(check->changes != NULL);
	for (unsigned i = 0; i < RIGHTS_CLIENTS_MAX; i++) {
		for (size_t j = 0; j < rights->lists[i].count; j++) {
			const struct rights_event *event = &rights->lists[i].events[j];

			if (event->op != RIGHTS_USED && event->outcome != HEARD_REFUSED)
				check->changes[check->change_count++] =
				    (struct change){ .fact = event->needs[0], .event = event };
		}
	}
	qsort(check->changes, check->change_count, sizeof(*check->changes), by_fact);
}

static const struct change *
changes_of(const struct check *check, uint32_t fact, size_t *count)
{
	size_t low = 0, high = check->change_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (check->changes[middle].fact < fact)
			low = middle + 1;
		else
			high = middle;
	}
	for (*count = 0; low + *count < check->change_count; ++*count) {
		if (check->changes[low + *count].fact != fact)
			break;
	}
	return check->changes + low;
}

/* The effect of `earlier` is over before `later` begins. */
static bool
is_over(const struct check *check, const struct rights_event *earlier, uint64_t later_us)
{
	if (earlier->outcome == HEARD_OK)
		return earlier->end_us < later_us;
	return earlier->begin_us + check->rights->late_us < later_us;
}

/*
 * The change `op` that was answered before `before_us` and that nothing else can have undone until `end_us`; NULL: there is none.
 */
static const struct rights_event *
stands(const struct check *check, uint32_t fact, enum rights_op op, uint64_t before_us, uint64_t end_us)
{
	size_t count;
	const struct change *changes = changes_of(check, fact, &count);
	const struct rights_event *last = NULL;

	for (size_t i = 0; i < count; i++) {
		const struct rights_event *event = changes[i].event;

		if (event->op == op && event->outcome == HEARD_OK && event->end_us < before_us)
			last = event;
	}
	for (size_t i = 0; i < count && last != NULL; i++) {
		const struct rights_event *event = changes[i].event;

		if (event->op != op && event->begin_us <= end_us && !is_over(check, event, last->begin_us))
			last = NULL;
	}
	return last;
}

static bool
was_ever_given(const struct check *check, uint32_t fact, uint64_t until_us)
{
	size_t count;
	const struct change *changes = changes_of(check, fact, &count);

	for (size_t i = 0; i < count; i++) {
		if (changes[i].event->op == RIGHTS_GAVE && changes[i].event->begin_us <= until_us)
			return true;
	}
	return false;
}

/* --- complaints --- */

static void __attribute__((format(printf, 2, 3)))
verdict_print(struct rights_verdict *verdict, const char *format, ...)
{
	size_t room = RIGHTS_TEXT_BYTES - verdict->text_bytes;
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(verdict->text + verdict->text_bytes, room, format, arguments);
	va_end(arguments);
	if (n > 0)
		verdict->text_bytes += (size_t)n < room ? (size_t)n : room - 1;
}

static void
describe(struct rights_verdict *verdict, const struct rights_event *event)
{
	static const char *const ops[] = { "gave", "took", "used" };

	verdict_print(verdict, "    %.6f .. %.6f %s %s: %u\n", (double)event->begin_us / 1e6, (double)event->end_us / 1e6,
	    ops[event->op], event->what, event->status);
}

static void
breach(struct check *check, enum rights_rule rule, const struct rights_event *use, uint32_t fact)
{
	struct rights_verdict *verdict = check->verdict;
	size_t count;
	const struct change *changes = changes_of(check, fact, &count);

	verdict->breaches[rule]++;
	verdict->breach_count++;
	if (RIGHTS_TEXT_BYTES - verdict->text_bytes < ROOM_FOR_A_BREACH)
		return;
	verdict_print(verdict, "%s: fact %" PRIu32 "\n", rights_rule_name(rule), fact);
	describe(verdict, use);
	/* The changes around it. */
	size_t first = 0;
	while (first + CHANGES_SHOWN < count && changes[first + CHANGES_SHOWN - 1].event->begin_us < use->begin_us)
		first++;
	for (size_t i = first; i < count && i < first + CHANGES_SHOWN; i++)
		describe(verdict, changes[i].event);
}

/* --- the rules --- */

static void
check_honoured(struct check *check, const struct rights_event *use)
{
	for (unsigned i = 0; i < use->need_count; i++) {
		uint32_t fact = use->needs[i];
		bool is_right = check->rights->kinds[fact] == FACT_RIGHT;
		enum rights_rule rule = is_right ? RIGHTS_TRESPASS : RIGHTS_ENDED;
		uint64_t slack_us = is_right ? 0 : everywhere_us;

		check->verdict->checks[rule]++;
		if (!was_ever_given(check, fact, use->end_us) || (use->begin_us > slack_us &&
		    stands(check, fact, RIGHTS_TOOK, use->begin_us - slack_us, use->end_us) != NULL))
			breach(check, rule, use, fact);
	}
}

static bool
has_cut_between(const struct check *check, uint64_t from_us, uint64_t to_us)
{
	for (unsigned i = 0; i < check->cut_count; i++) {
		if (check->cuts[i].begin_us > from_us && check->cuts[i].end_us < to_us)
			return true;
	}
	return false;
}

/* Whether what all that it needs stood before it began and until it ended; *is_over_cut: some of it from before a power cut. */
static bool
all_stand(const struct check *check, const struct rights_event *use, bool *is_over_cut)
{
	*is_over_cut = false;
	for (unsigned i = 0; i < use->need_count; i++) {
		const struct rights_event *gave = stands(check, use->needs[i], RIGHTS_GAVE, use->begin_us, use->end_us);

		if (gave == NULL)
			return false;
		*is_over_cut |= has_cut_between(check, gave->end_us, use->begin_us);
	}
	return true;
}

static void
check_standing(struct check *check, const struct rights_event *use)
{
	bool is_over_cut;

	if (!all_stand(check, use, &is_over_cut))
		return;
	check->verdict->checks[RIGHTS_STANDS]++;
	check->verdict->over_cuts += is_over_cut;
	if (use->outcome == HEARD_REFUSED)
		breach(check, RIGHTS_STANDS, use, use->needs[0]);
}

void
rights_check(const struct rights *rights, const struct history_cut *cuts, unsigned cut_count,
    struct rights_verdict *verdict)
{
	struct check check = { .rights = rights, .cuts = cuts, .cut_count = cut_count, .verdict = verdict };

	*verdict = (struct rights_verdict){ .text_bytes = 0 };
	gather(&check);
	for (unsigned i = 0; i < RIGHTS_CLIENTS_MAX; i++) {
		for (size_t j = 0; j < rights->lists[i].count; j++) {
			const struct rights_event *event = &rights->lists[i].events[j];

			if (event->op != RIGHTS_USED || event->outcome == HEARD_NOTHING)
				continue;
			if (event->outcome == HEARD_OK)
				check_honoured(&check, event);
			check_standing(&check, event);
		}
	}
	free(check.changes);
}
