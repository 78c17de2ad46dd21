#ifndef FRONTD_MEMORY_H
#define FRONTD_MEMORY_H

/*
 * memory: the budget server.body_memory, and who gives some back when it runs short.  Counted is what a client can make us
 * keep for as long as it likes: requests that are not whole, answers that are not taken.  Those who hold memory stand in a
 * list, the one that has made no progress for the longest time first.  When three quarters of the budget are used, or
 * somebody found no room, they are ended from there on until half of it is free; the last quarter is for those who want
 * little.  So there is room for those who come and go; without that, a few hundred connections that send nothing more keep
 * everybody else out.
 */

#include <stdbool.h>
#include <stdint.h>

struct conn;
struct frontd;

/* Is there room for so much more?  conn: who wants it, or NULL; what it holds already does not count against it. */
bool memory_has_room(struct frontd *frontd, const struct conn *conn, uint64_t bytes);

/*
 * The same for messages that are delivered: for a moment they are there as they are stored and as an answer.  The second is not
 * asked for where a quarter of the budget is left without, or what is large could never be delivered.
 */
bool memory_has_room_twice(struct frontd *frontd, const struct conn *conn, uint64_t bytes);
uint64_t memory_twice(const struct frontd *frontd, uint64_t bytes); /* what it asks for */

/* More than half is used: what can be asked again later, and is large, has to be; nobody gets several answers ahead. */
bool memory_is_short(const struct frontd *frontd);

/* The same, by somebody who has to go without because of it: the stale are ended. */
bool memory_refuses(struct frontd *frontd);

/* The connection holds so much more, or less.  conn NULL: nobody whom we could end. */
void memory_hold(struct frontd *frontd, struct conn *conn, uint64_t bytes);
void memory_release(struct frontd *frontd, struct conn *conn, uint64_t bytes);

/* It goes on holding, but the connection is not to blame for it any more. */
void memory_disown(struct frontd *frontd, struct conn *conn, uint64_t bytes);

/* A request of it became whole, or the client took bytes of an answer. */
void memory_progress(struct frontd *frontd, struct conn *conn);

/* Once a turn: end those who hold the most stale memory, if that is needed. */
void memory_shed(struct frontd *frontd);

/* Once a tick: when most of what was held has been given back, it goes back to the kernel too. */
void memory_trim(struct frontd *frontd);

#endif
