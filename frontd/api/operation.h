/*
 * operation: what the people who run a broker ask for; answered without a worker.
 */
#ifndef FRONTD_API_OPERATION_H
#define FRONTD_API_OPERATION_H

#include "frontd/api/call.h"

/* 200 while this process turns. */
void operation_livez(struct api_call *call, struct answer *answer);

/* 200, or 503 with the cause whenever a publish would be refused. */
void operation_readyz(struct api_call *call, struct answer *answer);

/* The newest complete snapshot of each shard. */
void operation_snapshots(struct api_call *call, struct answer *answer);

/* Each shard is asked to take one now; 202, and what there is so far. */
void operation_snapshot(struct api_call *call, struct answer *answer);

/* The rows of stats.def, summed over the processes of each role. */
void operation_stats(struct api_call *call, struct answer *answer);

#endif
