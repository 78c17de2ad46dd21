#ifndef FRONTD_MEMORY_H
#define FRONTD_MEMORY_H

/*
 * memory: the budget server.body_memory, and who gives some back when it runs short.  Counted is what a client can make us
 * keep for as long as it likes: requests that are not whole, answers that are not taken.  Those who hold memory stand in a
 * list, the one that has made no progress for the longest time first.  When half of the budget is used, they are ended from
 * there on, once a turn; the last quarter is for those who want little.  So there is room for those who come and go; without
 * that, a few hundred connections that send nothing more keep everybody else out.
 */

#include <stdbool.h>
#include <stdint.h>

struct conn;
struct frontd;

/* Is there room for so much more? */
bool memory_has_room(const struct frontd *frontd, uint64_t bytes);

/* More than half is used: what can be asked again later, and is large, has to be. */
bool memory_is_short(const struct frontd *frontd);

/* The connection holds so much more, or less.  conn NULL: nobody whom we could end. */
void memory_hold(struct frontd *frontd, struct conn *conn, uint64_t bytes);
void memory_release(struct frontd *frontd, struct conn *conn, uint64_t bytes);

/* It goes on holding, but the connection is not to blame for it any more. */
void memory_disown(struct frontd *frontd, struct conn *conn, uint64_t bytes);

/* A request of it became whole, or the client took bytes of an answer. */
void memory_progress(struct frontd *frontd, struct conn *conn);

/* End those who hold the most stale memory, if memory_is_short(). */
void memory_shed(struct frontd *frontd);

#endif
