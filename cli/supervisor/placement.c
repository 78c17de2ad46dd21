/*
 * Happy path: placement_choose() counts what the CPUs are good for, then takes caches, the largest of the largest node first,
 * until their CPUs are enough for that many processes.
 *
 * Failure modes: none; where nothing is known the answer is one of each, not bound.
 */
#include "cli/supervisor/placement.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/supervisor/regions.h"

#define BINDING_BYTES 112
/* Regions must leave most of the machine to the page cache, through which cold bodies come, and to the clients. */
#define MEMORY_DIVISOR 8

/* --- counts --- */

struct counts {
	uint32_t fronts;
	uint32_t workers;
};

/* What `cpus` are good for, by the table of placement.h. */
static struct counts
counts_auto(unsigned cpus)
{
	if (cpus <= 2)
		return (struct counts){ 1, 1 };
	return (struct counts){ .fronts = cpus - 1 < AUTO_FRONTS_MAX ? cpus - 1 : AUTO_FRONTS_MAX,
		.workers = cpus <= 4 ? 1 : AUTO_WORKERS_MAX };
}

static struct counts
counts_wished(unsigned cpus, const struct placement_wish *wish)
{
	struct counts counts = counts_auto(cpus);

	if (wish->fronts != 0)
		counts.fronts = wish->fronts;
	if (wish->workers != 0)
		counts.workers = wish->workers;
	return counts;
}

static uint64_t
memory_of(const struct placement_wish *wish, struct counts counts)
{
	struct geometry geometry = wish->sizes;

	geometry.fronts = geometry.shard.fronts = counts.fronts;
	geometry.workers = geometry.front.workers = counts.workers;
	return regions_sizes(&geometry).total_bytes;
}

/* A quota of 2.9 CPUs is throttled when it is used like 3. */
static unsigned
usable_cpus(const struct topology *topology)
{
	uint64_t quota = topology->quota_milli / 1000;

	if (topology->quota_milli == 0 || quota >= topology->cpu_count)
		return topology->cpu_count;
	return quota > 0 ? (unsigned)quota : 1;
}

static uint64_t
memory_allowed(const struct topology *topology)
{
	uint64_t allowed = topology->memory_bytes != 0 ? topology->memory_bytes / MEMORY_DIVISOR : UINT64_MAX;

	return topology->shm_free_bytes != 0 && topology->shm_free_bytes < allowed ? topology->shm_free_bytes : allowed;
}

/* The counts of the most CPUs whose shared memory fits; *cpus becomes how many those are. */
static struct counts
counts_that_fit(const struct topology *topology, const struct placement_wish *wish, unsigned *cpus)
{
	uint64_t allowed = memory_allowed(topology);
	struct counts counts = counts_wished(*cpus, wish);

	/* Both given: nothing to choose. */
	while ((wish->fronts == 0 || wish->workers == 0) && *cpus > 1 && memory_of(wish, counts) > allowed)
		counts = counts_wished(--*cpus, wish);
	return counts;
}

/* --- CPUs --- */

/* A cache and how many of our CPUs it serves. */
struct group {
	uint16_t node;
	uint16_t cache;
	unsigned in_node;
	unsigned in_cache;
};

/* The largest node's first, of one node the largest; after that any order will do that is always the same. */
static int
group_compare(const void *one, const void *other)
{
	const struct group *a = one, *b = other;

	if (a->in_node != b->in_node)
		return a->in_node > b->in_node ? -1 : 1;
	if (a->node != b->node)
		return (int)a->node - (int)b->node;
	if (a->in_cache != b->in_cache)
		return a->in_cache > b->in_cache ? -1 : 1;
	return (int)a->cache - (int)b->cache;
}

static unsigned
list_groups(const struct topology *topology, struct group groups[CPU_SETSIZE])
{
	unsigned count = 0;

	for (unsigned i = 0; i < topology->cpu_count; i++) {
		const struct topology_cpu *cpu = &topology->cpus[i];
		unsigned at = 0;

		while (at < count && (groups[at].cache != cpu->cache || groups[at].node != cpu->node))
			at++;
		if (at == count)
			groups[count++] = (struct group){ .node = cpu->node, .cache = cpu->cache };
		groups[at].in_cache++;
	}
	for (unsigned at = 0; at < count; at++) {
		for (unsigned i = 0; i < topology->cpu_count; i++)
			groups[at].in_node += topology->cpus[i].node == groups[at].node;
	}
	qsort(groups, count, sizeof(groups[0]), group_compare);
	return count;
}

/*
 * All processes to the fewest caches that have a CPU for each.  Not closer: which process runs where among them the kernel knows
 * better, for the work moves between the roles with the load.
 */
