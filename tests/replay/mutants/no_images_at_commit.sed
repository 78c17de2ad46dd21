# file: workerd/worker.c
# A commit writes no images first.
s/^	snapshot_before_commit(worker);/	(void)snapshot_before_commit;/
