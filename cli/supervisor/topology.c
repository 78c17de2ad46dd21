#include "cli/supervisor/topology.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "conf/cpus.h"

#define CACHE_INDEX_MAX 8

/* The file's first line without its newline; false without the file. */
static bool
read_line(const char *path, char *text, size_t capacity)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, text, capacity - 1);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return true;
}

/* The lowest CPU of a list in a file; 0 without one. */
static uint16_t
lowest_of(const char *path)
{
	char text[4096];
	cpu_set_t cpus;

	if (!read_line(path, text, sizeof(text)) || !cpus_parse(text, strlen(text), &cpus))
		return 0;
	for (uint16_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &cpus))
			return cpu;
	}
	return 0;
}

/* The last level that the CPU has: the highest `level`, whatever its index. */
static uint16_t
cache_of(const char *directory)
{
	unsigned long level_max = 0;
	uint16_t cache = 0;

	for (unsigned index = 0; index < CACHE_INDEX_MAX; index++) {
		char path[PATH_MAX], text[32];

		snprintf(path, sizeof(path), "%s/cache/index%u/level", directory, index);
		if (!read_line(path, text, sizeof(text)) || strtoul(text, NULL, 10) <= level_max)
			continue;
		level_max = strtoul(text, NULL, 10);
		snprintf(path, sizeof(path), "%s/cache/index%u/shared_cpu_list", directory, index);
		cache = lowest_of(path);
	}
	return cache;
}

/* The number of the directory's link nodeN. */
static uint16_t
node_of(const char *directory)
{
	DIR *entries = opendir(directory);
	const struct dirent *entry;
	unsigned node = 0;

	while (entries != NULL && (entry = readdir(entries)) != NULL) {
		if (sscanf(entry->d_name, "node%u", &node) == 1)
			break;
	}
	if (entries != NULL)
		closedir(entries);
	return (uint16_t)node;
}

static void
read_cpus(struct topology *topology, const char *root, const cpu_set_t *allowed)
{
	char path[PATH_MAX / 2], file[PATH_MAX], text[4096];
	cpu_set_t online;

	snprintf(file, sizeof(file), "%s/sys/devices/system/cpu/online", root);
	if (!read_line(file, text, sizeof(text)) || !cpus_parse(text, strlen(text), &online))
		online = *allowed;
	for (uint16_t id = 0; id < CPU_SETSIZE; id++) {
		if (!CPU_ISSET(id, allowed) || !CPU_ISSET(id, &online))
			continue;
		snprintf(path, sizeof(path), "%s/sys/devices/system/cpu/cpu%u", root, id);
		topology->cpus[topology->cpu_count++] = (struct topology_cpu){ .id = id, .cache = cache_of(path),
			.node = node_of(path) };
	}
}

static void
lower(uint64_t *bound, uint64_t value)
{
	if (value != 0 && (*bound == 0 || value < *bound))
		*bound = value;
}

/* cpu.max: "max 100000" or "300000 100000"; memory.max: "max" or bytes. */
static void
read_cgroup(struct topology *topology, const char *directory)
{
	char path[PATH_MAX], text[64];
	uint64_t quota, period;

	snprintf(path, sizeof(path), "%s/cpu.max", directory);
	if (read_line(path, text, sizeof(text)) && sscanf(text, "%" SCNu64 " %" SCNu64, &quota, &period) == 2 && period > 0)
		lower(&topology->quota_milli, quota * 1000 / period > 0 ? quota * 1000 / period : 1);
	snprintf(path, sizeof(path), "%s/memory.max", directory);
	if (read_line(path, text, sizeof(text)))
		lower(&topology->memory_bytes, strtoull(text, NULL, 10)); /* "max" gives 0: no bound */
}

/* Our cgroup and all above it: each of them bounds us. */
static void
read_cgroups(struct topology *topology, const char *root)
{
	char path[PATH_MAX / 2], line[PATH_MAX / 4], *slash;
	size_t base_bytes;

	snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
	if (!read_line(path, line, sizeof(line)) || strncmp(line, "0::", 3) != 0)
		line[0] = '\0';
	base_bytes = (size_t)snprintf(path, sizeof(path), "%s/sys/fs/cgroup", root);
	snprintf(path + base_bytes, sizeof(path) - base_bytes, "%s", line[0] != '\0' ? line + 3 : "");
	for (;;) {
		read_cgroup(topology, path);
		slash = strrchr(path, '/');
		if (strlen(path) <= base_bytes || slash == NULL)
			return;
		*slash = '\0';
	}
}

static void
read_memory(struct topology *topology, const char *root)
{
	char path[PATH_MAX], text[128];
	uint64_t kib;

	snprintf(path, sizeof(path), "%s/proc/meminfo", root);
	if (read_line(path, text, sizeof(text)) && sscanf(text, "MemTotal: %" SCNu64 " kB", &kib) == 1)
		lower(&topology->memory_bytes, kib << 10);
}

void
topology_read(struct topology *topology, const char *root, const cpu_set_t *allowed)
{
	*topology = (struct topology){ .cpu_count = 0 };
	read_cpus(topology, root, allowed);
	if (topology->cpu_count == 0) /* the list contradicts itself: one CPU there is */
		topology->cpu_count = 1;
	read_cgroups(topology, root);
	read_memory(topology, root);
}

void
topology_of_machine(struct topology *topology)
{
	struct statvfs fs;
	cpu_set_t allowed;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) {
		CPU_ZERO(&allowed); /* more CPUs than a cpu_set_t holds: none is bound, none is counted but one */
		CPU_SET(0, &allowed);
	}
	topology_read(topology, "", &allowed);
	if (statvfs("/dev/shm", &fs) == 0 && fs.f_blocks != 0)
		topology->shm_free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
}
