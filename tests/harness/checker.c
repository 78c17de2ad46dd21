/*
 * Happy path: checker_run() gathers the events by message (a story each), asks the rules that look at one message of every
 * story, then those that look at many: RULE_HALF over the messages of a batch, RULE_ORDER over the deliveries of a queue.
 *
 * Time: an event's effect lies between its begin and its end, so "before" is always one's end before the other's begin; what
 * overlaps may have happened in either order and breaks nothing.
 */
#include "tests/harness/checker.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A purge or delete that nobody heard of may be executed after its frontd's death: how long that can take. */
static const uint64_t late_us = 30000000;

enum { STORY_EVENTS_SHOWN = 16, NO_ERA = UINT32_MAX };

struct item {
	uint32_t message;
	const struct history_event *event;
};

/* All that was heard of one message. */
struct story {
	uint32_t message;
	const struct history_event *publish;    /* NULL: nobody sent it */
	const struct item *items;               /* the others, by begin */
	size_t count;
};

struct check {
	const struct history *history;
	struct verdict *verdict;
	struct item *items;
	size_t item_count;
	struct story *stories;                  /* by message */
	size_t story_count;
	const struct history_event **removals;  /* purges and deletes */
	size_t removal_count;
	uint64_t (*carried_us)[HISTORY_QUEUES_MAX]; /* of each cut: see is_carried() */
};

const char *
checker_rule_name(enum checker_rule rule)
{
	static const char *const names[RULES] = { "LOST", "UNSENT", "ALTERED", "REVENANT", "ORDER", "COUNT", "RECEIPT",
		"HALF", "SHARED", "REVOKED" };

	return names[rule];
}

/* --- complaints --- */

static void __attribute__((format(printf, 2, 3)))
verdict_print(struct verdict *verdict, const char *format, ...)
{
	size_t room = VERDICT_TEXT_BYTES - verdict->text_bytes;
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(verdict->text + verdict->text_bytes, room, format, arguments);
	va_end(arguments);
	if (n > 0)
		verdict->text_bytes += (size_t)n < room ? (size_t)n : room - 1;
}

static void
breach(struct check *check, enum checker_rule rule, const struct story *story, const char *what)
{
	struct verdict *verdict = check->verdict;
	char text[256];

	verdict->breaches[rule]++;
	verdict->breach_count++;
	if (VERDICT_TEXT_BYTES - verdict->text_bytes < 1000)
		return;
	verdict_print(verdict, "%s: message %08x %s\n", checker_rule_name(rule), story->message, what);
	if (story->publish != NULL) {
		history_describe(check->history, story->publish, text);
		verdict_print(verdict, "    %s\n", text);
	}
	for (size_t i = 0; i < story->count && i < STORY_EVENTS_SHOWN; i++) {
		history_describe(check->history, story->items[i].event, text);
		verdict_print(verdict, "    %s\n", text);
	}
}

/* One rule asked once: `is_kept` or a breach. */
static void
ask(struct check *check, enum checker_rule rule, const struct story *story, bool is_kept, const char *what)
{
	check->verdict->checks[rule]++;
	if (!is_kept)
		breach(check, rule, story, what);
}

/* --- time --- */

/* How many power cuts came before what was asked then; NO_ERA while one was under way. */
static unsigned
era_at(const struct check *check, uint64_t begin_us)
{
	const struct history *history = check->history;
	unsigned era = 0;

	while (era < history->cut_count && history->cuts[era].end_us < begin_us)
		era++;
	if (era < history->cut_count && history->cuts[era].begin_us <= begin_us)
		return NO_ERA;
	return era;
}

static bool
is_same_era(const struct check *check, const struct history_event *a, const struct history_event *b)
{
	unsigned era = era_at(check, a->begin_us);

	return era != NO_ERA && era == era_at(check, b->begin_us);
}

static bool
is_before(const struct history_event *a, const struct history_event *b)
{
	return a->end_us < b->begin_us;
}

static bool
is_memory(const struct check *check, const struct history_event *event)
{
	return check->history->queues[event->queue].is_memory;
}

/* Whether b stands on what a has left: no power cut between them that may have taken it. */
static bool
is_bound(const struct check *check, const struct history_event *a, const struct history_event *b)
{
	return !is_memory(check, a) || is_same_era(check, a, b);
}

