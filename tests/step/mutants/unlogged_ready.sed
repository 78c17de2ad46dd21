# file: workerd/replay.c
# steps: matrix.cold
# That a replay is finished.
s/txn_set(&shard->txn, &shard->shared->state, SHARD_READY);/shard->shared->state = SHARD_READY;/
