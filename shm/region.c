/*
 * Happy path: region_create() by the supervisor, region_attach() by everybody else, region_unlink() at a clean stop.
 * Failure modes: a full tmpfs fails in posix_fallocate(), with the size in the message; a region of another build, store,
 * boot or size is ESTALE, and its owner makes it anew.
 */
#include "shm/region.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shm/atomic.h"
#include "shm/diag.h"
#include "shm/handed.h"

#define OBJECT_NAME_BYTES 160

static void
object_name(char object[OBJECT_NAME_BYTES], const char *instance, const char *name)
{
	int n = snprintf(object, OBJECT_NAME_BYTES, "/chasqui.%s.%s", instance, name);

	assert(n > 0 && n < OBJECT_NAME_BYTES);
	(void)n;
}

static int
region_fill_header(int fd, const char *name, size_t size_bytes, const struct region_identity *identity)
{
	struct region_header *header = mmap(NULL, REGION_HEADER_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (header == MAP_FAILED)
		return -1;
	header->size_bytes = size_bytes;
	header->identity = *identity;
	snprintf(header->name, sizeof(header->name), "%s", name);
	/* Whoever reads the magic reads a whole header.  Pairs with region_attach(). */
	store_release(&header->magic, REGION_MAGIC);
	munmap(header, REGION_HEADER_BYTES);
	return 0;
}

int
region_create(const char *instance, const char *name, size_t size_bytes, const struct region_identity *identity)
{
	char object[OBJECT_NAME_BYTES];
	int fd;

	assert(size_bytes >= REGION_HEADER_BYTES);
	object_name(object, instance, name);
	if (shm_unlink(object) != 0 && errno != ENOENT) {
		diag_errno("cannot remove the old shared memory %s; is it another user's?", object);
		return -1;
	}
	fd = shm_open(object, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		diag_errno("cannot create shared memory %s; is /dev/shm mounted and writable?", object);
		return -1;
	}
	if ((errno = posix_fallocate(fd, 0, (off_t)size_bytes)) != 0) {
		diag_errno("cannot reserve %zu bytes of shared memory for %s; make /dev/shm larger (docker: --shm-size) or "
		           "lower worker.messages", size_bytes, object);
		goto fail_unlink;
	}
	if (region_fill_header(fd, name, size_bytes, identity) != 0) {
		diag_errno("cannot map %s", object);
		goto fail_unlink;
	}
	close(fd);
	return 0;

fail_unlink:
	close(fd);
	shm_unlink(object);
	return -1;
}

static bool
region_matches(const struct region_header *header, size_t size_bytes, const struct region_identity *identity)
{
	/* Pairs with the store_release of the magic in region_fill_header(). */
	if (load_acquire(&header->magic) != REGION_MAGIC || header->size_bytes != size_bytes)
		return false;
	return identity == NULL || memcmp(&header->identity, identity, sizeof(*identity)) == 0;
}

int
region_open(const char *instance, const char *name, enum region_access access)
{
	char object[OBJECT_NAME_BYTES];

	object_name(object, instance, name);
	return shm_open(object, (access == REGION_READ_WRITE ? O_RDWR : O_RDONLY) | O_CLOEXEC, 0);
}

/* A process that is handed its regions has no others.  Pairs with region_release(). */
static int
region_reach(const char *instance, const char *name, enum region_access access)
{
	return handed_is_all() ? handed_find(name) : region_open(instance, name, access);
}

/* Without a descriptor nobody can shrink the object under its other users; a handed one is closed by handed_forget(). */
static void
region_release(int fd)
{
	int saved = errno;

	if (!handed_is_ours(fd))
		close(fd);
	errno = saved;
}

static int
region_prot(enum region_access access)
{
	return access == REGION_READ_WRITE ? PROT_READ | PROT_WRITE : PROT_READ;
}

int
region_attach(struct region *region, const char *instance, const char *name, const struct region_identity *identity,
    enum region_access access)
{
	int fd = region_reach(instance, name, access);
	off_t size_bytes;
	void *base;

	if (fd < 0)
		return -1;
	/* Not fstat(): on its way to the kernel that is a look at any path (shm/sandbox/sandbox.h). */
	size_bytes = lseek(fd, 0, SEEK_END);
	if (size_bytes < 0)
		goto fail;
	if (size_bytes < REGION_HEADER_BYTES) {
		errno = ESTALE; /* its creator died before it was whole */
		goto fail;
	}
	base = mmap(NULL, (size_t)size_bytes, region_prot(access), MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		goto fail;
	if (!region_matches(base, (size_t)size_bytes, identity)) {
		munmap(base, (size_t)size_bytes);
		errno = ESTALE;
		goto fail;
	}
	region_release(fd);
	*region = (struct region){ .base = base, .size_bytes = (size_t)size_bytes,
		.is_writable = access == REGION_READ_WRITE };
	return 0;

fail:
	region_release(fd);
	return -1;
}

void
region_detach(struct region *region)
{
	if (region->base != NULL)
		munmap(region->base, region->size_bytes);
	*region = (struct region){ 0 };
}

int
region_unlink(const char *instance, const char *name)
{
	char object[OBJECT_NAME_BYTES];

	object_name(object, instance, name);
	return shm_unlink(object);
}

int
region_unlink_all(const char *instance, const char *prefix)
{
	char begin[OBJECT_NAME_BYTES], object[OBJECT_NAME_BYTES];
	DIR *directory = opendir("/dev/shm");
	struct dirent *entry;
	int removed = 0;

	if (directory == NULL)
		return 0;
	object_name(begin, instance, prefix);
	while ((entry = readdir(directory)) != NULL) {
		int n = snprintf(object, sizeof(object), "/%s", entry->d_name);

		if (n < (int)sizeof(object) && strncmp(object, begin, strlen(begin)) == 0 && shm_unlink(object) == 0)
			removed++;
	}
	closedir(directory);
	return removed;
}

void *
region_map_mirrored(const char *instance, const char *name, size_t offset, size_t bytes, enum region_access access)
{
	int fd = region_reach(instance, name, access), saved;
	char *base;

	assert(bytes != 0 && (bytes & (bytes - 1)) == 0 && offset % 4096 == 0);
	if (fd < 0)
		return NULL;
	base = mmap(NULL, 2 * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		goto fail;
	for (int half = 0; half < 2; half++) {
		if (mmap(base + (size_t)half * bytes, bytes, region_prot(access), MAP_SHARED | MAP_FIXED, fd,
		        (off_t)offset) == MAP_FAILED)
			goto fail_unmap;
	}
	region_release(fd);
	return base;

fail_unmap:
	saved = errno;
	munmap(base, 2 * bytes);
	errno = saved;
fail:
	region_release(fd);
	return NULL;
}

void
region_unmap_mirrored(void *base, size_t bytes)
{
	if (base != NULL)
		munmap(base, 2 * bytes);
}

int
region_boot_id(uint8_t boot_id[16])
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
	unsigned digits = 0;
	int c;

	if (file == NULL) {
		diag_errno("cannot read /proc/sys/kernel/random/boot_id; is /proc mounted?");
		return -1;
	}
	memset(boot_id, 0, 16);
	while (digits < 32 && (c = fgetc(file)) != EOF) {
		int value = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;

		if (value < 0)
			continue;
		boot_id[digits / 2] = (uint8_t)(boot_id[digits / 2] << 4 | value);
		digits++;
	}
	fclose(file);
	if (digits != 32) {
		diag(DIAG_ERROR, "/proc/sys/kernel/random/boot_id does not hold a uuid");
		return -1;
	}
	return 0;
}
