/*
 * GET /metrics/queues.  Families have to stand together, queues come one by one: so what is shown
 * of each is kept in the listing's text until all are there, at most metrics.queues of them.
 */
#include "frontd/api/metrics.h"

#include <stddef.h>

#include "frontd/api/exposition.h"
#include "frontd/api/list.h"
#include "frontd/api/queues.h"

/* What is kept of one queue. */
struct queue_figures {
	struct queue_name name;
	struct queue_stats stats;
	uint64_t oldest_ready_age_ms; /* 0: there is none */
	uint64_t oldest_lease_age_ms;
};

static const struct family {
	struct metric metric;
	size_t offset;
} families[] = {
#define AT(field) offsetof(struct queue_figures, field)
	{ { "queue_ready", METRIC_GAUGE, UNIT_NONE,
	      "messages that can be received" },
	    AT(stats.ready) },
	{ { "queue_delayed", METRIC_GAUGE, UNIT_NONE,
	      "messages that wait for their time" },
	    AT(stats.delayed) },
	{ { "queue_leased", METRIC_GAUGE, UNIT_NONE,
	      "messages that somebody has under a lease" },
	    AT(stats.leased) },
	{ { "queue_dead", METRIC_GAUGE, UNIT_NONE,
	      "messages that failed too often and stay" },
	    AT(stats.dead) },
	{ { "queue_waiters", METRIC_GAUGE, UNIT_NONE, "receivers waiting" }, AT(stats.waiters) },
	{ { "queue_stored", METRIC_GAUGE, UNIT_BYTES,
	      "attributes and bodies of its messages" },
	    AT(stats.bytes) },
	{ { "queue_oldest_ready_age", METRIC_GAUGE, UNIT_MS,
	      "how long ago the first of the ready messages was published; 0 without one" },
	    AT(oldest_ready_age_ms) },
	{ { "queue_oldest_lease_age", METRIC_GAUGE, UNIT_MS,
	      "how long ago the oldest lease was given; 0 without one" },
	    AT(oldest_lease_age_ms) },
	{ { "queue_published", METRIC_COUNTER, UNIT_NONE,
	      "messages stored" },
	    AT(stats.published) },
	{ { "queue_delivered", METRIC_COUNTER, UNIT_NONE,
	      "messages leased out" },
	    AT(stats.delivered) },
	{ { "queue_acked", METRIC_COUNTER, UNIT_NONE, "messages acknowledged" }, AT(stats.acked) },
	{ { "queue_expired", METRIC_COUNTER, UNIT_NONE,
	      "leases that ended by time" },
	    AT(stats.expired) },
	{ { "queue_released", METRIC_COUNTER, UNIT_NONE,
	      "messages given back without penalty" },
	    AT(stats.released) },
	{ { "queue_failed", METRIC_COUNTER, UNIT_NONE,
	      "messages given back as failed" },
	    AT(stats.failed) },
	{ { "queue_removed", METRIC_COUNTER, UNIT_NONE, "messages purged" }, AT(stats.removed) },
#undef AT
};

bool
queue_metrics_plan(struct api_call *call)
{
	call->page = (struct page){ .limit = call->world->metrics_queues_max,
		.prefix = http_target_param(call->target, "prefix") };
	if (call->page.prefix.len != 0 && !api_name_is_valid(call->page.prefix))
		return api_refuse(call, OUTCOME_BAD_QUERY, "prefix: the beginning of a name");
	call->memo.shard = 0;
	call->frame_bytes = sizeof(struct queue_list_request);
	return true;
}

uint32_t
queue_metrics_fill(struct api_call *call, void *frame)
{
	call->memo.listing = queue_listing_new(call, call->page.limit, call->page.prefix);
	return queue_list_refill(&call->memo, frame);
}

static uint64_t
age_ms(uint64_t now_ms, uint64_t since_ms)
{
	return since_ms != 0 && now_ms > since_ms ? now_ms - since_ms : 0;
}

static void
put_figures(struct queue_listing *listing, const struct queue_entry *queue,
    const struct api_world *world, uint64_t now_ms)
{
	const struct queue_figures figures = { .name = queue->name,
		.stats = queue->stats,
		.oldest_ready_age_ms = age_ms(now_ms, queue->stats.oldest_ready_ms),
		.oldest_lease_age_ms = age_ms(now_ms, queue->stats.oldest_lease_ms) };

	(void)world; /* owners are not shown */
	answer_put_bytes(&listing->text, &figures, sizeof(figures));
}

static void
put_family(struct exposition *x, const struct queue_listing *listing, const struct family *family)
{
	struct queue_figures figures;
	uint64_t value;

	exposition_family(x, &family->metric);
	for (uint32_t i = 0; i < listing->count; i++) {
		memcpy(&figures, listing->text.heap + listing->text.body_start + i * sizeof(figures), sizeof(figures));
		memcpy(&value, (const char *)&figures + family->offset, sizeof(value));
		exposition_sample(x,
		    &(struct metric_labels){
			.name = "queue", .value = { figures.name.text, figures.name.bytes } },
		    value);
	}
}

enum api_answered
queue_metrics_answer(struct api_memo *memo, const struct api_reply *reply, struct answer *answer)
{
	const struct queue_listing *listing = memo->listing;
	struct exposition x;

	if (!queue_listing_take(memo, reply, put_figures))
		return API_ASK_AGAIN;
	exposition_begin(&x, answer, memo->wants_openmetrics);
	exposition_family(&x,
	    &(struct metric){ "queues_truncated", METRIC_GAUGE, UNIT_NONE,
		"1: there are more queues than metrics.queues lets this page show" });
	exposition_sample(&x, &(struct metric_labels){ .name = NULL }, listing->has_more);
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		put_family(&x, listing, &families[i]);
	exposition_end(&x);
	queue_listing_end(memo);
	return API_ANSWERED;
}
