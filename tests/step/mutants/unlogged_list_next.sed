# file: shm/state/list.c
# steps: publish
# A link between neighbours.
s/txn_set(txn, &link_at(table, tail)->next, idx);/link_at(table, tail)->next = idx;/
