#include "tests/harness/power.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK 4096u
#define FILE_BYTES_MAX (80u << 20)
#define NAMES_MAX 256
#define CHANGES_MAX 4096

#define must(condition)                                                                                                 \
	do {                                                                                                            \
		if (!(condition)) {                                                                                     \
			fprintf(stderr, "%s:%d: not so: %s (%s)\n", __FILE__, __LINE__, #condition, strerror(errno)); \
			abort();                                                                                        \
		}                                                                                                       \
	} while (0)

/* One operation that is not certainly there yet. */
struct power_change {
	const struct io_record *record;
	uint64_t begun, ended;          /* sequence; 0: not */
	bool is_durable;                /* of names: certain, but begun after one that is not */
	struct power_change *next;
};

struct power_name {
	char text[40];
	uint64_t file;
};

struct power_file {
	bool is_directory;
	/* A file: what is certainly there. */
	char *bytes;
	uint64_t length;
	uint8_t *is_used;               /* for each block: not all zero */
	/* A directory: its names. */
	struct power_name *names;
	uint32_t name_count;
	/* In the order they began: not certain, and (dsync writes) certain but begun after one that is not. */
	struct power_change **changes;
	uint32_t change_count;
	uint32_t certain_count;         /* of them, writes that are certain */
};

static bool
is_certain(const struct power_change *change)
{
	return change->ended != 0 && change->record->is_dsync;
}

/* --- files --- */

static void
file_bytes(struct power_file *file)
{
	if (file->bytes != NULL)
		return;
	file->bytes = mmap(NULL, FILE_BYTES_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	must(file->bytes != MAP_FAILED);
	file->is_used = calloc(FILE_BYTES_MAX / BLOCK, 1);
	must(file->is_used != NULL);
}

static void
put(struct power_file *file, const struct io_record *record, uint64_t from, uint64_t to)
{
	uint64_t at = record->offset + from;

	file_bytes(file);
	must(record->offset + to <= FILE_BYTES_MAX);
	if (record->is_zero)
		memset(file->bytes + at, 0, to - from);
	else
		memcpy(file->bytes + at, record->data + from, to - from);
	for (uint64_t block = at / BLOCK; !record->is_zero && block <= (at + (to - from) - 1) / BLOCK; block++)
		file->is_used[block] = 1;
	if (file->length < record->offset + to)
		file->length = record->offset + to;
}

static void
apply_to_file(struct power_file *file, const struct io_record *record)
{
	switch (record->op) {
	case IO_WRITE:
		put(file, record, 0, record->length);
		break;
	case IO_ALLOCATE:
		file_bytes(file);
		if (file->length < record->length)
			file->length = record->length;
		break;
	case IO_TRUNCATE:
		file->length = 0;
		if (file->bytes != NULL) {
			memset(file->is_used, 0, FILE_BYTES_MAX / BLOCK);
			must(madvise(file->bytes, FILE_BYTES_MAX, MADV_DONTNEED) == 0);
		}
		break;
	default:
		must(!"a change of a file");
	}
}

/* --- names --- */

static struct power_name *
name_find(struct power_name *names, uint32_t count, const char *text)
{
	for (uint32_t i = 0; i < count; i++) {
		if (strcmp(names[i].text, text) == 0)
			return &names[i];
	}
	return NULL;
}

static void
name_set(struct power_name *names, uint32_t *count, const char *text, uint64_t file)
{
	struct power_name *name = name_find(names, *count, text);

	if (name == NULL) {
		must(*count < NAMES_MAX);
		name = &names[(*count)++];
		snprintf(name->text, sizeof(name->text), "%s", text);
	}
	name->file = file;
}

static uint64_t
name_remove(struct power_name *names, uint32_t *count, const char *text)
{
	struct power_name *name = name_find(names, *count, text);
	uint64_t file = name != NULL ? name->file : 0;

	if (name != NULL)
		*name = names[--*count];
	return file;
}

static void
apply_to_names(struct power_name *names, uint32_t *count, const struct io_record *record)
{
	uint64_t file;

	switch (record->op) {
	case IO_CREATE:
	case IO_MKDIR:
		name_set(names, count, record->name, record->file);
		break;
	case IO_RENAME:
		/* Of a file whose creation was lost there is nothing to rename. */
		if ((file = name_remove(names, count, record->name)) != 0)
			name_set(names, count, record->to, file);
		break;
	case IO_UNLINK:
		(void)name_remove(names, count, record->name); /* gone, whatever it was */
		break;
	default:
		must(!"a change of names");
	}
}

static void
directory_make(struct power_file *file)
{
	file->is_directory = true;
	file->names = calloc(NAMES_MAX, sizeof(*file->names));
	must(file->names != NULL);
}

/* --- batches --- */

enum { BATCHES_MAX = 1 << 16, BATCH_PLACES = 1 << 18 };

static uint32_t *
batch_place(const struct power *power, uint64_t hash)
{
	uint64_t place = hash % BATCH_PLACES;

	while (power->batch_of[place] != 0 && power->batches[power->batch_of[place] - 1]->hash != hash)
		place = (place + 1) % BATCH_PLACES;
	return &power->batch_of[place];
}

/* A batch is a write of its own, or stands behind the header of its segment. */
static void
remember_batch(struct power *power, const struct io_record *record)
{
	for (uint64_t at = 0; !record->is_zero && at <= BLOCK && at + sizeof(struct batch_header) <= record->length; at += BLOCK) {
		const struct batch_header *header = (const struct batch_header *)(record->data + at);

		if (header->magic != BATCH_MAGIC || at + header->total_bytes > record->length)
			continue;
		uint32_t *place = batch_place(power, header->hash);
		if (*place != 0)
			continue;
		must(power->batch_count < BATCHES_MAX);
		power->batches[power->batch_count++] = header;
		*place = power->batch_count;
	}
}

const struct batch_header *
power_batch(const struct power *power, uint64_t hash)
{
	uint32_t number = *batch_place(power, hash);

	return number != 0 ? power->batches[number - 1] : NULL;
}

/* --- changes --- */

static void
change_add(struct power *power, uint64_t id, const struct io_record *record)
{
	struct power_file *file = &power->files[id];
	struct power_change *change = calloc(1, sizeof(*change));

	must(change != NULL && id != 0);
	if (file->changes == NULL)
		file->changes = calloc(CHANGES_MAX, sizeof(struct power_change *));
	must(file->changes != NULL && file->change_count < CHANGES_MAX);
	change->record = record;
	change->begun = power->sequence;
	file->changes[file->change_count++] = change;
	change->next = power->open;
	power->open = change;
}

static void
apply(struct power_file *file, const struct io_record *record)
{
	if (file->is_directory)
		apply_to_names(file->names, &file->name_count, record);
	else
		apply_to_file(file, record);
}

/*
 * Certain ones at the front need not be remembered: nothing that is begun before them is open.  Of names none passes one that is
 * open: that may be of a process that was killed, and if it took place, then before what its successor did.
 */
static void
settle(struct power_file *file, uint64_t before)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < file->change_count; i++) {
		struct power_change *change = file->changes[i];
		bool is_synced = change->is_durable || (change->ended != 0 && change->ended < before);

		if (is_synced && file->is_directory && kept > 0)
			change->is_durable = true;
		else if (is_synced || (kept == 0 && is_certain(change))) {
			apply(file, change->record);
			free(change);
			continue;
		}
		file->changes[kept++] = change;
	}
	file->change_count = kept;
}

