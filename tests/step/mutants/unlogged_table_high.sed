# file: shm/state/table.h
# steps: grant_put
# How many slots of a table were ever used.
s/txn_set(txn, &table->high, idx + 1);/table->high = idx + 1;/
