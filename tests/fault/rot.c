/*
 * Damage at rest.  Stores whose every batch was acknowledged are damaged at random: bits, bytes, sectors and blocks, in place,
 * exchanged or misdirected; files cut off, lost, doubled, exchanged, or older than they were.  Whatever it is, reading the
 * journal as a cold start does either says so, naming the file, or finds every batch as it was written: never is one altered,
 * never is one missing without a word, and nothing dies.  `chasqui check` says the same, and what its --repair leaves is a
 * beginning of what there was.
 *
 * After a clean stop this holds for all damage.  After a crash whatever takes away the last batches together with everything
 * that was written after them looks like a crash before them: there such damage is not tried.
 *
 * ROT_SEED=n [ROT_TRIAL=n] repeats, ROT_BYTE=n ROT_STRIDE=1000000 for the last test; `make soak` does
 * 10,000 trials, and every byte of a 64 KiB store.
 */
#include <signal.h>
#include <sys/mman.h>
#include <time.h>

#include "persistd/check.h"
#include "tests/unit/persist_world.h"

enum { TEST_SECONDS = 7200, TRIALS = 400, TRIALS_SOAK = 10000, STRIDE = 61, FILES_MAX = 24,
	BATCHES_MAX = 600, SMALL_BYTES = 64 << 10, TEXT_BYTES = 64 << 10, CHECK_EVERY = 8, REPAIR_EVERY = 40 };

/* A file of a store, as it was. */
struct kept_file {
	char path[48];           /* below the data directory */
	char *bytes;
	uint64_t length;
	uint64_t used;           /* bytes up to the last one that is not zero */
};

/* A store, as it was. */
struct kept {
	struct kept_file files[FILES_MAX];
	uint32_t count;
	uint32_t last;           /* in files: the segment written last */
	bool is_clean;
	uint64_t batches;
	uint64_t index;          /* of the last batch that holds records: all up to it were acknowledged */
	struct { uint64_t index; uint64_t payload_hash; uint32_t payload_bytes; } batch[BATCHES_MAX];
};

static struct world world;
static struct kept kept;
static uint64_t random_state;
static char said[TEXT_BYTES];
static char trial_text[300];

/* What the trial changed: bytes in place, or (TOUCHED_MAX) files as such. */
enum { TOUCHED_MAX = 24 };
static struct { const struct kept_file *file; uint64_t offset, count; } touched[TOUCHED_MAX];
static unsigned touched_count;

static uint64_t
any(uint64_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % below;
}

/* --- making one --- */

static void
close_journal(bool is_clean)
{
	ck_assert_ptr_nonnull(journal_free(&world.journal));
	journal_append(&world.journal, 1700000000000, is_clean ? BATCH_CLEAN : BATCH_WITNESS, now_ns());
	ck_assert_int_eq(world_settle(&world), 0);
	if (is_clean)
		ck_assert(world.file.backend.ops->seal(&world.file.backend, world.journal.durable.index));
	world_crash(&world);
}

/* Several segments and epochs, large and small batches. */
static void
write_large(bool is_clean)
{
	struct journal_position warm;

	for (unsigned life = 0; life < 3; life++) {
		ck_assert_int_eq(life == 1 ? world_open_with(&world, &warm, 2) : world_open(&world), 0);
		ck_assert_int_eq(world_settle(&world), 0);
		for (unsigned i = 0; i < 12; i++) {
			if (i % 6 == 2)
				world_append_large(&world, i % 2, 3000000);
			else
				(void)world_append(&world, i % 2, (uint32_t)any(9000));
			ck_assert_int_eq(world_settle(&world), 0);
		}
		if (life < 2) {
			warm = world.journal.durable;
			world_crash(&world);
		}
	}
	close_journal(is_clean);
}

/* Snapshots of all shards, which nobody waits for. */
static void
write_snapshots(void)
{
	for (uint32_t s = 0; s < WORLD_SHARDS; s++)
		world_snapshot_end(&world, s, world_snapshot_begin(&world, s), 0);
}

