# file: workerd/receive.c
# steps: receive
# The token last given.
s/txn_set(&shard->txn, &shard->root->lease_counter, \(.*\));/shard->root->lease_counter = \1;/
