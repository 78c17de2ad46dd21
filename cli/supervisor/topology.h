/*
 * topology: the CPUs that we may use, how near they are to each other, and what bounds us: a CPU quota, memory.  Read from
 * /sys, /proc and the cgroup's files; what cannot be read counts as unbounded or as one group, for a broker starts anywhere.
 */
#ifndef CLI_TOPOLOGY_H
#define CLI_TOPOLOGY_H

#include <sched.h>
#include <stdint.h>

/* The groups are named by their lowest CPU. */
struct topology_cpu {
	uint16_t id;
	uint16_t cache;  /* CPUs that share the last level of cache */
	uint16_t node;   /* of memory */
};

struct topology {
	unsigned cpu_count;            /* allowed and online; at least 1 */
	uint64_t quota_milli;          /* of a CPU, from cgroup v2 cpu.max; 0: none */
	uint64_t memory_bytes;         /* of the machine or the cgroup, whichever is less; 0: not known */
	uint64_t shm_free_bytes;       /* 0: not known */
	struct topology_cpu cpus[CPU_SETSIZE];
};

/*
 * root stands before each path ("" for the real ones), so that tests can make their own machine; allowed as sched_getaffinity()
 * says it.  shm_free_bytes is the caller's.
 */
void topology_read(struct topology *topology, const char *root, const cpu_set_t *allowed);

/* Of this process on this machine. */
void topology_of_machine(struct topology *topology);

#endif
