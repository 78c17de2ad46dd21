#include "workerd/answer.h"

#include "shm/atomic.h"
#include "workerd/fronts.h"

void *
answer_begin(struct worker *worker, struct addressee to, uint32_t bytes_max)
{
	struct worker_front *front = &worker->fronts[to.front];

	assert(bytes_max <= REPLY_BYTES_MAX);
	assert(bytes_max >= sizeof(struct reply));
	assert(to.front < FRONT_MAX);
	if (to.id == 0 || !front->is_attached || front->is_broken)
		return worker->scratch;
	assert(front->reply.tail == front_of(worker, to.front)->reply_tail);
	void *room = ring_reserve(&front->reply, bytes_max);
	if (room == NULL && ring_head_lies(&front->reply)) {
		front_lies(worker, to.front, "took answers that were never given");
		return worker->scratch;
	}
	if (room == NULL && front->is_leaving)
		return worker->scratch;
	if (room == NULL)
		worker->is_blocked = true;
	return room;
}

void
answer_end(struct worker *worker, struct addressee to, const struct answer *answer)
{
	struct shard *shard = &worker->shard;
	struct shard_front *front = front_of(worker, to.front);

	assert(answer->bytes % 8 == 0);
	assert(answer->bytes >= sizeof(struct reply));
	assert(worker->answered == NIL);
	if (answer->lsn > worker->wanted_lsn)
		worker->wanted_lsn = answer->lsn;
	if (answer->outcome >= OUTCOME_BAD_REQUEST)
		stat_add(&worker->stats->requests_refused, 1);
	else
		stat_add(&worker->stats->requests_served, 1);
	if ((char *)answer->reply == worker->scratch)
		return;
	assert(to.id != 0);
	assert(answer->outcome < OUTCOME_COUNT);
	assert(answer->lsn <= shard->root->stream_tail);
	answer->reply->header = (struct frame_header){ .bytes = answer->bytes, .op = (uint16_t)answer->outcome,
		.id = to.id };
	answer->reply->lsn = answer->lsn;
	txn_set(&shard->txn, &front->reply_tail, front->reply_tail + answer->bytes);
	struct worker_front *mine = &worker->fronts[to.front];
	if (!mine->has_replies || answer->lsn < mine->reply_lsn_min)
		mine->reply_lsn_min = answer->lsn;
	mine->has_replies = true;
	worker->answered = to.front;
}

enum served
answer_outcome(struct worker *worker, struct addressee to, enum outcome outcome, uint64_t lsn)
{
	struct reply *reply = answer_begin(worker, to, sizeof(*reply));

	if (reply == NULL)
		return SERVE_LATER;
	answer_end(worker, to, &(struct answer){ .reply = reply, .bytes = sizeof(*reply), .outcome = outcome, .lsn = lsn });
	return SERVED;
}

uint64_t
answer_lsn(const struct worker *worker, const struct queue *queue)
{
	return queue->config.durability == DURABILITY_MEMORY ? 0 : worker->shard.root->stream_tail;
}
