/*
 * regions: cold at first, warm when everything is there and fits, cold when anything is missing or differs.
 */
#include <unistd.h>

#include "tests/harness/unit.h"

#include "cli/supervisor/regions.h"
#include "shm/diag.h"

static char instance[32];
static struct region_identity store = { .store_uuid = { 1, 2, 3 } };
static struct geometry geometry;

static void
setup(void)
{
	struct conf_error error;
	struct conf conf;

	diag_set_level(DIAG_ERROR);
	leftovers_instance(instance, sizeof(instance));
	conf_defaults(&conf);
	ck_assert_int_eq(conf_set(&conf, "worker.messages=1024", &error), 0);
	ck_assert_int_eq(conf_set(&conf, "worker.waiters=16", &error), 0);
	geometry = regions_geometry(&conf, 1, 2);
	ck_assert_int_eq(region_boot_id(store.boot_id), 0);
}

static void
teardown(void)
{
	regions_remove(instance);
}

static bool
prepare(void)
{
	bool is_warm;

	ck_assert_int_eq(regions_prepare(instance, &geometry, &store, &is_warm), 0);
	return is_warm;
}

START_TEST(the_first_start_is_cold_and_the_next_is_warm)
{
	ck_assert(!regions_exist(instance));
	ck_assert(!prepare());
	ck_assert(regions_exist(instance));
	ck_assert(prepare());
	ck_assert(prepare());
	regions_remove(instance);
	ck_assert(!regions_exist(instance));
	ck_assert(!prepare());
}
END_TEST

/* _i: which one is gone. */
START_TEST(one_region_missing_makes_it_cold)
{
	static const char *const names[] = { "registry", "durable", "directory", "shard.0",
		"shard.1", "stream.0", "stream.1" };

	ck_assert(!prepare());
	ck_assert_int_eq(region_unlink(instance, names[_i]), 0);
	ck_assert_msg(!prepare(), "warm without %s", names[_i]);
	ck_assert(prepare());
}
END_TEST

START_TEST(statistics_are_not_worth_a_cold_start)
{
	ck_assert(!prepare());
	ck_assert_int_eq(region_unlink(instance, "stats.32"), 0);
	ck_assert(prepare());
	ck_assert_int_eq(region_unlink(instance, "stats.32"), 0);
}
END_TEST

START_TEST(another_store_is_cold)
{
	ck_assert(!prepare());
	store.store_uuid[0]++;
	ck_assert(!prepare());
}
END_TEST

START_TEST(another_boot_is_cold)
{
	ck_assert(!prepare());
	store.boot_id[0]++;
	ck_assert(!prepare());
}
END_TEST

/* _i: which size. */
START_TEST(other_sizes_are_cold)
{
	ck_assert(!prepare());
	switch (_i) {
	case 0:
		geometry.shard.messages *= 2;
		break;
	case 1:
		geometry.stream.stream_bytes *= 2;
		break;
	case 2:
		geometry.front.request_bytes *= 2;
		break;
	default:
		geometry.fronts = geometry.shard.fronts = 2;
	}
	ck_assert(!prepare());
	ck_assert(prepare());
}
END_TEST

START_TEST(the_clock_goes_on_over_a_warm_start)
{
	struct registry registry;
	int64_t before_ns;

	ck_assert(!prepare());
	ck_assert_int_eq(registry_attach(&registry, instance, &store, REGION_READ_WRITE), 0);
	before_ns = registry.shared->clock_offset_ns;
	ck_assert_int_ne(before_ns, 0);
	ck_assert(prepare());
	ck_assert_int_eq(registry.shared->clock_offset_ns, before_ns);
	registry_detach(&registry);
}
END_TEST

START_TEST(the_shipped_defaults_take_less_than_168_mib)
{
	struct conf conf;

	conf_defaults(&conf);
	geometry = regions_geometry(&conf, 1, 1);
	ck_assert_uint_lt(regions_sizes(&geometry).total_bytes, 168u << 20);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("cli/supervisor/regions");
	TCase *regions = tcase_create("regions");

	tcase_add_checked_fixture(regions, setup, teardown);
	tcase_add_test(regions, the_first_start_is_cold_and_the_next_is_warm);
	tcase_add_loop_test(regions, one_region_missing_makes_it_cold, 0, 7);
	tcase_add_test(regions, statistics_are_not_worth_a_cold_start);
	tcase_add_test(regions, another_store_is_cold);
	tcase_add_test(regions, another_boot_is_cold);
	tcase_add_loop_test(regions, other_sizes_are_cold, 0, 4);
	tcase_add_test(regions, the_clock_goes_on_over_a_warm_start);
	tcase_add_test(regions, the_shipped_defaults_take_less_than_168_mib);
	suite_add_tcase(suite, regions);
	return suite;
}

UNIT_MAIN(suite)
