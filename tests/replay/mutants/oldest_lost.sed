# file: workerd/snapshot.c
# Of a word that changed twice the newest entry decides, not the oldest.
s/^		undo_put(undo, (char \*)slot + offset);/		if (entry == touched->entry || undo->where != log->entries[touched->entry].where)\
			undo_put(undo, (char *)slot + offset);/