/* The first segments are gone, and used again: what lies behind the batches of the others was written before. */
static void
write_trimmed(bool is_clean)
{
	struct journal_position warm;

	for (unsigned life = 0; life < 2; life++) {
		ck_assert_int_eq(life == 1 ? world_open_with(&world, &warm, 2) : world_open(&world), 0);
		ck_assert_int_eq(world_settle(&world), 0);
		for (unsigned i = 0; i < (life == 0 ? 30 : 6); i++) {
			if (i % 3 != 2)
				(void)world_append(&world, i % 2, (uint32_t)any(9000));
			else
				world_append_large(&world, i % 2, 3000000);
			ck_assert_int_eq(world_settle(&world), 0);
			if (i % 6 != 5)
				continue;
			write_snapshots();
			if (life > 0 || i > 6)
				world_trim(&world);
		}
		ck_assert_uint_gt(world.store.current.floor, 2);
		warm = world.journal.durable;
		if (life == 0)
			world_crash(&world);
	}
	close_journal(is_clean);
}

/* One segment, with about `bytes` in use. */
static void
write_small(uint64_t bytes)
{
	ck_assert_int_eq(world_open(&world), 0);
	while (world.file.segments.active.used_bytes + 2 * BLOCK_BYTES < bytes)
		world_write(&world, 0, (uint32_t)any(7000));
	close_journal(true);
}

static void
keep_file(const char *path)
{
	struct kept_file *file = &kept.files[kept.count++];
	char whole[200];
	struct stat status;

	ck_assert_uint_le(kept.count, FILES_MAX);
	snprintf(file->path, sizeof(file->path), "%s", path);
	snprintf(whole, sizeof(whole), "%s/%s", world.directory, path);
	int fd = open(whole, O_RDONLY | O_CLOEXEC);
	ck_assert(fd >= 0 && fstat(fd, &status) == 0);
	file->length = file->used = (uint64_t)status.st_size;
	file->bytes = malloc(file->length + 1);
	ck_assert_int_eq(pread(fd, file->bytes, file->length, 0), (ssize_t)file->length);
	while (file->used > 0 && file->bytes[file->used - 1] == 0)
		file->used--;
	close(fd);
}

static int
by_path(const void *one, const void *other)
{
	return strcmp(((const struct kept_file *)one)->path, ((const struct kept_file *)other)->path);
}

static enum loader_step
load(bool is_first, const char **wrong);

static void
keep(bool is_clean)
{
	char path[200], name[300];
	struct dirent *entry;
	const char *wrong;

	for (uint32_t i = 0; i < kept.count; i++)
		free(kept.files[i].bytes);
	kept = (struct kept){ .is_clean = is_clean };
	keep_file("store");
	snprintf(path, sizeof(path), "%s/journal", world.directory);
	DIR *directory = opendir(path);
	ck_assert_ptr_nonnull(directory);
	while ((entry = readdir(directory)) != NULL) {
		snprintf(name, sizeof(name), "journal/%.40s", entry->d_name);
		if (strcmp(entry->d_name, "current") == 0 || strstr(entry->d_name, ".seg") != NULL)
			keep_file(name);
	}
	closedir(directory);
	qsort(kept.files, kept.count, sizeof(kept.files[0]), by_path);
	for (uint32_t i = 0; i < kept.count; i++) {
		if (strstr(kept.files[i].path, ".seg") != NULL && kept.files[i].used > 0)
			kept.last = i;
	}
	ck_assert_int_eq(load(true, &wrong), LOADER_DONE);
	ck_assert_uint_gt(kept.index, 5);
}

/* --- as it was --- */

static void
put_back(const struct kept_file *file)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", world.directory, file->path);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, file->bytes, file->used, 0), (ssize_t)file->used);
	ck_assert_int_eq(ftruncate(fd, (off_t)file->length), 0);
	close(fd);
}

/* Everything; what else there is goes. */
static void
put_all_back(void)
{
	char path[200];
	struct dirent *entry;

	snprintf(path, sizeof(path), "%s/journal", world.directory);
	DIR *directory = opendir(path);
	ck_assert_ptr_nonnull(directory);
	while ((entry = readdir(directory)) != NULL) {
		if (entry->d_name[0] != '.')
			ck_assert_int_eq(unlinkat(dirfd(directory), entry->d_name, 0), 0);
	}
	closedir(directory);
	for (uint32_t i = 0; i < kept.count; i++)
		put_back(&kept.files[i]);
}

static void
put_touched_back(void)
{
	char path[200];

	if (touched_count == TOUCHED_MAX)
		put_all_back();
	for (unsigned i = 0; i < touched_count && touched_count < TOUCHED_MAX; i++) {
		snprintf(path, sizeof(path), "%s/%s", world.directory, touched[i].file->path);
		int fd = open(path, O_WRONLY | O_CLOEXEC);

		ck_assert_int_ge(fd, 0);
		ck_assert_int_eq(pwrite(fd, touched[i].file->bytes + touched[i].offset, touched[i].count, (off_t)touched[i].offset),
		    (ssize_t)touched[i].count);
		close(fd);
	}
	touched_count = 0;
}

