# file: workerd/queues.c
# steps: owner_changes
# Whose a queue is.
s/txn_set(&shard->txn, &queue_at(shard, changed->queue_idx)->owner,$/queue_at(shard, changed->queue_idx)->owner = (/
