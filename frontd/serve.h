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

enum served { SERVE_DONE, SERVE_NO_ROOM };

/*
 * Make frontd->call of frontd->request.  False: refused, frontd->call.problem says why.  To be ended by serve_request(),
 * serve_refuse() or serve_abandon().
 */
bool serve_admit(struct frontd *frontd, struct conn *conn);

/* Head and body are whole.  SERVE_NO_ROOM: nothing has happened; try again from serve_admit(). */
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

/* The broker stops: a parked long poll is answered 204 and its waiter dropped. */
void serve_end_poll(struct frontd *frontd, struct conn *conn);

#endif
