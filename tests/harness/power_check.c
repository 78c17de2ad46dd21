#include "tests/harness/power_check.h"

#include <stdarg.h>

#include "persistd/loader.h"
#include "shm/state/check.h"
#include "shm/state/digest.h"
#include "tests/harness/engine.h"
#include "tests/harness/leftovers.h"
#include "tests/harness/life.h"
#include "tests/unit/persist_world.h"
#include "workerd/load.h"
#include "workerd/replay.h"

_Static_assert((int)LIFE_SHARDS == (int)WORLD_SHARDS, "a recording is opened by the world of the unit tests");

/* The cut at hand, for whoever has to repeat it. */
static struct {
	char log[300];
	uint64_t at, seed;
	enum power_names names;
	char directory[200];
} cut;

/* Shards that were rebuilt from a snapshot, and of a journal whose first segments were gone. */
static unsigned restored, trimmed;

void
power_check_counts(unsigned *restored_too, unsigned *trimmed_too)
{
	*restored_too = restored;
	*trimmed_too = trimmed;
}

void
power_complain(const char *format, ...)
{
	char text[1000], kept[40];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	snprintf(kept, sizeof(kept), "/tmp/chasqui-power.%d.log", (int)getpid());
	char command[1200];
	snprintf(command, sizeof(command), "cp --sparse=always %s %s; rm -rf %s.kept; cp -r --sparse=always %s %s.kept", cut.log, kept,
	    kept, cut.directory, kept);
	(void)system(command); /* then there is none to look at */
	ck_abort_msg("%s\nrepeat: POWER_LOG=%s POWER_AT=%" PRIu64 " POWER_SEED=%" PRIu64 " POWER_NAMES=%d build/tests/fault_power; "
	    "the directory is in %s.kept", text, kept, cut.at, cut.seed, (int)cut.names, kept);
}

/* Whole transactions, and nothing else. */
static void
check_records(const struct batch_range *range, const char *bytes)
{
	bool is_last = false;

	for (uint32_t at = 0; at < range->bytes;) {
		uint32_t size = batch_record_bytes(bytes + at, range->bytes - at, range->lsn + at);

		if (size == 0)
			power_complain("no record at LSN %" PRIu64 " of shard %" PRIu32, range->lsn + at, range->shard);
		is_last = (((const struct record *)(bytes + at))->flags & RECORD_LAST) != 0;
		at += size;
	}
	if (!is_last)
		power_complain("a batch ends within a transaction, at LSN %" PRIu64 " of shard %" PRIu32, range->lsn + range->bytes,
		    range->shard);
}

/* The batch that was just read is one that was written, byte for byte. */
static void
compare_batch(const struct power *power, const struct reader *reader, uint64_t own_index)
{
	const struct batch_header *seen = reader->header, *written = power_batch(power, seen->hash);
	const struct batch_range *ranges = batch_ranges(seen);
	const char *bytes = reader_payload(reader);

	if (seen->index >= own_index)
		return; /* of the recovery */
	/* One that a recovery wrote again has another header. */
	for (uint32_t i = power->batch_count; written == NULL && i > 0; i--) {
		const struct batch_header *candidate = power->batches[i - 1];

		if (candidate->index == seen->index && candidate->payload_hash == seen->payload_hash &&
		    candidate->payload_bytes == seen->payload_bytes)
			written = candidate;
	}
	if (written == NULL || memcmp(bytes, (const char *)written + written->header_bytes, seen->payload_bytes) != 0)
		power_complain("batch %" PRIu64 " was never written so", seen->index);
	if ((seen->flags & BATCH_COPY) != 0)
		return; /* no transactions; the loader has seen that they are records */
	for (uint32_t i = 0; i < seen->ranges; i++) {
		check_records(&ranges[i], bytes);
		bytes += ranges[i].bytes;
	}
}

/* --- shards, rebuilt as workers do it --- */

struct rebuilt {
	struct engine *engine;
	uint32_t shard;
	uint64_t begun_lsn;      /* of the snapshot that it begins with; 0: none */
	bool is_loading;         /* the first pass */
	bool is_loaded;
};

