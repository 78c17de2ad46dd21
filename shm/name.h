/*
 * name: of a queue or of a user (API.md): 1 to 80 of A-Z a-z 0-9 . _ - that do not begin with a dot.
 */
#ifndef SHM_NAME_H
#define SHM_NAME_H

#include <stdint.h>

#include "shm/limits.h"

struct queue_name {
	uint8_t bytes;
	char text[NAME_MAX_BYTES + 7];
};
_Static_assert(sizeof(struct queue_name) == 88, "queue name: format of frames and records");

#endif
