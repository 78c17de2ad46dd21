# file: workerd/append.c
# steps: publish
# Where the next record goes.
s/txn_set(&shard->txn, &shard->root->stream_tail, \(.*\));/shard->root->stream_tail = \1;/
