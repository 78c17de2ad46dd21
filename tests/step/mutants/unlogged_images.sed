# file: workerd/snapshot.c
# steps: snapshot
# The stream's tail behind images.
s/^	append_end(worker, piece->record, piece->bytes, RECORD_LAST);/	piece->record->record.bytes = piece->bytes;\
	piece->record->record.flags = RECORD_LAST;\
	worker->shard.root->stream_tail += piece->bytes;/
