# file: shm/state/wheel.c
# steps: extend
# One word of hundreds: when a timer is due.
s/txn_set(view->txn, &timer->due_ms, due_ms);/timer->due_ms = due_ms;/
