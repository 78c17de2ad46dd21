/*
 * store_file: DIR/store, which gives a data directory its name: a uuid that every region and every journal segment carries,
 * and the number of shards it was made with.  Made once, by the supervisor, before the regions and before persistd first
 * runs; persistd reads it (persistd/store).
 *
 *   chasqui-store 3
 *   uuid 0123456789abcdef0123456789abcdef
 *   shards 1
 *   created 2026-11-23T11:00:00Z
 *   check 0123456789abcdef              XXH3-64 of the lines before it
 *
 * The number in the first line says which records its journal may hold, so that a build that does not know them refuses the
 * directory and does not misread it.  1: no users; 2: no snapshots, and all segments from the first on are there; this build
 * reads both, and writes 3 into it before it writes anything else.
 */
#ifndef SHM_STORE_FILE_H
#define SHM_STORE_FILE_H

#include <stdbool.h>
#include <stdint.h>

struct store_file {
	uint8_t uuid[16];
	uint32_t shards;
	uint32_t version;
};

/* Read it.  0; or -1: with errno ENOENT and quiet when there is none, else a diag. */
int store_file_load(const char *directory, struct store_file *store);

/* The same in an open directory; its name is for messages.  persistd may not open it by name. */
int store_file_load_at(int directory_fd, const char *directory, struct store_file *store);
int store_file_load_or_create_at(int directory_fd, const char *directory, uint32_t shards, struct store_file *store);

/* For what is copied from elsewhere.  0, or -1 and a diag. */
int store_file_draw_uuid(struct store_file *store);
/* Write it; `note`, a line without its end, says where it comes from. */
int store_file_write_at(int directory_fd, const char *directory, const struct store_file *store,
    const char *note);
/* This build reads stores of that version. */
bool store_file_is_known(uint32_t version);

/*
 * Read it, or make it, whole and on stable storage, with a new random uuid; of an older version it is brought up to this one.
 * 0, or -1 and a diag.
 */
int store_file_load_or_create(const char *directory, uint32_t shards, struct store_file *store);

#endif
