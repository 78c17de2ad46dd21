/*
 * placement and topology: machines that we do not have, made of words and of files.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/harness/unit.h"

#include "cli/supervisor/placement.h"
#include "cli/supervisor/regions.h"

static struct topology machine;
static struct placement_wish wish;
static struct placement placement;

/*
 * cores of so many threads, a last-level cache for each cores_per_cache, a node for each cores_per_node.  As Linux numbers
 * them: first one thread of every core, then the second ones.
 */
static void
build(unsigned cores, unsigned threads, unsigned cores_per_cache, unsigned cores_per_node)
{
	machine = (struct topology){ .cpu_count = cores * threads };
	for (unsigned id = 0; id < cores * threads; id++) {
		unsigned core = id % cores;

		machine.cpus[id] = (struct topology_cpu){ .id = (uint16_t)id, .cache = (uint16_t)(core / cores_per_cache * cores_per_cache),
			.node = (uint16_t)(core / cores_per_node) };
	}
}

/* Take a CPU out, as hot-unplugging and affinity masks do. */
static void
unplug(unsigned id)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < machine.cpu_count; i++) {
		if (machine.cpus[i].id != id)
			machine.cpus[kept++] = machine.cpus[i];
	}
	ck_assert_uint_eq(kept + 1, machine.cpu_count);
	machine.cpu_count = kept;
}

static void
setup(void)
{
	struct conf conf;

	conf_defaults(&conf);
	wish = (struct placement_wish){ .sizes = regions_geometry(&conf, 1, 1) };
}

/* cpus: of every process; "" where none is bound. */
static void
expect(uint32_t fronts, uint32_t workers, const char *cpus)
{
	char text[64];

	placement_choose(&machine, &wish, &placement);
	ck_assert_msg(placement.fronts == fronts && placement.workers == workers, "%u frontds and %u workers instead of %u and %u: %s",
	    placement.fronts, placement.workers, fronts, workers, placement.text);
	for (uint32_t slot = 0; slot < SLOT_MAX; slot++) {
		bool is_used = slot < fronts || (slot >= SLOT_WORKER(0) && slot < SLOT_WORKER(workers)) || slot == SLOT_PERSIST;

		cpus_format(&placement.cpus[slot], text, sizeof(text));
		ck_assert_str_eq(text, is_used ? cpus : "");
	}
	cpus_format(&placement.all, text, sizeof(text));
	ck_assert_str_eq(text, cpus);
}

START_TEST(one_or_two_cpus_carry_one_of_each)
{
	build(1, 1, 1, 1);
	expect(1, 1, "");
	build(2, 1, 2, 2);
	expect(1, 1, "");
	build(1, 2, 1, 1);
	expect(1, 1, "");
	ck_assert_str_eq(placement.text, "2 CPUs: 1 frontd (auto), 1 workerd (auto); not bound, as no cache is too many");
}
END_TEST

/* _i: how many. */
START_TEST(frontds_are_one_less_than_cpus_until_the_journal_is_full)
{
	build((unsigned)_i, 1, (unsigned)_i, (unsigned)_i);
	expect(_i - 1 < 8 ? (uint32_t)_i - 1 : 8, _i <= 4 ? 1 : 2, "");
	ck_assert_int_eq(strstr(placement.text, "as many as one journal keeps up with") != NULL, _i >= 9);
}
END_TEST

START_TEST(hyperthreads_count_as_cpus)
{
	build(4, 2, 4, 4);
	expect(7, 2, "");
}
END_TEST

START_TEST(two_sockets_are_one_too_many)
{
	build(32, 2, 16, 16); /* 64 CPUs, 2 nodes, one cache each */
	expect(8, 2, "0-15,32-47");
	/* The first socket has lost a part of it: all go to the other one. */
	for (unsigned id = 0; id < 4; id++)
		unplug(id);
	expect(8, 2, "16-31,48-63");
}
END_TEST

START_TEST(as_few_caches_as_have_a_cpu_for_each)
{
	build(16, 2, 4, 16); /* four caches of four cores */
	expect(8, 2, "0-7,16-23");
	unplug(1);
	unplug(17);
	/* The first cache is the smallest now: it comes last. */
	expect(8, 2, "4-11,20-27");
	wish.fronts = 5;
	expect(5, 2, "4-7,20-23");
	wish.fronts = 32;
	expect(32, 2, "");
}
END_TEST

