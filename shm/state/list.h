/*
 * list: a doubly linked list of slots of one table, linked by index.  Every word is changed through the transaction.  A slot
 * is in at most one list for each struct link it has.
 */
#ifndef SHM_STATE_LIST_H
#define SHM_STATE_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "shm/txn.h"

#define NIL UINT32_MAX

struct link {
	uint32_t prev; /* NIL at the head */
	uint32_t next; /* NIL at the tail */
};

struct list {
	uint32_t head; /* NIL: empty */
	uint32_t tail;
	uint32_t count;
	uint32_t reserved;
};
_Static_assert(sizeof(struct list) == 16, "list: format");

/* Where the links of a table's slots lie: slot 0's, and from one to the next.  Private memory. */
struct link_table {
	char *first;
	size_t stride_bytes;
	uint32_t slot_count;
};

static inline struct link *
link_at(const struct link_table *table, uint32_t idx)
{
	assert(idx < table->slot_count);

	return (struct link *)(table->first + (size_t)idx * table->stride_bytes);
}

/* An empty list, by plain stores: only for memory that nothing refers to yet. */
static inline void
list_init(struct list *list)
{
	*list = (struct list){ .head = NIL, .tail = NIL };
}

void list_append(struct txn *txn, const struct link_table *table, struct list *list, uint32_t idx);

/* In front of `before`, which is in the list. */
void list_insert_before(struct txn *txn, const struct link_table *table, struct list *list, uint32_t before, uint32_t idx);

/* The slot's own link keeps its old words: it is in no list now. */
void list_remove(struct txn *txn, const struct link_table *table, struct list *list, uint32_t idx);

#endif
