/*
 * hasher: hashing and checking passwords (yescrypt, libcrypt) costs tens of milliseconds by design,
 * so a process of its own does it for a frontd, one job after the other, behind everybody else on
 * the machine.  The jobs stand in shm/passwords.h; it has nothing but these, and an
 * eventfd for each side.
 */
#ifndef FRONTD_HASHER_H
#define FRONTD_HASHER_H

#include <crypt.h>
#include <stdbool.h>
#include <stdint.h>

#include "shm/passwords.h"

/*
 * A job of which so many hashers died is answered as failed: else the next would die of it too, and
 * nobody could log in.
 */
#define HASHER_TRIES 3u

struct hasher {
	const struct password_asks *asks;   /* borrowed */
	struct password_answers *answers;   /* borrowed */
	int event_fd;                       /* wakes us; blocks */
	int front_event_fd;                 /* wakes the frontd */
	uint64_t is_over;                   /* a test's: return after the job that is worked on */

	/* Its own. */
	bool has_failed;                    /* the last job; said */
	char nobody[CRYPT_GENSALT_OUTPUT_SIZE]; /* with what an unknown user's password is hashed */
	struct password_ask ask;            /* a copy; wiped after the job */
	struct password_result result;      /* the same */
	struct crypt_data crypt;            /* 32 KiB; the same */
};

/* The rest is set.  0, or -1 and a diag: libcrypt does not know what is asked for. */
int hasher_init(struct hasher *hasher);

/* Work until is_over, which a process never is. */
void hasher_run(struct hasher *hasher);

#endif
