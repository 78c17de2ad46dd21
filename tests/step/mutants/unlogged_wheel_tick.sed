# file: shm/state/wheel.c
# steps: wheel_cascade
# Where the wheel stands.
s/txn_set(view->txn, &wheel->tick, \(.*\));/wheel->tick = \1;/
