/*
 * Happy path: placement_choose() sorts the CPUs so that a prefix of them is the nearest set of that size, counts how many
 * are worth a process each, and deals the first ones to workers and persistd, those that follow to the frontds.
 *
 * Failure modes: none; where nothing is known the answer is one of each, not bound.
 */
#include "cli/placement.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/regions.h"

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
	uint32_t engine = cpus <= 4 ? 1 : cpus <= 8 ? 2 : 3; /* CPUs for workers and persistd, who share up to 4 */

	if (cpus <= 2)
		return (struct counts){ 1, 1 };
	return (struct counts){ .fronts = cpus - engine < AUTO_FRONTS_MAX ? cpus - engine : AUTO_FRONTS_MAX,
		.workers = cpus <= 8 ? 1 : AUTO_WORKERS_MAX };
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

/* What decides about a CPU's place, the first word first. */
struct rank {
	unsigned words[6];
	uint16_t id;
};

static int
rank_compare(const void *one, const void *other)
{
	const struct rank *a = one, *b = other;

	for (unsigned i = 0; i < sizeof(a->words) / sizeof(a->words[0]); i++) {
		if (a->words[i] != b->words[i])
			return a->words[i] < b->words[i] ? -1 : 1;
	}
	return (int)a->id - (int)b->id;
}

static struct rank
rank_of(const struct topology *topology, const struct topology_cpu *cpu)
{
	unsigned in_node = 0, in_cache = 0, thread = 0;

	for (unsigned i = 0; i < topology->cpu_count; i++) {
		const struct topology_cpu *other = &topology->cpus[i];

		in_node += other->node == cpu->node;
		in_cache += other->cache == cpu->cache;
		thread += other->core == cpu->core && other->id < cpu->id;
	}
	/*
	 * The largest node, in it a thread of each core before any second one (a sibling takes a third of a core's rate and
	 * more, a neighbouring cache some 100 ns for each of a message's few shared lines), there the largest cache.
	 */
	return (struct rank){ .words = { CPU_SETSIZE - in_node, cpu->node, thread, CPU_SETSIZE - in_cache, cpu->cache, cpu->core },
		.id = cpu->id };
}

static void
take(const struct rank *ranks, unsigned first, unsigned count, cpu_set_t *cpus)
{
	CPU_ZERO(cpus);
	for (unsigned i = first; i < first + count; i++)
		CPU_SET(ranks[i].id, cpus);
}

/* Workers and persistd on the first CPUs, frontds on those that follow. */
static void
bind_roles(const struct topology *topology, unsigned engine_cpus, struct placement *placement)
{
	struct rank ranks[CPU_SETSIZE];
	cpu_set_t engine, fronts;

	for (unsigned i = 0; i < topology->cpu_count; i++)
		ranks[i] = rank_of(topology, &topology->cpus[i]);
	qsort(ranks, topology->cpu_count, sizeof(ranks[0]), rank_compare);
	take(ranks, 0, engine_cpus, &engine);
	take(ranks, engine_cpus, placement->fronts, &fronts);
	CPU_OR(&placement->all, &engine, &fronts);
	for (uint32_t i = 0; i < placement->fronts; i++)
		placement->cpus[SLOT_FRONT(i)] = fronts;
	for (uint32_t w = 0; w < placement->workers; w++)
		placement->cpus[SLOT_WORKER(w)] = engine;
	placement->cpus[SLOT_PERSIST] = engine;
	placement->is_bound = true;
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
	placement->is_bound = true;
}

/* --- the line --- */

static const char *
binding_text(const struct topology *topology, const struct placement_wish *wish, const struct placement *placement, char text[BINDING_BYTES])
{
	char engine[32], fronts[32];

	if (wish->lists.mode == PLACEMENT_LISTS)
		return "bound as server.placement says";
	if (wish->lists.mode == PLACEMENT_OFF)
		return "not bound (server.placement = off)";
	if (usable_cpus(topology) < topology->cpu_count)
		return "not bound, as a quota is of time";
	if (!placement->is_bound)
		return topology->cpu_count < BIND_CPUS_MIN ? "not bound, as all need every CPU" : "not bound, as they are more than CPUs";
	cpus_format(&placement->cpus[SLOT_PERSIST], engine, sizeof(engine));
	cpus_format(&placement->cpus[SLOT_FRONT(0)], fronts, sizeof(fronts));
	snprintf(text, BINDING_BYTES, "frontds on CPUs %s, workerds and persistd on %s", fronts, engine);
	return text;
}

static void
describe(const struct topology *topology, const struct placement_wish *wish, unsigned fitting, struct placement *placement)
{
	unsigned cpus = usable_cpus(topology);
	bool is_full = wish->fronts == 0 && placement->fronts == AUTO_FRONTS_MAX;
	char quota[48] = "", binding[BINDING_BYTES];

	if (cpus < topology->cpu_count)
		snprintf(quota, sizeof(quota), " by quota, of %u", topology->cpu_count);
	snprintf(placement->text, sizeof(placement->text), "%u CPU%s%s: %u frontd%s, %u workerd%s%s; %s", cpus, cpus == 1 ? "" : "s", quota,
	    placement->fronts, wish->fronts == 0 ? " (auto)" : "", placement->workers, wish->workers == 0 ? " (auto)" : "",
	    fitting < cpus ? ", as memory has room for no more" : is_full ? ", which keep one persistd busy" : "",
	    binding_text(topology, wish, placement, binding));
}

void
placement_choose(const struct topology *topology, const struct placement_wish *wish, struct placement *placement)
{
	unsigned cpus = usable_cpus(topology), fitting = cpus;
	struct counts counts = counts_that_fit(topology, wish, &fitting);
	unsigned engine_cpus = counts.workers + (cpus > 4);

	assert(counts.fronts >= 1 && counts.fronts <= FRONT_MAX);
	assert(counts.workers >= 1 && counts.workers <= WORKER_MAX);
	memset(placement, 0, sizeof(*placement));
	placement->fronts = counts.fronts;
	placement->workers = counts.workers;
	if (wish->lists.mode == PLACEMENT_LISTS)
		bind_lists(&wish->lists, placement);
	else if (wish->lists.mode == PLACEMENT_AUTO && cpus == topology->cpu_count && cpus >= BIND_CPUS_MIN &&
	    engine_cpus + counts.fronts <= cpus)
		bind_roles(topology, engine_cpus, placement);
	describe(topology, wish, fitting, placement);
}
