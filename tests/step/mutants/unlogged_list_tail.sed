# file: shm/state/list.c
# steps: publish
# A list's end.
s/txn_set(txn, &list->tail, idx);/list->tail = idx;/
