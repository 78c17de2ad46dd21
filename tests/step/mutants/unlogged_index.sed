# file: shm/state/table.h
# steps: credential_create
# The head of a chain of an index.
s/txn_set(txn, bucket, idx);/*bucket = idx;/
