# file: shm/state/message.c
# steps: ack
# That a free slot is one that was acknowledged.
s/txn_set(&[a-z]*->\(shard\.\)*txn, &msg->flags, flags);/msg->flags = flags;/
