/*
 * announcement: persistd's half of a restart: region `durable`, written by announce_position() and read by a successor.
 */
#ifndef TESTS_STEP_ANNOUNCEMENT_H
#define TESTS_STEP_ANNOUNCEMENT_H

#include "tests/step/core/oracle.h"

/*
 * Step what persistd stores at its start and for some batches.  After each store that changed the region: a successor reads one
 * whole position, the old one or the new; no frontd or worker has been told of more than it reads; what it announces itself
 * when it goes on, stepped too, is read back by the next.
 */
void announcement_judge(struct verdict *verdict);

#endif
