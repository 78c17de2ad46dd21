# file: shm/state/waiter.c
# steps: waiter_served
# That a slot holds a waiter.
s/txn_set(&[a-z]*->\(shard\.\)*txn, &waiter->is_parked, 1);/waiter->is_parked = 1;/
