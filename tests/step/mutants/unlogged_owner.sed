# file: shm/state/queue.c
# steps: owner_changes
# Whose a queue is.
s/txn_set(&shard->txn, &queue->owner, owner);/queue->owner = owner;/
