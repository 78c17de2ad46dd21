# file: workerd/fronts.c
# steps: front_death
# The supervisor is told that a front is closed when the job begins.
s/^	job_begin_close_front(&worker->shard, front);/&\
	store_release(\&worker->stats->closed_epoch[front], front_of(worker, front)->epoch);/