/*
 * What began before and never ended, for its process was killed, is told by what its successor found: a name that is still there was
 * neither renamed nor removed, one that was made is there.
 */
static void
resolve(struct power *power, const struct io_record *record)
{
	struct power_file *dir = &power->files[record->dir];
	uint32_t kept = 0;

	for (uint32_t i = 0; i < dir->change_count; i++) {
		struct power_change *change = dir->changes[i];
		const struct io_record *before = change->record;
		bool is_earlier = before != record && change->ended == 0 && change->begun < power->sequence;
		bool is_made = strcmp(before->op == IO_RENAME ? before->to : before->name, record->name) == 0;

		if (is_earlier && (before->op == IO_RENAME || before->op == IO_UNLINK) && strcmp(before->name, record->name) == 0) {
			struct power_change **link = &power->open;

			while (*link != NULL && *link != change)
				link = &(*link)->next;
			if (*link != NULL)
				*link = change->next;
			free(change);
			continue;
		}
		if (is_earlier && before->op != IO_UNLINK && is_made)
			change->ended = power->sequence;
		dir->changes[kept++] = change;
	}
	dir->change_count = kept;
}

static uint64_t
target_of(const struct io_record *record)
{
	switch (record->op) {
	case IO_CREATE:
	case IO_MKDIR:
	case IO_RENAME:
	case IO_UNLINK:
		return record->dir;
	default:
		return record->file;
	}
}

