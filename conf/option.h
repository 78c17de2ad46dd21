/*
 * option: the rows of options.def as a table, and one value of it: parsed, checked, formatted.  Private to conf.
 */
#ifndef CONF_OPTION_H
#define CONF_OPTION_H

#include "conf/conf.h"

enum option_type {
	OPTION_COUNT,
	OPTION_COUNT_AUTO,
	OPTION_POWER,
	OPTION_SIZE,
	OPTION_SIZE_BLOCK,
	OPTION_SIZE_POWER,
	OPTION_DURATION,
	OPTION_CHOICE,
	OPTION_NAME,
	OPTION_ADDRESS,
	OPTION_PATH,
	OPTION_PLACEMENT,
};

struct option {
	const char *section;
	const char *key;
	enum option_type type;
	const char *preset;
	uint64_t min;
	uint64_t max;
	const char *unit;
	bool is_reloadable;
	const char *help;
	size_t offset; /* in struct conf */
};

extern const struct option options[];
extern const unsigned option_count;

/* The row of section and key, or NULL. */
const struct option *option_find(const char *section, const char *key);

/* Parse, check and store.  False, and nothing stored, if the text is no value for it. */
bool option_store(const struct option *option, const char *text, struct conf *conf);

/* "must be a size from 8MiB to 1GiB, a power of two, such as 16MiB" */
void option_explain(const struct option *option, char text[2 * CONF_TEXT_BYTES]);

#endif
