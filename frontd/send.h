/*
 * send: answers on their way out.  One SEND in flight for a connection; it takes all answers that are ready at the head of
 * the FIFO, so pipelined answers share a system call and keep their order.  Small ones are copied into one run of bytes, large
 * ones leave from where they are (SENDMSG).
 */
#ifndef FRONTD_SEND_H
#define FRONTD_SEND_H

#include <stdint.h>

struct conn;
struct exchange;
struct frontd;
struct sending;

/* The exchange is the connection's next; answers leave in this order. */
void send_queue(struct frontd *frontd, struct conn *conn, struct exchange *exchange);

/* Something may be ready to leave: looked at by send_flush(). */
void send_mark(struct frontd *frontd, struct conn *conn);

/* The run that leaves next, for what TLS writes; taken and marked if there is none. */
struct sending *send_run(struct frontd *frontd, struct conn *conn);

/* End of the turn: one SEND for each marked connection. */
void send_flush(struct frontd *frontd);

/* It completed. */
void send_completed(struct frontd *frontd, struct conn *conn, int result);

/* When the client must have taken more; 0: nothing is being sent. */
uint64_t send_deadline_ns(const struct frontd *frontd, const struct conn *conn);

/* The connection is at its end: drop what the SEND borrowed. */
void send_end(struct frontd *frontd, struct conn *conn);

void send_free_all(struct frontd *frontd);

#endif
