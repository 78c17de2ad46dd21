/*
 * print: what a verb found, for people as a table or for programs as JSON.  A verb builds one JSON value; both come from it.
 */
#ifndef CLI_PRINT_H
#define CLI_PRINT_H

#include <jansson.h>

struct column {
	const char *title;
	const char *key;  /* member of a row; a dot goes into a member: "stats.ready" */
};

/* The whole value, indented, keys in the order they were set. */
void print_json(const json_t *value);

/* An array of objects.  Numbers to the right, all else to the left; a missing member is `-`. */
void print_table(const json_t *rows, const struct column *columns, size_t column_count);

/* The members of an object, one a line; members of members as a.b. */
void print_members(const json_t *object);

#endif
