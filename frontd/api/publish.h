/*
 * publish: POST /v1/queues/{q}/messages: one message as it comes, or a batch as JSON or NDJSON, all or nothing.
 */
#ifndef FRONTD_API_PUBLISH_H
#define FRONTD_API_PUBLISH_H

#include "frontd/api/call.h"

/* Is the body a batch, by its Content-Type? */
bool publish_is_batch(const struct http_request *request);

bool publish_plan(struct api_call *call);
uint32_t publish_fill(struct api_call *call, void *frame);
enum api_answered publish_answer(struct api_memo *memo, const struct api_reply *reply, struct answer *answer);

/* Frees what publish_plan() allocated. */
void publish_end(struct api_call *call);

#endif
