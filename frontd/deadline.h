/*
 * deadline: the private timer wheel of this process: one deadline for each connection, ticks of 64 ms.  Cheap because lazy:
 * a connection stays in its slot when its deadline moves away, and is asked again (conn_deadline_ns) when the slot is due.
 */
#ifndef FRONTD_DEADLINE_H
#define FRONTD_DEADLINE_H

#include <stdint.h>

struct conn;
struct frontd;

#define DEADLINE_TICK_NS (64ull * 1000 * 1000)
#define DEADLINE_SLOTS 1024u

struct deadlines {
	uint32_t slots[DEADLINE_SLOTS]; /* index of the first connection */
	uint64_t start_ns;
	uint32_t tick;                  /* done up to here */
};

void deadline_init(struct frontd *frontd);

/* The connection's state or deadline has changed. */
void deadline_update(struct frontd *frontd, struct conn *conn);
void deadline_clear(struct frontd *frontd, struct conn *conn);

/* Everything that is due by frontd->now_ns. */
void deadline_run(struct frontd *frontd);

/* How long nothing can be due, at most max_ns. */
uint64_t deadline_next_ns(const struct frontd *frontd, uint64_t max_ns);

#endif
