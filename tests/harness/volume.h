#ifndef TESTS_HARNESS_VOLUME_H
#define TESTS_HARNESS_VOLUME_H

/*
 * volume: a small file system of its own below a broker's data directory, to be filled or frozen.  It takes root and
 * mount(2); the reaper unmounts it.
 */

#include <stdbool.h>
#include <stddef.h>

#include "tests/harness/broker.h"

/*
 * Mount on broker->data, before the broker starts.  False, after a line that says why, where that is not possible: then
 * the test is skipped.
 */
bool volume_tmpfs(const struct broker *broker, size_t bytes);
bool volume_ext4(const struct broker *broker, size_t bytes);

/* No write comes to its end until the volume is thawed (ext4 only). */
void volume_freeze(const struct broker *broker);
void volume_thaw(const struct broker *broker);

/*
 * The file system finds an error in itself and is read-only from now on, as `errors=remount-ro` has it (ext4 only).  False,
 * after a line that says why, where the kernel has no such trigger.
 */
bool volume_break(const struct broker *broker);

/* Unmounted, checked and mounted again, as an operator does; the broker does not run. */
void volume_mend(const struct broker *broker);

/* Take so much of its room, until volume_release(). */
void volume_take(const struct broker *broker, size_t bytes);
void volume_release(const struct broker *broker);

/* Room left. */
size_t volume_room(const struct broker *broker);

/* Unmount, after the broker has stopped. */
void volume_end(const struct broker *broker);

#endif
