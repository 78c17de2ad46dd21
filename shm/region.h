/*
 * region: one POSIX shared-memory object, /dev/shm/chasqui.INSTANCE.NAME.  The supervisor makes it: reserve every page
 * (a full tmpfs is an error here and not a SIGBUS later), write the header, the magic last.  A daemon maps what it was
 * handed (shm/handed.h), with the rights it was handed; all others open by name.  Nobody believes what does not match.
 */
#ifndef SHM_REGION_H
#define SHM_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REGION_MAGIC 0x3169757173616863ull /* "chasqui1" on a little-endian machine */
#define REGION_HEADER_BYTES 4096

/* What must be the same for a region to be the one that is meant. */
struct region_identity {
	uint64_t layout_hash; /* of the structs inside, by the program that made it: LAYOUT_HASH of its header */
	uint64_t geometry;    /* hash of the sizes chosen by configuration */
	uint8_t store_uuid[16];
	uint8_t boot_id[16];
	uint64_t epoch; /* incarnation, for regions that are new with each (front.i); else 0 */
};

/* The first page of every region. */
struct region_header {
	uint64_t magic; /* stored last */
	uint64_t size_bytes;
	struct region_identity identity;
	char name[64];
};
_Static_assert(sizeof(struct region_header) == 136, "region header: format");

struct region {
	void *base;        /* the header page; the region's own struct begins REGION_HEADER_BYTES further */
	size_t size_bytes;
	bool is_writable;
};

enum region_access { REGION_READ_ONLY, REGION_READ_WRITE };

/*
 * Make `chasqui.instance.name` of size_bytes (with the header page) anew: an older one of that name is unlinked first.
 * Zero-filled, pages reserved, header written, magic last.  0, or -1 and a diag.
 */
int region_create(const char *instance, const char *name, size_t size_bytes, const struct region_identity *identity);

/*
 * Map an existing region.  NULL in `identity` means: any (the CLI); then magic and size alone are checked.  0, or -1: with
 * errno ENOENT (there is none), ESTALE (it is there and does not match) or another from the kernel.  Quiet: the caller
 * knows whether it is trouble.
 */
int region_attach(struct region *region, const char *instance, const char *name, const struct region_identity *identity,
    enum region_access access);

/* A descriptor with these rights, by name; -1 and errno.  The supervisor's, to hand it on. */
int region_open(const char *instance, const char *name, enum region_access access);

/* Unmap.  The object stays. */
void region_detach(struct region *region);

/* Remove the object's name; -1 with errno when there was none. */
int region_unlink(const char *instance, const char *name);

/* Remove every region of an instance whose name begins with prefix ("" = all).  Returns how many. */
int region_unlink_all(const char *instance, const char *prefix);

/*
 * Map `bytes` (a power of two, a multiple of the page size) at `offset` of a region twice, back to back, so that no run of
 * up to `bytes` ever wraps.  NULL and errno on failure.
 */
void *region_map_mirrored(const char *instance, const char *name, size_t offset, size_t bytes, enum region_access access);
void region_unmap_mirrored(void *base, size_t bytes);

/* This machine's boot id, 16 bytes.  0 or -1 with a diag. */
int region_boot_id(uint8_t boot_id[16]);

#endif
