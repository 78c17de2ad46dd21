#include "conf/value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t factor;
};

/* Each table from the largest to the smallest. */
static const struct unit size_units[] = {
	{ "TiB", 1ull << 40 }, { "GiB", 1ull << 30 }, { "MiB", 1ull << 20 }, { "KiB", 1ull << 10 }, { "B", 1 },
};

static const struct unit duration_units[] = {
	{ "d", 24 * 3600 * 1000 }, { "h", 3600 * 1000 }, { "m", 60 * 1000 }, { "s", 1000 }, { "ms", 1 },
};

#define UNIT_COUNT(units) (sizeof(units) / sizeof((units)[0]))

/* Digits at the beginning of text; *rest is what follows. */
static bool
parse_digits(const char *text, uint64_t *number, const char **rest)
{
	uint64_t sum = 0;

	if (*text < '0' || *text > '9')
		return false;
	for (; *text >= '0' && *text <= '9'; text++) {
		if (__builtin_mul_overflow(sum, 10u, &sum) || __builtin_add_overflow(sum, (uint64_t)(*text - '0'), &sum))
			return false;
	}
	*number = sum;
	*rest = text;
	return true;
}

static bool
parse_with_unit(const char *text, const struct unit *units, size_t unit_count, uint64_t *value)
{
	const char *rest;
	uint64_t number;

	if (!parse_digits(text, &number, &rest))
		return false;
	for (size_t i = 0; i < unit_count; i++) {
		if (strcmp(rest, units[i].name) == 0)
			return !__builtin_mul_overflow(number, units[i].factor, value);
	}
	return false;
}

bool
value_parse_count(const char *text, uint64_t *count)
{
	const char *rest;

	return parse_digits(text, count, &rest) && *rest == '\0';
}

bool
value_parse_size(const char *text, uint64_t *bytes)
{
	return value_parse_count(text, bytes) || parse_with_unit(text, size_units, UNIT_COUNT(size_units), bytes);
}

bool
value_parse_duration(const char *text, uint64_t *duration_ms)
{
	return parse_with_unit(text, duration_units, UNIT_COUNT(duration_units), duration_ms);
}

bool
value_parse_choice(const char *text, const char *words, uint64_t *choice)
{
	size_t text_bytes = strlen(text);
	uint64_t position = 0;

	for (;;) {
		size_t word_bytes = strcspn(words, "|");

		if (word_bytes == text_bytes && memcmp(words, text, text_bytes) == 0) {
			*choice = position;
			return true;
		}
		if (words[word_bytes] == '\0')
			return false;
		words += word_bytes + 1;
		position++;
	}
}

static void
format_with_unit(uint64_t value, const struct unit *units, size_t unit_count, char *text, size_t capacity)
{
	size_t i = 0;

	while (i + 1 < unit_count && (value == 0 || value % units[i].factor != 0))
		i++;
	snprintf(text, capacity, "%" PRIu64 "%s", value / units[i].factor, units[i].name);
}

void
value_format_size(uint64_t bytes, char *text, size_t capacity)
{
	format_with_unit(bytes, size_units, UNIT_COUNT(size_units), text, capacity);
}

void
value_format_duration(uint64_t duration_ms, char *text, size_t capacity)
{
	format_with_unit(duration_ms, duration_units, UNIT_COUNT(duration_units), text, capacity);
}

void
value_format_choice(uint64_t choice, const char *words, char *text, size_t capacity)
{
	size_t word_bytes = strcspn(words, "|");

	for (; choice > 0 && words[word_bytes] != '\0'; choice--) {
		words += word_bytes + 1;
		word_bytes = strcspn(words, "|");
	}
	snprintf(text, capacity, "%.*s", choice == 0 ? (int)word_bytes : 0, words);
}