/*
 * Whether this delivery's lease was on disk at the power cut that followed it: an answer that waits for the disk waits for
 * all that its shard did before, and such a one was asked for after the delivery and heard before the cut.
 */
static bool
is_carried(const struct check *check, const struct history_event *delivery)
{
	unsigned era = era_at(check, delivery->begin_us);

	return !is_memory(check, delivery) && era != NO_ERA && era < check->history->cut_count &&
	    delivery->end_us < check->carried_us[era][delivery->queue];
}

static bool
is_settlement(const struct history_event *event)
{
	return event->op == EVENT_ACKED || event->op == EVENT_NACKED || event->op == EVENT_EXTENDED;
}

/* It happened, or may have. */
static bool
may_be_done(const struct history_event *event)
{
	return event->outcome == HEARD_OK || event->outcome == HEARD_NOTHING;
}

/* --- what one message went through --- */

/* Whether a purge or a delete may have taken a message that was there at some time from begin to end. */
static bool
may_be_removed(const struct check *check, unsigned queue, uint64_t begin_us, uint64_t end_us)
{
	for (size_t i = 0; i < check->removal_count; i++) {
		const struct history_event *removal = check->removals[i];
		uint64_t until_us = removal->end_us + (removal->outcome == HEARD_NOTHING ? late_us : 0);

		if (removal->queue == queue && may_be_done(removal) && until_us >= begin_us && removal->begin_us <= end_us)
			return true;
	}
	return false;
}

static bool
may_be_cut_off(const struct check *check, const struct history_event *publish)
{
	const struct history *history = check->history;

	return is_memory(check, publish) && history->cut_count > 0 &&
	    history->cuts[history->cut_count - 1].end_us > publish->begin_us;
}

static void
check_lost(struct check *check, const struct story *story)
{
	const struct history_event *publish = story->publish;
	bool is_settled = false;

	if (publish == NULL || publish->outcome != HEARD_OK || may_be_cut_off(check, publish) ||
	    may_be_removed(check, publish->queue, publish->begin_us, UINT64_MAX))
		return;
	for (size_t i = 0; i < story->count; i++) {
		const struct history_event *event = story->items[i].event;

		is_settled |= event->op == EVENT_ACKED && may_be_done(event);
	}
	ask(check, RULE_LOST, story, is_settled, "was accepted and is gone without an ack");
}

static void
check_deliveries(struct check *check, const struct story *story)
{
	const struct history_event *publish = story->publish, *first = NULL;

	for (size_t i = 0; i < story->count; i++) {
		const struct history_event *event = story->items[i].event;

		if (event->op != EVENT_DELIVERED)
			continue;
		ask(check, RULE_UNSENT, story, publish != NULL && publish->outcome != HEARD_REFUSED &&
		    publish->queue == event->queue && publish->begin_us <= event->end_us,
		    "came without having been sent there, or refused");
		ask(check, RULE_ALTERED, story, !event->is_altered, "came with another body");
		if (first == NULL)
			first = event;
		ask(check, RULE_UNSENT, story, event->id == first->id, "came with two ids: it was published twice");
	}
}

static void
check_after_ack(struct check *check, const struct story *story, const struct history_event *ack)
{
	for (size_t i = 0; i < story->count; i++) {
		const struct history_event *event = story->items[i].event;

		if (event->op == EVENT_DELIVERED && is_before(ack, event) && is_bound(check, ack, event))
			breach(check, RULE_REVENANT, story, "was delivered after its ack");
	}
	check->verdict->checks[RULE_REVENANT]++;
}

static void
check_after_removal(struct check *check, const struct story *story, const struct history_event *delivery)
{
	const struct history_event *publish = story->publish;

	for (size_t i = 0; publish != NULL && i < check->removal_count; i++) {
		const struct history_event *removal = check->removals[i];

		if (removal->queue != delivery->queue || removal->outcome != HEARD_OK || publish->outcome != HEARD_OK)
			continue;
		if (is_before(publish, removal) && is_before(removal, delivery) && is_bound(check, removal, delivery))
			breach(check, RULE_REVENANT, story, "was delivered after it was purged");
	}
	check->verdict->checks[RULE_REVENANT]++;
}

