/*
 * backup: see backup.h.
 *
 * Happy path: open() -> copy() -> keep().
 * Failure modes: the store is damaged (the loader says where); the target is full; segments were
 * dropped while it read; SIGINT or SIGTERM.  After each TO.partial is removed.  SIGKILL leaves it
 * behind: it has no end (B3).
 */
#include "persistd/backup/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "persistd/backup/file.h"
#include "persistd/disk.h"
#include "persistd/loader.h"
#include "persistd/store.h"
#include "shm/atomic.h"
#include "shm/clock.h"
#include "shm/diag.h"
#include "shm/durable.h"
#include "shm/registry.h"

/* A broker that starts cold opens its journal when it has read it. */
#define OPEN_TRIES 300
#define OPEN_PAUSE_MS 100
/* While we list the directory a persistd that starts may remove prepared segments from it. */
#define LIST_TRIES 5

struct backup {
	const struct backup_options *options;
	struct store store;
	struct catalog catalog;
	struct loader loader;
	struct snapshots snapshots;
	struct copies copies;
	struct backup_writer writer;
	uint64_t stop_index;
	char partial[PATH_MAX];        /* "": stdout */
	int fd;                        /* of it; -1 none */
};

/* --- open --- */

static void
pause_ms(long ms)
{
	/* too early is only one more look */
	(void)nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

/*
 * The last durable batch. 1: here; 0: the journal is not open yet; -1: not to be had, after a diag.
 */
static int
ask_durable(struct backup *backup, const struct registry *registry)
{
	struct region_identity identity = registry_identity(registry);
	const char *instance = backup->options->instance;
	struct durable durable;

	if (memcmp(identity.store_uuid, backup->store.uuid, sizeof(backup->store.uuid)) != 0) {
		diag(DIAG_ERROR, "instance %s works on another store than %s", instance,
		    backup->options->directory);
		return -1;
	}
	if (durable_attach(&durable, instance, registry->shared->geometry.workers, &identity,
	    REGION_READ_ONLY) != 0) {
		diag_errno("cannot attach shared memory durable of instance %s", instance);
		return -1;
	}
	/*
	 * Both were stored after the batches were on stable storage. Pairs with announce_open().
	 */
	bool is_open = load_acquire(&durable.shared->persist_epoch) != 0;
	backup->stop_index = load_acquire(&durable.shared->batch_index);
	durable_detach(&durable);
	return is_open ? 1 : 0;
}

/*
 * How far to read. After the lock is held: what has to be kept for that is not dropped any more.
 */
static int
find_end(struct backup *backup)
{
	const char *instance = backup->options->instance;
	struct registry registry;
	int found = 0;

	backup->stop_index = LOADER_TO_THE_END;
	if (instance == NULL)
		return 0;
	for (unsigned tries = 0; found == 0 && tries < OPEN_TRIES; tries++) {
		if (tries > 0)
			pause_ms(OPEN_PAUSE_MS);
		if (registry_attach(&registry, instance, NULL, REGION_READ_ONLY) != 0) {
			diag_errno("cannot attach shared memory registry of instance %s", instance);
			return EXIT_LOCKED;
		}
		found = ask_durable(backup, &registry);
		registry_detach(&registry);
	}
	if (found == 0)
		diag(DIAG_ERROR, "instance %s has not opened its journal yet; try again later",
		    instance);
	return found > 0 ? 0 : EXIT_LOCKED;
}

static int
list_segments(struct backup *backup)
{
	for (unsigned tries = 1; catalog_read(&backup->catalog, &backup->store) != 0; tries++) {
		if (backup->options->instance == NULL || tries == LIST_TRIES)
			return EXIT_JOURNAL;
		pause_ms(OPEN_PAUSE_MS);
	}
	return 0;
}

static int
open_store(struct backup *backup)
{
	const struct backup_options *options = backup->options;
	enum store_lock lock = options->instance != NULL ? STORE_LOCK_BACKUP : STORE_LOCK_ALL;
	int code = store_open(&backup->store, options->directory, NULL, 0, lock);

	if (code == 0)
		code = find_end(backup);
	if (code == 0)
		code = list_segments(backup);
	if (code != 0)
		return code;
	if (loader_open(&backup->loader, &backup->store, &backup->catalog, NULL,
	    backup->stop_index) != 0)
		return EXIT_JOURNAL;
	snapshots_init(&backup->snapshots, backup->store.shards);
	backup->loader.snapshots = &backup->snapshots;
	backup->snapshots.copies = backup->loader.copies = &backup->copies;
	backup->loader.reader.verifies_payload = true;
	backup->loader.reader.direct_bytes = READER_SLICE_BYTES;
	return 0;
}

static int
open_target(struct backup *backup)
{
	const char *to = backup->options->to;
	bool is_direct;

	if (strcmp(to, "-") == 0) {
		backup->fd = STDOUT_FILENO;
		return 0;
	}
	int length = snprintf(backup->partial, sizeof(backup->partial), "%s.partial", to);

	if (length >= (int)sizeof(backup->partial)) {
		backup->partial[0] = '\0';
		diag(DIAG_ERROR, "the name of the backup is too long");
		return EXIT_TARGET;
	}
	if (access(to, F_OK) == 0 || access(backup->partial, F_OK) == 0) {
		bool is_whole = access(to, F_OK) == 0;

		diag(DIAG_ERROR, "%s exists; choose another name%s", is_whole ? to : backup->partial,
		    is_whole ? "" : ", or remove it if no backup is writing to it");
		backup->partial[0] = '\0';
		return EXIT_TARGET;
	}
	backup->fd = disk_create(AT_FDCWD, backup->partial, DISK_DIRECT_AUTO, &is_direct);
	if (backup->fd < 0) {
		diag_errno("cannot make %s", backup->partial);
		backup->partial[0] = '\0';
		return EXIT_TARGET;
	}
	return 0;
}

/* --- copy --- */

static uint64_t
wall_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now); /* there is always such a clock */
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void
describe(const struct backup *backup, struct backup_header *header)
{
	const struct store *store = &backup->store;

	*header = (struct backup_header){ .store_version = store->version, .shards = store->shards,
		.floor = store->current.floor, .epoch = store->current.epoch,
		.generation = store->current.generation,
		.continues_index = backup->loader.reader.index,
		.continues_hash = backup->loader.reader.hash, .made_ms = wall_ms() };
	memcpy(header->store_uuid, store->uuid, sizeof(header->store_uuid));
}

