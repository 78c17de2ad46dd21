#ifndef TESTS_HARNESS_ATTACK_H
#define TESTS_HARNESS_ATTACK_H

/*
 * attack: what a frontd that was taken over can write into its own rings: frames of every operation with wrong values, lengths
 * that lie, junk, cursors that jump.  Most frames are nearly right, or nothing behind the first check would ever be reached.
 *
 * Every choice comes from a source: the bytes of a fuzzer, or a seed.  The queues it names begin with "h", so that it touches
 * nobody's by chance.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/frame.h"
#include "shm/front.h"
#include "workerd/fronts.h"

struct attack_source {
	const uint8_t *bytes;    /* NULL: from the seed */
	size_t left;
	uint64_t seed;           /* not 0 */
};

uint32_t attack_choose(struct attack_source *source, uint32_t below);
bool attack_is_used_up(const struct attack_source *source);

enum { ATTACK_RECEIPTS = 64 };

/* One front and its shard, seen by the attacker. */
struct attack {
	struct attack_source *source;
	struct ring request;     /* its own tail */
	struct ring reply;
	uint32_t waiter_slots;
	uint64_t next_id;
	struct receipt receipts[ATTACK_RECEIPTS]; /* that it was given */
	uint32_t receipt_count;
	uint64_t frames;
	uint64_t lies;           /* cursors and lengths that no frontd writes */
};

/* The rings as front_attach() maps them; cursors are taken from the shared words. */
void attack_begin(struct attack *attack, struct attack_source *source, const struct front_rings *rings, uint32_t waiter_slots);

/* One more frame; or, with lies_per_1024, a cursor or a length that lies. */
void attack_step(struct attack *attack, uint32_t lies_per_1024);

/* Take the answers that are there and remember the receipts in them.  False if they make no sense: the cursors do not. */
bool attack_take_replies(struct attack *attack);

/* The same for the fetch ring, with LSNs around [lsn, lsn_end). */
struct attack_fetch {
	struct attack_source *source;
	struct ring request;
	struct ring body;
	uint32_t shards;
	uint64_t lsn_first, lsn_end;
	uint64_t next_id;
	uint64_t frames, lies;
};

void attack_fetch_begin(struct attack_fetch *attack, struct attack_source *source, const struct front *front);
void attack_fetch_step(struct attack_fetch *attack, uint32_t lies_per_1024);
/* Give up what has come. */
void attack_fetch_take(struct attack_fetch *attack);

#endif