START_TEST(a_socket_that_is_too_small_is_not_enough)
{
	build(12, 1, 3, 6); /* two nodes of two caches of three */
	expect(8, 2, "");
	wish.fronts = 4;
	expect(4, 2, "0-8");
}
END_TEST

START_TEST(a_quota_counts_like_cpus_and_binds_nothing)
{
	build(64, 2, 8, 64);
	machine.quota_milli = 3000;
	expect(2, 1, "");
	ck_assert_str_eq(placement.text,
	    "3 CPUs by quota, of 128: 2 frontd (auto), 1 workerd (auto); not bound, as a quota is of time");
	machine.quota_milli = 2900;
	expect(1, 1, "");
	machine.quota_milli = 100;
	expect(1, 1, "");
	machine.quota_milli = 128000; /* no less than there is: no bound */
	expect(8, 2, "0-7,64-71");
}
END_TEST

START_TEST(holes_in_the_numbers_do_no_harm)
{
	build(32, 1, 16, 32);
	for (unsigned id = 1; id < 32; id += 2)
		unplug(id);
	wish.fronts = 2;
	expect(2, 2, "0,2,4,6,8,10,12,14");
}
END_TEST

START_TEST(numbers_in_the_configuration_win)
{
	build(2, 1, 2, 2);
	wish.fronts = 32;
	expect(32, 1, "");
	wish.workers = 32;
	expect(32, 32, "");
	ck_assert_str_eq(placement.text, "2 CPUs: 32 frontd, 32 workerd; not bound, as no cache is too many");
	wish.fronts = 0; /* as with the workers of a directory */
	expect(1, 32, "");
}
END_TEST

START_TEST(off_binds_nothing_and_lists_bind_one_to_one)
{
	build(16, 1, 4, 16);
	ck_assert(placement_lists_parse("off", &wish.lists));
	expect(8, 2, "");
	ck_assert(placement_lists_parse("frontd=3,5 persistd=9", &wish.lists));
	placement_choose(&machine, &wish, &placement);
	for (uint32_t i = 0; i < 8; i++) {
		ck_assert_int_eq(CPU_COUNT(&placement.cpus[SLOT_FRONT(i)]), 1);
		ck_assert(CPU_ISSET(i % 2 == 0 ? 3 : 5, &placement.cpus[SLOT_FRONT(i)]));
	}
	ck_assert_int_eq(CPU_COUNT(&placement.cpus[SLOT_WORKER(0)]), 0);
	ck_assert(CPU_ISSET(9, &placement.cpus[SLOT_PERSIST]));
	ck_assert_int_eq(CPU_COUNT(&placement.all), 0);
}
END_TEST

START_TEST(little_memory_means_fewer_processes)
{
	struct geometry one = wish.sizes;

	build(16, 1, 16, 16);
	machine.shm_free_bytes = 256 << 20; /* docker run --shm-size=256m */
	placement_choose(&machine, &wish, &placement);
	one.fronts = one.shard.fronts = placement.fronts;
	one.workers = one.front.workers = placement.workers;
	ck_assert_uint_le(regions_sizes(&one).total_bytes, machine.shm_free_bytes);
	ck_assert_uint_gt(placement.fronts, 1);
	ck_assert_msg(strstr(placement.text, "memory has room for no more") != NULL, "%s", placement.text);
	machine.shm_free_bytes = 0;
	machine.memory_bytes = 1 << 30;
	expect(1, 1, "");
}
END_TEST

START_TEST(what_is_not_known_gives_one_of_each)
{
	machine = (struct topology){ .cpu_count = 1 };
	expect(1, 1, "");
}
END_TEST

/* --- reading --- */

static char root[] = "/tmp/chasqui-topology-XXXXXX";

static void __attribute__((format(printf, 2, 3)))
put(const char *text, const char *format, ...)
{
	char path[256];
	va_list arguments;
	int used = snprintf(path, sizeof(path), "%s", root);
	FILE *file;

	va_start(arguments, format);
	vsnprintf(path + used, sizeof(path) - (size_t)used, format, arguments);
	va_end(arguments);
	for (char *slash = path + used + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
		*slash = '\0';
		(void)mkdir(path, 0700); /* there already, or fopen() says so */
		*slash = '/';
	}
	file = fopen(path, "w");
	ck_assert_msg(file != NULL, "%s", path);
	fprintf(file, "%s\n", text);
	fclose(file);
}

