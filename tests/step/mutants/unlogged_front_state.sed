# file: workerd/job.c
# steps: front_death
# That a front is closed.
s/txn_set(&shard->txn, &root->state, FRONT_CLOSED);/root->state = FRONT_CLOSED;/
