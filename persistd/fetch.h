/*
 * fetch: bodies that have left the stream ring, read back for frontds.
 *
 *   fetch ring of front.i -> slot: LOCATING -> READING -> READY -> body ring of front.i
 *                                  LOCATING -> out of a window that was read before (windows.h)
 *
 * Reads go into memory of our own and are copied from there: nothing of the disk lands in shared memory by itself.  What a
 * frontd says is not believed: shard, length and LSN are checked, and the bytes must begin with the record of that LSN.  The
 * frontd checks the payload's own checksum.
 */
#ifndef PERSISTD_FETCH_H
#define PERSISTD_FETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "persistd/backend.h"
#include "shm/front.h"
#include "shm/outcome.h"
#include "shm/ring.h"
#include "shm/role.h"

/*
 * Reads at once.  Each may need FETCH_BYTES_MAX of memory, which is touched only as far as it is used.  Every frontd has its
 * share of them, so that one that is stopped, or takes none of its bodies, holds up no other.
 */
#define FETCH_SLOTS 16

/* One frontd's rings; follows its slot in the registry. */
struct fetch_front {
	uint64_t slot_word;        /* as last looked at */
	uint64_t epoch;            /* mapped; 0: none */
	bool is_broken;            /* it wrote nonsense: not listened to any more */
	bool has_pushed;           /* bodies that are not posted yet */
	uint32_t in_work;          /* slots that hold a request of this epoch */
	struct front front;
	struct ring fetch;
	struct ring body;
};

enum fetch_state { FETCH_FREE, FETCH_LOCATING, FETCH_READING, FETCH_READY };

struct fetch_slot {
	enum fetch_state state;
	uint32_t front;
	uint64_t epoch;            /* of the frontd that asked */
	struct fetch_request request;
	uint32_t outcome;          /* enum outcome, when READY */
	char *bytes;
};

struct fetches {
	struct role *role;
	struct backend *backend;
	struct fetch_front fronts[FRONT_MAX];
	struct fetch_slot slots[FETCH_SLOTS];
	uint32_t first;            /* front to begin with */
	uint64_t complained_ns;    /* of a record that is not where it should be */
};

/* 0, or -1 and a diag. */
int fetches_open(struct fetches *fetches, struct role *role, struct backend *backend);
void fetches_close(struct fetches *fetches);

/* Follow the registry: map new incarnations, let go of dead ones and say so in closed_epoch. */
bool fetches_attend(struct fetches *fetches);

/* Take requests, retry what had to wait, deliver what is ready.  True if anything moved. */
bool fetches_serve(struct fetches *fetches);

/* A completion {DISK_FETCH, number}. */
void fetches_completed(struct fetches *fetches, uint32_t number, int32_t result);

/* Work that waits for something which does not wake us (room in a body ring, the index). */
bool fetches_are_blocked(const struct fetches *fetches);

/* A request lies in a ring, and a slot is free; or the registry changed. */
bool fetches_have_news(const struct fetches *fetches);

#endif
