# file: shm/state/user.c
# steps: user_put
# The number in the last uid given.
s/txn_set(&shard->txn, &shard->root->user_counter, USER_NUMBER(entry->uid));/shard->root->user_counter = USER_NUMBER(entry->uid);/
