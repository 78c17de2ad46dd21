/*
 * locks: who runs what.  Locks of open files (OFD): the kernel gives them back when their holder dies, whatever it died of.
 *
 *   /dev/shm/chasqui.NAME.lock   byte 0: the supervisor of this instance; byte 1 + slot: each of its processes
 *   DIR/lock                     byte 0: the supervisor that works on this data directory; 1: persistd, 16 + w: workerd w (their own
 *                                doing, in case they are not ours); 2: backups that read (persistd/store.h), which nobody waits for
 *
 * A new supervisor therefore knows not only that its predecessor is gone, but also that all its children are.
 */
#ifndef CLI_LOCKS_H
#define CLI_LOCKS_H

#include <stdint.h>

/*
 * Each takes byte 0, then waits until the other bytes are free.  Gives a descriptor in *fd and 0; or, after a diag, an exit
 * code: EX_UNAVAILABLE when somebody runs, EX_NOPERM or EX_CANTCREAT when the file cannot be had.
 */
int locks_instance(const char *instance, int *fd);
int locks_directory(const char *directory, int *fd);

/* A descriptor of its own that holds the byte of a slot: what a child inherits.  -1 and a diag when it is held. */
int locks_slot(const char *instance, uint32_t slot);

/* DIR/lock once more, with no lock on it: a worker takes its byte.  -1 and a diag. */
int locks_open_directory(const char *directory);

/* After a clean stop, while byte 0 is held: removes the instance's lock file. */
void locks_remove(const char *instance);

#endif
