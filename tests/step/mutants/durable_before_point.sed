# file: persistd/announce.c
# steps: announce
# Frontds are told of a batch before the point that a successor goes on from.
/^	point->index = position->index;/i\
	for (uint32_t s = 0; s < shards; s++)\
		store_release(\&durable->shard[s].lsn, position->lsn[s]);
