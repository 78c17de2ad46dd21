#include "cli/print.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CELL_BYTES 256
#define COLUMNS_MAX 48
#define REAL_PRECISION JSON_REAL_PRECISION(12) /* 0.1 is to read 0.1 */

void
print_json(const json_t *value)
{
	json_dumpf(value, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_ENCODE_ANY | REAL_PRECISION);
	putchar('\n');
}

/* Borrowed; NULL where there is no such member. */
static const json_t *
member(const json_t *object, const char *key)
{
	const char *dot = strchr(key, '.');
	char name[64];

	if (dot == NULL || (size_t)(dot - key) >= sizeof(name))
		return json_object_get(object, key);
	memcpy(name, key, (size_t)(dot - key));
	name[dot - key] = '\0';
	return member(json_object_get(object, name), dot + 1);
}

/* A text from the broker or its clients is not to move the cursor of the operator's terminal. */
static void
cell_from_string(const char *text, char cell[CELL_BYTES])
{
	size_t used = 0;

	for (; *text != '\0' && used < CELL_BYTES - 1; text++)
		cell[used++] = (unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text;
	cell[used] = '\0';
}

static void
cell_format(const json_t *value, char cell[CELL_BYTES])
{
	char *text;

	if (value == NULL || json_is_null(value)) {
		strcpy(cell, "-");
	} else if (json_is_string(value)) {
		cell_from_string(json_string_value(value), cell);
	} else {
		text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | REAL_PRECISION);
		cell_from_string(text != NULL ? text : "?", cell);
		free(text);
	}
}

static void
measure(const json_t *rows, const struct column *columns, size_t column_count, int widths[COLUMNS_MAX])
{
	char cell[CELL_BYTES];
	json_t *row;
	size_t i;

	for (size_t c = 0; c < column_count; c++)
		widths[c] = (int)strlen(columns[c].title);
	json_array_foreach (rows, i, row) {
		for (size_t c = 0; c < column_count; c++) {
			cell_format(member(row, columns[c].key), cell);
			if ((int)strlen(cell) > widths[c])
				widths[c] = (int)strlen(cell);
		}
	}
}

static void
print_cell(const char *cell, int width, bool is_right, bool is_last)
{
	if (is_last && !is_right)
		printf("%s\n", cell);
	else
		printf("%*s%s", is_right ? width : -width, cell, is_last ? "\n" : "  ");
}

void
print_table(const json_t *rows, const struct column *columns, size_t column_count)
{
	int widths[COLUMNS_MAX];
	bool is_right[COLUMNS_MAX];
	char cell[CELL_BYTES];
	json_t *row;
	size_t i;

	if (column_count > COLUMNS_MAX)
		column_count = COLUMNS_MAX;
	measure(rows, columns, column_count, widths);
	for (size_t c = 0; c < column_count; c++) {
		is_right[c] = json_is_number(member(json_array_get(rows, 0), columns[c].key));
		print_cell(columns[c].title, widths[c], is_right[c], c + 1 == column_count);
	}
	json_array_foreach (rows, i, row) {
		for (size_t c = 0; c < column_count; c++) {
			cell_format(member(row, columns[c].key), cell);
			print_cell(cell, widths[c], is_right[c], c + 1 == column_count);
		}
	}
}

static void
print_members_below(const json_t *object, const char *prefix)
{
	char cell[CELL_BYTES];
	char name[128];
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)object, key, value) {
		snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix != '\0' ? "." : "", key);
		if (json_is_object(value)) {
			print_members_below(value, name);
			continue;
		}
		cell_format(value, cell);
		printf("%-28s %s\n", name, cell);
	}
}

void
print_members(const json_t *object)
{
	print_members_below(object, "");
}
