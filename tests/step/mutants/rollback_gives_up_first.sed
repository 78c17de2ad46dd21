# file: shm/txn.c
# steps: publish
# An entry is given up before its word is back: seen only by a crash inside the recovery.
/txn_restore_word(txn, &txn->log->entries\[n - 1\]);/{
N
N
c\
		store_relaxed(\&txn->log->count, --n);\
		compiler_barrier();\
		txn_restore_word(txn, \&txn->log->entries[n]);
}
