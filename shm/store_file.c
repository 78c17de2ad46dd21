#include "shm/store_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "shm/diag.h"
#include "shm/hash.h"
#include "shm/limits.h"

#define STORE_VERSION 3u
#define STORE_VERSION_OLDEST 1u
#define STORE_VERSION_CHECKED 2u
#define STORE_BYTES_MAX 512

static int
parse_uuid(const char *hex, uint8_t uuid[16])
{
	for (unsigned i = 0; i < 16; i++) {
		unsigned byte;

		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			return -1;
		uuid[i] = (uint8_t)byte;
	}
	return 0;
}

/* The last line, the checksum of the others.  The first stores were made without; from version 2 on all have it. */
static bool
store_is_whole(const char *text, uint32_t version)
{
	const char *line = strstr(text, "\ncheck ");
	unsigned long long check;

	if (line == NULL)
		return version < STORE_VERSION_CHECKED;
	return sscanf(line, "\ncheck %16llx", &check) == 1 && check == hash_bytes(text, (size_t)(line + 1 - text));
}

bool
store_file_is_known(uint32_t version)
{
	return version >= STORE_VERSION_OLDEST && version <= STORE_VERSION;
}

static int
store_parse(const char *text, struct store_file *store)
{
	char hex[33] = "";

	if (sscanf(text, "chasqui-store %u uuid %32[0-9a-f] shards %u", &store->version, hex,
	        &store->shards) != 3)
		return -1;
	if (!store_file_is_known(store->version))
		return -1;
	if (!store_is_whole(text, store->version) || strlen(hex) != 32 || store->shards < 1 ||
	    store->shards > WORKER_MAX)
		return -1;
	return parse_uuid(hex, store->uuid);
}

static int
open_directory(const char *directory)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno != ENOENT)
		diag_errno("cannot open %s; does it belong to another user?", directory);
	return fd;
}

/* All of the file and what it says; as store_file_load_at(). */
static int
store_read(int directory_fd, const char *directory, struct store_file *store, char text[STORE_BYTES_MAX + 1])
{
	int fd = openat(directory_fd, "store", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0) {
		if (errno != ENOENT)
			diag_errno("cannot read %s/store; does it belong to another user?", directory);
		return -1;
	}
	n = read(fd, text, STORE_BYTES_MAX);
	close(fd);
	if (n < 0) {
		diag_errno("cannot read %s/store", directory);
		return -1;
	}
	text[n] = '\0';
	if (store_parse(text, store) != 0) {
		diag(DIAG_ERROR, "%s/store is damaged or of a newer version: it should say `chasqui-store %u`, uuid and shards; use "
		                 "the version of Chasqui that made it, restore it from a backup, or choose another "
		                 "data.directory", directory, STORE_VERSION);
		errno = EINVAL;
		return -1;
	}
	return 0;
}

int
store_file_load_at(int directory_fd, const char *directory, struct store_file *store)
{
	char text[STORE_BYTES_MAX + 1];

	return store_read(directory_fd, directory, store, text);
}

int
store_file_load(const char *directory, struct store_file *store)
{
	int directory_fd = open_directory(directory), result, saved;

	if (directory_fd < 0)
		return -1;
	result = store_file_load_at(directory_fd, directory, store);
	saved = errno;
	close(directory_fd);
	errno = saved;
	return result;
}

/* The last line, behind `count` bytes of text.  The bytes of all. */
static int
store_seal(char text[STORE_BYTES_MAX], int count)
{
	return count + snprintf(text + count, (size_t)(STORE_BYTES_MAX - count), "check %016llx\n",
	    (unsigned long long)hash_bytes(text, (size_t)count));
}

static int
store_format(const struct store_file *store, const char *note, char text[STORE_BYTES_MAX])
{
	time_t now = time(NULL);
	struct tm utc;
	char uuid[33], created[32];

	for (unsigned i = 0; i < 16; i++)
		snprintf(uuid + 2 * i, 3, "%02x", store->uuid[i]);
	gmtime_r(&now, &utc);
	strftime(created, sizeof(created), "%Y-%m-%dT%H:%M:%SZ", &utc);
	int count = snprintf(text, STORE_BYTES_MAX,
	    "chasqui-store %u\nuuid %s\nshards %u\ncreated %s\n%s%s", store->version, uuid,
	    store->shards, created, note, note[0] != '\0' ? "\n" : "");
	return store_seal(text, count);
}

/* The same text with this version's number.  The bytes of it. */
static int
store_upgrade(char text[STORE_BYTES_MAX + 1])
{
	char older[STORE_BYTES_MAX + 1];
	const char *rest, *check;

	memcpy(older, text, sizeof(older));
	rest = strchr(older, '\n');
	check = strstr(older, "\ncheck ");
	assert(rest != NULL); /* it was parsed */
	if (check == NULL)
		check = older + strlen(older) - 1;
	return store_seal(text,
	    snprintf(text, STORE_BYTES_MAX, "chasqui-store %u%.*s", STORE_VERSION,
	        (int)(check + 1 - rest), rest));
}

/* Under a temporary name, flushed, then renamed: whoever sees the name sees all of it, also after a power cut. */
static int
store_write(int directory_fd, const char *text, int count)
{
	int fd = openat(directory_fd, "store.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int saved;

	if (fd < 0)
		return -1;
	if (write(fd, text, (size_t)count) != count || fsync(fd) != 0)
		goto fail;
	if (renameat(directory_fd, "store.new", directory_fd, "store") != 0 || fsync(directory_fd) != 0)
		goto fail;
	close(fd);
	return 0;

fail:
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static int
store_put(int directory_fd, const char *directory, const char *text, int count)
{
	if (store_write(directory_fd, text, count) == 0)
		return 0;
	diag_errno("cannot write %s/store; free space in the data directory, or see that it may be written", directory);
	return -1;
}

int
store_file_draw_uuid(struct store_file *store)
{
	if (getrandom(store->uuid, sizeof(store->uuid), 0) == sizeof(store->uuid))
		return 0;
	diag_errno("cannot draw a uuid");
	return -1;
}

int
store_file_write_at(int directory_fd, const char *directory, const struct store_file *store,
    const char *note)
{
	char text[STORE_BYTES_MAX + 1];

	return store_put(directory_fd, directory, text, store_format(store, note, text));
}

int
store_file_load_or_create_at(int directory_fd, const char *directory, uint32_t shards, struct store_file *store)
{
	char text[STORE_BYTES_MAX + 1];

	if (store_read(directory_fd, directory, store, text) == 0) {
		if (store->version == STORE_VERSION)
			return 0;
		diag(DIAG_INFO,
		    "%s was made by an older version (%u) and is of version %u from now on",
		    directory, store->version, STORE_VERSION);
		store->version = STORE_VERSION;
		return store_put(directory_fd, directory, text, store_upgrade(text));
	}
	if (errno != ENOENT)
		return -1;
	store->shards = shards;
	store->version = STORE_VERSION;
	if (store_file_draw_uuid(store) != 0)
		return -1;
	return store_put(directory_fd, directory, text, store_format(store, "", text));
}

int
store_file_load_or_create(const char *directory, uint32_t shards, struct store_file *store)
{
	int directory_fd = open_directory(directory), result, saved;

	if (directory_fd < 0) {
		if (errno == ENOENT)
			diag_errno("cannot open %s", directory);
		return -1;
	}
	result = store_file_load_or_create_at(directory_fd, directory, shards, store);
	saved = errno;
	close(directory_fd);
	errno = saved;
	return result;
}
