# file: shm/txn.c
# steps: publish_batch
# The log is undone from its beginning: of a word that changed twice the value between stays.
/while (n > 0) {/,/^	}/c\
	for (uint64_t i = 0; i < n; i++)\
		txn_restore_word(txn, \&txn->log->entries[i]);\
	compiler_barrier();\
	store_relaxed(\&txn->log->count, 0);
