/*
 * cursor: where a list goes on, as clients get it in Link.  A place in a list is a slot of a table
 * that everybody's things stand in: it would tell how many there are.  So it is sealed: place, list
 * and user in one block of AES, by a key that all frontds of a store have, after a restart too. Who
 * has no key cannot tell what is in it, and what he makes up or takes from another list or user
 * does not open (64 bits would have to fit).
 */
#ifndef FRONTD_API_CURSOR_H
#define FRONTD_API_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "frontd/http/slice.h"

#define CURSOR_KEY_BYTES 16
#define CURSOR_BYTES 26

enum cursor_list { CURSOR_QUEUES, CURSOR_USERS, CURSOR_TOKENS, CURSOR_SESSIONS };

struct cursor {
	uint64_t place;
	uint64_t uid; /* whose; 0: nobody has to say who he is */
	enum cursor_list list;
};

/* The key of a store: from its uuid, which is random and is shown to no client. */
void cursor_key(const uint8_t store_uuid[16], uint8_t key[CURSOR_KEY_BYTES]);

void cursor_seal(
    const uint8_t key[CURSOR_KEY_BYTES], const struct cursor *cursor, char out[CURSOR_BYTES]);

/* Into cursor->place; false: it is none of this list and user. */
bool
cursor_open(const uint8_t key[CURSOR_KEY_BYTES], struct http_slice text, struct cursor *cursor);

#endif
