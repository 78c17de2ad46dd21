/*
 * metrics: GET /metrics, what the broker is and does, and GET /metrics/queues, the same of single
 * queues, for Prometheus and whatever else reads its formats.  Every row of stats.def is there by
 * itself, for each process; the rest comes from the registry, region `durable` and the directory.
 */
#ifndef FRONTD_API_METRICS_H
#define FRONTD_API_METRICS_H

#include "frontd/api/call.h"

void metrics_get(struct api_call *call, struct answer *answer);

/* queue_metrics.c: collected as a list is, shard by shard, up to metrics.queues of them. */
bool queue_metrics_plan(struct api_call *call);
uint32_t queue_metrics_fill(struct api_call *call, void *frame);
enum api_answered queue_metrics_answer(struct api_memo *memo, const struct api_reply *reply,
    struct answer *answer);

#endif
