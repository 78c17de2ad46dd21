# file: workerd/dispatch.c
# steps: publish
# The request is consumed in a transaction of its own, after that of its effects.
s/^	txn_set(&worker->shard.txn, &root->request_head/	txn_commit(\&worker->shard.txn);\
&/
