# file: shm/state/credential.c
# steps: credential_touch
# When a credential was last used.
s/txn_set(&shard->txn, &credential->entry.last_used_ms, used_ms);/credential->entry.last_used_ms = used_ms;/
