/*
 * receive: lease messages to who asks, or let him wait; serve who waits when something comes.
 */
#ifndef WORKERD_RECEIVE_H
#define WORKERD_RECEIVE_H

#include "workerd/worker.h"

/*
 * Over the serve list: those who wait longest get what they wait for, each in a transaction of its own, at most times_max of
 * them.  False if nobody was served: there is nobody, or no room to do so.
 */
bool receive_serve_waiters(struct worker *worker, unsigned times_max);

/* A waiter's time is over: answer EMPTY; without room for it, a little later. */
void receive_end_wait(struct worker *worker, uint32_t waiter_idx);

/* Answer a waiter with a bare outcome and free its slot, within the open transaction.  False if there is no room. */
bool receive_dismiss(struct worker *worker, uint32_t waiter_idx, enum outcome outcome);

#endif
