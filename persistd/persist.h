/*
 * persist: the process persistd: opens the journal, and then turns.
 *
 *   persist_main: store, disk ring, streams -> journal_open (warm or cold) -> announce_open -> turns -> clean marker -> exit
 *
 *   a turn:  reap completions (commit -> journal_land, spare -> backend, fetch -> fetches)
 *            announce what became durable, wake who waits for it
 *            gather -> journal_append, until all flights are in use or nothing is new
 *            frontds that came or went; fetches; replays; spare segments and index in the background
 *   park:    only when a whole turn moved nothing: `parked` word, look again, ONE wait in the ring for completions, the
 *            eventfd and the time
 */
#ifndef PERSISTD_PERSIST_H
#define PERSISTD_PERSIST_H

#include <stdint.h>

#include "persistd/disk.h"
#include "shm/role.h"

struct persist_options {
	const char *directory;
	uint64_t segment_bytes;
	uint32_t batch_bytes;
	uint32_t in_flight;
	uint32_t spare_segments;
	uint64_t ready_bytes;
	uint64_t snapshot_bytes;
	enum disk_direct direct;
};

/*
 * Run until the broker has been stopped cleanly (0) or something is wrong (an exit code of store.h, after a diag).  The role is
 * attached; it may be a thread of a test.
 */
int persist_main(struct role *role, const struct persist_options *options);

#endif
