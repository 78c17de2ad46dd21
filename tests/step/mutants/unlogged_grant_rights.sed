# file: shm/state/grant.c
# steps: grant_put
# The rights of a grant that is replaced.
s/txn_set(&shard->txn, &grant_at(shard, idx)->rights, entry->rights);/grant_at(shard, idx)->rights = entry->rights;/
