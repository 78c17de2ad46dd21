# file: shm/state/wheel.c
# steps: delayed
# Which buckets of the wheel hold timers.
s/txn_set(view->txn, word, \*word | \(.*\));/*word |= \1;/
