/*
 * peers: what the registry and the durable region say about the others: is a worker away, can the journal take anything, has
 * the supervisor begun to stop, has this incarnation been declared dead.
 */
#ifndef FRONTD_PEERS_H
#define FRONTD_PEERS_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/limits.h"
#include "shm/ops.h"
#include "shm/outcome.h"

struct frontd;

/* A pause of so long is no error: requests stay in the rings and are executed by the successor. */
#define PEERS_PATIENCE_NS (5ull * 1000 * 1000 * 1000)

/* A burst may fill a stream ring for a moment: only what stays so is worth sending clients elsewhere. */
#define PEERS_CROWDED_NS (1000ull * 1000 * 1000)

/* How a shard's records get to the disk. */
struct peers_stream {
	uint64_t durable_lsn;               /* as last seen */
	uint64_t waiting_since_ns;          /* records wait, and none has become durable since; 0: none waits */
	uint64_t crowded_since_ns;          /* there is no room for a message of the largest size; 0: there is */
};

struct peers {
	uint64_t down_since_ns[WORKER_MAX]; /* 0: live */
	struct peers_stream streams[WORKER_MAX];
	uint64_t starting_since_ns;         /* the journal; 0: not STARTING */
};

/* Look again; every tick. */
void peers_refresh(struct frontd *frontd);

bool peers_is_down(const struct frontd *frontd, uint32_t shard);

/* OUTCOME_OK, or why a new request of this kind is refused now, whatever its shard. */
enum outcome peers_refusal(const struct frontd *frontd, enum op op);

/* OUTCOME_OK, or the shard has been away for longer than a client should wait. */
enum outcome peers_shard_refusal(const struct frontd *frontd, uint32_t shard);

/* Why a publish would be refused on some shard; NULL: it would not. */
const char *peers_unready(const struct frontd *frontd, enum outcome *outcome);

/* Records of the shard that are not on stable storage yet. */
uint64_t peers_undurable_bytes(const struct frontd *frontd, uint32_t shard);

/* True when a peer has closed this incarnation: the supervisor believes that we are dead. */
bool peers_closed_us(const struct frontd *frontd);

#endif
