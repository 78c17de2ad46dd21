/*
 * registry: region `registry`, written by the supervisor only: who runs, in which incarnation, and the sizes of everything
 * else.  Every process and the CLI read it.
 */
#ifndef SHM_REGISTRY_H
#define SHM_REGISTRY_H

#include <stdint.h>

#include "shm/front.h"
#include "shm/region.h"
#include "shm/stream.h"

/* Sizes of a shard's tables. */
struct shard_geometry {
	uint32_t messages;      /* slots of 128 bytes */
	uint32_t queues;
	uint32_t fronts;
	uint32_t waiters_per_front;
	uint32_t grants;        /* rights of users on queues of the shard */
	uint32_t users;         /* shard 0 only; elsewhere 0 (shard_geometry_of) */
	uint32_t credentials;   /* the same */
};

/* Everything that must be equal for the regions to fit together. */
struct geometry {
	uint32_t fronts;
	uint32_t workers;
	struct shard_geometry shard;
	struct stream_geometry stream;
	struct front_geometry front;
};

/* The tables of shard `index`. */
struct shard_geometry shard_geometry_of(const struct geometry *geometry, uint32_t index);

/*
 * How the first admin comes to be, and a new one when all are lost.  The supervisor draws a secret, writes it to a file of its
 * own and its SHA-256 here.  As soon as shard 0 is READY, and whenever `number` changes, worker 0 looks: unless it did so for
 * this very hash before (which shard 0 remembers), or the mode is IF_NONE and there is any user, it makes the user `admin`, or
 * makes him an enabled admin again, and a token `bootstrap` of his with this hash and the scope `*`: by ordinary records, one
 * transaction.  A frontd then finds the token in the directory like any other; so does the supervisor, to know that it counts.
 */
enum bootstrap_mode { BOOTSTRAP_NONE, BOOTSTRAP_IF_NONE, BOOTSTRAP_ALWAYS };

struct bootstrap {
	uint64_t number;        /* odd while the supervisor writes; 0: nothing was ever asked for */
	uint64_t mode;          /* enum bootstrap_mode */
	uint8_t hash[32];
};

/*
 * A slot is one word, so that it cannot tear: epoch << 8 | enum slot_state.
 *
 *   EMPTY -> STARTING(1) -> LIVE(1) -> DEAD(1) -> STARTING(2) ...
 *
 * STARTING: the regions of this epoch exist and the process is being run.  LIVE: the supervisor saw it report ready.
 * DEAD: the kernel said so; peers close the epoch (front.i) before the next STARTING.
 */
enum slot_state { SLOT_EMPTY, SLOT_STARTING, SLOT_LIVE, SLOT_DEAD, SLOT_STATE_COUNT };

/* In one word, for people. */
const char *slot_state_name(uint64_t state);

struct slot {
	uint64_t state_epoch;
	int32_t pid;
	uint32_t restarts;
	uint32_t last_signal;   /* of the last death: 0 none or exited */
	int32_t last_status;    /* exit code of the last death */
	uint64_t started_ms;    /* broker time */
	uint64_t died_ns;       /* now_ns() at the last death: the pause begins here */
};

/* How many processes and where, and why: a line for people. */
#define PLACEMENT_TEXT_BYTES 256

#define REGISTRY_PATH_BYTES 256

/* In which cgroup the hashers are, or why in none: for people. */
#define REGISTRY_HASHERS_BYTES 640

struct registry_shared {
	char instance[INSTANCE_MAX_BYTES + 8];
	uint8_t store_uuid[16];
	int64_t clock_offset_ns;
	struct geometry geometry;
	uint64_t config_generation;  /* grows with each reload */
	uint64_t audit_generation;   /* grows when the audit log was opened anew; the frontds were sent the descriptor before */
	uint64_t tls_generation;     /* of tls_secrets.h; 0: no TLS */
	uint64_t is_draining;        /* 1: a clean stop is under way: frontds refuse new requests and close */
	struct bootstrap bootstrap;
	char listen[64];             /* "127.0.0.1:4000" as bound; "": no plain HTTP */
	char listen_tls[64];         /* the same of HTTPS */
	char placement[PLACEMENT_TEXT_BYTES];
	char hashers[REGISTRY_HASHERS_BYTES];
	char data_directory[REGISTRY_PATH_BYTES]; /* absolute; "" where it is too long to stand here */
	struct slot slot[SLOT_MAX];
	struct slot hasher[FRONT_MAX]; /* of frontd i, with no place among the others: nobody waits for it or wakes it by its number */
};

struct registry {
	struct region region;
	struct registry_shared *shared;
};

uint64_t registry_layout_hash(void);
int registry_create(const char *instance, const struct region_identity *store);
int registry_attach(struct registry *registry, const char *instance, const struct region_identity *store,
    enum region_access access);
void registry_detach(struct registry *registry);

static inline uint64_t
slot_word(uint64_t epoch, enum slot_state state)
{
	return epoch << 8 | state;
}

/* Load-acquire of a slot's word; pairs with the supervisor's store_release: what belongs to the epoch exists. */
void registry_slot(const struct registry *registry, uint32_t slot, enum slot_state *state, uint64_t *epoch);

/* The supervisor's: ask for an admin with this token. */
void registry_ask_admin(struct registry *registry, enum bootstrap_mode mode, const uint8_t hash[32]);

/* What was asked for; mode NONE: nothing, or it is being written just now.  The number is even. */
void registry_asked_admin(const struct registry *registry, struct bootstrap *asked);

/* uuid and boot id that the other regions of this store carry. */
struct region_identity registry_identity(const struct registry *registry);

#endif
