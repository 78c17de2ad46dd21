/*
 * pace: how fast space is made ready beside clients.  Knows what is committed and nothing else:
 * no file, no clock of its own.
 *
 * While nothing is committed the disk is free, and zeros go at full speed.  Beside commits they
 * go no faster than is needed: what is being filled is to be whole when half of what lies ready
 * will have been used up.  A commit that meets a slice of zeros waits for it: half a
 * millisecond for the largest, hardly at all for the smallest.
 */
#ifndef PERSISTD_PACE_H
#define PERSISTD_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_SLICE_BYTES_MAX (1u << 20)

struct pace {
	uint64_t written_bytes;   /* committed, or on the way */
	uint64_t left_bytes;      /* of the segment they go to */
	uint32_t flying;          /* commits that have not landed */
	uint64_t seen_bytes;      /* written_bytes at the last look */
	uint64_t busy_ns;         /* when something was last seen to be committed */
	uint64_t window_ns;       /* since when the rate is counted anew, */
	uint64_t window_bytes;    /* and written_bytes then */
	uint64_t rate;            /* bytes a second */
	uint64_t sliced_ns;       /* when the last slice was begun */
};

/* A commit of `bytes` is on its way; `left_bytes` more fit behind it.  And one has landed. */
void pace_commit(struct pace *pace, uint64_t bytes, uint64_t left_bytes);
void pace_land(struct pace *pace);

/* Once a turn: what has happened since. */
void pace_look(struct pace *pace, uint64_t now_ns);

/*
 * Nanoseconds until clients have had nothing committed for a while; 0: that is so.  UINT64_MAX:
 * something is, at this moment.
 */
uint64_t pace_quiet_in_ns(const struct pace *pace, uint64_t now_ns);

/* How much to write at a time, where `segment_bytes` make a segment. */
uint32_t pace_slice_bytes(const struct pace *pace, uint64_t segment_bytes, uint64_t now_ns);

/*
 * Nanoseconds until the next slice of that size may go, when `ready_bytes` are ready behind the
 * segment being written and `missing_bytes` of another one are not filled yet.
 */
uint64_t pace_due_ns(const struct pace *pace, uint64_t ready_bytes, uint64_t missing_bytes,
    uint32_t slice_bytes, uint64_t now_ns);

#endif
