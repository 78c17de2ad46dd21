/*
 * stats: region stats.SLOT, one for each process: its counters, its `parked` word and what it tells its peers.  The owner
 * writes; everybody reads.  Lives on over restarts of its process.
 */
#ifndef SHM_STATS_H
#define SHM_STATS_H

#include <stdint.h>

#include "shm/atomic.h"
#include "shm/histogram.h"
#include "shm/region.h"
#include "shm/ring.h"

struct stats_shared {
	_Alignas(CACHE_LINE_PAIR) uint64_t parked;      /* park.h */
	_Alignas(CACHE_LINE_PAIR) uint64_t ready_epoch; /* the incarnation that serves; store-release.  Supervisor: LIVE */
	uint64_t heartbeat_ns;                          /* now_ns() of the last turn: raises an alarm, decides nothing */
	uint64_t phase;                                 /* enum stats_phase */
	uint64_t progress;                              /* replay: records so far */
	uint64_t sandbox;                               /* enum sandbox_layer: what is in force */
	uint64_t closed_epoch[FRONT_MAX];               /* workers, persistd: front i is closed up to this epoch */
#define COUNTER(name, role, unit, help) uint64_t name;
#define GAUGE(name, role, unit, help) uint64_t name;
#define HISTOGRAM(name, role, unit, help) struct histogram name;
#include "shm/stats.def"
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM
};

enum stats_phase {
	PHASE_STARTING, PHASE_REPLAY, PHASE_RECOVERY, PHASE_SERVING, PHASE_DRAINED, PHASE_CORRUPT, PHASE_COUNT
};

/* In one word, for people. */
const char *stats_phase_name(uint64_t phase);

struct stats {
	struct region region;
	struct stats_shared *shared;
};

enum stat_kind { STAT_COUNTER, STAT_GAUGE, STAT_HISTOGRAM };
enum stat_role { STAT_FRONT, STAT_WORKER, STAT_PERSIST };

/* One row of stats.def. */
struct stat_row {
	const char *name;
	enum stat_kind kind;
	enum stat_role role;
	const char *unit;
	const char *help;
	uint32_t offset; /* in struct stats_shared */
};

extern const struct stat_row stat_rows[];
extern const unsigned stat_row_count;

int stats_create(const char *instance, uint32_t slot, const struct region_identity *store);
int stats_attach(struct stats *stats, const char *instance, uint32_t slot, const struct region_identity *store,
    enum region_access access);
void stats_detach(struct stats *stats);

/* Only the owner: one writer, so no lock prefix. */
#define stat_add(field, n) store_relaxed((field), load_relaxed(field) + (uint64_t)(n))

#endif
