/*
 * pattern: which names a pattern means.  A name is cut into segments at each dot; in a pattern `*` stands for one segment,
 * `#` for any number of them, also none, and a lone `*` or `#` for every name.  So `orders.*` means orders.eu but neither
 * orders nor orders.eu.new; `orders.#` means all three.  Everything else means itself, byte by byte.
 *
 * Lists of patterns are text: patterns with one blank between them.  Used for what a user may create and, behind "right:",
 * for what a token may do.
 */
#ifndef SHM_PATTERN_H
#define SHM_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#include "shm/limits.h"

bool pattern_matches(const char *pattern, size_t pattern_bytes, const char *name, size_t name_bytes);

#define PATTERN_BYTES_MAX (NAME_MAX_BYTES + 2) /* the longest name, and `.*` */

/* 1 to PATTERN_BYTES_MAX of A-Z a-z 0-9 . _ - * #, where `*` and `#` are whole segments and no segment is empty. */
bool pattern_is_valid(const char *pattern, size_t pattern_bytes);

/* The next word of a list: true and where it is, borrowed.  Start with *at = 0. */
bool pattern_next(const char *list, size_t list_bytes, size_t *at, const char **word, size_t *word_bytes);

/* One of the list's patterns means the name.  An empty list means none. */
bool pattern_list_matches(const char *list, size_t list_bytes, const char *name, size_t name_bytes);

/* Patterns as above, one blank between two, none before or behind. */
bool pattern_list_is_valid(const char *list, size_t list_bytes);

/*
 * Scopes of a credential: words `right:pattern`, where right is publish, consume, browse, manage or `*` for all four; the
 * words `admin` and `metrics`; the word `*`, which is all that the user may.
 */

/* The scopes allow this right (one bit of enum right) on this name; `admin` alone allows none. */
bool scopes_allow(const char *scopes, size_t scopes_bytes, unsigned right, const char *name, size_t name_bytes);

/* True for a `*` among them; or also for an `admin`; or also for a `metrics`. */
bool scopes_are_full(const char *scopes, size_t scopes_bytes);
bool scopes_have_admin(const char *scopes, size_t scopes_bytes);
bool scopes_have_metrics(const char *scopes, size_t scopes_bytes);

bool scopes_are_valid(const char *scopes, size_t scopes_bytes);

#endif
