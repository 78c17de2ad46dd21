# file: shm/state/waiter.c
# steps: waiter_served
# How many wait at a front.
s/txn_set(&[a-z]*->\(shard\.\)*txn, &front->waiter_count, front->waiter_count + 1);/front->waiter_count++;/
