/*
 * value: the words of a configuration file as numbers and back: `64KiB`, `10s`, `4096`.  Strict: a number is digits, a unit
 * follows without a space, and what does not fit into 64 bits is no number.
 */
#ifndef CONF_VALUE_H
#define CONF_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A whole number without sign or unit. */
bool value_parse_count(const char *text, uint64_t *count);

/* A count of bytes, or one with B, KiB, MiB, GiB or TiB behind it. */
bool value_parse_size(const char *text, uint64_t *bytes);

/* A number with ms, s, m, h or d behind it; no unit is an error, for people expect different ones. */
bool value_parse_duration(const char *text, uint64_t *duration_ms);

/* The position of `text` among `words`, which are separated by `|`. */
bool value_parse_choice(const char *text, const char *words, uint64_t *choice);

/* The largest unit that says it exactly. */
void value_format_size(uint64_t bytes, char *text, size_t capacity);
void value_format_duration(uint64_t duration_ms, char *text, size_t capacity);

/* Word number `choice`; empty if there are fewer. */
void value_format_choice(uint64_t choice, const char *words, char *text, size_t capacity);

#endif
