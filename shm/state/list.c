#include "shm/state/list.h"

void
list_append(struct txn *txn, const struct link_table *table, struct list *list, uint32_t idx)
{
	struct link *link = link_at(table, idx);
	uint32_t tail = list->tail;

	assert(tail != idx && list->head != idx);
	assert((tail == NIL) == (list->count == 0));
	txn_set(txn, &link->prev, tail);
	txn_set(txn, &link->next, NIL);
	if (tail == NIL)
		txn_set(txn, &list->head, idx);
	else
		txn_set(txn, &link_at(table, tail)->next, idx);
	txn_set(txn, &list->tail, idx);
	txn_set(txn, &list->count, list->count + 1);
}

void
list_insert_before(struct txn *txn, const struct link_table *table, struct list *list, uint32_t before, uint32_t idx)
{
	struct link *link = link_at(table, idx), *after = link_at(table, before);
	uint32_t prev = after->prev;

	assert(before != idx);
	assert(list->count > 0);
	txn_set(txn, &link->prev, prev);
	txn_set(txn, &link->next, before);
	txn_set(txn, &after->prev, idx);
	if (prev == NIL) {
		assert(list->head == before);
		txn_set(txn, &list->head, idx);
	} else {
		assert(link_at(table, prev)->next == before);
		txn_set(txn, &link_at(table, prev)->next, idx);
	}
	txn_set(txn, &list->count, list->count + 1);
}

void
list_remove(struct txn *txn, const struct link_table *table, struct list *list, uint32_t idx)
{
	const struct link *link = link_at(table, idx);
	uint32_t prev = link->prev, next = link->next;

	assert(list->count > 0);
	assert(prev != idx && next != idx);
	if (prev == NIL) {
		assert(list->head == idx);
		txn_set(txn, &list->head, next);
	} else {
		assert(link_at(table, prev)->next == idx);
		txn_set(txn, &link_at(table, prev)->next, next);
	}
	if (next == NIL) {
		assert(list->tail == idx);
		txn_set(txn, &list->tail, prev);
	} else {
		assert(link_at(table, next)->prev == idx);
		txn_set(txn, &link_at(table, next)->prev, prev);
	}
	txn_set(txn, &list->count, list->count - 1);
}
