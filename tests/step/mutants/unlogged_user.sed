# file: shm/state/user.c
# steps: user_patch
# The words of a user who is changed.
s/txn_set(&shard->txn, &into\[i\], words\[i\]);/into[i] = words[i];/
