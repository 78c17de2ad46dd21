/*
 * queue_config: what may be configured about a queue; the same bytes in request frames, records and the queue table.
 */
#ifndef SHM_QUEUE_CONFIG_H
#define SHM_QUEUE_CONFIG_H

#include <stdint.h>

#include "shm/limits.h"

enum queue_durability { DURABILITY_FSYNC, DURABILITY_MEMORY };
enum queue_backoff { BACKOFF_EXPONENTIAL, BACKOFF_LINEAR };

struct queue_config {
	uint64_t lease_ms;          /* default lease, 0..LEASE_MS_MAX */
	uint64_t delay_ms;          /* default delivery delay, 0..DELAY_MS_MAX */
	uint64_t backoff_min_ms;
	uint64_t backoff_max_ms;
	uint64_t max_messages;      /* 0: the shard's limit */
	uint64_t max_bytes;         /* bodies and attributes stored; 0: no limit */
	uint32_t max_message_bytes; /* 1..BODY_BYTES_MAX */
	uint32_t max_in_flight;     /* 0: no limit */
	uint32_t max_deliveries;    /* 1..1000000; then DEAD */
	uint32_t backoff_jitter_ppm; /* 0..1000000 */
	uint8_t durability;         /* enum queue_durability */
	uint8_t backoff_type;       /* enum queue_backoff */
	uint8_t reserved[6];        /* zero */
};
_Static_assert(sizeof(struct queue_config) == 72, "queue configuration: format of frames and records");

/* Which fields a request gives; the others keep (PATCH) or take their default (PUT). */
enum queue_config_field {
	FIELD_LEASE = 1 << 0,
	FIELD_DELAY = 1 << 1,
	FIELD_BACKOFF_TYPE = 1 << 2,
	FIELD_MAX_MESSAGES = 1 << 3,
	FIELD_MAX_BYTES = 1 << 4,
	FIELD_MAX_MESSAGE_BYTES = 1 << 5,
	FIELD_MAX_IN_FLIGHT = 1 << 6,
	FIELD_MAX_DELIVERIES = 1 << 7,
	FIELD_DURABILITY = 1 << 8,
	FIELD_BACKOFF_MIN = 1 << 9, /* single, so that a merge patch of one keeps the others */
	FIELD_BACKOFF_MAX = 1 << 10,
	FIELD_BACKOFF_JITTER = 1 << 11,
	FIELD_OWNER = 1 << 12, /* not of struct queue_config: struct queue_config_request */
	FIELD_BACKOFF = FIELD_BACKOFF_TYPE | FIELD_BACKOFF_MIN | FIELD_BACKOFF_MAX | FIELD_BACKOFF_JITTER,
};

/* The defaults of API.md. */
struct queue_config queue_config_default(void);

/* Take the fields named in `fields` from `from`. */
void queue_config_merge(struct queue_config *into, const struct queue_config *from, uint32_t fields);

/* True if every value is within its bounds (a worker asks it of a stranger's frame). */
_Bool queue_config_is_valid(const struct queue_config *config);

#endif
