# file: shm/state/wheel.c
# steps: extend
# In which bucket a timer is.
s/txn_set(view->txn, &timer->bucket, 1 + \(.*\));/timer->bucket = 1 + \1;/
