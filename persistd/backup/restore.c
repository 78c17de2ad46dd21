/*
 * restore: see restore.h.
 *
 * Happy path: make_directory() -> write_all() -> finish() -> check_main().
 * Failure modes: FROM is damaged or DIR is full: what was made is removed again.  Killed: DIR is
 * not empty and holds no store.
 */
#include "persistd/backup/restore.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "persistd/backup/file.h"
#include "persistd/batch.h"
#include "persistd/catalog.h"
#include "persistd/check.h"
#include "persistd/disk.h"
#include "persistd/store.h"
#include "shm/diag.h"
#include "shm/hash.h"
#include "shm/store_file.h"

/* Of a file, header included. */
#define SEGMENT_BYTES (64ull << 20)
_Static_assert(SEGMENT_BYTES >= SEGMENT_BYTES_MIN, "a segment holds the largest batch");

/*
 * Receipts name the generation (16 bits).  The original goes on counting its own cold starts: it
 * would have to be started so often before a receipt of one could fit the other.
 */
#define GENERATION_STEP 256u
#define GENERATION_MAX 0xff00u

struct restore {
	const char *directory;
	struct backup_reader reader;
	struct store store;
	struct store_file identity;
	struct segment_header header;  /* of the segment being written */
	int fd;                        /* of it; -1 none */
	uint64_t used_bytes;
	uint64_t hash;                 /* of the last batch as it was sealed here */
};

/* --- the directory --- */

static bool
is_empty(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *found;
	bool is_empty = directory != NULL;

	if (directory == NULL) {
		disk_close_fd(fd);
		return false;
	}
	while ((found = readdir(directory)) != NULL) {
		if (strcmp(found->d_name, ".") != 0 && strcmp(found->d_name, "..") != 0 &&
		    strcmp(found->d_name, "lost+found") != 0)
			is_empty = false;
	}
	closedir(directory);
	return is_empty;
}