/* An operation has come to its end, and all was well. */
static void
on_end(struct power *power, const struct io_record *end)
{
	struct power_change **link = &power->open, *change;

	while (*link != NULL && (*link)->record->token != end->token)
		link = &(*link)->next;
	if ((change = *link) == NULL)
		return;
	*link = change->next;
	const struct io_record *record = change->record;
	if (record->op == IO_SYNC) {
		if (end->result == 0)
			settle(&power->files[record->file], change->begun);
		free(change);
		return;
	}
	if (record->op == IO_WRITE ? end->result == (int64_t)record->length : end->result >= 0) {
		change->ended = power->sequence;
		if (record->op == IO_RENAME || record->op == IO_UNLINK)
			resolve(power, record);
		settle(&power->files[target_of(record)], 0);
	}
}

static void
on_exists(struct power *power, const struct io_record *record)
{
	struct power_file *dir = &power->files[record->dir], *file = &power->files[record->file];

	name_set(dir->names, &dir->name_count, record->name, record->file);
	if (record->op == IO_EXISTS) {
		file_bytes(file);
		file->length = record->length;
	}
}

static void
on_sync(struct power *power, const struct io_record *record)
{
	struct power_change *change = calloc(1, sizeof(*change));

	must(change != NULL);
	change->record = record;
	change->begun = power->sequence;
	change->next = power->open;
	power->open = change;
}

void
power_open(struct power *power, const struct io_shared *io)
{
	*power = (struct power){ .io = io };
	power->files = calloc(IO_FILES_MAX, sizeof(*power->files));
	power->batches = calloc(BATCHES_MAX, sizeof(power->batches[0]));
	power->batch_of = calloc(BATCH_PLACES, sizeof(power->batch_of[0]));
	must(power->files != NULL && power->batches != NULL && power->batch_of != NULL);
	directory_make(&power->files[1]);
}

void
power_close(struct power *power)
{
	for (uint64_t id = 0; id < IO_FILES_MAX; id++) {
		struct power_file *file = &power->files[id];

		if (file->bytes != NULL)
			must(munmap(file->bytes, FILE_BYTES_MAX) == 0);
		free(file->is_used);
		free(file->names);
		for (uint32_t i = 0; i < file->change_count; i++)
			free(file->changes[i]);
		free(file->changes);
	}
	free(power->files);
	free(power->batches);
	free(power->batch_of);
	*power = (struct power){ 0 };
}

bool
power_step(struct power *power)
{
	const struct io_record *record = io_log_at(power->io, power->at);

	if (power->at >= io_log_tail(power->io))
		return false;
	power->at += record->bytes;
	power->sequence++;
	switch (record->op) {
	case IO_EXISTS:
		on_exists(power, record);
		break;
	case IO_MKDIR:
		directory_make(&power->files[record->file]);
		if (record->result == 1)
			on_exists(power, record);
		else
			change_add(power, record->dir, record);
		break;
	case IO_WRITE:
		remember_batch(power, record);
		if (record->result == 1)
			apply_to_file(&power->files[record->file], record);
		else
			change_add(power, record->file, record);
		break;
	case IO_ANNOUNCE:
		memcpy(&power->announced, record->data, sizeof(power->announced));
		power->announcements++;
		break;
	case IO_END:
		on_end(power, record);
		break;
	case IO_SYNC:
		on_sync(power, record);
		break;
	case IO_CREATE:
	case IO_RENAME:
	case IO_UNLINK:
	case IO_ALLOCATE:
	case IO_TRUNCATE:
		change_add(power, target_of(record), record);
		break;
	default:
		must(!"a record of this kind");
	}
	return true;
}

bool
power_is_open(const struct power *power)
{
	for (uint64_t id = 1; id <= power->io->files; id++) {
		if (power->files[id].change_count > 0)
			return true;
	}
	return false;
}

/* --- a cut --- */

static uint64_t
any(uint64_t *random)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return *random;
}

static void
put_out(int fd, const char *bytes, uint64_t count, uint64_t offset)
{
	must(pwrite(fd, bytes, count, (off_t)offset) == (ssize_t)count);
}

