# file: shm/state/queue.c
# steps: waiter_served
# That a queue is on the serve list.
s/txn_set(&[a-z]*->\(shard\.\)*txn, &queue->to_serve, 1);/queue->to_serve = 1;/
