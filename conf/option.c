#include "conf/option.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "conf/address.h"
#include "conf/cpus.h"
#include "conf/value.h"

#define RELOAD true
#define RESTART false
#define OFFSET_COUNT(section, key) offsetof(struct conf, section##_##key)
#define OFFSET_COUNT_AUTO(section, key) offsetof(struct conf, section##_##key)
#define OFFSET_POWER(section, key) offsetof(struct conf, section##_##key)
#define OFFSET_SIZE(section, key) offsetof(struct conf, section##_##key)
#define OFFSET_SIZE_BLOCK(section, key) offsetof(struct conf, section##_##key)
#define OFFSET_SIZE_POWER(section, key) offsetof(struct conf, section##_##key)
#define OFFSET_DURATION(section, key) offsetof(struct conf, section##_##key##_ms)
#define OFFSET_CHOICE(section, key) offsetof(struct conf, section##_##key)
#define OFFSET_NAME(section, key) offsetof(struct conf, section##_##key)
#define OFFSET_ADDRESS(section, key) offsetof(struct conf, section##_##key)
#define OFFSET_PATH(section, key) offsetof(struct conf, section##_##key)
#define OFFSET_PLACEMENT(section, key) offsetof(struct conf, section##_##key)

const struct option options[] = {
#define X(section, key, type, preset, min, max, unit, reload, help) \
	{ #section, #key, OPTION_##type, preset, min, max, unit, reload, help, OFFSET_##type(section, key) },
#include "conf/options.def"
#undef X
};

const unsigned option_count = sizeof(options) / sizeof(options[0]);

const struct option *
option_find(const char *section, const char *key)
{
	for (unsigned i = 0; i < option_count; i++) {
		if (strcmp(options[i].section, section) == 0 && strcmp(options[i].key, key) == 0)
			return &options[i];
	}
	return NULL;
}

static bool
is_text(enum option_type type)
{
	return type == OPTION_NAME || type == OPTION_ADDRESS || type == OPTION_PATH || type == OPTION_PLACEMENT;
}

/* No dots: `a.b` would begin like the regions of `a`, which are removed by their beginning. */
static bool
is_name(const char *text)
{
	return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == strlen(text);
}

/* A path that an INI file gives back as it was: no control characters, nothing that inih takes for a comment. */
static bool
is_path(const char *text)
{
	for (const char *p = text; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return false;
	}
	return text[0] != ' ' && text[strlen(text) - 1] != ' ' && text[0] != ';' && strstr(text, " ;") == NULL;
}

static bool
text_is_valid(const struct option *option, const char *text)
{
	size_t text_bytes = strlen(text);

	if (text_bytes < option->min || text_bytes > option->max)
		return false;
	switch (option->type) {
	case OPTION_NAME:
		return is_name(text);
	case OPTION_ADDRESS:
		return strcmp(text, "off") == 0 || address_parse(text, &(struct sockaddr_storage){ 0 }) != 0;
	case OPTION_PLACEMENT:
		return placement_lists_parse(text, &(struct placement_lists){ .mode = PLACEMENT_AUTO });
	default:
		return is_path(text);
	}
}

static bool
number_parse(const struct option *option, const char *text, uint64_t *number)
{
	switch (option->type) {
	case OPTION_COUNT:
	case OPTION_COUNT_AUTO:
	case OPTION_POWER:
		return value_parse_count(text, number);
	case OPTION_DURATION:
		return value_parse_duration(text, number);
	default:
		return value_parse_size(text, number);
	}
}

static bool
number_is_valid(const struct option *option, uint64_t number)
{
	if (number < option->min || number > option->max)
		return false;
	if (option->type == OPTION_POWER || option->type == OPTION_SIZE_POWER)
		return (number & (number - 1)) == 0;
	return option->type != OPTION_SIZE_BLOCK || number % 4096 == 0;
}

bool
option_store(const struct option *option, const char *text, struct conf *conf)
{
	char *field = (char *)conf + option->offset;
	uint64_t number;

	if (is_text(option->type)) {
		if (!text_is_valid(option, text))
			return false;
		memset(field, 0, CONF_TEXT_BYTES);
		memcpy(field, text, strlen(text));
		return true;
	}
	if (option->type == OPTION_CHOICE) {
		if (!value_parse_choice(text, option->unit, &number))
			return false;
	} else if (option->type == OPTION_COUNT_AUTO && strcmp(text, "auto") == 0) {
		number = CONF_COUNT_AUTO;
	} else if (!number_parse(option, text, &number) || !number_is_valid(option, number)) {
		return false;
	}
	memcpy(field, &number, sizeof(number));
	return true;
}

/* A number of this option as it would stand in a file. */
static void
number_format(const struct option *option, uint64_t number, char *text, size_t capacity)
{
	switch (option->type) {
	case OPTION_COUNT_AUTO:
		if (number == CONF_COUNT_AUTO) {
			snprintf(text, capacity, "auto");
			return;
		}
		/* fallthrough */
	case OPTION_COUNT:
	case OPTION_POWER:
		snprintf(text, capacity, "%" PRIu64, number);
		return;
	case OPTION_DURATION:
		value_format_duration(number, text, capacity);
		return;
	case OPTION_CHOICE:
		value_format_choice(number, option->unit, text, capacity);
		return;
	default:
		value_format_size(number, text, capacity);
	}
}

static void
format_limits(const struct option *option, char *text, size_t capacity)
{
	char min[24];
	char max[24];

	number_format(option, option->min, min, sizeof(min));
	number_format(option, option->max, max, sizeof(max));
	snprintf(text, capacity, "%s to %s", min, max);
}

void
conf_option_range(unsigned index, char text[CONF_TEXT_BYTES])
{
	const struct option *option = &options[index];
	char limits[64];

	format_limits(option, limits, sizeof(limits));
	switch (option->type) {
	case OPTION_NAME:
		snprintf(text, CONF_TEXT_BYTES, "1 to %" PRIu64 " of A-Z a-z 0-9 _ -", option->max);
		return;
	case OPTION_ADDRESS:
		snprintf(text, CONF_TEXT_BYTES, "address:port, or off");
		return;
	case OPTION_PATH:
		snprintf(text, CONF_TEXT_BYTES, "a path of at most %" PRIu64 " bytes", option->max);
		return;
	case OPTION_PLACEMENT:
		snprintf(text, CONF_TEXT_BYTES, "auto, off, or lists: frontd=0-3 workerd=4 persistd=5");
		return;
	case OPTION_COUNT_AUTO:
		snprintf(text, CONF_TEXT_BYTES, "%s, or auto", limits);
		return;
	case OPTION_CHOICE:
		snprintf(text, CONF_TEXT_BYTES, "%s", option->unit);
		return;
	case OPTION_POWER:
	case OPTION_SIZE_POWER:
		snprintf(text, CONF_TEXT_BYTES, "%s, a power of two", limits);
		return;
	case OPTION_SIZE_BLOCK:
		snprintf(text, CONF_TEXT_BYTES, "%s, a multiple of 4KiB", limits);
		return;
	default:
		snprintf(text, CONF_TEXT_BYTES, "%s", limits);
	}
}

void
option_explain(const struct option *option, char text[2 * CONF_TEXT_BYTES])
{
	static const char *const what[] = {
		[OPTION_COUNT] = "a whole number, ",
		[OPTION_COUNT_AUTO] = "a whole number, ",
		[OPTION_POWER] = "a whole number, ",
		[OPTION_SIZE] = "a size, ",
		[OPTION_SIZE_BLOCK] = "a size, ",
		[OPTION_SIZE_POWER] = "a size, ",
		[OPTION_DURATION] = "a duration with its unit, ",
		[OPTION_CHOICE] = "one of ",
		[OPTION_NAME] = "a name: ",
		[OPTION_ADDRESS] = "a numeric ",
		[OPTION_PATH] = "",
		[OPTION_PLACEMENT] = "",
	};
	char range[CONF_TEXT_BYTES];

	conf_option_range((unsigned)(option - options), range);
	snprintf(text, 2 * CONF_TEXT_BYTES, "must be %s%s, such as %s", what[option->type], range, option->preset);
}

unsigned
conf_option_count(void)
{
	return option_count;
}

const char *
conf_option_section(unsigned option)
{
	return options[option].section;
}

const char *
conf_option_key(unsigned option)
{
	return options[option].key;
}

const char *
conf_option_help(unsigned option)
{
	return options[option].help;
}

const char *
conf_option_default(unsigned option)
{
	return options[option].preset;
}

bool
conf_option_is_reloadable(unsigned option)
{
	return options[option].is_reloadable;
}

void
conf_option_format(const struct conf *conf, unsigned index, char text[CONF_TEXT_BYTES])
{
	const struct option *option = &options[index];
	const char *field = (const char *)conf + option->offset;
	uint64_t number;

	if (is_text(option->type)) {
		memcpy(text, field, CONF_TEXT_BYTES);
		return;
	}
	memcpy(&number, field, sizeof(number));
	number_format(option, number, text, CONF_TEXT_BYTES);
}

bool
conf_option_is_equal(unsigned index, const struct conf *one, const struct conf *other)
{
	size_t offset = options[index].offset;
	size_t field_bytes = is_text(options[index].type) ? CONF_TEXT_BYTES : sizeof(uint64_t);

	return memcmp((const char *)one + offset, (const char *)other + offset, field_bytes) == 0;
}
