/*
 * A process that ends takes its numbers along, but its parent keeps their sum: so the tree's CPU is the sum of own and
 * waited-for time over all of it, which never falls and counts nothing twice.
 */
#include "cli/traffic/meter.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "shm/clock.h"

#define QUIET_CORES 0.25
#define QUIET_SAMPLE_US 150000
#define KTHREADD 2

struct process {
	pid_t pid, parent;
	uint64_t own_ticks;
	uint64_t ticks;           /* with those of children that ended */
	char name[METER_ROLE_BYTES];
	bool is_server;
};

static struct process processes[METER_PROCESSES_MAX];
static uint32_t process_count;

static bool
read_process(pid_t pid, struct process *process)
{
	unsigned long user, system, children_user, children_system;
	char path[64], text[1024];
	const char *open, *close;
	FILE *file;
	size_t count;
	int parent;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "r");
	if (file == NULL)
		return false;
	count = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[count] = '\0';
	open = strchr(text, '(');
	close = strrchr(text, ')'); /* a name may hold parentheses */
	if (open == NULL || close == NULL ||
	    sscanf(close + 2, "%*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %lu %lu", &parent, &user, &system,
	        &children_user, &children_system) != 5)
		return false;
	*process = (struct process){ .pid = pid, .parent = parent, .own_ticks = user + system,
		.ticks = user + system + children_user + children_system };
	snprintf(process->name, sizeof(process->name), "%.*s", (int)(close - open - 1), open + 1);
	return true;
}

static void
read_processes(pid_t root)
{
	DIR *directory = opendir("/proc");
	const struct dirent *entry;

	process_count = 0;
	while (directory != NULL && (entry = readdir(directory)) != NULL && process_count < METER_PROCESSES_MAX)
		if (isdigit((unsigned char)entry->d_name[0]))
			process_count += read_process((pid_t)atoi(entry->d_name), &processes[process_count]);
	if (directory != NULL)
		closedir(directory);
	/* Parents may stand after their children: repeat until no more are found. */
	for (bool grew = root != 0; grew;) {
		grew = false;
		for (uint32_t i = 0; i < process_count; i++) {
			struct process *process = &processes[i];
			bool is_ours = process->pid == root;

			for (uint32_t k = 0; k < process_count && !is_ours; k++)
				is_ours = processes[k].is_server && processes[k].pid == process->parent;
			grew |= is_ours && !process->is_server;
			process->is_server |= is_ours;
		}
	}
}

static uint64_t
sum_tree(void)
{
	uint64_t ticks = 0;

	for (uint32_t i = 0; i < process_count; i++)
		ticks += processes[i].is_server ? processes[i].ticks : 0;
	return ticks;
}

static uint64_t
sum_kernel(void)
{
	uint64_t ticks = 0;

	for (uint32_t i = 0; i < process_count; i++)
		ticks += processes[i].parent == KTHREADD ? processes[i].own_ticks : 0;
	return ticks;
}

static uint32_t
sum_roles(struct meter_role *roles)
{
	double tick_s = 1.0 / (double)sysconf(_SC_CLK_TCK);
	uint32_t count = 0;

	for (uint32_t i = 0; i < process_count; i++) {
		uint32_t role = 0;

		if (!processes[i].is_server)
			continue;
		while (role < count && strcmp(roles[role].name, processes[i].name) != 0)
			role++;
		if (role == METER_ROLES_MAX)
			continue;
		if (role == count) {
			roles[count] = (struct meter_role){ .seconds = 0 };
			memcpy(roles[count++].name, processes[i].name, METER_ROLE_BYTES);
		}
		roles[role].seconds += (double)processes[i].own_ticks * tick_s;
	}
	return count;
}

static void
read_machine(uint64_t *busy, uint64_t *stolen)
{
	unsigned long long user = 0, nice = 0, system = 0, irq = 0, soft = 0, steal = 0;
	FILE *file = fopen("/proc/stat", "r");

	if (file != NULL) {
		if (fscanf(file, "cpu %llu %llu %llu %*u %*u %llu %llu %llu", &user, &nice, &system, &irq, &soft, &steal) != 6)
			steal = 0;
		fclose(file);
	}
	*busy = user + nice + system + irq + soft;
	*stolen = steal;
}

static double
own_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	    (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static uint64_t
resident_kib(pid_t pid)
{
	unsigned long kib = 0;
	char path[64], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	file = fopen(path, "r");
	if (file == NULL)
		return 0; /* it has ended meanwhile, or is not ours to look into */
	while (fgets(line, sizeof(line), file) != NULL && sscanf(line, "Pss: %lu", &kib) != 1)
		;
	fclose(file);
	return kib;
}

/* A process that ended meanwhile took its time along: then less is seen than there was, but never less than nothing. */
static double
seconds_since(uint64_t now_ticks, uint64_t before_ticks)
{
	return now_ticks > before_ticks ? (double)(now_ticks - before_ticks) / (double)sysconf(_SC_CLK_TCK) : 0;
}

void
meter_begin(struct meter *meter)
{
	read_processes(meter->root);
	meter->tree_ticks = sum_tree();
	meter->kernel_ticks = sum_kernel();
	meter->roles_before_count = sum_roles(meter->roles_before);
	read_machine(&meter->busy_ticks, &meter->stolen_ticks);
	meter->own_before_s = own_seconds();
	meter->began_ns = now_ns();
}

void
meter_end(struct meter *meter)
{
	double tick_s = 1.0 / (double)sysconf(_SC_CLK_TCK);
	uint64_t busy, stolen;

	meter->wall_s = (double)(now_ns() - meter->began_ns) / 1e9;
	meter->own_s = own_seconds() - meter->own_before_s;
	read_machine(&busy, &stolen);
	read_processes(meter->root);
	meter->server_s = seconds_since(sum_tree(), meter->tree_ticks);
	meter->kernel_s = seconds_since(sum_kernel(), meter->kernel_ticks);
	meter->foreign_s = (double)(busy - meter->busy_ticks + stolen - meter->stolen_ticks) * tick_s - meter->own_s -
	    meter->server_s - meter->kernel_s;
	meter->role_count = sum_roles(meter->roles);
	for (uint32_t i = 0; i < meter->role_count; i++)
		for (uint32_t k = 0; k < meter->roles_before_count; k++)
			if (strcmp(meter->roles[i].name, meter->roles_before[k].name) == 0)
				meter->roles[i].seconds -= meter->roles_before[k].seconds;
	meter->resident_kib = 0;
	for (uint32_t i = 0; i < process_count; i++)
		if (processes[i].is_server)
			meter->resident_kib += resident_kib(processes[i].pid);
}

bool
meter_wait_quiet(double seconds_max)
{
	uint64_t until_ns = now_ns() + (uint64_t)(seconds_max * 1e9);

	while (now_ns() < until_ns) {
		uint64_t before, after, stolen, began_ns = now_ns();

		read_machine(&before, &stolen);
		usleep(QUIET_SAMPLE_US);
		read_machine(&after, &stolen);
		if ((double)(after - before) / (double)sysconf(_SC_CLK_TCK) < QUIET_CORES * (double)(now_ns() - began_ns) / 1e9)
			return true;
	}
	return false;
}
