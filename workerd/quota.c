#include "workerd/quota.h"

#include "shm/diag.h"
#include "shm/state/owners.h"

int
quota_attach(struct worker *worker)
{
	const struct role *role = worker->role;
	const struct geometry *geometry = &role->geometry;

	for (uint32_t w = 0; w < geometry->workers; w++) {
		enum region_access access = w == worker->index ? REGION_READ_WRITE : REGION_READ_ONLY;

		if (usage_attach(&worker->usages[w], role->instance, SLOT_WORKER(w), geometry->shard.users, &role->store, access) == 0)
			continue;
		diag_errno("cannot attach shared memory usage.%u", SLOT_WORKER(w));
		return -1;
	}
	return 0;
}

void
quota_detach(struct worker *worker)
{
	for (uint32_t w = 0; w < WORKER_MAX; w++)
		usage_detach(&worker->usages[w]);
}

void
quota_recount(struct worker *worker)
{
	struct usage *own = &worker->usages[worker->index];

	if (own->entries == NULL)
		return; /* a test without users */
	usage_clear(own);
	owners_count(&worker->shard, own);
	worker->shard.usage = own;
}

/* Of all shards. */
static struct usage_entry
used_by(const struct worker *worker, uint64_t uid)
{
	struct usage_entry sum = { .uid = uid };

	for (uint32_t w = 0; w < WORKER_MAX && worker->usages[w].entries != NULL; w++) {
		struct usage_entry one = usage_of(&worker->usages[w], uid);

		sum.queues += one.queues;
		sum.stored_bytes += one.stored_bytes;
	}
	return sum;
}

/*
 * Who is gone has no quota.  While the directory is being written there is none either: for microseconds, or until a worker 0
 * that was killed in the middle is back; to refuse everybody meanwhile would be worse.
 */
static bool
quotas_of(const struct worker *worker, uint64_t uid, struct user_quotas *quotas)
{
	return uid != 0 && worker->directory.shared != NULL &&
	    directory_quotas(&worker->directory, uid, quotas) == DIRECTORY_FOUND;
}

enum outcome
quota_decide_queue(const struct worker *worker, uint64_t uid)
{
	struct user_quotas quotas;

	if (!quotas_of(worker, uid, &quotas) || quotas.queues == 0)
		return OUTCOME_OK;
	return used_by(worker, uid).queues < quotas.queues ? OUTCOME_OK : OUTCOME_QUOTA_EXCEEDED;
}

enum outcome
quota_decide_bytes(const struct worker *worker, uint64_t uid, uint64_t bytes)
{
	struct user_quotas quotas;

	if (!quotas_of(worker, uid, &quotas) || quotas.stored_bytes == 0)
		return OUTCOME_OK;
	/* A body larger than the quota would never fit, however much is consumed. */
	if (bytes > quotas.stored_bytes)
		return OUTCOME_TOO_LARGE;
	return used_by(worker, uid).stored_bytes + bytes <= quotas.stored_bytes ? OUTCOME_OK : OUTCOME_QUOTA_EXCEEDED;
}
