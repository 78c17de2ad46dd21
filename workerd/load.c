/*
 * Happy path: SNAPSHOT_BEGUN gives the root, SNAPSHOT_IMAGES the slots, SNAPSHOT_ENDED has
 * everything that follows from them derived and the whole shard checked.
 * Failure modes: a record out of turn, an image out of bounds or of a slot that has one, one too
 * few, a shard that does not hold together: the text that says which.
 */
#include "workerd/load.h"

#include "shm/atomic.h"
#include "shm/state/check.h"
#include "workerd/job.h"
#include "workerd/snapshot.h"

void
load_begin(struct worker *worker)
{
	if (worker->snapshot.has_image != NULL)
		snapshot_forget(worker);
}

bool
load_is_under_way(const struct worker *worker)
{
	return worker->snapshot.begun_lsn != 0;
}

/* --- SNAPSHOT_BEGUN --- */

static const char *
begun_load(struct worker *worker, const struct record *record)
{
	const struct snapshot_begun_record *begun = (const struct snapshot_begun_record *)record;
	struct snapshot *snapshot = &worker->snapshot;

	if (load_is_under_way(worker) || record->bytes != sizeof(*begun) || record->lsn < LSN_FIRST)
		return "it begins twice, or not as one of this build does";
	snapshot->begun_lsn = record->lsn;
	if (!image_root_load(&worker->shard, &begun->root))
		return "its tables are larger than this broker is configured for, or damaged";
	(void)image_slots_of(&worker->shard, snapshot->slots);
	return NULL;
}

/* --- SNAPSHOT_IMAGES --- */

/* One image at the head of so many bytes; returns its size, 0 if it makes no sense. */
static uint32_t
image_take(struct worker *worker, const struct image *image, uint64_t available)
{
	struct snapshot *snapshot = &worker->snapshot;
	enum image_of table;
	uint64_t number;

	if (available < sizeof(*image) || image->bytes > available ||
	    !image_place(&worker->shard, image, &table, &number))
		return 0;
	if (snapshot_has(snapshot, number) || !image_load(&worker->shard, image))
		return 0;
	snapshot_mark(snapshot, number);
	snapshot->images++;
	return image->bytes;
}

static const char *
images_load(struct worker *worker, const struct record *record)
{
	const struct snapshot_images_record *images = (const struct snapshot_images_record *)record;
	uint64_t at = sizeof(*images);

	if (record->bytes < sizeof(*images) || images->begun_lsn != worker->snapshot.begun_lsn)
		return "a piece of it belongs to another one";
	for (uint32_t left = images->count; left > 0; left--) {
		const struct image *image = (const struct image *)((const char *)record + at);
		uint32_t bytes = image_take(worker, image, record->bytes - at);

		if (bytes == 0)
			return "an image is of no slot, of one that was there, or out of bounds";
		at += bytes;
	}
	return at == record->bytes ? NULL : "a piece of it is longer than its images";
}

/* --- SNAPSHOT_ENDED --- */

/*
 * A purge that was under way and a queue that was being deleted go on from the beginning of what is
 * left.
 */
static bool
jobs_derive(struct shard *shard)
{
	for (uint32_t idx = 0; idx < shard->root->queues_high; idx++) {
		const struct queue *queue = queue_at(shard, idx);
		bool is_deleting = queue->state == QUEUE_DELETING;

		if (!is_deleting && (queue->state == QUEUE_FREE || queue->purge_states == 0))
			continue;
		if (job_next_free(shard) == NIL)
			return false;
		job_begin(shard, is_deleting ? JOB_DELETE : JOB_PURGE, idx);
		txn_commit(&shard->txn);
	}
	return true;
}

static const char *
ended_load(struct worker *worker, const struct record *record, uint64_t *done_lsn)
{
	const struct snapshot_ended_record *ended = (const struct snapshot_ended_record *)record;
	struct snapshot *snapshot = &worker->snapshot;
	struct shard *shard = &worker->shard;
	struct image_slots slots[IMAGES_TABLES];

	if (record->bytes != sizeof(*ended) || ended->begun_lsn != snapshot->begun_lsn)
		return "its end belongs to another one";
	/* No slot came twice, so as many as there are is all of them. */
	if (snapshot->images != ended->images || snapshot->images != image_slots_of(shard, slots))
		return "images are missing";
	const char *wrong = images_derive(shard);
	if (wrong == NULL && !jobs_derive(shard))
		wrong = "more queues are purged and deleted in it than can be at a time";
	/*
	 * What the stream holds is known at the end of the replay; here only that all messages are
	 * below.
	 */
	store_relaxed(&shard->root->stream_tail, snapshot->begun_lsn);
	if (wrong == NULL)
		wrong = shard_check(shard, NULL);
	if (wrong != NULL)
		return wrong;
	*done_lsn = snapshot->begun_lsn;
	snapshot_forget(worker);
	return NULL;
}

const char *
load_record(struct worker *worker, const struct record *record, uint64_t bytes, uint64_t *done_lsn)
{
	struct snapshot *snapshot = &worker->snapshot;

	assert(worker->shard.shared->state == SHARD_REPLAYING);
	assert(snapshot->has_image != NULL);
	*done_lsn = 0;
	if (bytes < sizeof(*record) || record->bytes != bytes || record->lsn <= snapshot->last_lsn)
		return "its records are not in their order";
	if (record->type != RECORD_SNAPSHOT_BEGUN && !load_is_under_way(worker))
		return "its beginning is missing";
	snapshot->last_lsn = record->lsn;
	switch (record->type) {
	case RECORD_SNAPSHOT_BEGUN:
		return begun_load(worker, record);
	case RECORD_SNAPSHOT_IMAGES:
		return images_load(worker, record);
	case RECORD_SNAPSHOT_ENDED:
		return ended_load(worker, record, done_lsn);
	default:
		return "there are other records in it";
	}
}
