# file: shm/state/credential.c
# steps: credential_revoke
# That a slot holds no credential any more.
s/txn_set(&shard->txn, &credential->is_used, 0);/credential->is_used = 0;/
