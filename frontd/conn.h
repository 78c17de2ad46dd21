/*
 * conn: one connection.  About 300 bytes while it is idle or parked, and no buffer: receive buffers are lent by the ring for
 * the length of one turn.
 *
 *   FREE --conn_open()--> [HANDSHAKE --tls_turn()-->] IDLE --first byte--> HEAD --head whole--> BODY --body whole, served--> IDLE
 *   HEAD, BODY --request whole, no room in the ring--> WAITING --submit_waiting()--> IDLE
 *   HEAD, BODY --its password is being checked--> WAITING --attempt_results()--> IDLE
 *   IDLE --pipeline full or long poll parked--> BLOCKED --an answer was sent: intake_resume()--> IDLE
 *   any of these --last request (Connection: close, error, EOF): conn_finish()--> FINISHING --last answer sent--> LINGER
 *   LINGER (SHUTDOWN(WR), what still comes is dropped: else a reset could destroy our answer) --EOF, 64 KiB or 2 s--> CLOSING
 *   any --reset, timeout: conn_break()--> CLOSING --no operation in flight--> CLOSE --> FREE
 *
 * Operations in flight are counted; a descriptor is closed only when there are none.  Generations tell late completions.
 */
#ifndef FRONTD_CONN_H
#define FRONTD_CONN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "frontd/address.h"
#include "frontd/http/chunk.h"

struct attempt_wait;
struct exchange;
struct frontd;
struct identity;
struct tls;

enum conn_state {
	CONN_FREE,
	CONN_HANDSHAKE, /* of TLS (tls.h) */
	CONN_IDLE,
	CONN_HEAD,
	CONN_BODY,
	CONN_WAITING,
	CONN_BLOCKED,
	CONN_FINISHING,
	CONN_LINGER,
	CONN_CLOSING,
};

#define CONN_NONE UINT32_MAX
#define CONN_CHUNK 256u
#define SEND_IOV_MAX 16u

#define SEND_RUN_BYTES 16384u
#define SEND_RUN_SMALL_BYTES 1680u /* with the rest of a sending 2 KiB */

/*
 * What a SEND borrows; taken from a pool for its flight.  Small answers leave as one run of bytes, copied together: their
 * exchanges are free at once, and the next answers are made in the same few blocks that are still in the cache.  A connection
 * that has one answer at a time gets a small one: those who do not take it are many.
 */
struct sending {
	struct sending *next;
	uint64_t since_ns;         /* the first byte of this run of answers */
	uint64_t progress_ns;      /* the client took something */
	uint64_t total_bytes;
	uint32_t run_bytes;        /* room in run[] */
	uint32_t run_start, run_end; /* what of run[] is still to be sent; equal: the answers at the head of the FIFO are */
	bool closes;               /* the run ends the connection */
	bool is_in_flight;         /* a SEND borrows it; not yet: what TLS has written waits for send_flush() */
	struct msghdr message;
	struct iovec iov[SEND_IOV_MAX];
	char run[];
};
_Static_assert(sizeof(struct sending) + SEND_RUN_SMALL_BYTES <= 2048, "a small sending takes 2 KiB");

/*
 * Of a size, for runs to come: as many small ones as one turn sends to 512 connections.  Fewer, and what malloc() gets back
 * at the end of the heap goes to the kernel and comes again page by page: a page fault for ten messages (256 connections).
 */
#define SENDINGS_KEPT_BYTES (1u << 20)

/* Those of one size that are free. */
struct sending_pool {
	struct sending *free;
	uint32_t count;
};

struct conn {
	int fd;
	uint32_t index;
	uint32_t generation;
	uint8_t state;             /* enum conn_state; only conn_set_state() sets it */
	uint8_t operations;        /* in flight, all kinds */
	uint8_t exchange_count;
	uint8_t head;              /* which of heads.all its last request had, or another */
	bool is_receiving;
	bool is_shut_write;        /* SHUTDOWN(WR) was started */
	bool is_shut;              /* SHUTDOWN(RDWR) was started */
	bool is_closing_fd;
	bool is_dirty;             /* in the list of those to be flushed at the end of the turn */
	bool saw_end;              /* the client will send no more */
	bool is_whole;             /* the store begins with a request that is whole: head_bytes and body_bytes */
	bool is_direct;            /* BODY: the RECEIVE in flight goes straight into the store */
	bool is_turned_away;       /* too many come from its address: it is told so and ended */
	struct client_address address;
	uint64_t counted_uid;      /* whose connection it is counted as (quota.h); 0: nobody's */

