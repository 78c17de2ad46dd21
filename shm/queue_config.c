#include "shm/queue_config.h"

struct queue_config
queue_config_default(void)
{
	return (struct queue_config){
		.lease_ms = 30000,
		.backoff_max_ms = 600000,
		.max_message_bytes = BODY_BYTES_MAX,
		.max_deliveries = 20,
		.backoff_jitter_ppm = 100000,
		.durability = DURABILITY_FSYNC,
		.backoff_type = BACKOFF_EXPONENTIAL,
	};
}

void
queue_config_merge(struct queue_config *into, const struct queue_config *from, uint32_t fields)
{
	if (fields & FIELD_LEASE)
		into->lease_ms = from->lease_ms;
	if (fields & FIELD_DELAY)
		into->delay_ms = from->delay_ms;
	if (fields & FIELD_BACKOFF_TYPE)
		into->backoff_type = from->backoff_type;
	if (fields & FIELD_BACKOFF_MIN)
		into->backoff_min_ms = from->backoff_min_ms;
	if (fields & FIELD_BACKOFF_MAX)
		into->backoff_max_ms = from->backoff_max_ms;
	if (fields & FIELD_BACKOFF_JITTER)
		into->backoff_jitter_ppm = from->backoff_jitter_ppm;
	if (fields & FIELD_MAX_MESSAGES)
		into->max_messages = from->max_messages;
	if (fields & FIELD_MAX_BYTES)
		into->max_bytes = from->max_bytes;
	if (fields & FIELD_MAX_MESSAGE_BYTES)
		into->max_message_bytes = from->max_message_bytes;
	if (fields & FIELD_MAX_IN_FLIGHT)
		into->max_in_flight = from->max_in_flight;
	if (fields & FIELD_MAX_DELIVERIES)
		into->max_deliveries = from->max_deliveries;
	if (fields & FIELD_DURABILITY)
		into->durability = from->durability;
}

_Bool
queue_config_is_valid(const struct queue_config *config)
{
	return config->lease_ms <= LEASE_MS_MAX && config->delay_ms <= DELAY_MS_MAX &&
	    config->backoff_min_ms <= config->backoff_max_ms && config->backoff_max_ms <= DELAY_MS_MAX &&
	    config->max_message_bytes >= 1 && config->max_message_bytes <= BODY_BYTES_MAX &&
	    config->max_deliveries >= 1 && config->max_deliveries <= 1000000 &&
	    config->backoff_jitter_ppm <= 1000000 && config->durability <= DURABILITY_MEMORY &&
	    config->backoff_type <= BACKOFF_LINEAR;
}
