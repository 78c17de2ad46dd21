/*
 * await: replies of the workers, and the disk.  An answer leaves only when the LSN its reply reports is durable (output
 * commit), and when it is the first of its connection.  A short reply is kept and becomes an answer when that is sent: a
 * thousand of them in the making would not stay in the cache.
 */
#ifndef FRONTD_AWAIT_H
#define FRONTD_AWAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "frontd/api/call.h"

struct exchange;
struct frontd;

/* Take the replies of all workers, at most some from each.  True if there were any. */
bool await_replies(struct frontd *frontd);

/* Let go what has become durable. */
void await_durable(struct frontd *frontd);

/* Make the answer, or keep the reply; then hold or release it. */
void await_answer(struct frontd *frontd, struct exchange *exchange, const struct api_reply *reply);

/*
 * Leased messages that will not be delivered go back to their queue.  If the client is still there it is answered `outcome`.
 */
void await_give_back(struct frontd *frontd, struct exchange *exchange, const struct receive_reply *reply, enum outcome outcome);

/* The answer is written: it may leave when its turn comes. */
void await_ready(struct frontd *frontd, struct exchange *exchange);

/* The exchange is about to be sent: if its reply was only kept, make the answer. */
void await_make(struct frontd *frontd, struct exchange *exchange);

/* Is there something to do before sleeping?  To be asked after park_begin(). */
bool await_has_work(struct frontd *frontd);

#endif
