#ifndef TESTS_HARNESS_REAPER_H
#define TESTS_HARNESS_REAPER_H

/*
 * reaper: the process that clears up behind one broker.  It stands outside the test's process group and waits for the end
 * of a pipe, which the kernel ends when the test is gone, however it went.
 */

#include <stdbool.h>
#include <sys/types.h>

/* A reaper for this instance, which also removes this directory.  The end of its pipe to hold; -1 and errno. */
int reaper_start(const char *instance, const char *directory, pid_t *pid);

/* The supervisor that runs now, leader of its process group; 0: none. */
void reaper_tell(int reaper_fd, pid_t supervisor);

/* All went well: clear up without a word; returns when it is done.  Closes reaper_fd. */
void reaper_finish(int reaper_fd, pid_t pid);

/* How many regions the instance has in /dev/shm; with remove they are removed. */
unsigned reaper_regions(const char *instance, bool remove);

#endif
