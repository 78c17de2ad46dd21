/*
 * batch: up to PUBLISH_BATCH_MAX messages in one request body, as a JSON object with "messages" or as one JSON object a line.
 */
#ifndef FRONTD_API_BATCH_H
#define FRONTD_API_BATCH_H

#include "frontd/api/call.h"

#define BATCH_JSON "application/vnd.mq.batch+json"
#define BATCH_NDJSON "application/x-ndjson"

/* Read the body into call->publish.batch and set call->frame_bytes; or a problem, which names the message by its place. */
bool batch_plan(struct api_call *call);

/* Write all items behind `request`.  The frame's bytes, or 0 and a problem (a body_base64 that is none). */
uint32_t batch_fill(struct api_call *call, struct publish_request *request);

void batch_free(struct publish_batch *batch);

#endif
