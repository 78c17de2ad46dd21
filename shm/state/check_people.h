/*
 * check_people: the part of shard_check() that looks at users, credentials and grants.  Queues' slots are within bounds already.
 */
#ifndef SHM_STATE_CHECK_PEOPLE_H
#define SHM_STATE_CHECK_PEOPLE_H

#include "shm/state/shard.h"

/* NULL, or the first invariant of user.h, credential.h, grant.h that does not hold. */
const char *check_people(const struct shard *shard);

#endif
