/*
 * queue_config: the defaults are valid and those of API.md, a merge takes what was named, and each value has its bound.
 */
#include <string.h>

#include "tests/harness/unit.h"

#include "shm/queue_config.h"

START_TEST(the_defaults_are_valid_and_those_of_the_documentation)
{
	struct queue_config config = queue_config_default();

	ck_assert(queue_config_is_valid(&config));
	ck_assert_uint_eq(config.lease_ms, 30000);
	ck_assert_uint_eq(config.delay_ms, 0);
	ck_assert_uint_eq(config.max_deliveries, 20);
	ck_assert_uint_eq(config.max_message_bytes, 1 << 20);
	ck_assert_uint_eq(config.max_messages, 0);
	ck_assert_uint_eq(config.max_bytes, 0);
	ck_assert_uint_eq(config.max_in_flight, 0);
	ck_assert_int_eq(config.durability, DURABILITY_FSYNC);
	ck_assert_int_eq(config.backoff_type, BACKOFF_EXPONENTIAL);
}
END_TEST

static const struct queue_config other = {
	.lease_ms = 1, .delay_ms = 2, .backoff_min_ms = 3, .backoff_max_ms = 4, .max_messages = 5, .max_bytes = 6,
	.max_message_bytes = 7, .max_in_flight = 8, .max_deliveries = 9, .backoff_jitter_ppm = 10,
	.durability = DURABILITY_MEMORY, .backoff_type = BACKOFF_LINEAR,
};

START_TEST(a_merge_of_nothing_changes_nothing_and_of_all_changes_all)
{
	struct queue_config config = queue_config_default(), before = config;

	queue_config_merge(&config, &other, 0);
	ck_assert_mem_eq(&config, &before, sizeof(config));
	queue_config_merge(&config, &other, 2 * FIELD_BACKOFF_JITTER - 1);
	ck_assert_mem_eq(&config, &other, sizeof(config));
}
END_TEST

START_TEST(a_merge_takes_only_the_field_that_is_named)
{
	const struct queue_config initial = queue_config_default();
	struct queue_config config = initial, expected = initial;

	queue_config_merge(&config, &other, 1u << _i);
	switch (1u << _i) {
	case FIELD_LEASE:
		expected.lease_ms = 1;
		break;
	case FIELD_DELAY:
		expected.delay_ms = 2;
		break;
	case FIELD_BACKOFF_TYPE:
		expected.backoff_type = BACKOFF_LINEAR;
		break;
	case FIELD_BACKOFF_MIN:
		expected.backoff_min_ms = 3;
		break;
	case FIELD_BACKOFF_MAX:
		expected.backoff_max_ms = 4;
		break;
	case FIELD_BACKOFF_JITTER:
		expected.backoff_jitter_ppm = 10;
		break;
	case FIELD_MAX_MESSAGES:
		expected.max_messages = 5;
		break;
	case FIELD_MAX_BYTES:
		expected.max_bytes = 6;
		break;
	case FIELD_MAX_MESSAGE_BYTES:
		expected.max_message_bytes = 7;
		break;
	case FIELD_MAX_IN_FLIGHT:
		expected.max_in_flight = 8;
		break;
	case FIELD_MAX_DELIVERIES:
		expected.max_deliveries = 9;
		break;
	case FIELD_DURABILITY:
		expected.durability = DURABILITY_MEMORY;
		break;
	}
	ck_assert_mem_eq(&config, &expected, sizeof(config));
}
END_TEST

START_TEST(every_value_has_its_bound)
{
	struct queue_config least = queue_config_default(), most = least, bad = least;

	least.lease_ms = least.delay_ms = least.backoff_min_ms = least.backoff_max_ms = 0;
	least.max_message_bytes = least.max_deliveries = 1;
	ck_assert(queue_config_is_valid(&least));

	most.lease_ms = LEASE_MS_MAX;
	most.delay_ms = most.backoff_min_ms = most.backoff_max_ms = DELAY_MS_MAX;
	most.max_messages = most.max_bytes = UINT64_MAX;
	most.max_message_bytes = BODY_BYTES_MAX;
	most.max_in_flight = UINT32_MAX;
	most.max_deliveries = most.backoff_jitter_ppm = 1000000;
	ck_assert(queue_config_is_valid(&most));

#define REFUSED(field, value)                        \
	do {                                         \
		bad = queue_config_default();        \
		bad.field = (value);                 \
		ck_assert(!queue_config_is_valid(&bad)); \
	} while (0)
	REFUSED(lease_ms, LEASE_MS_MAX + 1);
	REFUSED(delay_ms, DELAY_MS_MAX + 1);
	REFUSED(backoff_max_ms, DELAY_MS_MAX + 1);
	REFUSED(backoff_min_ms, bad.backoff_max_ms + 1);
	REFUSED(max_message_bytes, 0);
	REFUSED(max_message_bytes, BODY_BYTES_MAX + 1);
	REFUSED(max_deliveries, 0);
	REFUSED(max_deliveries, 1000001);
	REFUSED(backoff_jitter_ppm, 1000001);
	REFUSED(durability, DURABILITY_MEMORY + 1);
	REFUSED(backoff_type, BACKOFF_LINEAR + 1);
#undef REFUSED
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("shm/queue_config");
	TCase *tcase = tcase_create("queue_config");

	tcase_add_test(tcase, the_defaults_are_valid_and_those_of_the_documentation);
	tcase_add_test(tcase, a_merge_of_nothing_changes_nothing_and_of_all_changes_all);
	tcase_add_loop_test(tcase, a_merge_takes_only_the_field_that_is_named, 0, 12);
	tcase_add_test(tcase, every_value_has_its_bound);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
