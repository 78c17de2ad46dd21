# file: shm/state/queue.c
# steps: queue_delete
# That a queue is being deleted.
s/txn_set(&[a-z]*->\(shard\.\)*txn, &queue->state, QUEUE_DELETING);/queue->state = QUEUE_DELETING;/