/* What came to an end before it should have: damage, unless the broker took it away. */
static int
say_corrupt(struct backup *backup)
{
	struct store now;

	if (backup->options->instance != NULL &&
	    store_open(&now, backup->options->directory, NULL, 0, STORE_LOCK_NONE) == 0) {
		uint64_t floor = now.current.floor;

		store_close(&now);
		if (floor > backup->loader.reader.segment) {
			diag(DIAG_ERROR, "the broker's disk was full: it dropped segments before they were "
			    "read; back up again");
			return EXIT_JOURNAL;
		}
	}
	diag(DIAG_ERROR, "the journal is damaged: %s.  Nothing was backed up; see chasqui check",
	    backup->loader.finding.text);
	return EXIT_CORRUPT;
}

/* SIGINT or SIGTERM came; they are blocked. */
static bool
is_interrupted(void)
{
	sigset_t pending;

	return sigpending(&pending) == 0 &&
	    (sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1);
}

/*
 * F9: where the first segments were dropped there is a snapshot of each shard to begin with, also
 * up to where we read.
 */
static bool
can_begin(struct backup *backup)
{
	uint32_t shard;

	snapshots_settle(&backup->snapshots);
	if (backup->store.current.floor <= 1 || snapshots_are_complete(&backup->snapshots, &shard))
		return true;
	diag(DIAG_ERROR,
	    "the journal holds no complete snapshot of shard %" PRIu32 "; see chasqui check",
	    shard);
	return false;
}

static int
copy(struct backup *backup)
{
	struct loader *loader = &backup->loader;
	struct backup_header header;
	enum loader_step step;

	describe(backup, &header);
	if (backup_write_begin(&backup->writer, backup->fd, &header,
	    backup->options->bytes_per_second) != 0)
		return EXIT_TARGET;
	while ((step = loader_step(loader)) == LOADER_MORE) {
		if (is_interrupted()) {
			diag(DIAG_ERROR, "interrupted");
			return EXIT_TARGET;
		}
		if (backup_write_batch(&backup->writer, loader->reader.header) != 0)
			return EXIT_TARGET;
	}
	if (step == LOADER_CORRUPT)
		return say_corrupt(backup);
	if (step == LOADER_FAILED)
		return EXIT_JOURNAL;
	if (!can_begin(backup))
		return EXIT_CORRUPT;
	return backup_write_end(&backup->writer) == 0 ? 0 : EXIT_TARGET;
}

/* --- verify, and keep --- */

static void
report(FILE *to, const char *name, const struct backup_chain *chain)
{
	const struct backup_header *header = &chain->header;
	char uuid[33], made[32];

	store_uuid_text(header->store_uuid, uuid);
	backup_made_text(header, made);
	fprintf(to, "%s: backup of store %s, %" PRIu32 " shard%s, begun %s\n", name, uuid,
	    header->shards,
	    header->shards == 1 ? "" : "s", made);
	fprintf(to,
	    "%" PRIu64 " batches up to index %" PRIu64 ", %" PRIu64 " records, %" PRIu64 " messages, %"
	    PRIu64 " bytes\n",
	    chain->end.batches, chain->end.last_index, chain->records.records,
	    chain->records.messages,
	    chain->end.bytes + BLOCK_BYTES);
	if (chain->records.bad_messages != 0)
		fprintf(to,
		    "%" PRIu64 " messages do not match their checksum and will not be delivered: they "
		    "were so in the store "
		    "(chasqui check names them)\n", chain->records.bad_messages);
}

/*
 * Read all of it, at that rate.  0 and the reader at its end, still open; or an exit code after a
 * diag.
 */
