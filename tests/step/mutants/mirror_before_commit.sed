# file: workerd/worker.c
# steps: publish
# persistd is shown the records of a transaction just before it is committed.
s/^\ttxn_commit(&worker->shard.txn);/\tstore_release(\&worker->stream.shared->tail, worker->shard.root->stream_tail);\n&/
