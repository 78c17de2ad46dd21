/*
 * exchange: one request and its answer, from the frame posted to the last byte sent.  It stands in its connection's FIFO, so
 * that answers leave in the order of the requests, and may outlive the connection: then its reply still has to be taken
 * (messages leased for a client that has gone are given back).
 *
 *   NEW --submit_frame()--> ASKED --await_replies()--> HELD --await_durable()--> READY --send_flush()--> free
 *   HELD, ... --its line has to be written first--> AUDITING --audit_written()--> READY
 *   READY --its answer is large: sent from where it is--> SENDING --> free
 *   NEW --no worker needed, or refused--> READY
 *   ASKED --more frames to ask, no room--> AGAIN --submit_again()--> ASKED
 *   ASKED --leased, bodies on disk--> FETCHING --fetch_replies()--> READY
 *   ASKED, long poll, client gone --conn_break()--> CANCELLING (AGAIN list) --submit_again()--> CANCELLED --> free
 */
#ifndef FRONTD_EXCHANGE_H
#define FRONTD_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "frontd/address.h"
#include "frontd/api/call.h"

struct conn;
struct frontd;

enum exchange_state {
	EXCHANGE_FREE,
	EXCHANGE_NEW,
	EXCHANGE_ASKED,
	EXCHANGE_AGAIN,
	EXCHANGE_FETCHING,
	EXCHANGE_HELD,
	EXCHANGE_AUDITING,   /* its line in the audit log is being written */
	EXCHANGE_READY,
	EXCHANGE_SENDING,
	EXCHANGE_CANCELLING, /* its cancel waits for room in the ring */
	EXCHANGE_CANCELLED,  /* its reply may still have been on its way; kept for a while, for the queue's name */
	EXCHANGE_RELEASING,  /* the receipts to give back wait for room in the ring */
};

/* A reply of one message, published or settled, is kept while it waits for the disk; larger ones are made into answers. */
#define EXCHANGE_REPLY_BYTES 64u

struct exchange {
	struct exchange *next;       /* in the connection's FIFO, or of the free ones */
	struct exchange *shard_next; /* in one of the shard's lists: held, again, cancelled */
	struct conn *conn;           /* NULL: the client has gone */
	char *bytes;                 /* the answer: a block of ANSWER_ROOM_BYTES or, with heap_bytes, from malloc */
	struct receipt *receipts;    /* RELEASING: owned */
	struct audit_note *note;     /* what the audit log will need; owned */
	uint64_t lsn;                /* HELD */
	uint64_t since_ns;           /* the request was whole */
	uint64_t ring_position;      /* CANCELLED: end of the cancel's frame */
	uint32_t start, end;         /* what is to be sent of bytes */
	uint32_t heap_bytes;         /* 0: bytes is a block */
	uint32_t held_bytes;         /* of the budget (memory.h), for an answer or for what becomes one */
	uint32_t index;
	uint32_t generation;
	uint32_t waiter_slot;
	uint16_t status;
	uint16_t receipt_count;
	uint8_t state;               /* enum exchange_state */
	uint8_t audit;               /* enum exchange_audit (audit.h) */
	bool closes;                 /* the connection ends with this answer */
	bool is_limited;             /* its answer says what is left of its user's rates */
	bool is_change;              /* ASKED: its reply may have to wait for the disk (submits.changes_asked) */
	bool has_reply;              /* READY or HELD: the answer is made of `reply` when it is sent, bytes is NULL */
	struct api_memo memo;        /* set by who takes a new one; what stands before it is zeroed for him */
	_Alignas(8) char reply[EXCHANGE_REPLY_BYTES]; /* has_reply: a copy of the frame */
	const char *code;            /* audit: of its answer; static */
	uint64_t request_number;     /* audit: in the id that its answer carries */
	uint64_t line_end;           /* AUDITING: of its line, in bytes since the start */
	struct client_address address; /* conn NULL: where it came from, and with which token or session */
	uint64_t credential_id;
};

#define EXCHANGE_CHUNK 256u
#define EXCHANGE_BLOCKS_KEPT 256u /* for answers to come; what a moment of many took goes back */

struct exchanges {
	struct exchange **chunks;    /* of EXCHANGE_CHUNK */
	uint32_t chunk_count;
	uint32_t used;
	struct exchange *free;
	char *free_blocks;           /* each begins with a pointer to the next */
	uint32_t free_block_count;   /* at most EXCHANGE_BLOCKS_KEPT */
};

/* A new one, not in any list; its memo is yet to be set.  Never NULL. */
struct exchange *exchange_new(struct frontd *frontd);

/* Gives back answer, memo and the exchange itself.  It must be in no list. */
void exchange_free(struct frontd *frontd, struct exchange *exchange);

/* The id of its frames: generation and index, never 0; a stale one finds nothing. */
uint64_t exchange_id(const struct exchange *exchange);
struct exchange *exchange_find(struct frontd *frontd, uint64_t id);

/* Give the answer's memory back (also when it turned out that there is none yet). */
void exchange_drop_answer(struct frontd *frontd, struct exchange *exchange);

/* Lend room for the answer / take what was made of it. */
void exchange_answer_begin(struct frontd *frontd, struct exchange *exchange, struct answer *answer);
void exchange_answer_end(struct frontd *frontd, struct exchange *exchange, struct answer *answer);

/* How much of the budget it holds from now on. */
void exchange_hold(struct frontd *frontd, struct exchange *exchange, size_t bytes);

/* Its client has gone. */
void exchange_disown(struct frontd *frontd, struct exchange *exchange);

/* Give up the blocks that are kept for answers to come. */
void exchanges_trim(struct frontd *frontd);

void exchanges_free_all(struct frontd *frontd);

#endif