static void
rebuild_from(struct rebuilt *rebuilt, const struct record *seen, uint32_t size)
{
	_Alignas(8) static char record[REPLAY_FRAME_BYTES_MAX];
	struct worker *worker = &rebuilt->engine->worker;
	bool is_piece = seen->type >= RECORD_SNAPSHOT_BEGUN && seen->type <= RECORD_SNAPSHOT_ENDED;
	uint64_t lsn;

	memcpy(record, seen, seen->type == RECORD_PUBLISHED ? RECORD_PUBLISHED_BYTES : size);
	if (!rebuilt->is_loading) {
		if (seen->lsn > rebuilt->begun_lsn)
			replay_record(worker, (const struct record *)record);
		return;
	}
	const struct snapshot_images_record *piece = (const struct snapshot_images_record *)record;
	if (rebuilt->is_loaded || !is_piece || (seen->type == RECORD_SNAPSHOT_BEGUN ? seen->lsn : piece->begun_lsn) != rebuilt->begun_lsn)
		return;
	const char *wrong = load_record(worker, (const struct record *)record, size, &lsn);
	if (wrong != NULL)
		power_complain("shard %" PRIu32 ": the snapshot at LSN %" PRIu64 " is none: %s", rebuilt->shard, rebuilt->begun_lsn, wrong);
	rebuilt->is_loaded = lsn != 0;
}

/* Once through the journal, from that segment on. */
static void
rebuild_pass(struct rebuilt *rebuilt, const struct loader *loader, uint64_t segment)
{
	struct reader reader;

	ck_assert_int_eq(reader_open(&reader, loader->store, loader->catalog, false), 0);
	if (segment != 0)
		reader_begin_at(&reader, segment);
	reader.stop_index = loader->position.index;
	while (reader_next(&reader) == READER_BATCH && !(rebuilt->is_loading && rebuilt->is_loaded)) {
		const struct batch_range *ranges = batch_ranges(reader.header);
		const char *bytes = reader_payload(&reader);

		if ((reader.header->flags & BATCH_COPY) != 0)
			continue;
		for (uint32_t i = 0; i < reader.header->ranges; bytes += ranges[i++].bytes) {
			for (uint32_t at = 0; ranges[i].shard == rebuilt->shard && at < ranges[i].bytes;) {
				const struct record *seen = (const struct record *)(bytes + at);

				rebuild_from(rebuilt, seen, seen->bytes);
				at += seen->bytes;
			}
		}
	}
	reader_close(&reader);
}

/* The record of a message is where the indices say, and is the one that was published. */
static void
check_message(const struct loader *loader, uint32_t shard, const struct msg *msg)
{
	static char bytes[FETCH_BYTES_MAX];
	const struct published_record *record = (const struct published_record *)bytes;
	uint32_t payload = msg->attributes_bytes + msg->body_bytes, size = RECORD_PUBLISHED_BYTES + FRAME_ALIGN(payload);
	char name[SEGMENT_NAME_BYTES];
	struct lsn_location at;

	if (!copies_find(loader->copies, shard, msg->lsn, size, &at) && !lsn_index_find(loader->index, shard, msg->lsn, size, &at))
		power_complain("shard %" PRIu32 ": the message of LSN %" PRIu64 " is nowhere", shard, msg->lsn);
	segment_name(name, at.segment);
	int fd = disk_open_read(loader->store->journal_fd, name, DISK_READ_EXACT);
	int64_t count = fd < 0 ? -1 : disk_read(fd, bytes, size, at.offset);
	disk_close_fd(fd);
	if (count != (int64_t)size || batch_record_bytes(bytes, size, msg->lsn) != size || record->seq != msg->seq ||
	    record->payload_hash != hash_bytes(bytes + RECORD_PUBLISHED_BYTES, payload))
		power_complain("shard %" PRIu32 ": the message of LSN %" PRIu64 " is not in %s at %" PRIu64, shard, msg->lsn, name, at.offset);
}

static void
check_messages(const struct loader *loader, uint32_t shard, const struct shard *mine)
{
	for (uint32_t i = 0; i < mine->root->messages_high; i++) {
		if (msg_at(mine, i)->state != MSG_FREE)
			check_message(loader, shard, msg_at(mine, i));
	}
}

/* The state of a shard, from its newest snapshot or from the first record on. */
static uint64_t
rebuild(const struct loader *loader, uint32_t shard, uint64_t begun_lsn)
{
	struct rebuilt rebuilt = { .shard = shard, .begun_lsn = begun_lsn, .engine = engine_open(&(struct engine_options){
		.messages = LIFE_MESSAGES_MAX, .queues = 16, .is_fresh = true }) };
	struct shard *mine = &rebuilt.engine->worker.shard;
	uint64_t segment = begun_lsn != 0 ? snapshots_segment_of(loader->snapshots, shard, begun_lsn) : 0;

	shard_format(mine, 0);
	load_begin(&rebuilt.engine->worker);
	rebuilt.is_loading = begun_lsn != 0;
	if (rebuilt.is_loading)
		rebuild_pass(&rebuilt, loader, segment);
	if (rebuilt.is_loading && !rebuilt.is_loaded)
		power_complain("shard %" PRIu32 ": the snapshot at LSN %" PRIu64 " has no end", shard, begun_lsn);
	rebuilt.is_loading = false;
	rebuild_pass(&rebuilt, loader, segment);
	mine->root->stream_tail = loader->position.lsn[shard];
	const char *wrong = shard_check(mine, NULL);
	if (wrong != NULL)
		power_complain("shard %" PRIu32 ", replayed from LSN %" PRIu64 ": %s", shard, begun_lsn, wrong);
	check_messages(loader, shard, mine);
	uint64_t digest = shard_digest(mine);
	engine_close(rebuilt.engine);
	return digest;
}