static int
make_directory(struct restore *restore)
{
	struct store *store = &restore->store;

	snprintf(store->directory, sizeof(store->directory), "%s", restore->directory);
	store->dir_fd = disk_open_dir(AT_FDCWD, restore->directory, true);
	if (store->dir_fd < 0) {
		diag_errno("cannot make %s", restore->directory);
		return EXIT_TARGET;
	}
	if (!is_empty(store->dir_fd)) {
		diag(DIAG_ERROR,
		    "%s is not empty; restore into a directory that is empty or not there",
		    restore->directory);
		disk_close_fd(store->dir_fd);
		store->dir_fd = -1; /* nothing in it is ours to remove */
		return EXIT_TARGET;
	}
	store->lock_fd = openat(store->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (store->lock_fd < 0 || disk_lock(store->lock_fd, LOCK_BYTE_SUPERVISOR) != 0 ||
	    disk_lock(store->lock_fd, LOCK_BYTE_PERSISTD) != 0) {
		diag_errno("cannot lock %s/lock", restore->directory);
		return EXIT_LOCKED;
	}
	store->journal_fd = disk_open_dir(store->dir_fd, "journal", true);
	if (store->journal_fd < 0) {
		diag_errno("cannot make %s/journal", restore->directory);
		return EXIT_TARGET;
	}
	return 0;
}

/* What was made, and nothing else. */
static void
remove_all(struct restore *restore)
{
	struct store *store = &restore->store;
	char name[SEGMENT_NAME_BYTES];

	if (store->dir_fd < 0)
		return;
	for (uint64_t n = restore->reader.chain.header.floor; store->journal_fd >= 0 &&
	    n <= restore->header.number; n++) {
		segment_name(name, n);
		(void)disk_unlink(store->journal_fd, name); /* what stays is said below */
	}
	if (store->journal_fd >= 0)
		(void)disk_unlink(store->journal_fd, "current");
	(void)disk_unlink(store->dir_fd, "lock");
	if (store->journal_fd >= 0 && unlinkat(store->dir_fd, "journal", AT_REMOVEDIR) != 0)
		diag_errno("cannot remove %s/journal; it is no store", restore->directory);
}

/* --- segments --- */

static int
write_failed(const struct restore *restore)
{
	diag_errno("cannot write %s/journal/" SEGMENT_NAME_FORMAT, restore->directory,
	    restore->header.number);
	return -1;
}

static int
segment_begin(struct restore *restore, uint64_t number)
{
	const struct backup_chain *chain = &restore->reader.chain;
	char name[SEGMENT_NAME_BYTES];
	bool is_direct;

	/*
	 * A batch that was just read is counted in the chain already: this is about those before
	 * it.
	 */
	uint64_t index = number == chain->header.floor ? chain->header.continues_index :
	    chain->end.last_index - 1;
	restore->header = (struct segment_header){ .magic = SEGMENT_MAGIC, .version = FORMAT_VERSION,
		.number = number, .epoch = restore->store.current.epoch, .continues_index = index,
		.continues_hash = restore->hash,
		.durable_index = index, .time_ms = chain->end.last_ms };
	memcpy(restore->header.store_uuid, restore->store.uuid, sizeof(restore->header.store_uuid));
	segment_name(name, number);
	restore->used_bytes = BLOCK_BYTES;
	restore->fd = disk_create(restore->store.journal_fd, name, DISK_DIRECT_OFF, &is_direct);
	return restore->fd >= 0 ? 0 : write_failed(restore);
}

/* Its header comes last: then it is known how long it is. */
static int
segment_end(struct restore *restore)
{
	struct segment_header *header = &restore->header;
	char block[BLOCK_BYTES] = { 0 };

	header->segment_bytes = restore->used_bytes; /* F7 */
	header->hash = hash_bytes((const char *)header + 8, sizeof(*header) - 8);
	memcpy(block, header, sizeof(*header));
	int result = disk_write(restore->fd, block, sizeof(block), 0);
	if (result == 0)
		result = disk_sync(restore->fd);
	if (result != 0)
		(void)write_failed(restore);
	disk_close_fd(restore->fd);
	restore->fd = -1;
	return result;
}

/* Seal the batch as one of this store, and write it. */
static int
put_batch(struct restore *restore, struct batch_header *batch)
{
	if (restore->used_bytes + batch->total_bytes > SEGMENT_BYTES) {
		if (segment_end(restore) != 0 ||
		    segment_begin(restore, restore->header.number + 1) != 0)
			return -1;
	}
	restore->hash = batch_adopt(batch, restore->store.uuid, restore->store.current.epoch,
	    restore->hash);
	if (disk_write(restore->fd, batch, batch->total_bytes, restore->used_bytes) != 0)
		return write_failed(restore);
	restore->used_bytes += batch->total_bytes;
	return 0;
}

/*
 * The last one: a witness.  It knows that all before it are whole, and the journal does not end
 * with the mark of a clean stop, which leases would survive.
 */
static int
put_witness(struct restore *restore)
{
	struct backup_end *end = &restore->reader.chain.end;
	struct batch batch;

	if (batch_init(&batch, restore->store.shards) != 0) {
		diag_errno("no memory for a batch");
		return -1;
	}
	batch_reset(&batch);
	end->last_index++;
	struct batch_place place = { .store_uuid = restore->store.uuid,
		.epoch = restore->store.current.epoch, .index = end->last_index,
		.durable_index = end->last_index - 1, .previous_hash = restore->hash,
		.time_ms = end->last_ms, .flags = BATCH_WITNESS };
	(void)batch_seal(&batch, &place); /* put_batch() seals it again, which changes nothing */
	int result = put_batch(restore, batch.header);
	batch_release(&batch);
	return result;
}

static int
say_damaged(const struct restore *restore, enum backup_step step, const char *from)
{
	const struct backup_reader *reader = &restore->reader;

	if (step == BACKUP_FAILED) {
		diag_errno("cannot read %s", from);
		return EXIT_JOURNAL;
	}
	diag(DIAG_ERROR,
	    "%s is damaged behind its first %" PRIu64 " bytes: %s.  Nothing was restored", from,
	    reader->chain.end.bytes, reader->reason);
	return EXIT_CORRUPT;
}

static int
begin_store(struct restore *restore)
{
	const struct backup_header *header = &restore->reader.chain.header;
	struct store *store = &restore->store;

	restore->identity = (struct store_file){ .shards = header->shards,
	    .version = header->store_version };
	if (store_file_draw_uuid(&restore->identity) != 0)
		return EXIT_JOURNAL;
	memcpy(store->uuid, restore->identity.uuid, sizeof(store->uuid));
	store->shards = header->shards;
	restore->hash = header->continues_hash;
	store->current = (struct current_file){ .floor = header->floor, .epoch = header->epoch + 1,
		.generation = header->generation };
	if (store->current.generation + GENERATION_STEP <= GENERATION_MAX)
		store->current.generation += GENERATION_STEP;
	return segment_begin(restore, header->floor) == 0 ? 0 : EXIT_TARGET;
}

static int
write_all(struct restore *restore, int fd, const char *from)
{
	enum backup_step step = backup_read_begin(&restore->reader, fd);
	int code = step == BACKUP_BATCH ? make_directory(restore) :
	    say_damaged(restore, step, from);

	if (code == 0)
		code = begin_store(restore);
	if (code != 0)
		return code;
	while ((step = backup_read_next(&restore->reader)) == BACKUP_BATCH) {
		if (put_batch(restore, restore->reader.batch) != 0)
			return EXIT_TARGET;
	}
	if (step != BACKUP_END)
		return say_damaged(restore, step, from);
	return put_witness(restore) == 0 && segment_end(restore) == 0 ? 0 : EXIT_TARGET;
}

/* --- the rest --- */

static int
finish(struct restore *restore)
{
	const struct backup_header *header = &restore->reader.chain.header;
	struct store *store = &restore->store;
	char note[128], uuid[33], made[32];

	store->current.highest = restore->header.number;
	store->current.durable_index = restore->reader.chain.end.last_index;
	if (store_save_current(store) != 0)
		return EXIT_TARGET;
	store_uuid_text(header->store_uuid, uuid);
	backup_made_text(header, made);
	snprintf(note, sizeof(note), "restored from %s batch %" PRIu64 " backup %s", uuid,
	    store->current.durable_index - 1,
	    made);
	return store_file_write_at(store->dir_fd, restore->directory, &restore->identity,
	    note) == 0 ? 0 : EXIT_TARGET;
}

int
restore_main(const char *from, const char *directory)
{
	static struct restore restore; /* the process's one context */
	bool is_stream = strcmp(from, "-") == 0;
	int fd = is_stream ? STDIN_FILENO : disk_open_read(AT_FDCWD, from, DISK_READ_THROUGH);

	if (fd < 0) {
		diag_errno("cannot read %s", from);
		return EXIT_CONFIG;
	}
	restore = (struct restore){ .directory = directory, .fd = -1,
		.store = { .dir_fd = -1, .journal_fd = -1, .lock_fd = -1 } };
	int code = write_all(&restore, fd, from);
	disk_close_fd(restore.fd);
	if (code == 0)
		code = finish(&restore);
	if (code != 0)
		remove_all(&restore);
	store_close(&restore.store);
	backup_read_close(&restore.reader);
	if (!is_stream)
		disk_close_fd(fd);
	return code != 0 ? code : check_main(directory, false);
}
