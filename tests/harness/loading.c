#include "tests/harness/loading.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workerd/load.h"
#include "workerd/replay.h"

#define must(condition)                                                                       \
	do {                                                                                  \
		if (!(condition)) {                                                           \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                              \
		}                                                                             \
	} while (0)

void
loading_open(struct loading *loading, const struct engine_options *options)
{
	struct engine_options fresh = *options;

	fresh.is_fresh = true;
	*loading = (struct loading){ .engine = engine_open(&fresh), .next_lsn = LSN_FIRST };
}

void
loading_close(struct loading *loading)
{
	engine_close(loading->engine);
	free(loading->snapshot.bytes);
	free(loading->above.bytes);
}

static uint32_t
kept_bytes(const struct record *record)
{
	return record->type == RECORD_PUBLISHED ? RECORD_PUBLISHED_BYTES : record->bytes;
}

static void
keep(struct loading_bytes *bytes, const struct record *record)
{
	uint32_t count = kept_bytes(record);

	if (bytes->size - bytes->count < count) {
		bytes->size = 2 * bytes->size + count;
		bytes->bytes = realloc(bytes->bytes, bytes->size);
		must(bytes->bytes != NULL);
	}
	memcpy(bytes->bytes + bytes->count, record, count);
	bytes->count += count;
}

const char *
loading_load(struct engine *engine, const struct loading_bytes *snapshot)
{
	struct worker *worker = &engine->worker;
	const char *wrong = NULL;
	uint64_t done_lsn = 0;

	shard_format(&worker->shard, 0);
	load_begin(worker);
	for (size_t at = 0; at < snapshot->count && wrong == NULL;) {
		const struct record *record = (const struct record *)(snapshot->bytes + at);

		wrong = load_record(worker, record, record->bytes, &done_lsn);
		at += record->bytes;
		must(done_lsn == 0 || at == snapshot->count);
	}
	if (wrong == NULL && done_lsn == 0)
		wrong = "it has no end";
	return wrong;
}

static void
load(struct loading *loading)
{
	const char *wrong = loading_load(loading->engine, &loading->snapshot);

	if (wrong != NULL)
		fprintf(stderr, "the snapshot at %llu: %s\n",
		    (unsigned long long)loading->begun_lsn, wrong);
	must(wrong == NULL);
	for (size_t at = 0; at < loading->above.count && !loading->is_bare;) {
		const struct record *record = (const struct record *)(loading->above.bytes + at);

		must(record->lsn > loading->begun_lsn);
		replay_record(&loading->engine->worker, record);
		at += kept_bytes(record);
	}
	loading->begun_lsn = 0;
	loading->loaded++;
}

void
loading_feed(struct loading *loading, const struct record *record)
{
	bool is_of_snapshot =
	    record->type >= RECORD_SNAPSHOT_BEGUN && record->type <= RECORD_SNAPSHOT_ENDED;

	must(record->lsn == loading->next_lsn);
	loading->next_lsn += record->bytes;
	if (record->type == RECORD_SNAPSHOT_BEGUN) {
		loading->begun_lsn = record->lsn;
		loading->snapshot.count = 0;
		loading->above.count = 0;
	}
	loading->pieces += record->type == RECORD_SNAPSHOT_IMAGES;
	if (loading->begun_lsn != 0)
		keep(is_of_snapshot ? &loading->snapshot : &loading->above, record);
	if (loading->begun_lsn != 0 && record->type == RECORD_SNAPSHOT_ENDED)
		load(loading);
	else if (loading->loaded > 0 && !loading->is_bare)
		replay_record(&loading->engine->worker, record);
	loading->engine->worker.shard.root->stream_tail = loading->next_lsn;
}

void
loading_follow(struct loading *loading, const struct engine *first)
{
	const struct stream *stream = &first->worker.stream;

	while (loading->next_lsn < stream->shared->tail)
		loading_feed(loading, (const struct record *)stream_at(stream, loading->next_lsn));
}