START_TEST(a_machine_is_read_as_the_kernel_tells_it)
{
	cpu_set_t allowed;
	char command[64];

	memcpy(root + sizeof(root) - 7, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(root));
	put("0-1,3", "/sys/devices/system/cpu/online");
	for (unsigned cpu = 0; cpu < 4; cpu++) {
		put("1", "/sys/devices/system/cpu/cpu%u/cache/index0/level", cpu);
		put("3", "/sys/devices/system/cpu/cpu%u/cache/index1/level", cpu);
		put("1-3", "/sys/devices/system/cpu/cpu%u/cache/index1/shared_cpu_list", cpu);
		put("", "/sys/devices/system/cpu/cpu%u/node%u/here", cpu, cpu / 2);
	}
	put("0::/a/b", "/proc/self/cgroup");
	put("max 100000", "/sys/fs/cgroup/a/b/cpu.max");
	put("250000 100000", "/sys/fs/cgroup/a/cpu.max");
	put("max", "/sys/fs/cgroup/a/b/memory.max");
	put("1073741824", "/sys/fs/cgroup/memory.max");
	put("MemTotal:       2097152 kB", "/proc/meminfo");
	ck_assert(cpus_parse("0-3,7", 5, &allowed));
	topology_read(&machine, root, &allowed);
	snprintf(command, sizeof(command), "rm -r %s", root);
	ck_assert_int_eq(system(command), 0);

	ck_assert_uint_eq(machine.cpu_count, 3);
	ck_assert_uint_eq(machine.cpus[2].id, 3);
	ck_assert_uint_eq(machine.cpus[2].cache, 1);
	ck_assert_uint_eq(machine.cpus[2].node, 1);
	ck_assert_uint_eq(machine.quota_milli, 2500);
	ck_assert_uint_eq(machine.memory_bytes, 1u << 30);
}
END_TEST

START_TEST(a_machine_without_files_is_its_affinity_mask)
{
	cpu_set_t allowed;

	ck_assert(cpus_parse("4-6", 3, &allowed));
	topology_read(&machine, "/nonexistent", &allowed);
	ck_assert_uint_eq(machine.cpu_count, 3);
	ck_assert_uint_eq(machine.cpus[0].id, 4);
	ck_assert_uint_eq(machine.quota_milli, 0);
	CPU_ZERO(&allowed);
	topology_read(&machine, "/nonexistent", &allowed);
	ck_assert_uint_eq(machine.cpu_count, 1);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("cli/supervisor/placement");
	TCase *placements = tcase_create("placement");
	TCase *reading = tcase_create("topology");

	tcase_add_checked_fixture(placements, setup, NULL);
	tcase_add_test(placements, one_or_two_cpus_carry_one_of_each);
	tcase_add_loop_test(placements, frontds_are_one_less_than_cpus_until_the_journal_is_full, 3, 20);
	tcase_add_test(placements, hyperthreads_count_as_cpus);
	tcase_add_test(placements, two_sockets_are_one_too_many);
	tcase_add_test(placements, as_few_caches_as_have_a_cpu_for_each);
	tcase_add_test(placements, a_socket_that_is_too_small_is_not_enough);
	tcase_add_test(placements, a_quota_counts_like_cpus_and_binds_nothing);
	tcase_add_test(placements, holes_in_the_numbers_do_no_harm);
	tcase_add_test(placements, numbers_in_the_configuration_win);
	tcase_add_test(placements, off_binds_nothing_and_lists_bind_one_to_one);
	tcase_add_test(placements, little_memory_means_fewer_processes);
	tcase_add_test(placements, what_is_not_known_gives_one_of_each);
	tcase_add_test(reading, a_machine_is_read_as_the_kernel_tells_it);
	tcase_add_test(reading, a_machine_without_files_is_its_affinity_mask);
	suite_add_tcase(suite, placements);
	suite_add_tcase(suite, reading);
	return suite;
}

UNIT_MAIN(suite)