	/* What came and is not served yet; NULL most of the time. */
	char *store;
	uint32_t store_size;
	uint32_t store_used;
	uint32_t head_bytes;       /* BODY: the head at the beginning of the store */
	uint32_t body_bytes;       /* BODY: wanted; of a chunked one: so far */
	uint32_t drained;          /* LINGER, FINISHING */
	size_t scan_from;          /* of http_parse_head() */
	struct http_chunk *chunk;  /* BODY, chunked */

	struct exchange *first, *last; /* FIFO of answers to be */
	struct exchange *poll;     /* the long poll that is parked */
	struct sending *sending;   /* a SEND is in flight, or about to be */
	struct tls *tls;           /* NULL: a plain connection */

	struct identity *identity; /* who its last request came from; shared */
	struct conn *identity_next, *identity_prev;
	struct attempt_wait *attempt; /* a password of its request is being checked, or was */

	uint64_t held_bytes;       /* of the budget (memory.h): store, answers, what a SEND borrows */
	uint64_t held_since_ns;    /* without progress */
	struct conn *holder_next, *holder_prev;

	uint64_t since_ns;         /* when this state began */
	uint64_t wait_until_ns;    /* WAITING */
	struct conn *list_next;    /* of the free, or of the marked (send.c) */
	struct conn *waiting_next; /* WAITING: in the shard's list (submit.c), or in that of a password (attempt.c) */
	uint32_t wheel_next, wheel_prev;
	uint32_t wheel_tick;       /* 0: not in the wheel */
	uint32_t waiting_shard;
};

struct conns {
	struct conn **chunks;
	uint32_t chunk_count;
	uint32_t used;             /* indices ever given */
	uint32_t open;             /* not FREE */
	uint32_t turned_away;      /* of them, those that are only told why they are ended */
	struct conn *free;
	struct conn *dirty;        /* linked by list_next */
	struct sending_pool sendings_small, sendings_large;
};

/* Those with held_bytes, the one that makes no progress for the longest time first (memory.c). */
struct holders {
	struct conn *first, *last;
	bool is_wanted;            /* somebody found no room since the last turn */
};

struct conn *conn_at(struct frontd *frontd, uint32_t index);

/* Takes an accepted descriptor. */
struct conn *conn_open(struct frontd *frontd, int fd, const struct client_address *address, bool is_tls);

/* There are too many from its address already: says so and ends, uncounted.  Of plain connections only. */
void conn_turn_away(struct frontd *frontd, struct conn *conn);

void conn_set_state(struct frontd *frontd, struct conn *conn, enum conn_state state);

/* Arm a RECEIVE if this state wants one and none is armed. */
void conn_receive(struct frontd *frontd, struct conn *conn);

/* No more requests from here; what was asked is still answered. */
void conn_finish(struct frontd *frontd, struct conn *conn);

/* The client will send no more. */
void conn_end_seen(struct frontd *frontd, struct conn *conn);

/* As conn_finish(), but nothing is answered any more: only what stands in the run (an alert of TLS) leaves. */
void conn_fail(struct frontd *frontd, struct conn *conn);

/* End it now: client gone, broken, or too slow.  Parked polls are cancelled, answers dropped. */
void conn_break(struct frontd *frontd, struct conn *conn);

/* Completions. */
void conn_received(struct frontd *frontd, struct conn *conn, int result, const char *bytes);
void conn_operation_ended(struct frontd *frontd, struct conn *conn);
void conn_closed(struct frontd *frontd, struct conn *conn);

/* FINISHING and nothing left to say: shut down and linger. */
void conn_linger(struct frontd *frontd, struct conn *conn);

/* Its deadline, by its state; 0: none. */
uint64_t conn_deadline_ns(const struct frontd *frontd, const struct conn *conn);
/* The deadline has passed. */
void conn_due(struct frontd *frontd, struct conn *conn);

/* Memory of the store, within the budget.  False: there is none left. */
bool conn_store_grow(struct frontd *frontd, struct conn *conn, uint32_t size);
void conn_store_free(struct frontd *frontd, struct conn *conn);

void conns_free_all(struct frontd *frontd);

#endif
