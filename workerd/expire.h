/*
 * expire: what time does: leases end, delays end, waits end.  One message or waiter a transaction.
 */
#ifndef WORKERD_EXPIRE_H
#define WORKERD_EXPIRE_H

#include "workerd/worker.h"

/* One step of the wheels.  False if nothing is due, or no room is left to record it. */
bool expire_step(struct worker *worker);

/* End the lease of a message now, in a transaction of its own.  False without room. */
bool expire_lease(struct worker *worker, uint32_t msg_idx);

#endif
