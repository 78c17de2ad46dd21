# file: workerd/snapshot.c
# Only the newest word of a slot is put back.
s/^	} while (next != entry);/	} while (0);/
