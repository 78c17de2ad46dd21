# file: workerd/answer.c
# steps: publish
# Which replies are whole.
s/txn_set(&shard->txn, &front->reply_tail, \(.*\));/front->reply_tail = \1;/
