/*
 * heads: heads of requests that came before.  Who publishes or receives sends one head again and
 * again, at most with another length in it; what it says is remembered here, for all connections of
 * this process, and neither parsed nor checked again.
 *
 * Only what a head says by itself is remembered.  Who asks and what he may, and what the body, the
 * time or the state of the broker decide, is asked each time.  With a head that is known nothing is
 * different but the time it takes.
 */
#ifndef FRONTD_HEADS_H
#define FRONTD_HEADS_H

#include <stddef.h>
#include <stdint.h>

#include "frontd/api/call.h"
#include "frontd/http/parse.h"
#include "frontd/http/target.h"

struct frontd;
struct conn;

#define HEADS_MAX 64u
#define HEAD_BYTES_MAX 512u

struct head {
	uint32_t count;            /* of bytes[]; 0: there is none here */
	uint32_t line_bytes;       /* the request line, as far as its target */
	uint32_t length_at;        /* where the digits of Content-Length stand; without it: count */
	uint32_t length_bytes;     /* and how many they are */
	struct api_known known;
	/* As the parser read bytes[]; content_length and head_bytes are those of the last time. */
	struct http_request request;
	struct http_target target;
	char bytes[HEAD_BYTES_MAX];
	char scratch[HEAD_BYTES_MAX]; /* of target */
};

struct heads {
	struct head *all;          /* HEADS_MAX */
	struct head *last;         /* the one found last */
	uint32_t next;             /* where the next is put */
	uint32_t unknown;          /* publishes and receives whose head was not known */
};

/* 0, or -1: no memory. */
int heads_open(struct frontd *frontd);
void heads_close(struct frontd *frontd);

/* The head at the start of bytes, if it is whole and known.  Good until the next heads_learn(). */
struct head *heads_find(struct frontd *frontd, struct conn *conn, const char *bytes, size_t count);

/*
 * frontd->request, whose head stands at bytes, was admitted: now and then remember it.  Once in so
 * many times, so that heads which are all different cost little.
 */
void heads_learn(struct frontd *frontd, struct conn *conn, const char *bytes);

/* The configuration has changed: so has what they say. */
void heads_forget(struct frontd *frontd);

#endif