/* --- reading --- */

/* Whatever goes to stderr (1 as well: stdout) in between is in `said` afterwards. */
static int listening_fd, saved_fd[2];

static void
listen_begin(void)
{
	fflush(stdout);
	fflush(stderr);
	if (listening_fd == 0)
		listening_fd = memfd_create("said", MFD_CLOEXEC);
	ck_assert_int_eq(ftruncate(listening_fd, 0), 0);
	ck_assert_int_eq(lseek(listening_fd, 0, SEEK_SET), 0);
	for (int fd = 1; fd <= 2; fd++) {
		saved_fd[fd - 1] = dup(fd);
		ck_assert_int_eq(dup2(listening_fd, fd), fd);
	}
}

static void
listen_end(void)
{
	fflush(stdout);
	fflush(stderr);
	for (int fd = 1; fd <= 2; fd++) {
		ck_assert_int_eq(dup2(saved_fd[fd - 1], fd), fd);
		close(saved_fd[fd - 1]);
	}
	ssize_t n = pread(listening_fd, said, sizeof(said) - 1, 0);
	said[n > 0 ? n : 0] = '\0';
}

/* Read all.  *wrong: what breaks a promise, NULL: nothing. */
static enum loader_step
load(bool is_first, const char **wrong)
{
	enum loader_step step = LOADER_FAILED;
	struct snapshots snapshots;
	struct catalog catalog;
	struct loader loader;
	struct store store;

	*wrong = NULL;
	if (store_open(&store, world.directory, NULL, WORLD_SHARDS, STORE_LOCK_PERSISTD) != 0)
		return LOADER_FAILED;
	if (catalog_read(&catalog, &store) != 0)
		goto out_store;
	if (loader_open(&loader, &store, &catalog, NULL, LOADER_TO_THE_END) != 0)
		goto out_catalog;
	snapshots_init(&snapshots, WORLD_SHARDS);
	loader.snapshots = &snapshots;
	uint64_t count = 0;
	while ((step = loader_step(&loader)) == LOADER_MORE) {
		const struct batch_header *header = loader.reader.header;

		if (is_first) {
			ck_assert_uint_lt(count, BATCHES_MAX);
			kept.batch[count].index = header->index;
			kept.batch[count].payload_hash = header->payload_hash;
			kept.batch[count].payload_bytes = header->payload_bytes;
			if (header->ranges > 0)
				kept.index = header->index;
			kept.batches = count + 1;
		} else if (count >= kept.batches || kept.batch[count].index != header->index ||
		    kept.batch[count].payload_hash != header->payload_hash ||
		    kept.batch[count].payload_bytes != header->payload_bytes ||
		    hash_bytes(reader_payload(&loader.reader), header->payload_bytes) != header->payload_hash) {
			*wrong = "a batch was taken that was never written so";
		}
		count++;
	}
	if (step == LOADER_DONE && loader.position.index < kept.index)
		*wrong = "acknowledged batches are missing, and nothing is said";
	if (step == LOADER_CORRUPT)
		diag(DIAG_ERROR, "%s", loader.finding.text);
	snapshots_free(&snapshots);
	loader_close(&loader);
out_catalog:
	catalog_free(&catalog);
out_store:
	store_close(&store);
	return step;
}

static void __attribute__((noreturn))
complain(const char *what)
{
	ck_abort_msg("%s\n%s\nsaid: %.2000s", what, trial_text, said);
}

/* It was reported, with a place. */
static bool
names_a_place(void)
{
	if (strstr(said, "/journal/") != NULL && (strstr(said, "at offset") != NULL || strstr(said, "current") != NULL))
		return true;
	return strstr(said, "/store") != NULL;
}

/* True: it was found; false: it does no harm. */
static bool
judge(void)
{
	const char *wrong;

	listen_begin();
	enum loader_step step = load(false, &wrong);
	listen_end();
	if (wrong != NULL)
		complain(wrong);
	if (step != LOADER_DONE && !names_a_place())
		complain("it is refused, and no place is named");
	return step != LOADER_DONE;
}

static void
check_says(bool is_found)
{
	listen_begin();
	int code = check_main(world.directory, false);
	listen_end();
	if ((code != 0) != is_found)
		complain(is_found ? "a start refuses, and the check finds nothing" : "the check finds what a start does not");
}