static void
check_revenants(struct check *check, const struct story *story)
{
	for (size_t i = 0; i < story->count; i++) {
		const struct history_event *event = story->items[i].event;

		if (event->op == EVENT_ACKED && event->outcome == HEARD_OK)
			check_after_ack(check, story, event);
		if (event->op == EVENT_DELIVERED)
			check_after_removal(check, story, event);
	}
}

/* --- leases --- */

/* Until when the lease of this delivery stands at least, as far as was heard before `at_us`, without slack. */
static uint64_t
lease_ends_us(const struct story *story, const struct history_event *delivery, uint64_t at_us)
{
	uint64_t ends_us = delivery->begin_us + delivery->lease_us;

	for (size_t i = 0; i < story->count; i++) {
		const struct history_event *event = story->items[i].event;
		uint64_t extended_us = event->begin_us + event->lease_us;

		if (event->op != EVENT_EXTENDED || event->receipt != delivery->receipt || event->begin_us >= at_us)
			continue;
		if (event->outcome == HEARD_OK || (event->outcome == HEARD_NOTHING && extended_us < ends_us))
			ends_us = extended_us;
	}
	return ends_us;
}

/* Whether an ack or a nack of this receipt, sent before at_us, may have ended the lease. */
static bool
may_be_settled(const struct story *story, uint64_t receipt, uint64_t at_us)
{
	for (size_t i = 0; i < story->count; i++) {
		const struct history_event *event = story->items[i].event;

		if ((event->op == EVENT_ACKED || event->op == EVENT_NACKED) && event->receipt == receipt &&
		    may_be_done(event) && event->begin_us < at_us)
			return true;
	}
	return false;
}

/* Two deliveries, the second leased after the first. */
static void
check_pair(struct check *check, const struct story *story, const struct history_event *first,
    const struct history_event *second)
{
	bool is_one_era = is_same_era(check, first, second);
	uint64_t ends_us = lease_ends_us(story, first, second->end_us);

	if (is_before(first, second) && (is_one_era || is_carried(check, first)))
		ask(check, RULE_COUNT, story, second->delivery_count >= first->delivery_count &&
		    second->acquire_count > first->acquire_count, "has a count that did not go on");
	if (is_one_era && !may_be_settled(story, first->receipt, second->end_us))
		ask(check, RULE_SHARED, story, second->end_us + check->history->slack_us >= ends_us,
		    "was given to another while its lease stood");
}

static void
check_pairs(struct check *check, const struct story *story)
{
	for (size_t i = 0; i < story->count; i++) {
		const struct history_event *a = story->items[i].event;

		for (size_t k = i + 1; a->op == EVENT_DELIVERED && k < story->count; k++) {
			const struct history_event *b = story->items[k].event;

			if (b->op != EVENT_DELIVERED)
				continue;
			/* Those that overlap in time: the counter says which lease came first, if no power cut took it back. */
			if (!is_before(a, b) && is_same_era(check, a, b) && b->acquire_count < a->acquire_count)
				check_pair(check, story, b, a);
			else
				check_pair(check, story, a, b);
		}
	}
}

/* --- receipts --- */

static const struct history_event *
delivery_of(const struct story *story, uint64_t receipt)
{
	for (size_t i = 0; i < story->count; i++) {
		const struct history_event *event = story->items[i].event;

		if (event->op == EVENT_DELIVERED && event->receipt == receipt)
			return event;
	}
	return NULL;
}

/* Why this settlement should not have been honoured, in view of another event of its message; NULL: no reason. */
static const char *
fence(const struct check *check, const struct history_event *settlement, const struct history_event *delivery,
    const struct history_event *other)
{
	bool is_ours = other->receipt == settlement->receipt;

	if (other->op == EVENT_DELIVERED && !is_ours && is_before(other, settlement) &&
	    (is_before(delivery, other) ||
	    (is_same_era(check, delivery, other) && other->acquire_count > delivery->acquire_count)))
		return "was given to another, and the old receipt was honoured";
	if (other->outcome != HEARD_OK || !is_settlement(other))
		return NULL;
	if (is_ours && other->op == EVENT_NACKED && is_before(other, settlement))
		return "was released, and the receipt was honoured again";
	if (is_ours && other->op == EVENT_ACKED && settlement->op != EVENT_ACKED && is_before(other, settlement))
		return "was acked, and the receipt was honoured again";
	if (!is_ours && other->op == EVENT_ACKED && settlement->op == EVENT_ACKED && is_bound(check, other, settlement) &&
	    other->begin_us <= settlement->begin_us)
		return "was acked with two receipts";
	return NULL;
}

