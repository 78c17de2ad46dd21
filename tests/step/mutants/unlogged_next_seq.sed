# file: workerd/publish.c
# steps: publish
# The number of the next message.
s/txn_set(&[a-z]*->\(shard\.\)*txn, &shard->root->next_seq, published->seq + 1);/shard->root->next_seq = published->seq + 1;/
