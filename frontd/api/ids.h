/*
 * ids: numbers as clients see them, in Crockford's base32 (no I, L, O, U).  A message id sorts by time:
 * 48 bit enqueued_ms | 8 bit shard | 40 bit seq | 32 bit msg_idx.  A receipt is 8 bit shard | 32 bit msg_idx |
 * 64 bit token of the lease; each shard counts its own tokens, so the other two may be those of a lease in another shard.
 */
#ifndef FRONTD_API_IDS_H
#define FRONTD_API_IDS_H

#include <stdbool.h>
#include <stdint.h>

#include "frontd/http/slice.h"
#include "shm/frame.h"

#define MESSAGE_ID_BYTES 26
#define RECEIPT_BYTES 21
#define ID_BYTES 13

struct message_id {
	uint64_t enqueued_ms;
	uint64_t seq;
	uint32_t shard;
	uint32_t msg_idx;
};

void message_id_format(const struct message_id *id, char out[MESSAGE_ID_BYTES]);

void receipt_format(const struct receipt *receipt, uint32_t shard, char out[RECEIPT_BYTES]);
/* Only what receipt_format() writes.  One of another shard becomes token 0, which no lease has. */
bool receipt_parse(struct http_slice text, uint32_t shard, struct receipt *receipt);

/* Of a token or session. */
void id_format(uint64_t id, char out[ID_BYTES]);
bool id_parse(struct http_slice text, uint64_t *id);

/* `count` digits of the number high:low, the lowest last: 13 to 26. */
void base32_format(uint64_t high, uint64_t low, char *out, unsigned count);
/* False for a character that is none, or when the number has more than 64 + high_bits bits. */
bool base32_parse(struct http_slice text, unsigned high_bits, uint64_t *high, uint64_t *low);

#endif