/* An ack that is asked again may hear once more that it succeeded, even over a power cut. */
static bool
is_ack_again(const struct story *story, const struct history_event *settlement)
{
	for (size_t i = 0; settlement->op == EVENT_ACKED && i < story->count; i++) {
		const struct history_event *event = story->items[i].event;

		if (event != settlement && event->op == EVENT_ACKED && event->receipt == settlement->receipt &&
		    may_be_done(event) && event->begin_us <= settlement->begin_us)
			return true;
	}
	return false;
}

static void
check_honoured(struct check *check, const struct story *story, const struct history_event *settlement,
    const struct history_event *delivery)
{
	unsigned era = era_at(check, settlement->begin_us), given = era_at(check, delivery->begin_us);
	const char *why = NULL;

	for (size_t i = 0; why == NULL && i < story->count; i++) {
		if (story->items[i].event != settlement)
			why = fence(check, settlement, delivery, story->items[i].event);
	}
	if (era != NO_ERA && given != NO_ERA && era > given && !is_ack_again(story, settlement))
		why = "went through a power cut, and the old receipt was honoured";
	ask(check, RULE_RECEIPT, story, why == NULL, why);
}

static void
check_stale(struct check *check, const struct story *story, const struct history_event *settlement,
    const struct history_event *delivery)
{
	uint64_t ends_us = lease_ends_us(story, delivery, settlement->begin_us);

	if (!is_same_era(check, delivery, settlement) || may_be_settled(story, delivery->receipt, settlement->end_us) ||
	    may_be_removed(check, delivery->queue, delivery->begin_us, settlement->end_us))
		return;
	ask(check, RULE_REVOKED, story, settlement->end_us + check->history->slack_us >= ends_us,
	    "was refused to its receipt while the lease stood");
}

static void
check_settlements(struct check *check, const struct story *story)
{
	for (size_t i = 0; i < story->count; i++) {
		const struct history_event *event = story->items[i].event, *delivery;

		if (!is_settlement(event) || (delivery = delivery_of(story, event->receipt)) == NULL)
			continue;
		if (event->outcome == HEARD_OK)
			check_honoured(check, story, event, delivery);
		else if (event->outcome == HEARD_STALE)
			check_stale(check, story, event, delivery);
	}
}

/* --- rules over many messages --- */

/* Whether a message came, and whether in such a way that its whole batch must be there. */
struct coming {
	bool is_there;
	bool is_proof;
};

/*
 * What is not on disk yet is delivered all the same, and a power cut may then take the batch back, whole.  What came after the
 * last cut, came over one, or is known to have been on disk at the next, was there for good.
 */
static struct coming
coming_of(const struct check *check, const struct story *story)
{
	unsigned sent = era_at(check, story->publish->begin_us);
	struct coming coming = { 0 };

	for (size_t i = 0; i < story->count; i++) {
		const struct history_event *event = story->items[i].event;
		unsigned era = era_at(check, event->begin_us);

		if (event->op != EVENT_DELIVERED)
			continue;
		coming.is_there = true;
		coming.is_proof |= era != NO_ERA && (era == check->history->cut_count || era > sent || is_carried(check, event));
	}
	return coming;
}

/* The messages of a batch have neighbouring stories, the first message's first. */
static void
check_half(struct check *check, const struct story *story)
{
	const struct history_event *publish = story->publish;
	uint32_t there = 0;
	bool is_proof = false;

	if (publish == NULL || publish->message != story->message || publish->count < 2 ||
	    publish->outcome != HEARD_NOTHING || may_be_cut_off(check, publish) ||
	    may_be_removed(check, publish->queue, publish->begin_us, UINT64_MAX))
		return;
	for (uint32_t i = 0; i < publish->count; i++) {
		struct coming coming = coming_of(check, story + i);

		there += coming.is_there;
		is_proof |= coming.is_proof;
	}
	ask(check, RULE_HALF, story, !is_proof || there == publish->count, "begins a batch of which a part came");
}

