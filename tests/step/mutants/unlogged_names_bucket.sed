# file: shm/state/names.c
# steps: queue_put
# The head of a chain of names.
s/txn_set(&shard->txn, bucket, queue_idx);/*bucket = queue_idx;/
