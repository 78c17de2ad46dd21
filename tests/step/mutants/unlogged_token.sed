# file: workerd/receive.c
# steps: receive
# The receipt of a lease.
s/txn_set(&shard->txn, &msg->token, \(.*\));/msg->token = \1;/