/* A delivery and how it stands in the order of its sender's messages. */
struct seen {
	const struct history_event *event;
	const struct story *story;
	unsigned era;
};

static int
compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int
compare_seen(const void *left, const void *right)
{
	const struct seen *a = left, *b = right;
	int order = compare(a->event->queue, b->event->queue);

	if (order == 0)
		order = compare(message_sender(a->story->message), message_sender(b->story->message));
	if (order == 0)
		order = compare(a->era, b->era);
	return order != 0 ? order : compare(a->story->message, b->story->message);
}

static int
compare_seen_in_answer(const void *left, const void *right)
{
	const struct seen *a = left, *b = right;
	int order = compare(a->event->client, b->event->client);

	if (order == 0)
		order = compare(a->event->begin_us, b->event->begin_us);
	return order != 0 ? order : compare(a->event->place, b->event->place);
}

static struct seen *
gather_seen(const struct check *check, size_t *count)
{
	struct seen *seen = calloc(check->item_count + 1, sizeof(*seen));

	assert(seen != NULL);
	*count = 0;
	for (size_t i = 0; i < check->story_count; i++) {
		const struct story *story = &check->stories[i];

		for (size_t k = 0; story->publish != NULL && k < story->count; k++) {
			const struct history_event *event = story->items[k].event;
			unsigned era = era_at(check, event->begin_us);

			if (event->op == EVENT_DELIVERED && era != NO_ERA && !check->history->queues[event->queue].is_unordered)
				seen[(*count)++] = (struct seen){ event, story, era };
		}
	}
	return seen;
}

/* It waited, never leased, since before its sender sent the next one. */
static bool
is_first_in_line(const struct seen *seen)
{
	return seen->event->acquire_count == 1 && seen->story->publish->outcome == HEARD_OK;
}

static bool
is_one_line(const struct seen *a, const struct seen *b)
{
	return a->event->queue == b->event->queue && a->era == b->era &&
	    message_sender(a->story->message) == message_sender(b->story->message);
}

/* From the last message of each line to the first: none that follows was delivered before this one was asked for. */
static void
check_order_in_time(struct check *check, struct seen *seen, size_t count)
{
	uint64_t later_end_us = UINT64_MAX, own_end_us = UINT64_MAX;

	qsort(seen, count, sizeof(*seen), compare_seen);
	for (size_t i = count; i-- > 0;) {
		const struct seen *next = i + 1 < count ? &seen[i + 1] : NULL;

		if (next == NULL || !is_one_line(&seen[i], next))
			later_end_us = own_end_us = UINT64_MAX;
		else if (next->story != seen[i].story && own_end_us < later_end_us)
			later_end_us = own_end_us;
		if (next != NULL && next->story != seen[i].story)
			own_end_us = UINT64_MAX;
		if (is_first_in_line(&seen[i]))
			ask(check, RULE_ORDER, seen[i].story, later_end_us >= seen[i].event->begin_us,
			    "waited while a later one of its sender was delivered");
		if (seen[i].event->end_us < own_end_us)
			own_end_us = seen[i].event->end_us;
	}
}

static void
check_order_in_answers(struct check *check, struct seen *seen, size_t count)
{
	qsort(seen, count, sizeof(*seen), compare_seen_in_answer);
	for (size_t i = 0; i < count; i++) {
		bool is_kept = true;

		for (size_t k = i; k-- > 0 && seen[k].event->client == seen[i].event->client &&
		    seen[k].event->begin_us == seen[i].event->begin_us;)
			is_kept &= !is_one_line(&seen[k], &seen[i]) || seen[k].story->message < seen[i].story->message;
		if (is_first_in_line(&seen[i]))
			ask(check, RULE_ORDER, seen[i].story, is_kept, "stands behind a later one of its sender in one answer");
	}
}

static int
compare_receipts(const void *left, const void *right)
{
	const struct item *a = left, *b = right;

	return compare(a->event->receipt, b->event->receipt);
}

/* Reorders the items: the last to be done with them. */
static void
check_receipts_differ(struct check *check)
{
	size_t count = 0;

	for (size_t i = 0; i < check->item_count; i++) {
		if (check->items[i].event->op == EVENT_DELIVERED)
			check->items[count++] = check->items[i];
	}
	qsort(check->items, count, sizeof(check->items[0]), compare_receipts);
	for (size_t i = 1; i < count; i++) {
		const struct story story = { .message = check->items[i].message, .items = &check->items[i - 1], .count = 2 };

		ask(check, RULE_RECEIPT, &story, compare_receipts(&check->items[i], &check->items[i - 1]) != 0,
		    "has the receipt of another delivery");
	}
}

