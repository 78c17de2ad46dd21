#include "conf/cpus.h"

#include <stdio.h>
#include <string.h>

/* Digits at *at, which moves behind them. */
static bool
parse_cpu(const char **at, const char *end, unsigned *cpu)
{
	const char *begin = *at;

	*cpu = 0;
	for (; *at < end && **at >= '0' && **at <= '9'; (*at)++) {
		*cpu = *cpu * 10 + (unsigned)(**at - '0');
		if (*cpu >= CPU_SETSIZE)
			return false;
	}
	return *at != begin;
}

bool
cpus_parse(const char *text, size_t text_bytes, cpu_set_t *cpus)
{
	const char *at = text, *end = text + text_bytes;
	unsigned first, last;

	CPU_ZERO(cpus);
	for (;;) {
		if (!parse_cpu(&at, end, &first))
			return false;
		last = first;
		if (at < end && *at == '-') {
			at++;
			if (!parse_cpu(&at, end, &last) || last < first)
				return false;
		}
		for (unsigned cpu = first; cpu <= last; cpu++)
			CPU_SET(cpu, cpus);
		if (at == end)
			return true;
		if (*at++ != ',')
			return false;
	}
}

void
cpus_format(const cpu_set_t *cpus, char *text, size_t capacity)
{
	size_t used = 0;

	text[0] = '\0';
	for (int cpu = 0; cpu < CPU_SETSIZE && used < capacity; cpu++) {
		int last = cpu;

		if (!CPU_ISSET(cpu, cpus))
			continue;
		while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, cpus))
			last++;
		used += (size_t)snprintf(text + used, capacity - used, last == cpu ? "%s%d" : "%s%d-%d", used > 0 ? "," : "", cpu,
		    last);
		cpu = last;
	}
	if (used >= capacity && capacity > 3)
		memcpy(text + capacity - 4, "...", 4);
}

/* One `frontd=0-3` of word_bytes. */
static bool
parse_role(const char *word, size_t word_bytes, struct placement_lists *lists)
{
	const struct {
		const char *name;
		cpu_set_t *cpus;
	} roles[] = { { "frontd=", &lists->front }, { "workerd=", &lists->worker }, { "persistd=", &lists->persist } };

	for (unsigned i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		size_t name_bytes = strlen(roles[i].name);

		if (word_bytes <= name_bytes || strncmp(word, roles[i].name, name_bytes) != 0)
			continue;
		return CPU_COUNT(roles[i].cpus) == 0 && cpus_parse(word + name_bytes, word_bytes - name_bytes, roles[i].cpus);
	}
	return false;
}

bool
placement_lists_parse(const char *text, struct placement_lists *lists)
{
	memset(lists, 0, sizeof(*lists));
	if (strcmp(text, "auto") == 0)
		return true;
	if (strcmp(text, "off") == 0) {
		lists->mode = PLACEMENT_OFF;
		return true;
	}
	lists->mode = PLACEMENT_LISTS;
	for (;;) {
		size_t word_bytes = strcspn(text, " ");

		if (!parse_role(text, word_bytes, lists))
			return false;
		text += word_bytes + strspn(text + word_bytes, " ");
		if (*text == '\0')
			return true;
	}
}
