/*
 * cpus: `0-3,8` as a set of CPUs and back, and server.placement, which is made of such lists:
 *
 *   auto | off | frontd=LIST workerd=LIST persistd=LIST      (each of the three at most once, at least one)
 */
#ifndef CONF_CPUS_H
#define CONF_CPUS_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>

/* The kernel's form of a list: numbers and ranges, commas between.  False for anything else, or a CPU beyond CPU_SETSIZE. */
bool cpus_parse(const char *text, size_t text_bytes, cpu_set_t *cpus);

/* The same form; an empty text for no CPU.  What does not fit ends in "...". */
void cpus_format(const cpu_set_t *cpus, char *text, size_t capacity);

enum placement_mode { PLACEMENT_AUTO, PLACEMENT_OFF, PLACEMENT_LISTS };

/* server.placement.  An empty set: this role is not bound. */
struct placement_lists {
	enum placement_mode mode;
	cpu_set_t front;
	cpu_set_t worker;
	cpu_set_t persist;
};

/* False if the text is none of the three. */
bool placement_lists_parse(const char *text, struct placement_lists *lists);

#endif