/* What a repair leaves opens, and is a beginning of what there was. */
static bool
repair(void)
{
	const char *wrong;

	listen_begin();
	int code = check_main(world.directory, true);
	listen_end();
	if (code != 0)
		return false; /* the first segment is gone, or the store has no name */
	uint64_t index = kept.index;
	kept.index = 0;
	listen_begin();
	enum loader_step step = load(false, &wrong);
	listen_end();
	kept.index = index;
	if (step != LOADER_DONE || wrong != NULL)
		complain(wrong != NULL ? wrong : "what was repaired is damaged");
	return true;
}

/* --- damage --- */

enum kind {
	FLIP, FLIPS, BYTE, SECTOR_NOISE, SECTOR_ZERO, BLOCK_SWAP, BLOCK_COPY, SEGMENT_LOST, SEGMENTS_SWAPPED, CUT_OFF, CURRENT_LOST,
	KINDS_AFTER_A_CRASH,
	BLOCKS_ZERO = KINDS_AFTER_A_CRASH, SEGMENT_DOUBLED, SEGMENT_ADDED, SEGMENT_OLDER, SEGMENT_EMPTY,
	KIND_COUNT
};

static const char *const kind_names[] = { "one bit", "some bits", "a byte", "a sector of noise", "a sector of zeros",
	"two blocks exchanged", "a block misdirected", "a segment lost", "segments exchanged", "a file cut off", "current lost",
	"blocks of zeros", "a segment doubled", "a segment too many", "a segment as it was earlier", "a segment of zeros" };

static unsigned found_of[KIND_COUNT], tried_of[KIND_COUNT];

/* A file, mostly a segment. */
static struct kept_file *
any_file(void)
{
	return &kept.files[any(kept.count)];
}

static struct kept_file *
any_segment(void)
{
	struct kept_file *file;

	do
		file = any_file();
	while (strstr(file->path, ".seg") == NULL);
	return file;
}

static void
write_at(const struct kept_file *file, const void *bytes, uint64_t count, uint64_t offset)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", world.directory, file->path);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	if (offset + count > file->length)
		count = file->length - offset;
	ck_assert_int_eq(pwrite(fd, bytes, count, (off_t)offset), (ssize_t)count);
	close(fd);
	ck_assert_uint_lt(touched_count + 1, TOUCHED_MAX);
	touched[touched_count].file = file;
	touched[touched_count].offset = offset;
	touched[touched_count++].count = count;
}

/* Where it counts more often than not. */
static uint64_t
any_offset(const struct kept_file *file, uint64_t align)
{
	uint64_t below = file->used > 0 && any(16) != 0 ? file->used : file->length, offset;

	/* Headers are few, and payloads large. */
	offset = any(3) == 0 ? any((below + BLOCK_BYTES - 1) / BLOCK_BYTES) * BLOCK_BYTES + any(160) : any(below);
	if (offset >= file->length)
		offset = 0;
	return offset / align * align;
}

static void
rename_file(const char *from, const char *to)
{
	char one[200], other[200];

	snprintf(one, sizeof(one), "%s/%s", world.directory, from);
	snprintf(other, sizeof(other), "%s/%s", world.directory, to);
	ck_assert_int_eq(rename(one, other), 0);
}

static void
copy_file(const struct kept_file *from, const char *to)
{
	struct kept_file copy = *from;

	snprintf(copy.path, sizeof(copy.path), "%s", to);
	put_back(&copy);
}

static void
unlink_file(const struct kept_file *file)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", world.directory, file->path);
	ck_assert_int_eq(unlink(path), 0);
}

static void
damage_block(enum kind kind, struct kept_file *file, uint64_t offset)
{
	char bytes[4 * BLOCK_BYTES];
	struct kept_file *other = any_segment();
	uint64_t place = any_offset(other, BLOCK_BYTES);

	switch (kind) {
	case SECTOR_NOISE:
		for (unsigned i = 0; i < 512; i++)
			bytes[i] = (char)any(256);
		write_at(file, bytes, 512, offset / 512 * 512);
		break;
	case SECTOR_ZERO:
		memset(bytes, 0, 512);
		write_at(file, bytes, 512, offset / 512 * 512);
		break;
	case BLOCKS_ZERO:
		memset(bytes, 0, sizeof(bytes));
		write_at(file, bytes, (1 + any(4)) * BLOCK_BYTES, offset / BLOCK_BYTES * BLOCK_BYTES);
		break;
	default:
		/* A block of one segment in the place of another's, or of its own. */
		file = strstr(file->path, ".seg") != NULL ? file : any_segment();
		offset = any_offset(file, BLOCK_BYTES);
		write_at(file, other->bytes + place, BLOCK_BYTES, offset);
		if (kind == BLOCK_SWAP)
			write_at(other, file->bytes + offset, BLOCK_BYTES, place);
	}
}

