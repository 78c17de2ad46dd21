# file: workerd/expire.c
# steps: lease_expiry
# The record that a lease has ended is committed before the message has moved.
s/^	released_apply(&worker->shard, &record->record);/	txn_commit(\&worker->shard.txn);\
&/