static void
put_part(int fd, const struct io_record *record, uint64_t from, uint64_t to)
{
	static const char zeros[BLOCK];
	uint64_t end = record->offset + to;
	struct stat status;

	if (!record->is_zero) {
		put_out(fd, record->data + from, to - from, record->offset + from);
		return;
	}
	/* A hole reads as zeros, and costs nothing. */
	must(fstat(fd, &status) == 0);
	if ((uint64_t)status.st_size < end)
		must(ftruncate(fd, (off_t)end) == 0);
	for (uint64_t at = record->offset + from; at < end && at < (uint64_t)status.st_size; at += BLOCK) {
		off_t used = lseek(fd, (off_t)at, SEEK_DATA);

		if (used < 0 || (uint64_t)used >= end)
			break;
		at = (uint64_t)used > at ? (uint64_t)used : at;
		put_out(fd, zeros, end - at < BLOCK ? end - at : BLOCK, at);
	}
}

/* Any of the blocks of a write. */
static void
put_some(int fd, const struct io_record *record, uint64_t *random)
{
	uint64_t block = any(random) % 2 == 0 ? BLOCK : 512, count = (record->length + block - 1) / block;
	uint64_t how = any(random) % 8, edge = any(random) % (count + 1);

	for (uint64_t i = 0; i < count; i++) {
		bool is_there = how == 0 ? false : how <= 2 ? true : how == 3 ? i < edge : how == 4 ? i >= edge :
		    how == 5 ? i != edge : any(random) % 2 == 0;

		if (is_there)
			put_part(fd, record, i * block, (i + 1) * block < record->length ? (i + 1) * block : record->length);
	}
}

static void
put_change(int fd, const struct io_record *record, uint64_t *random)
{
	struct stat status;

	switch (record->op) {
	case IO_WRITE:
		put_some(fd, record, random);
		break;
	case IO_ALLOCATE:
		must(fstat(fd, &status) == 0);
		if (any(random) % 2 == 0 && (uint64_t)status.st_size < record->length)
			must(ftruncate(fd, (off_t)record->length) == 0);
		break;
	default:
		if (any(random) % 2 == 0)
			must(ftruncate(fd, 0) == 0);
	}
}

static void
cut_file(const struct power_file *file, int dir_fd, const char *name, uint64_t *random)
{
	int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	must(fd >= 0);
	must(ftruncate(fd, (off_t)file->length) == 0);
	for (uint64_t block = 0; block * BLOCK < file->length; block++) {
		uint64_t first = block;

		while (block * BLOCK < file->length && file->is_used[block] != 0)
			block++;
		if (block > first) {
			uint64_t to = block * BLOCK < file->length ? block * BLOCK : file->length;

			put_out(fd, file->bytes + first * BLOCK, to - first * BLOCK, first * BLOCK);
		}
	}
	for (uint32_t i = 0; i < file->change_count; i++) {
		const struct power_change *change = file->changes[i];

		if (is_certain(change))
			put_part(fd, change->record, 0, change->record->length);
		else
			put_change(fd, change->record, random);
	}
	close(fd);
}

static void
cut_directory(const struct power *power, uint64_t id, const char *path, uint64_t *random, enum power_names order)
{
	const struct power_file *directory = &power->files[id];
	struct power_name names[NAMES_MAX];
	uint32_t count = directory->name_count, least = directory->change_count;
	int dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	must(dir_fd >= 0);
	while (least > 0 && !directory->changes[least - 1]->is_durable)
		least--;
	uint32_t edge = least + (uint32_t)(any(random) % (directory->change_count - least + 1));
	memcpy(names, directory->names, count * sizeof(names[0]));
	for (uint32_t i = 0; i < directory->change_count; i++) {
		bool is_there = order == POWER_NAMES_IN_ORDER ? i < edge : any(random) % 2 == 0;

		if (is_there || directory->changes[i]->is_durable)
			apply_to_names(names, &count, directory->changes[i]->record);
	}
	for (uint32_t i = 0; i < count; i++) {
		const struct power_file *file = &power->files[names[i].file];

		if (file->is_directory) {
			char below[600];

			snprintf(below, sizeof(below), "%.500s/%.39s", path, names[i].text);
			must(mkdir(below, 0700) == 0);
			cut_directory(power, names[i].file, below, random, order);
		} else {
			cut_file(file, dir_fd, names[i].text, random);
		}
	}
	close(dir_fd);
}

void
power_cut(const struct power *power, const char *directory, uint64_t seed, enum power_names names)
{
	uint64_t random = seed * 0x9e3779b97f4a7c15ull + power->at * 0xbf58476d1ce4e5b9ull;

	random |= 1;
	for (unsigned i = 0; i < 4; i++)
		(void)any(&random); /* so that neighbours are not alike */
	cut_directory(power, 1, directory, &random, names);
}
