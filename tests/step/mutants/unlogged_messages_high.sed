# file: shm/state/message.c
# steps: publish
# How many message slots were ever used.
s/txn_set(&[a-z]*->\(shard\.\)*txn, &root->messages_high, idx + 1);/root->messages_high = idx + 1;/
