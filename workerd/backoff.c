#include "workerd/backoff.h"

#include <assert.h>

/* xorshift64* (Marsaglia 2003, Vigna 2016): good enough to spread retries. */
static uint64_t
random_next(uint64_t *state)
{
	uint64_t x = *state;

	assert(x != 0);
	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 0x2545f4914f6cdd1dull;
}

static uint64_t
backoff_base_ms(const struct queue_config *config, uint32_t failures)
{
	uint64_t min_ms = config->backoff_min_ms, max_ms = config->backoff_max_ms, delay_ms = min_ms;

	assert(failures >= 1);
	if (config->backoff_type == BACKOFF_LINEAR)
		delay_ms = min_ms * failures; /* below 2^39 * 2^20 (queue_config_is_valid): does not wrap */
	else
		for (uint32_t i = 1; i < failures && delay_ms < max_ms && delay_ms > 0; i++)
			delay_ms *= 2;
	return delay_ms < max_ms ? delay_ms : max_ms;
}

uint64_t
backoff_delay_ms(const struct queue_config *config, uint32_t failures, uint64_t *random)
{
	uint64_t base_ms = backoff_base_ms(config, failures);
	uint64_t spread_ms = base_ms * config->backoff_jitter_ppm / 1000000;

	if (spread_ms == 0)
		return base_ms;
	return base_ms - spread_ms + random_next(random) % (2 * spread_ms + 1);
}
