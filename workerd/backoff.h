/*
 * backoff: how long a failed message waits before it is given out again.
 */
#ifndef WORKERD_BACKOFF_H
#define WORKERD_BACKOFF_H

#include <stdint.h>

#include "shm/queue_config.h"

/*
 * Exponential: min * 2^(failures-1); linear: min * failures; at most max, then spread by +- jitter.  *random is the state of
 * the generator, not 0.  failures >= 1.
 */
uint64_t backoff_delay_ms(const struct queue_config *config, uint32_t failures, uint64_t *random);

#endif
