/*
 * Happy path: dispatch_one() peeks, tells the guard, calls the handler (decide, record, apply, answer), sets the request
 * head and commits.
 * Failure modes: a malformed frame is answered BAD_REQUEST and counted; a ring that lies marks its front as broken; without
 * room nothing happens and the frame stays; a request that crashed us twice is answered POISON.
 */
#include "workerd/dispatch.h"

#include <inttypes.h>
#include <string.h>

#include "shm/atomic.h"
#include "shm/diag.h"
#include "shm/state/names.h"
#include "workerd/answer.h"
#include "workerd/fronts.h"
#include "workerd/guard.h"

typedef enum served (*serve_function)(struct worker *, const struct request *);

static const serve_function handlers[OP_COUNT] = {
#define X(name, lower, what) [OP_##name] = lower##_serve,
#include "shm/ops.def"
#undef X
};

bool
request_read(const struct request *request, uint64_t *offset, void *to, uint32_t count)
{
	assert(*offset % 8 == 0);

	if (*offset > request->header.bytes || request->header.bytes - *offset < count)
		return false;
	memcpy(to, request->frame + *offset, count);
	*offset += FRAME_ALIGN((uint64_t)count);
	return true;
}

/* The bytes behind the name belong to it where names are compared and stored. */
static bool
name_trim(struct queue_name *name)
{
	if (name->bytes > NAME_MAX_BYTES)
		return false;
	memset(name->text + name->bytes, 0, sizeof(name->text) - name->bytes);
	return true;
}

enum outcome
request_name(struct queue_name *name)
{
	return name_trim(name) && name_is_valid(name) ? OUTCOME_OK : OUTCOME_BAD_NAME;
}

enum outcome
request_queue(
    const struct worker *worker, struct queue_request *wish, uint32_t rights, uint32_t *queue_idx)
{
	if (!name_trim(&wish->name))
		return OUTCOME_BAD_NAME;
	*queue_idx = names_find(&worker->shard, &wish->name);
	if (*queue_idx == NIL)
		return name_is_valid(&wish->name) ? OUTCOME_NO_QUEUE : OUTCOME_BAD_NAME;
	/* What is found has a valid name: it was checked when the queue was made. */
	uint32_t has = queue_rights(
	    &worker->shard, queue_at(&worker->shard, *queue_idx), &wish->caller);
	if (has & rights)
		return OUTCOME_OK;
	return has != 0 ? OUTCOME_FORBIDDEN : OUTCOME_NO_QUEUE;
}

static enum served
request_serve(struct worker *worker, const struct request *request)
{
	if (request->header.op >= OP_COUNT || handlers[request->header.op] == NULL) {
		stat_add(&worker->stats->frames_refused, 1);
		return answer_refusal(worker, request, OUTCOME_BAD_REQUEST);
	}
	if (guard_is_poison(worker, request->from.front)) {
		diag(DIAG_ERROR, "a request (op %u) of frontd %u crashed this worker twice; it is answered `poison`",
		    request->header.op, request->from.front);
		return answer_refusal(worker, request, OUTCOME_POISON);
	}
	return handlers[request->header.op](worker, request);
}

enum dispatch
dispatch_one(struct worker *worker, uint32_t front, uint64_t *bytes)
{
	struct worker_front *mine = &worker->fronts[front];
	struct shard_front *root = front_of(worker, front);
	struct request request = { .from.front = front };
	const void *frame;

	assert(mine->is_attached && !mine->is_broken);
	assert(root->state == FRONT_OPEN);
	assert(!txn_is_open(&worker->shard.txn));
	assert(mine->request.head == root->request_head);
	switch (ring_peek(&mine->request, FRAME_BYTES_MAX, &request.header, &frame)) {
	case RING_EMPTY:
		return DISPATCH_EMPTY;
	case RING_LIES:
		front_lies(worker, front, "posted an impossible frame");
		return DISPATCH_BROKEN;
	case RING_FRAME:
		break;
	}
	request.frame = frame;
	request.from.id = request.header.id;

	assert(request.header.bytes >= sizeof(request.header) && request.header.bytes <= FRAME_BYTES_MAX);
	guard_begin(worker, front);
	enum served served = request_serve(worker, &request);
	if (served == SERVE_LATER) {
		assert(!txn_is_open(&worker->shard.txn));
		guard_end(worker);
		return DISPATCH_LATER;
	}
	txn_set(&worker->shard.txn, &root->request_head, root->request_head + request.header.bytes);
	worker_commit(worker);
	guard_end(worker);
	mine->request.head = root->request_head;
	mine->has_requests = true;
	*bytes += request.header.bytes;
	/* Its answer may have shown that it lies about those before. */
	return mine->is_broken ? DISPATCH_BROKEN : DISPATCH_SERVED;
}