static void
damage_file(enum kind kind, struct kept_file *file)
{
	struct kept_file *other = any_segment(), older = *file;
	char name[48];

	touched_count = TOUCHED_MAX;

	switch (kind) {
	case SEGMENT_LOST:
		unlink_file(file);
		break;
	case SEGMENTS_SWAPPED:
		if (other == file)
			break;
		rename_file(file->path, "journal/x");
		rename_file(other->path, file->path);
		rename_file("journal/x", other->path);
		break;
	case SEGMENT_DOUBLED:
		copy_file(other, file->path);
		break;
	case SEGMENT_ADDED:
		/* Behind all there are, or far behind. */
		snprintf(name, sizeof(name), "journal/%016u.seg", 20 + (unsigned)any(20));
		copy_file(other, name);
		break;
	case SEGMENT_OLDER:
		older.used = any(older.used + 1) / BLOCK_BYTES * BLOCK_BYTES;
		put_back(&older);
		break;
	default:
		older.used = 0;
		put_back(&older);
	}
}

static void
damage(enum kind kind)
{
	struct kept_file *file = any_file();
	uint64_t offset = any_offset(file, 1);
	char byte = file->bytes[offset], path[200];

	switch (kind) {
	case FLIPS:
		for (uint64_t i = any(8); i > 0; i--) {
			struct kept_file *one = any_file();
			uint64_t at = any_offset(one, 1);
			char changed = (char)(one->bytes[at] ^ 1 << any(8));

			write_at(one, &changed, 1, at);
		}
		/* fall through */
	case FLIP:
		byte = (char)(byte ^ 1 << any(8));
		write_at(file, &byte, 1, offset);
		break;
	case BYTE:
		byte = (char)(byte + 1 + (char)any(255));
		write_at(file, &byte, 1, offset);
		break;
	case CUT_OFF:
		snprintf(path, sizeof(path), "%s/%s", world.directory, file->path);
		ck_assert_int_eq(truncate(path, (off_t)offset), 0);
		touched_count = TOUCHED_MAX;
		break;
	case CURRENT_LOST:
		for (file = kept.files; strcmp(file->path, "journal/current") != 0; file++)
			;
		unlink_file(file);
		touched_count = TOUCHED_MAX;
		break;
	case SECTOR_NOISE:
	case SECTOR_ZERO:
	case BLOCKS_ZERO:
	case BLOCK_SWAP:
	case BLOCK_COPY:
		damage_block(kind, file, offset);
		break;
	default:
		file = any_segment();
		damage_file(kind, file);
	}
	size_t used = strlen(trial_text);
	snprintf(trial_text + used, sizeof(trial_text) - used, ": %s, %.47s at %" PRIu64, kind_names[kind], file->path, offset);
}

/* Whoever dies of it says of what. */
static void
on_signal(int number)
{
	ssize_t n = write(2, trial_text, strlen(trial_text));

	(void)n;
	signal(number, SIG_DFL);
	raise(number);
}

