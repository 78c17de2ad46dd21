/*
 * journal: the order of things.  Batches get index and place in the chain here, up to in_flight of them are on their way to
 * the backend at once, and they become durable strictly in order: the contiguous completed prefix, nothing else.
 *
 * A flight is the place of one batch, number index % in_flight:
 *
 *   FREE --journal_append()--> SEALED --journal_push()--> FLYING --journal_land()--> LANDED --journal_next_durable()--> FREE
 *              ^ filled by gather     (stays while the                  |
 *                through              backend says WAIT)                +--> any error or short write: the journal is broken
 *                journal_free()
 *
 * Broken is final: nothing more is sealed, pushed or acknowledged.  A failed write is never repeated, for what is then read
 * back may be only in a cache; the process ends and its successor reads again (EXIT_JOURNAL).
 *
 * Invariants (journal_check)
 *   J1  durable.index <= sealed.index <= durable.index + in_flight.
 *   J2  The flights of the indices in (durable, sealed] are SEALED, FLYING or LANDED; all others are FREE.
 *   J3  A SEALED flight is followed by SEALED flights only: batches reach the backend in order.
 *   J4  What a batch says is its durable_index was acknowledged when it was sealed.
 */
#ifndef PERSISTD_JOURNAL_H
#define PERSISTD_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "persistd/backend.h"
#include "persistd/batch.h"
#include "persistd/journal_position.h"

enum flight_state { FLIGHT_FREE, FLIGHT_SEALED, FLIGHT_FLYING, FLIGHT_LANDED };

struct flight {
	enum flight_state state;
	struct batch batch;
	uint64_t pushed_ns;
	uint64_t landed_ns;
	uint64_t segment;
};

struct journal {
	struct backend *backend;
	uint64_t epoch;
	uint32_t in_flight;
	bool is_open;
	bool is_broken;
	struct backend_opened opened;     /* as it was found */
	struct journal_position sealed;   /* behind the last batch that got its index */
	struct journal_position durable;  /* behind the last that was acknowledged */
	struct flight flight[IN_FLIGHT_MAX];
};

/* Takes memory for in_flight batches.  0, or -1 and a diag. */
int journal_init(struct journal *journal, struct backend *backend, uint32_t in_flight);
void journal_close(struct journal *journal);

/* Open for appending.  0, or an exit code of store.h after a diag. */
int journal_open(struct journal *journal, const struct backend_open *open);

/* An empty batch to fill, or NULL while all flights are in use or the journal is broken.  The same until journal_append(). */
struct batch *journal_free(struct journal *journal);

/* Seal the batch that journal_free() gave, and push it. */
void journal_append(struct journal *journal, uint64_t time_ms, uint16_t flags, uint64_t now_ns);

/* Hand sealed batches to the backend, in order, as far as it takes them.  True if it took one. */
bool journal_push(struct journal *journal, uint64_t now_ns);

/* The write of a flight ended with `result`.  0; -1 after a diag when the journal is broken by it. */
int journal_land(struct journal *journal, uint32_t flight, int32_t result, uint64_t now_ns);

/*
 * The next batch that has become durable, or NULL.  Its flight is free again, but keeps batch and times until journal_free()
 * gives it away.
 */
const struct flight *journal_next_durable(struct journal *journal);

/* True if nothing is on its way. */
bool journal_is_idle(const struct journal *journal);

/* Asserts J1 to J3. */
void journal_check(const struct journal *journal);

#endif
