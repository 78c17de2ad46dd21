/*
 * meter: what a stretch of time cost, from /proc: CPU of a server's whole process tree, of ourselves, and of everybody else.
 * "Everybody else" is how a measurement on a shared machine is judged: much of it, and the measurement is worth nothing.
 */
#ifndef TRAFFIC_METER_H
#define TRAFFIC_METER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define METER_ROLES_MAX 8
#define METER_ROLE_BYTES 16
#define METER_PROCESSES_MAX 4096

struct meter_role {
	char name[METER_ROLE_BYTES]; /* of the program, as the kernel cuts it */
	double seconds;
};

struct meter {
	pid_t root;               /* of the server; 0: none */
	/* Between meter_begin() and meter_end(). */
	double wall_s;
	double server_s;
	double own_s;
	double kernel_s;          /* kernel threads: part of what the server costs, but nobody can say whose */
	double foreign_s;         /* all the rest, and what the hypervisor took */
	uint64_t resident_kib;    /* of the server's tree at the end, shared pages divided (Pss) */
	struct meter_role roles[METER_ROLES_MAX]; /* the server's CPU by program */
	uint32_t role_count;
	/* Private. */
	uint64_t began_ns;
	uint64_t busy_ticks, stolen_ticks, tree_ticks, kernel_ticks;
	double own_before_s;
	struct meter_role roles_before[METER_ROLES_MAX];
	uint32_t roles_before_count;
};

void meter_begin(struct meter *meter);
void meter_end(struct meter *meter);

/* Wait until the machine is nearly idle, at most so long.  True if it is. */
bool meter_wait_quiet(double seconds_max);

#endif
