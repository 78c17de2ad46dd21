/*
 * driver: what a protocol has to know for the engine.  A driver appends requests to a connection's output and takes answers from
 * its input; when to do so, and what it means for the measurement, is the engine's.
 *
 *   make, hello    blocking, before the clock starts: traffic_exchange() may be used
 *   publish        append one request of options->batch messages; the engine counts it as outstanding
 *   receive        append one request for up to options->batch messages
 *   take           one whole answer (or whatever the protocol calls so) from bytes[0 .. count): how many bytes it took, 0
 *                  while it is not whole, TRAFFIC_BROKEN after traffic_fail().  It tells the engine what it found by the functions
 *                  below, and appends acknowledgements itself
 */
#ifndef TRAFFIC_DRIVER_H
#define TRAFFIC_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/traffic/traffic.h"

#define TRAFFIC_BROKEN SIZE_MAX
#define TRAFFIC_PENDING_MAX 1024u /* a power of two: requests of a connection whose answers come in order */

struct traffic_buffer {
	char *bytes;
	size_t begin;             /* bytes[begin .. end) is what it holds */
	size_t end;
	size_t room;
};

struct traffic {
	struct traffic_options options;
	struct traffic_result *result;
	struct traffic_connection *connections;
	uint32_t publishers;
	int epoll_fd;
	uint64_t now_ns;
	uint64_t measure_from_ns, measure_until_ns, give_up_ns;
	uint64_t period_ns;       /* between two requests of a publisher; 0: closed loop */
	uint64_t issued;          /* messages */
	uint64_t progress_ns;     /* when something was published or consumed last */
	uint64_t consumed_measured_ns;
	uint32_t idle;            /* consumers that found nothing and stopped */
	uint32_t alive;
	bool is_running;          /* hands are shaken: nothing blocks any more */
	bool is_measuring;
	bool was_measured;
	bool is_stopped;          /* before its time, by options.stop */
	char *body;               /* options.size bytes */
	void *shared;             /* the driver's, one for the run */
	struct ssl_ctx_st *tls;   /* NULL: plain connections */
};

struct traffic_connection {
	struct traffic *traffic;
	uint32_t index;
	int fd;
	bool is_consumer;
	bool is_idle;             /* a consumer that stopped */
	bool is_dead;
	bool wants_write;         /* asked epoll for it */
	struct ssl_st *tls;       /* NULL: plain */
	uint32_t outstanding;     /* publish requests */
	uint64_t due_ns;          /* of the next request, in an open loop */
	struct traffic_buffer in, out;
	/* Requests whose answers come in order: when they were due, and what they are. */
	uint64_t pending_ns[TRAFFIC_PENDING_MAX];
	uint8_t pending_kind[TRAFFIC_PENDING_MAX];
	uint32_t pending_head, pending_tail;
	void *state;              /* the driver's, state_bytes of it, zeroed */
};

struct traffic_driver {
	const char *name;
	size_t state_bytes;
	int (*open)(struct traffic *traffic);    /* NULL or: make `shared`; -1 after traffic_fail() */
	void (*close)(struct traffic *traffic);  /* NULL or: free it */
	int (*make)(struct traffic_connection *connection);  /* NULL: queues make themselves */
	int (*hello)(struct traffic_connection *connection); /* NULL: nothing to say */
	void (*publish)(struct traffic_connection *connection, uint64_t due_ns);
	void (*receive)(struct traffic_connection *connection);
	size_t (*take)(struct traffic_connection *connection, const char *bytes, size_t count);
};

extern const struct traffic_driver traffic_http;

/* --- for drivers: what to send --- */

/* Room for `count` bytes at the end of the output. */
char *traffic_room(struct traffic_connection *connection, size_t count);
void traffic_put(struct traffic_connection *connection, const void *bytes, size_t count);
__attribute__((format(printf, 2, 3)))
void traffic_printf(struct traffic_connection *connection, const char *format, ...);
/* A body of options.size bytes with its stamp. */
void traffic_put_body(struct traffic_connection *connection, uint64_t due_ns);
/* The 16 digits of a stamp. */
void traffic_stamp(char *digits, uint64_t due_ns);

static inline void
traffic_pend(struct traffic_connection *connection, uint64_t ns, uint8_t kind)
{
	uint32_t at = connection->pending_tail++ % TRAFFIC_PENDING_MAX;

	connection->pending_ns[at] = ns;
	connection->pending_kind[at] = kind;
}

static inline bool
traffic_is_pending(const struct traffic_connection *connection)
{
	return connection->pending_head != connection->pending_tail;
}

/* The oldest; an answer nobody asked for gives 0 and is the driver's to notice beforehand. */
static inline uint64_t
traffic_pop(struct traffic_connection *connection, uint8_t *kind)
{
	uint32_t at = connection->pending_head++ % TRAFFIC_PENDING_MAX;

	if (kind != NULL)
		*kind = connection->pending_kind[at];
	return connection->pending_ns[at];
}

/* --- for drivers: what was found --- */

/* A publish due at due_ns was acknowledged, with all its messages. */
void traffic_published(struct traffic_connection *connection, uint64_t due_ns);
/* A body was received; bytes may go on behind its stamp. */
void traffic_received(struct traffic_connection *connection, const char *bytes, size_t count);
/* `messages` were acknowledged; since_ns is when they were asked for, 0 where the protocol cannot tell. */
void traffic_acked(struct traffic_connection *connection, uint64_t since_ns, uint64_t messages);
/* All of a receive is settled: receive again unless the run is over. */
void traffic_again(struct traffic_connection *connection);
/* A receive found nothing: a closed loop stops this consumer, an open one asks again. */
void traffic_empty(struct traffic_connection *connection);
/* A request was refused with this text; a publisher's counts as answered, without a message. */
void traffic_refused(struct traffic_connection *connection, const char *text, size_t count);

/* The run is over with this text; the first one stays.  Gives -1. */
__attribute__((format(printf, 2, 3)))
int traffic_fail(struct traffic *traffic, const char *format, ...);

/*
 * Blocking: send the output, then read until `whole` says how many bytes make an answer (0: not yet; TRAFFIC_BROKEN after
 * traffic_fail()).  The answer, borrowed until the next call; NULL after traffic_fail().
 */
const char *traffic_exchange(struct traffic_connection *connection,
    size_t (*whole)(struct traffic_connection *connection, const char *bytes, size_t count), size_t *count);

/* For traffic_exchange(): up to and with the first line end. */
size_t traffic_whole_line(struct traffic_connection *connection, const char *bytes, size_t count);

#endif