static int
read_through(struct backup_reader *reader, int fd, const char *name, uint64_t bytes_per_second)
{
	enum backup_step step = backup_read_begin(reader, fd);
	uint64_t begun_ns = now_ns();

	while (step == BACKUP_BATCH) {
		step = backup_read_next(reader);
		backup_keep_rate(begun_ns, reader->chain.end.bytes, bytes_per_second);
	}
	if (step == BACKUP_FAILED)
		diag_errno("cannot read %s", name);
	if (step == BACKUP_DAMAGED)
		diag(DIAG_ERROR, "%s is damaged behind its first %" PRIu64 " bytes: %s", name,
		    reader->chain.end.bytes, reader->reason);
	return step == BACKUP_END ? 0 : step == BACKUP_DAMAGED ? EXIT_CORRUPT : EXIT_JOURNAL;
}

/*
 * What the disk has of it, not the cache: it was written past the cache where that is possible,
 * else let it go.
 */
static int
verify(struct backup *backup)
{
	struct backup_reader reader;
	int fd = disk_open_read(AT_FDCWD, backup->partial, DISK_READ_THROUGH), code;

	if (fd < 0) {
		diag_errno("cannot read %s", backup->partial);
		return EXIT_TARGET;
	}
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); /* only a hint */
	code = read_through(&reader, fd, backup->partial, backup->options->bytes_per_second);
	if (code == 0 && reader.chain.end.digest != backup->writer.chain.end.digest) {
		diag(DIAG_ERROR, "%s is not what was written", backup->partial);
		code = EXIT_CORRUPT;
	}
	backup_read_close(&reader);
	disk_close_fd(fd);
	return code == 0 ? 0 : EXIT_TARGET;
}

static int
sync_directory_of(const char *path)
{
	char directory[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t length = slash == NULL ? 0 : (size_t)(slash - path) + 1;

	snprintf(directory, sizeof(directory), "%.*s.", (int)length, path);
	int fd = disk_open_dir(AT_FDCWD, directory, false);
	int result = fd < 0 ? -1 : disk_sync(fd);
	disk_close_fd(fd);
	return result;
}

/* From TO.partial to TO, which must still not exist. */
static int
keep(struct backup *backup)
{
	if (backup->partial[0] == '\0')
		return 0;
	if (disk_sync(backup->fd) != 0) {
		diag_errno("cannot sync %s", backup->partial);
		return EXIT_TARGET;
	}
	int code = verify(backup);
	if (code != 0)
		return code;
	if (renameat2(AT_FDCWD, backup->partial, AT_FDCWD, backup->options->to,
	    RENAME_NOREPLACE) != 0) {
		diag_errno("cannot rename %s to %s", backup->partial, backup->options->to);
		return EXIT_TARGET;
	}
	backup->partial[0] = '\0';
	if (sync_directory_of(backup->options->to) == 0)
		return 0;
	diag_errno("cannot sync the directory of %s", backup->options->to);
	return EXIT_TARGET;
}

static void
close_all(struct backup *backup)
{
	bool is_file = backup->fd >= 0 && backup->fd != STDOUT_FILENO;

	backup_write_close(&backup->writer);
	loader_close(&backup->loader);
	snapshots_free(&backup->snapshots);
	copies_free(&backup->copies);
	catalog_free(&backup->catalog);
	store_close(&backup->store);
	if (is_file)
		disk_close_fd(backup->fd);
	if (backup->partial[0] != '\0' && disk_unlink(AT_FDCWD, backup->partial) != 0)
		diag_errno("cannot remove %s; it is no backup", backup->partial);
}

int
backup_main(const struct backup_options *options)
{
	static struct backup backup; /* the process's one context */
	bool is_stream = strcmp(options->to, "-") == 0;
	sigset_t signals;

	backup = (struct backup){ .options = options, .fd = -1, .loader.reader.fd = -1,
		.store = { .dir_fd = -1, .journal_fd = -1, .lock_fd = -1 } };
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &signals, NULL); /* cannot fail with these arguments */
	/* A pipe that nobody reads any more is an error like a full disk. */
	(void)signal(SIGPIPE, SIG_IGN);

	int code = open_store(&backup);
	if (code == 0)
		code = open_target(&backup);
	if (code == 0)
		code = copy(&backup);
	if (code == 0)
		code = keep(&backup);
	if (code == 0)
		report(is_stream ? stderr : stdout, is_stream ? "written" : options->to,
		    &backup.writer.chain);
	close_all(&backup);
	return code;
}

int
backup_check_main(const char *from)
{
	bool is_stream = strcmp(from, "-") == 0;
	int fd = is_stream ? STDIN_FILENO : disk_open_read(AT_FDCWD, from, DISK_READ_THROUGH);
	struct backup_reader reader;

	if (fd < 0) {
		diag_errno("cannot read %s", from);
		return EXIT_CONFIG;
	}
	int code = read_through(&reader, fd, from, 0);
	if (code == 0) {
		report(stdout, from, &reader.chain);
		if (reader.chain.records.bad_messages != 0)
			code = EXIT_CORRUPT;
	}
	backup_read_close(&reader);
	if (!is_stream)
		disk_close_fd(fd);
	return code;
}