static uint64_t
seed_of(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static bool
is_soak(void)
{
	return getenv("CHASQUI_SOAK_SECONDS") != NULL;
}

static void
setup(void)
{
	const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	setenv("TMPDIR", base, 1);
	world_make(&world);
	signal(SIGSEGV, on_signal);
	signal(SIGABRT, on_signal);
	signal(SIGBUS, on_signal);
}

static void
teardown(void)
{
	world_remove(&world);
}

static void
trials(bool is_clean, bool is_trimmed)
{
	uint64_t seed = seed_of("ROT_SEED", (uint64_t)time(NULL)), only = seed_of("ROT_TRIAL", 0);
	unsigned count = (unsigned)seed_of("ROT_TRIALS", is_soak() ? TRIALS_SOAK : TRIALS) / 2, found = 0, repaired = 0;

	memset(found_of, 0, sizeof(found_of));
	memset(tried_of, 0, sizeof(tried_of));
	random_state = 12345;
	if (is_trimmed)
		write_trimmed(is_clean);
	else
		write_large(is_clean);
	keep(is_clean);
	for (unsigned trial = 1; trial <= count; trial++) {
		enum kind kind;

		if (only != 0 && trial != only)
			continue;
		random_state = (seed + trial) * 0x9e3779b97f4a7c15ull | 1;
		for (unsigned i = 0; i < 8; i++)
			(void)any(2);
		kind = (enum kind)any(is_clean ? KIND_COUNT : KINDS_AFTER_A_CRASH);
		snprintf(trial_text, sizeof(trial_text), "ROT_SEED=%" PRIu64 " ROT_TRIAL=%u CK_RUN_CASE=%s build/tests/fault_rot # the %s store", seed, trial,
		    is_clean ? "clean" : "crash", is_trimmed ? "trimmed" : "whole");
		damage(kind);
		bool is_found = judge();
		found += is_found;
		found_of[kind] += is_found;
		tried_of[kind]++;
		if (trial % CHECK_EVERY == 0 || only != 0)
			check_says(is_found);
		if (is_found && (trial % REPAIR_EVERY == 0 || only != 0)) {
			repaired += repair();
			touched_count = TOUCHED_MAX;
		}
		put_touched_back();
	}
	printf("rot: ROT_SEED=%" PRIu64 ", %s%s: %u trials, %u found, %u without harm, %u repaired;", seed,
	    is_clean ? "after a clean stop" : "after a crash", is_trimmed ? ", trimmed" : "", count, found, count - found, repaired);
	for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
		if (tried_of[kind] > 0)
			printf(" %s %u/%u%s", kind_names[kind], found_of[kind], tried_of[kind], kind + 1 < KIND_COUNT ? "," : "");
	}
	printf("\n");
	fflush(stdout);
}

START_TEST(whatever_happens_to_a_store_that_was_closed_is_found_or_does_no_harm)
{
	trials(true, _i == 1);
}
END_TEST

START_TEST(what_happens_to_a_store_after_a_crash_is_found_or_does_no_harm)
{
	trials(false, _i == 1);
}
END_TEST

START_TEST(every_byte_of_a_small_store_counts_or_is_not_used)
{
	uint64_t stride = seed_of("ROT_STRIDE", is_soak() ? 1 : STRIDE), first = seed_of("ROT_BYTE", (uint64_t)time(NULL)) % stride;
	unsigned count = 0, found = 0;

	random_state = 999;
	write_small(SMALL_BYTES);
	keep(true);
	for (uint32_t i = 0; i < kept.count; i++) {
		const struct kept_file *file = &kept.files[i];
		uint64_t end = strstr(file->path, ".seg") != NULL ? (i == kept.last ? SMALL_BYTES : BLOCK_BYTES) : file->length;

		for (uint64_t at = first % end; at < end; at += stride) {
			char byte = (char)(file->bytes[at] ^ (1 + any(255)));

			snprintf(trial_text, sizeof(trial_text), "ROT_BYTE=%" PRIu64 ": %s at %" PRIu64, at, file->path, at);
			write_at(file, &byte, 1, at);
			found += judge();
			count++;
			put_touched_back();
		}
	}
	printf("rot: %u bytes of a store of %d KiB changed, %u found, %u not used\n", count, SMALL_BYTES >> 10, found, count - found);
	fflush(stdout);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("fault/rot");
	TCase *clean = tcase_create("clean"), *crash = tcase_create("crash"), *bytes = tcase_create("bytes");

	tcase_set_timeout(clean, TEST_SECONDS);
	tcase_add_checked_fixture(clean, setup, teardown);
	tcase_add_loop_test(clean, whatever_happens_to_a_store_that_was_closed_is_found_or_does_no_harm, 0, 2);
	suite_add_tcase(suite, clean);
	tcase_set_timeout(crash, TEST_SECONDS);
	tcase_add_checked_fixture(crash, setup, teardown);
	tcase_add_loop_test(crash, what_happens_to_a_store_after_a_crash_is_found_or_does_no_harm, 0, 2);
	suite_add_tcase(suite, crash);
	tcase_set_timeout(bytes, TEST_SECONDS);
	tcase_add_checked_fixture(bytes, setup, teardown);
	tcase_add_test(bytes, every_byte_of_a_small_store_counts_or_is_not_used);
	suite_add_tcase(suite, bytes);
	return suite;
}

UNIT_MAIN(suite)
