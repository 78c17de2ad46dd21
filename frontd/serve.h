/*
 * serve: one request: from its head (already in frontd->request) to a frame in a ring, or to an answer at once.
 */
#ifndef FRONTD_SERVE_H
#define FRONTD_SERVE_H

#include <stdbool.h>

#include "frontd/http/result.h"
#include "frontd/http/slice.h"
#include "shm/outcome.h"

struct conn;
struct frontd;
struct problem;

/*
 * DONE: it is dealt with (serve_admit(): so far).  The others: nothing has happened, try again from serve_admit(): NO_ROOM, when
 * there may be room in the ring or the directory can be read; WAITS, when attempt.h says so: the connection is in its list.
 */
enum served { SERVE_DONE, SERVE_REFUSED, SERVE_NO_ROOM, SERVE_WAITS };

/*
 * Make frontd->call of frontd->request, whose head stands at `head`: who asks, and may he?
 * REFUSED: frontd->call.problem says why.  DONE and REFUSED are to be ended by serve_request(),
 * serve_refuse() or serve_abandon().
 */
enum served serve_admit(struct frontd *frontd, struct conn *conn, const char *head);

/* Head and body are whole.  Never REFUSED: that is answered already. */
enum served serve_request(struct frontd *frontd, struct conn *conn, struct http_slice body);

/* Answer with frontd->call.problem.  closes: the rest of what comes cannot be understood or is not wanted. */
void serve_refuse(struct frontd *frontd, struct conn *conn, bool closes);
void serve_abandon(struct frontd *frontd);

/* Refusals without a call; the connection ends with them. */
void serve_refuse_http(struct frontd *frontd, struct conn *conn, enum http_result result);
void serve_refuse_outcome(struct frontd *frontd, struct conn *conn, enum outcome outcome, const char *detail);
void serve_refuse_plain_http(struct frontd *frontd, struct conn *conn);
void serve_refuse_timeout(struct frontd *frontd, struct conn *conn);

/* Put `100 Continue` into the FIFO. */
void serve_continue(struct frontd *frontd, struct conn *conn);

/* A parked long poll is answered now and its waiter dropped: with the problem, or 204 without one. */
void serve_end_poll(struct frontd *frontd, struct conn *conn, const struct problem *problem);

#endif
