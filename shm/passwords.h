/*
 * passwords: what a frontd has its hasher do (frontd/hasher/), in two memory files without a name that the
 * supervisor makes anew for each incarnation of the frontd: so no password outlives it.
 *
 *   asks      written by the frontd, read by the hasher: the jobs, and how many there are
 *   answers   written by the hasher, read by the frontd: their results, and how many are done
 *
 * Jobs are numbered from 0 and done in their order; number n stands in place n % PASSWORD_JOBS_MAX
 * of either.  The hasher may die at any instruction: its successor finds the same files, and the
 * first job that is not `finished` is begun again. Neither side believes the other: what it reads
 * it copies, bounds and ends with a NUL.
 */
#ifndef SHM_PASSWORDS_H
#define SHM_PASSWORDS_H

#include <stdint.h>

#include "shm/limits.h"

/* More at once are 503 busy: the last of them waits that many times the cost of one. */
#define PASSWORD_JOBS_MAX 128u

/* Texts end with a NUL. */
struct password_ask {
	uint8_t wants_check;
	uint8_t wants_hash;
	uint8_t is_abandoned;               /* at any time: nobody waits for it, do not begin it */
	char given[PASSWORD_BYTES_MAX + 1]; /* to be checked */
	/* Against this.  "": there is none, which takes as long and never matches. */
	char stored[PASSWORD_HASH_BYTES_MAX + 1];
	char fresh[PASSWORD_BYTES_MAX + 1]; /* to be hashed; not when the check fails */
};

struct password_result {
	uint8_t is_right;    /* the check; never true of what was skipped */
	uint8_t has_failed;  /* nothing was learned of it: no memory, or hashers died of it */
	uint8_t was_skipped; /* it was abandoned before it was begun */
	char hash[PASSWORD_HASH_BYTES_MAX + 1];
};

struct password_asks {
	uint64_t cost;       /* of yescrypt; passwords_make()'s */
	uint64_t submitted;  /* jobs before this number exist */
	struct password_ask asks[PASSWORD_JOBS_MAX];
};

struct password_answers {
	uint64_t finished;   /* jobs before this number are done */
	uint64_t took_ns;    /* the last one */
	uint64_t begun;      /* number + 1 of the job that was begun last */
	uint64_t tries;      /* how often */
	struct password_result results[PASSWORD_JOBS_MAX];
};

/* The descriptors of both files, each for writing and for reading only; for the supervisor. */
struct password_files {
	int asks_fd, asks_reading_fd;
	int answers_fd, answers_reading_fd;
};

/*
 * Make them, without jobs, of a size that nobody can change.  cost: 1 to 11, each step doubles time
 * or memory.  0, or -1 and errno; then there are none.
 */
int passwords_make(struct password_files *files, uint64_t cost);
/* All at -1 is nothing to close. */
void passwords_close(struct password_files *files);

/* Map one of them; the descriptor is borrowed.  NULL and errno. */
struct password_asks *passwords_map_asks(int fd, int protection);
struct password_answers *passwords_map_answers(int fd, int protection);
void passwords_unmap(const struct password_asks *asks, const struct password_answers *answers);

#endif
