# file: workerd/dispatch.c
# steps: publish
# Which requests are executed.
s/txn_set(&worker->shard.txn, &root->request_head, \(.*\));/root->request_head = \1;/
