# file: shm/txn.h
# steps: publish
# A commit gives up one entry after the other.
/^txn_commit/,/^}/s/store_relaxed(&txn->log->count, 0);/while (txn->log->count > 0) store_relaxed(\&txn->log->count, txn->log->count - 1);/
