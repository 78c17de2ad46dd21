/*
 * Images of a snapshot: from arbitrary bytes either nothing is loaded, or a shard that is whole
 * (shard_check) and serves: its timers fire and its jobs end.  The input is a root and then images;
 * the first byte says what is made right around them: 1 the sizes of the images by their kinds, 2
 * the count at the end, 4 the lists of free slots of tables that have no image.
 */
#include <assert.h>
#include <string.h>

#include "shm/state/check.h"
#include "tests/harness/engine.h"
#include "tests/harness/loading.h"
#include "workerd/replay.h"

#define ROOT_BYTES sizeof(struct image_root)

static struct engine *engine;
static _Alignas(8) char records[3 * 4096 + SNAPSHOT_RECORD_BYTES_MAX];

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

/* A record behind the others. */
static void *
add_record(struct loading_bytes *to, enum record_type type, uint32_t record_bytes)
{
	struct record *record = (struct record *)(to->bytes + to->count);

	*record = (struct record){ .bytes = record_bytes,
		.type = (uint16_t)type,
		.flags = RECORD_LAST,
		.lsn = 1000000 + to->count,
		.time_ms = 1 };
	to->count += record_bytes;
	return record;
}

static uint16_t
size_of_kind(uint16_t kind)
{
	static const uint16_t sizes[IMAGE_KIND_COUNT] = { 8, sizeof(struct image_message),
		sizeof(struct image_message_free), sizeof(struct image_queue),
		sizeof(struct image_free), sizeof(struct image_grant), sizeof(struct image_free),
		sizeof(struct image_user), sizeof(struct image_free),
		sizeof(struct image_credential), sizeof(struct image_free) };

	return sizes[kind % IMAGE_KIND_COUNT];
}

/* How many images there are, by the sizes they say; those made right where that is wished. */
static uint32_t
count_images(char *images, size_t count, bool makes_right)
{
	uint32_t found = 0;

	for (size_t at = 0; count - at >= sizeof(struct image);) {
		struct image *image = (struct image *)(images + at);

		if (makes_right)
			image->bytes = size_of_kind(image->kind);
		found++;
		if (image->bytes < sizeof(*image) || image->bytes % 8 != 0 ||
		    image->bytes > count - at)
			break;
		at += image->bytes;
	}
	return found;
}

static void
empty_tables(struct image_root *root)
{
	struct image_table *tables[] = { &root->messages, &root->queues, &root->grants,
		&root->users, &root->credentials };

	for (unsigned i = 0; i < 5; i++) {
		if (tables[i]->high == 0)
			tables[i]->free =
			    (struct image_list){ .head = UINT32_MAX, .tail = UINT32_MAX };
	}
}

/* What was loaded is a shard: all that is due falls due, a long time later too. */
static void
let_it_serve(void)
{
	struct worker *worker = &engine->worker;
	uint64_t lsn = worker->shard.root->stream_tail;

	assert(shard_check(&worker->shard, NULL) == NULL);
	engine->durable->shard[0].lsn = lsn;
	engine->stream_shared->tail = lsn;
	worker->mirrored_tail = lsn;
	replay_finish(worker, &(struct replay_end){ .lsn = lsn, .generation = 9 });
	engine->now_ms = worker->shard.root->now_ms;
	for (unsigned i = 0; i < 40; i++) {
		engine->now_ms += 1ull << i;
		engine_run(engine);
	}
	assert(shard_check(&worker->shard, NULL) == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct loading_bytes snapshot = { .bytes = records };
	size_t images_bytes = count > 1 + ROOT_BYTES ? (count - 1 - ROOT_BYTES) & ~(size_t)7 : 0;

	if (count < 1 + ROOT_BYTES || images_bytes > SNAPSHOT_RECORD_BYTES_MAX)
		return 0;
	if (engine == NULL)
		engine = engine_open(&(struct engine_options){ .messages = 16,
		    .queues = 4,
		    .waiters_per_front = 4,
		    .grants = 4,
		    .users = 3,
		    .credentials = 4,
		    .stream_bytes = 1u << 20,
		    .request_ring_bytes = 1u << 17,
		    .reply_ring_bytes = 1u << 17,
		    .is_fresh = true });
	struct snapshot_begun_record *begun =
	    add_record(&snapshot, RECORD_SNAPSHOT_BEGUN, sizeof(*begun));
	memcpy(&begun->root, bytes + 1, ROOT_BYTES);
	if ((bytes[0] & 4) != 0)
		empty_tables(&begun->root);
	struct snapshot_images_record *images =
	    add_record(&snapshot, RECORD_SNAPSHOT_IMAGES, sizeof(*images) + (uint32_t)images_bytes);
	memcpy(images + 1, bytes + 1 + ROOT_BYTES, images_bytes);
	images->begun_lsn = begun->record.lsn;
	images->count = count_images((char *)(images + 1), images_bytes, (bytes[0] & 1) != 0);
	struct snapshot_ended_record *ended =
	    add_record(&snapshot, RECORD_SNAPSHOT_ENDED, sizeof(*ended));
	ended->begun_lsn = begun->record.lsn;
	ended->images = (bytes[0] & 2) != 0 ? images->count : bytes[0];

	if (loading_load(engine, &snapshot) == NULL)
		let_it_serve();
	return 0;
}
