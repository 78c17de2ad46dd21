#include "persistd/catalog.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "persistd/disk.h"
#include "shm/diag.h"
#include "shm/hash.h"

void
segment_name(char name[SEGMENT_NAME_BYTES], uint64_t number)
{
	snprintf(name, SEGMENT_NAME_BYTES, SEGMENT_NAME_FORMAT, number);
}

uint64_t
segment_number(const char *name)
{
	char again[SEGMENT_NAME_BYTES];
	uint64_t number;

	if (sscanf(name, "%" SCNu64 ".seg", &number) != 1)
		return 0;
	segment_name(again, number);
	return strcmp(name, again) == 0 ? number : 0;
}

static bool
header_is_whole(const struct segment_header *header, const struct store *store, uint64_t number)
{
	return header->hash == hash_bytes((const char *)header + 8, sizeof(*header) - 8) &&
	    header->magic == SEGMENT_MAGIC && header->version == FORMAT_VERSION &&
	    memcmp(header->store_uuid, store->uuid, 16) == 0 && header->number == number;
}

static struct segment_entry *
catalog_push(struct catalog *catalog)
{
	if (catalog->count == catalog->capacity) {
		uint32_t capacity = catalog->capacity == 0 ? 64 : 2 * catalog->capacity;
		struct segment_entry *entries = realloc(catalog->entries, capacity * sizeof(*entries));

		if (entries == NULL) {
			diag_errno("no memory for the list of segments");
			return NULL;
		}
		catalog->entries = entries;
		catalog->capacity = capacity;
	}
	struct segment_entry *entry = &catalog->entries[catalog->count++];
	*entry = (struct segment_entry){ 0 };
	return entry;
}

static int
entry_read(struct segment_entry *entry, const struct store *store)
{
	char name[SEGMENT_NAME_BYTES];
	int result = -1;

	segment_name(name, entry->number);
	int fd = disk_open_read(store->journal_fd, name, DISK_READ_THROUGH);
	if (fd < 0)
		goto out;
	int64_t size = disk_size(fd);
	int64_t bytes = disk_read(fd, &entry->header, sizeof(entry->header), 0);
	if (size < 0 || bytes < 0)
		goto out;
	entry->file_bytes = (uint64_t)size;
	entry->is_begun = bytes == sizeof(entry->header) && header_is_whole(&entry->header, store, entry->number);
	if (!entry->is_begun)
		memset(&entry->header, 0, sizeof(entry->header));
	result = 0;
out:
	if (result != 0)
		diag_errno("cannot read %s/journal/%s", store->directory, name);
	disk_close_fd(fd);
	return result;
}

static int
by_number(const void *one, const void *other)
{
	uint64_t a = ((const struct segment_entry *)one)->number, b = ((const struct segment_entry *)other)->number;

	return a < b ? -1 : a > b;
}

static int
list_numbers(struct catalog *catalog, const struct store *store)
{
	int fd = openat(store->journal_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *found;

	if (directory == NULL) {
		diag_errno("cannot list %s/journal", store->directory);
		disk_close_fd(fd);
		return -1;
	}
	errno = 0;
	while ((found = readdir(directory)) != NULL) {
		uint64_t number = segment_number(found->d_name);

		/* Below the floor: trimmed, and the machine stopped before they were gone. */
		if (number == 0 || number < store->current.floor)
			continue;
		struct segment_entry *entry = catalog_push(catalog);
		if (entry == NULL)
			break;
		entry->number = number;
	}
	int result = errno == 0 ? 0 : -1;
	if (result != 0)
		diag_errno("cannot list %s/journal", store->directory);
	closedir(directory);
	return result;
}

int
catalog_read(struct catalog *catalog, const struct store *store)
{
	*catalog = (struct catalog){ 0 };
	if (list_numbers(catalog, store) != 0)
		goto fail;
	if (catalog->count > 0)
		qsort(catalog->entries, catalog->count, sizeof(catalog->entries[0]), by_number);
	for (uint32_t i = 0; i < catalog->count; i++) {
		if (entry_read(&catalog->entries[i], store) != 0)
			goto fail;
	}
	return 0;

fail:
	catalog_free(catalog);
	return -1;
}

void
catalog_free(struct catalog *catalog)
{
	free(catalog->entries);
	*catalog = (struct catalog){ 0 };
}

int
catalog_append(struct catalog *catalog, const struct segment_header *header)
{
	assert(catalog->count == 0 || header->number > catalog->entries[catalog->count - 1].number);

	struct segment_entry *entry = catalog_push(catalog);
	if (entry == NULL)
		return -1;
	*entry = (struct segment_entry){ .number = header->number, .file_bytes = header->segment_bytes, .is_begun = true,
		.header = *header };
	return 0;
}

void
catalog_cut(struct catalog *catalog, uint64_t number)
{
	while (catalog->count > 0 && catalog->entries[catalog->count - 1].number >= number)
		catalog->count--;
}

void
catalog_drop(struct catalog *catalog, uint32_t count)
{
	assert(count <= catalog->count);

	catalog->count -= count;
	memmove(catalog->entries, catalog->entries + count, catalog->count * sizeof(catalog->entries[0]));
}

const struct segment_entry *
catalog_find(const struct catalog *catalog, uint64_t number)
{
	struct segment_entry key = { .number = number };

	if (catalog->count == 0)
		return NULL;
	return bsearch(&key, catalog->entries, catalog->count, sizeof(key), by_number);
}

uint64_t
catalog_limit(const struct catalog *catalog, uint32_t entry)
{
	uint64_t limit = UINT64_MAX;

	for (uint32_t i = entry + 1; i < catalog->count; i++) {
		if (catalog->entries[i].is_begun && catalog->entries[i].header.continues_index < limit)
			limit = catalog->entries[i].header.continues_index;
	}
	return limit;
}

uint64_t
catalog_next_epoch(const struct catalog *catalog, const struct current_file *current)
{
	uint64_t epoch = current->epoch;

	for (uint32_t i = 0; i < catalog->count; i++) {
		if (epoch < catalog->entries[i].header.epoch)
			epoch = catalog->entries[i].header.epoch;
	}
	return epoch + 1;
}

bool
catalog_is_complete(const struct catalog *catalog, const struct current_file *current, uint64_t *missing)
{
	uint32_t i = 0;

	while (i < catalog->count && catalog->entries[i].number < current->floor)
		i++;
	for (uint64_t number = current->floor; number <= current->highest; number++, i++) {
		if (i >= catalog->count || catalog->entries[i].number != number) {
			*missing = number;
			return false;
		}
	}
	return true;
}
