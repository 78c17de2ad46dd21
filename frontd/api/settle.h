/*
 * settle: what happens to a leased message: ack, extend, nack, by one receipt in the path or by many in the body.
 */
#ifndef FRONTD_API_SETTLE_H
#define FRONTD_API_SETTLE_H

#include "frontd/api/call.h"

bool settle_plan_one(struct api_call *call);
bool settle_plan_batch(struct api_call *call);
uint32_t settle_fill(struct api_call *call, void *frame);
enum api_answered settle_answer_one(struct api_memo *memo, const struct api_reply *reply, struct answer *answer);
enum api_answered settle_answer_batch(struct api_memo *memo, const struct api_reply *reply, struct answer *answer);

#endif