static void
bind_near(const struct topology *topology, struct placement *placement)
{
	struct group groups[CPU_SETSIZE];
	unsigned wanted = placement->fronts + placement->workers + 1, taken = 0, count = list_groups(topology, groups);

	for (unsigned at = 0; at < count && taken < wanted; at++) {
		taken += groups[at].in_cache;
		for (unsigned i = 0; i < topology->cpu_count; i++) {
			if (topology->cpus[i].cache == groups[at].cache && topology->cpus[i].node == groups[at].node)
				CPU_SET(topology->cpus[i].id, &placement->all);
		}
	}
	if (taken == topology->cpu_count) {
		CPU_ZERO(&placement->all);
		return;
	}
	for (uint32_t i = 0; i < placement->fronts; i++)
		placement->cpus[SLOT_FRONT(i)] = placement->all;
	for (uint32_t w = 0; w < placement->workers; w++)
		placement->cpus[SLOT_WORKER(w)] = placement->all;
	placement->cpus[SLOT_PERSIST] = placement->all;
}

/* The CPU number `index` of a list that begins again at its end. */
static void
nth_of(const cpu_set_t *list, uint32_t index, cpu_set_t *cpus)
{
	unsigned count = (unsigned)CPU_COUNT(list), skip;

	CPU_ZERO(cpus);
	if (count == 0)
		return;
	skip = index % count;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, list) && skip-- == 0) {
			CPU_SET(cpu, cpus);
			return;
		}
	}
}

static void
bind_lists(const struct placement_lists *lists, struct placement *placement)
{
	for (uint32_t i = 0; i < placement->fronts; i++)
		nth_of(&lists->front, i, &placement->cpus[SLOT_FRONT(i)]);
	for (uint32_t w = 0; w < placement->workers; w++)
		nth_of(&lists->worker, w, &placement->cpus[SLOT_WORKER(w)]);
	nth_of(&lists->persist, 0, &placement->cpus[SLOT_PERSIST]);
}

/* --- the line --- */

static const char *
binding_text(const struct topology *topology, const struct placement_wish *wish, const struct placement *placement,
    char text[BINDING_BYTES])
{
	char cpus[64];

	if (wish->lists.mode == PLACEMENT_LISTS)
		return "bound as server.placement says";
	if (wish->lists.mode == PLACEMENT_OFF)
		return "not bound (server.placement = off)";
	if (usable_cpus(topology) < topology->cpu_count)
		return "not bound, as a quota is of time";
	if (CPU_COUNT(&placement->all) == 0)
		return "not bound, as no cache is too many";
	cpus_format(&placement->all, cpus, sizeof(cpus));
	snprintf(text, BINDING_BYTES, "all on CPUs %s, near each other", cpus);
	return text;
}

/* fitting: how many CPUs the memory was enough for. */
static void
describe(const struct topology *topology, const struct placement_wish *wish, unsigned fitting, struct placement *placement)
{
	unsigned cpus = usable_cpus(topology);
	bool is_full = wish->fronts == 0 && placement->fronts == AUTO_FRONTS_MAX;
	char quota[48] = "", binding[BINDING_BYTES];

	if (cpus < topology->cpu_count)
		snprintf(quota, sizeof(quota), " by quota, of %u", topology->cpu_count);
	snprintf(placement->text, sizeof(placement->text), "%u CPU%s%s: %u frontd%s, %u workerd%s%s; %s", cpus, cpus == 1 ? "" : "s",
	    quota, placement->fronts, wish->fronts == 0 ? " (auto)" : "", placement->workers, wish->workers == 0 ? " (auto)" : "",
	    fitting < cpus ? ", as memory has room for no more" : is_full ? ", as many as one journal keeps up with" : "",
	    binding_text(topology, wish, placement, binding));
}

void
placement_choose(const struct topology *topology, const struct placement_wish *wish, struct placement *placement)
{
	unsigned cpus = usable_cpus(topology), fitting = cpus;
	struct counts counts = counts_that_fit(topology, wish, &fitting);

	assert(counts.fronts >= 1 && counts.fronts <= FRONT_MAX);
	assert(counts.workers >= 1 && counts.workers <= WORKER_MAX);
	memset(placement, 0, sizeof(*placement));
	placement->fronts = counts.fronts;
	placement->workers = counts.workers;
	if (wish->lists.mode == PLACEMENT_LISTS)
		bind_lists(&wish->lists, placement);
	else if (wish->lists.mode == PLACEMENT_AUTO && cpus == topology->cpu_count)
		bind_near(topology, placement);
	describe(topology, wish, fitting, placement);
}