/* Where all ways to the state of a shard are there, they lead to the same one. */
static void
rebuild_all(const struct loader *loader)
{
	for (uint32_t s = 0; s < LIFE_SHARDS; s++) {
		const struct shard_snapshots *shard = &loader->snapshots->shard[s];
		uint64_t digest = 0, other;

		if (shard->newer.begun_lsn != 0) {
			digest = rebuild(loader, s, shard->newer.begun_lsn);
			restored++;
		}
		if (shard->older.begun_lsn != 0 && (other = rebuild(loader, s, shard->older.begun_lsn)) != digest)
			power_complain("shard %" PRIu32 ": the older snapshot gives %" PRIx64 ", the newer %" PRIx64, s, other, digest);
		if (loader->store->current.floor > 1)
			trimmed++;
		else if ((other = rebuild(loader, s, 0)) != digest && digest != 0)
			power_complain("shard %" PRIu32 ": all records give %" PRIx64 ", the snapshot %" PRIx64, s, other, digest);
	}
}

static void
position_check(const struct journal_position *position, const struct power *power, const char *when)
{
	const struct journal_position *announced = &power->announced;

	if (power->announcements == 0)
		return;
	if (position->index < announced->index)
		power_complain("%s: the journal ends with batch %" PRIu64 ", and %" PRIu64 " was acknowledged", when, position->index,
		    announced->index);
	for (unsigned s = 0; s < LIFE_SHARDS; s++) {
		if (position->lsn[s] < announced->lsn[s])
			power_complain("%s: shard %u ends at LSN %" PRIu64 ", and %" PRIu64 " was acknowledged", when, s, position->lsn[s],
			    announced->lsn[s]);
	}
}

/* Read the journal as a cold start does.  own_index: of the first batch that the test wrote itself. */
static void
read_all(const struct power *power, const char *when, uint64_t own_index, bool replays)
{
	struct snapshots snapshots;
	struct copies copies;
	struct lsn_index index;
	struct catalog catalog;
	struct loader loader;
	struct store store;
	enum loader_step step;

	lsn_index_init(&index);
	copies_init(&copies);
	if (store_open(&store, cut.directory, NULL, LIFE_SHARDS, STORE_LOCK_PERSISTD) != 0)
		power_complain("%s: the store does not open", when);
	if (catalog_read(&catalog, &store) != 0 || loader_open(&loader, &store, &catalog, &index, LOADER_TO_THE_END) != 0)
		power_complain("%s: the journal cannot be read", when);
	snapshots_init(&snapshots, LIFE_SHARDS);
	snapshots.copies = loader.copies = &copies;
	loader.snapshots = &snapshots;
	while ((step = loader_step(&loader)) == LOADER_MORE) {
		compare_batch(power, &loader.reader, own_index);
		if (power->announcements > 0 && loader.position.index == power->announced.index && power->announced.index > 0 &&
		    loader.position.hash != power->announced.hash) {
			const struct batch_header *written = power_batch(power, power->announced.hash);

			/* Written again by a recovery, it has another name. */
			if (written == NULL || written->payload_hash != loader.reader.header->payload_hash)
				power_complain("%s: batch %" PRIu64 " is not the one that was acknowledged", when, loader.position.index);
		}
	}
	if (step != LOADER_DONE)
		power_complain("%s: %s", when, step == LOADER_CORRUPT ? loader.finding.text : "reading failed");
	position_check(&loader.position, power, when);
	/* What a start writes again: it lies here as well. */
	for (uint32_t i = 0; i < loader.pending_count; i++) {
		const struct loader_pending *pending = &loader.pending[i];

		if ((pending->header.flags & BATCH_COPY) == 0)
			ck_assert_int_eq(lsn_index_add(&index, &pending->header, pending->segment, pending->offset), 0);
	}
	snapshots_settle(&snapshots);
	if (snapshots.lost != 0)
		power_complain("%s: %" PRIu64 " messages of the newest snapshots are nowhere", when, snapshots.lost);
	if (replays)
		rebuild_all(&loader);
	snapshots_free(&snapshots);
	copies_free(&copies);
	lsn_index_free(&index);
	loader_close(&loader);
	catalog_free(&catalog);
	store_close(&store);
}

