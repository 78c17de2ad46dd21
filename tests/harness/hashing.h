#ifndef TESTS_HARNESS_HASHING_H
#define TESTS_HARNESS_HASHING_H

/*
 * hashing: a hasher (frontd/hasher/) as a thread, with jobs of its own, for tests of a frontd that is a
 * thread, too.
 */

#include <pthread.h>

#include "frontd/people/password.h"
#include "frontd/hasher/hasher.h"

struct hashing {
	struct password_files files;
	struct hasher hasher;
	pthread_t thread;
};

/* Without a thread yet: whoever asks waits.  front_event_fd is borrowed. */
void hashing_open(struct hashing *hashing, uint64_t cost, int front_event_fd);
struct password_source hashing_source(const struct hashing *hashing);
void hashing_close(struct hashing *hashing);

/* One hasher at a time; the next goes on where the last one stopped. */
void hashing_start(struct hashing *hashing);
/* It ends the job that it works on, no more. */
void hashing_stop(struct hashing *hashing);

#endif
