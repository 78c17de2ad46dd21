/*
 * windows: pieces of segments, read back whole because a backlog is mostly read in the order it was written.  A read of 128 KiB
 * costs hardly more than one of a record, and serves some hundred of them; the next piece is asked for before it is needed.
 *
 * Only what is durable may be in a window: its caller says how far a segment can be read.  Records at random places, and large
 * ones, are not worth a window; their caller reads them exactly.
 */
#ifndef PERSISTD_WINDOWS_H
#define PERSISTD_WINDOWS_H

#include <stdbool.h>
#include <stdint.h>

#include "persistd/disk.h"

#define WINDOWS 32                   /* each takes memory only once it was used */
#define WINDOW_BYTES (128u << 10)
#define WINDOW_OVERLAP_BYTES 4096u   /* a record on the edge of one is whole in the next */
#define WINDOW_RECORD_BYTES_MAX (16u << 10)
#define WINDOW_TAILS 16

enum window_state { WINDOW_FREE, WINDOW_READING, WINDOW_GOOD };

struct window {
	enum window_state state;
	uint32_t bytes;
	uint64_t segment, offset;        /* of its first byte */
	uint64_t used;                   /* windows.clock when it last served */
	char *memory;                    /* WINDOW_BYTES */
};

/* Where an exact read ended: what follows it is a beginning of a sequence. */
struct window_tail {
	uint64_t segment, offset;
};

struct windows {
	struct window window[WINDOWS];
	struct window_tail tails[WINDOW_TAILS];
	uint32_t next_tail;
	uint64_t clock;
};

/* What to read: bytes of a segment, which is open as fd (for direct reads, where there are any) and durable below `end`. */
struct window_range {
	uint64_t segment, offset;
	uint32_t bytes;
	uint64_t end;
	int fd;
};

enum window_found {
	WINDOW_HERE,     /* *here: good until the next call */
	WINDOW_COMING,   /* a completion {DISK_WINDOW, number} of windows_completed() brings it: ask again then */
	WINDOW_EXACT,    /* read it by itself */
};

enum window_found windows_find(struct windows *windows, struct disk *disk, const struct window_range *range, const char **here);

void windows_completed(struct windows *windows, uint32_t number, int32_t result);

/* Nothing of this segment is known any more. */
void windows_forget(struct windows *windows, uint64_t segment);

/* After the disk's ring was closed, or with nothing under way. */
void windows_free(struct windows *windows);

#endif
