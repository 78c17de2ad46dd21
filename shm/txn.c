#include "shm/txn.h"

void
undo_put(const struct undo_entry *entry, void *word)
{
	switch (entry->where & 0xff) {
	case 1:
		store_relaxed((uint8_t *)word, (uint8_t)entry->old);
		break;
	case 2:
		store_relaxed((uint16_t *)word, (uint16_t)entry->old);
		break;
	case 4:
		store_relaxed((uint32_t *)word, (uint32_t)entry->old);
		break;
	case 8:
		store_relaxed((uint64_t *)word, entry->old);
		break;
	default:
		assert(!"an undo entry of no word size: the log itself is damaged");
	}
}

static void
txn_restore_word(struct txn *txn, const struct undo_entry *entry)
{
	uint64_t offset = entry->where >> 8;

	assert(offset < txn->size_bytes);
	undo_put(entry, txn->base + offset);
}

void
txn_rollback(struct txn *txn)
{
	uint64_t n = txn->log->count;

	assert(n <= UNDO_MAX);
	while (n > 0) {
		txn_restore_word(txn, &txn->log->entries[n - 1]);
		compiler_barrier(); /* the word is back before its entry is given up */
		store_relaxed(&txn->log->count, --n);
		compiler_barrier();
	}
}
