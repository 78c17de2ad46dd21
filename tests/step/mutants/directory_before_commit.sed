# file: workerd/worker.c
# steps: user_put
# The directory is said to show a transaction just before it is committed.
s/^\ttxn_commit(&worker->shard.txn);/\tdirectory_begin(\&worker->directory);\n\tdirectory_end(\&worker->directory, worker->shard.root->stream_tail, false);\n&/
