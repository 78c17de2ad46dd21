/*
 * receive: POST /v1/queues/{q}/messages:receive: lease messages, or wait for one; as JSON, or one message raw.
 */
#ifndef FRONTD_API_RECEIVE_H
#define FRONTD_API_RECEIVE_H

#include "frontd/api/call.h"

bool receive_plan(struct api_call *call);
uint32_t receive_fill(struct api_call *call, void *frame);
/* reply->bodies: one for each delivery.  Those that cannot be delivered are left out; if all are, the answer is a problem. */
enum api_answered receive_answer(struct api_memo *memo, const struct api_reply *reply, struct answer *answer);
/* 204 with what a receive promised in its head (also for a long poll that the front itself ends). */
void receive_answer_empty(const struct api_memo *memo, struct answer *answer);

/*
 * Bytes of the frame that gives the messages of `reply` back without penalty, for a client that has gone: a NACK that wants
 * no reply.  With frame NULL only the size.
 */
uint32_t receive_fill_release(const struct api_memo *memo, const struct receipt *receipts, uint32_t count, void *frame);

#endif
