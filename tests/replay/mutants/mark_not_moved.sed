# file: workerd/snapshot.c
# The marks of the tables are those of the end.
s/^	piece_begin(worker, &piece, SNAPSHOT_RECORD_BYTES_MAX);/	(void)image_slots_of(\&worker->shard, snapshot->slots);\
&/
