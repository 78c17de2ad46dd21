# file: workerd/publish.c
# steps: publish
# A count of a queue.
s/txn_set(&[a-z]*->\(shard\.\)*txn, &queue->totals.published, .*);/queue->totals.published++;/
