# file: shm/state/list.c
# steps: receive
# The length of a list.
s/txn_set(txn, &list->count, list->count - 1);/list->count--;/