static void
directory_empty(const char *directory)
{
	char command[300];

	snprintf(command, sizeof(command), "%s/journal", directory);
	DIR *journal = opendir(command);
	struct dirent *entry;
	static const char *const names[] = { "store", "store.new", "lock" };

	while (journal != NULL && (entry = readdir(journal)) != NULL) {
		if (entry->d_name[0] != '.')
			ck_assert_int_eq(unlinkat(dirfd(journal), entry->d_name, 0), 0);
	}
	if (journal != NULL) {
		closedir(journal);
		ck_assert_int_eq(rmdir(command), 0);
	}
	for (unsigned i = 0; i < 3; i++) {
		snprintf(command, sizeof(command), "%s/%s", directory, names[i]);
		ck_assert(unlink(command) == 0 || errno == ENOENT);
	}
}

void
power_check_cut(const struct power *power, uint64_t seed, enum power_names names)
{
	cut.at = power->at;
	cut.seed = seed;
	cut.names = names;
	directory_empty(cut.directory);
	power_cut(power, cut.directory, seed, names);
}

/* Open it as persistd does, write one batch, and close it without a word. */
static uint64_t
recover(const struct power *power)
{
	struct world world = { 0 };
	int code;

	snprintf(world.directory, sizeof(world.directory), "%.63s", cut.directory);
	if ((code = world_open(&world)) != 0)
		power_complain("the journal does not open: exit code %d", code);
	position_check(&world.journal.durable, power, "opened");
	uint64_t index = world.journal.durable.index + 1;
	world_write(&world, 0, 77);
	world_crash(&world);
	return index;
}

unsigned
power_check_recovery(const struct power *power, uint64_t seed, enum power_names names)
{
	struct power inner;
	char log[220];
	unsigned cuts = 0;

	power_check_cut(power, seed, names);
	snprintf(log, sizeof(log), "%s.inner", cut.directory);
	struct io_shared *io = io_log_create(log, cut.directory);
	ck_assert_ptr_nonnull(io);
	io->is_recording = 1;
	io_wrap_use(io);
	uint64_t own_index = recover(power);
	io_wrap_use(NULL);
	power_open(&inner, io);
	while (power_step(&inner)) {
		if (!power_is_open(&inner) || (inner.at * 0x9e3779b97f4a7c15ull + seed) >> 60 != 0)
			continue;
		/* The outer cut stays the one to repeat; its recovery is the same each time. */
		directory_empty(cut.directory);
		power_cut(&inner, cut.directory, seed, seed % 2);
		read_all(power, "cut in recovery", own_index, false);
		(void)recover(power);
		read_all(power, "cut in recovery, recovered", own_index, false);
		cuts++;
	}
	power_close(&inner);
	io_log_unmap(io);
	ck_assert_int_eq(unlink(log), 0);
	return cuts;
}

void
power_check(const struct power *power, uint64_t seed, enum power_names names)
{
	power_check_cut(power, seed, names);
	read_all(power, "cut", UINT64_MAX, true);
	uint64_t own_index = recover(power);
	read_all(power, "recovered", own_index, false);
}

void
power_check_begin(char log[300])
{
	char directory[] = "/dev/shm/chasqui-power-XXXXXX", on_disk[] = "/tmp/chasqui-power-XXXXXX";

	diag_init("unit", "persistd", 0, DIAG_ERROR);
	io_wrap_use(NULL);
	const char *made = mkdtemp(directory);
	if (made == NULL)
		made = mkdtemp(on_disk);
	ck_assert_msg(made != NULL, "mkdtemp: %s", strerror(errno));
	leftovers_watch(made);
	snprintf(log, 300, "%s.log", made);
	power_check_use(log, made);
}

void
power_check_use(const char *log, const char *directory)
{
	if (log != NULL)
		snprintf(cut.log, sizeof(cut.log), "%s", log);
	if (directory != NULL)
		snprintf(cut.directory, sizeof(cut.directory), "%s", directory);
}

void
power_check_end(void)
{
	directory_empty(cut.directory);
	ck_assert_int_eq(rmdir(cut.directory), 0);
	ck_assert(unlink(cut.log) == 0 || errno == ENOENT);
}
