/*
 * names: which queue has this name.  A hash table of chains through the queue slots; its size is fixed at start.
 */
#ifndef SHM_STATE_NAMES_H
#define SHM_STATE_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/frame.h"

struct shard;

/* The LIVE queue of this name, or NIL.  Names are compared by length and bytes. */
uint32_t names_find(const struct shard *shard, const struct queue_name *name);

void names_add(struct shard *shard, uint32_t queue_idx);
void names_remove(struct shard *shard, uint32_t queue_idx);

/* A name as API.md allows it, its unused bytes zero. */
bool name_is_valid(const struct queue_name *name);

#endif