/* --- gathering --- */

static int
compare_items(const void *left, const void *right)
{
	const struct item *a = left, *b = right;
	int order = compare(a->message, b->message);

	if (order == 0)
		order = compare(b->event->op == EVENT_SENT, a->event->op == EVENT_SENT);
	if (order == 0)
		order = compare(a->event->begin_us, b->event->begin_us);
	return order != 0 ? order : compare(a->event->end_us, b->event->end_us);
}

static size_t
messages_of(const struct history_event *event)
{
	if (event->op == EVENT_SENT)
		return event->count;
	return event->op == EVENT_DELIVERED || is_settlement(event) ? 1 : 0;
}

/* What the power cuts after this event's begin must have left on disk. */
static void
note_carried(struct check *check, const struct history_event *event)
{
	if (event->outcome != HEARD_OK || is_memory(check, event) || !(event->op == EVENT_SENT || is_settlement(event)))
		return;
	for (unsigned i = check->history->cut_count; i-- > 0 && event->begin_us < check->history->cuts[i].begin_us;) {
		uint64_t *carried_us = &check->carried_us[i][event->queue];

		if (event->begin_us > *carried_us)
			*carried_us = event->begin_us;
	}
}

static void
gather_event(struct check *check, const struct history_event *event)
{
	if (event->op == EVENT_PURGED || event->op == EVENT_DELETED)
		check->removals[check->removal_count++] = event;
	note_carried(check, event);
	for (uint32_t i = 0; i < messages_of(event); i++)
		check->items[check->item_count++] = (struct item){ event->message + i, event };
}

static void
gather(struct check *check)
{
	const struct history *history = check->history;
	size_t items = 0, removals = 0;

	for (unsigned i = 0; i < history->client_count; i++) {
		for (size_t k = 0; k < history->lists[i].count; k++)
			items += messages_of(&history->lists[i].events[k]);
		removals += history->lists[i].count;
	}
	check->items = calloc(items + 1, sizeof(check->items[0]));
	check->stories = calloc(items + 1, sizeof(check->stories[0]));
	check->removals = calloc(removals + 1, sizeof(check->removals[0]));
	check->carried_us = calloc(history->cut_count + 1, sizeof(check->carried_us[0]));
	assert(check->items != NULL && check->stories != NULL && check->removals != NULL && check->carried_us != NULL);
	for (unsigned i = 0; i < history->client_count; i++) {
		for (size_t k = 0; k < history->lists[i].count; k++)
			gather_event(check, &history->lists[i].events[k]);
	}
	qsort(check->items, check->item_count, sizeof(check->items[0]), compare_items);
}

static void
tell_stories(struct check *check)
{
	for (size_t i = 0; i < check->item_count;) {
		struct story *story = &check->stories[check->story_count++];
		const struct item *first = &check->items[i];

		*story = (struct story){ .message = first->message };
		if (first->event->op == EVENT_SENT) {
			story->publish = first->event;
			i++;
		}
		story->items = &check->items[i];
		for (; i < check->item_count && check->items[i].message == story->message; i++)
			story->count++;
	}
}

void
checker_run(const struct history *history, struct verdict *verdict)
{
	struct check check = { .history = history, .verdict = verdict };
	struct seen *seen;
	size_t count;

	memset(verdict, 0, sizeof(*verdict));
	gather(&check);
	tell_stories(&check);
	for (size_t i = 0; i < check.story_count; i++) {
		const struct story *story = &check.stories[i];

		check_lost(&check, story);
		check_deliveries(&check, story);
		check_revenants(&check, story);
		check_pairs(&check, story);
		check_settlements(&check, story);
		check_half(&check, story);
	}
	seen = gather_seen(&check, &count);
	check_order_in_time(&check, seen, count);
	check_order_in_answers(&check, seen, count);
	check_receipts_differ(&check);
	free(seen);
	free(check.items);
	free(check.stories);
	free(check.removals);
	free(check.carried_us);
}
