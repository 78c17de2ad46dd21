# file: workerd/fronts.c
# steps: front_death
# Which incarnation of a frontd is served.
s/txn_set(&worker->shard.txn, &root->epoch, epoch);/root->epoch = epoch;/
