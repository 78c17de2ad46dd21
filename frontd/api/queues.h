/*
 * queues: create, configure, show, list, delete and purge.
 */
#ifndef FRONTD_API_QUEUES_H
#define FRONTD_API_QUEUES_H

#include "frontd/api/call.h"

bool queue_put_plan(struct api_call *call);
bool queue_patch_plan(struct api_call *call);
bool queue_get_plan(struct api_call *call);
bool queue_delete_plan(struct api_call *call);
uint32_t queue_config_fill(struct api_call *call, void *frame);
uint32_t queue_name_fill(struct api_call *call, void *frame);
enum api_answered queue_answer(struct api_memo *memo, const struct api_reply *reply, struct answer *answer);
enum api_answered queue_delete_answer(struct api_memo *memo, const struct api_reply *reply, struct answer *answer);

/* list.h */
bool queue_list_plan(struct api_call *call);
uint32_t queue_list_fill(struct api_call *call, void *frame);
enum api_answered queue_list_answer(struct api_memo *memo, const struct api_reply *reply, struct answer *answer);
void queue_listing_free(struct queue_listing *listing);

/* The memory it takes. */
size_t queue_listing_bytes(const struct queue_listing *listing);

bool purge_plan(struct api_call *call);
uint32_t purge_fill(struct api_call *call, void *frame);
enum api_answered purge_answer(struct api_memo *memo, const struct api_reply *reply, struct answer *answer);

/* One queue as JSON object. */
void queue_put_json(struct answer *answer, const struct queue_entry *queue, const struct api_world *world, uint64_t now_ms);

#endif
