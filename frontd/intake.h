/*
 * intake: from the bytes of a connection to whole requests.  Bytes are read where the kernel put them; only what is left at
 * the end of a turn (half a head, a request that waits for room, look-ahead of a blocked connection) moves to the
 * connection's store.  A body that is larger than one buffer is received straight into the store.
 */
#ifndef FRONTD_INTAKE_H
#define FRONTD_INTAKE_H

#include <stdbool.h>
#include <stddef.h>

struct conn;
struct frontd;

/* New bytes in a receive buffer; borrowed for the call. */
void intake_received(struct frontd *frontd, struct conn *conn, const char *bytes, size_t count);

/* New bytes of a body, received straight into the store. */
void intake_received_direct(struct frontd *frontd, struct conn *conn, size_t count);

/* An answer has left: go on with what was put off. */
void intake_resume(struct frontd *frontd, struct conn *conn);

/* There may be room now for the request that waits.  is_late: no more waiting, answer it busy. */
void intake_retry(struct frontd *frontd, struct conn *conn, bool is_late);

#endif
