/*
 * Happy path: the frontd fills a job, moves `submitted` and writes our eventfd; we work on it, move
 * `finished` and write its.
 *
 * Failure modes: libcrypt finds no memory for a hash (16 MiB at the default cost): has_failed, the
 * log says so, and the client is told to try again.  We are killed: the next hasher begins the same
 * job again; after HASHER_TRIES of them it is has_failed.  We are stopped, or get no CPU: the
 * frontd stops waiting for us (frontd/people/password.h).  The frontd dies: so do we.
 */
#include "frontd/hasher/hasher.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "shm/atomic.h"
#include "shm/clock.h"
#include "shm/diag.h"
#include "shm/park.h"

#define PREFIX "$y$" /* yescrypt */

int
hasher_init(struct hasher *hasher)
{
	unsigned long cost = load_relaxed(&hasher->asks->cost);

	if (crypt_gensalt_rn(PREFIX, cost, NULL, 0, hasher->nobody, sizeof(hasher->nobody)) != NULL)
		return 0;
	diag_errno("libcrypt knows no yescrypt of cost %lu; set auth.password_cost", cost);
	return -1;
}

/* crypt(3) of the phrase; NULL: it failed.  The result is in hasher->crypt. */
static const char *
hash(struct hasher *hasher, const char *phrase, const char *setting)
{
	hasher->crypt.initialized = 0;
	const char *result = crypt_r(phrase, setting, &hasher->crypt);
	return result != NULL && result[0] != '*' ? result : NULL;
}

/*
 * It says EINVAL of yescrypt when it finds no memory, as of what is no hash at all.  The latter no
 * password matches; of the former nothing was learned, and it is no failed login.
 */
static bool
finds_no_memory(const char *made, const char *setting)
{
	return made == NULL && crypt_checksalt(setting) != CRYPT_SALT_INVALID;
}

/* In a time that depends on the length only. */
static bool
is_same(const char *one, const char *other, size_t bytes)
{
	unsigned char difference = 0;

	for (size_t i = 0; i < bytes; i++)
		difference |= (unsigned char)(one[i] ^ other[i]);
	return difference == 0;
}

static void
check(struct hasher *hasher)
{
	const struct password_ask *ask = &hasher->ask;
	bool is_somebody = ask->stored[0] != '\0';
	size_t len = strlen(ask->stored);
	const char *setting = is_somebody ? ask->stored : hasher->nobody;
	const char *made = hash(hasher, ask->given, setting);

	hasher->result.has_failed = finds_no_memory(made, setting);
	hasher->result.is_right = is_somebody && made != NULL && strlen(made) == len &&
	    is_same(made, ask->stored, len);
}

static void
make(struct hasher *hasher)
{
	unsigned long cost = load_relaxed(&hasher->asks->cost);
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];

	/* Without bytes of ours it takes the salt from the kernel. */
	const char *made = crypt_gensalt_rn(PREFIX, cost, NULL, 0, setting, sizeof(setting)) != NULL
	    ? hash(hasher, hasher->ask.fresh, setting)
	    : NULL;
	hasher->result.has_failed = made == NULL || strlen(made) >= sizeof(hasher->result.hash);
	if (!hasher->result.has_failed)
		memcpy(hasher->result.hash, made, strlen(made) + 1);
}

/* The frontd could change it while we look: a copy, in which texts end. */
static void
take(struct hasher *hasher, uint64_t number)
{
	struct password_ask *ask = &hasher->ask;

	memcpy(ask, &hasher->asks->asks[number % PASSWORD_JOBS_MAX], sizeof(*ask));
	ask->given[sizeof(ask->given) - 1] = '\0';
	ask->stored[sizeof(ask->stored) - 1] = '\0';
	ask->fresh[sizeof(ask->fresh) - 1] = '\0';
	memset(&hasher->result, 0, sizeof(hasher->result));
}

/* For who comes after us, should we die of it.  False: enough have. */
static bool
begin(struct password_answers *answers, uint64_t number)
{
	uint64_t tries = answers->begun == number + 1 ? answers->tries + 1 : 1;

	store_relaxed(&answers->tries, tries);
	store_relaxed(&answers->begun, number + 1);
	compiler_barrier();
	return tries <= HASHER_TRIES;
}

static void
work(struct hasher *hasher, uint64_t number)
{
	struct password_answers *answers = hasher->answers;
	uint64_t since_ns = now_ns();

	take(hasher, number);
	/* Only a hint: if the frontd says so later, the job is done for nothing. */
	hasher->result.was_skipped = hasher->ask.is_abandoned != 0;
	if (!begin(answers, number)) {
		hasher->result.has_failed = 1;
	} else if (!hasher->result.was_skipped) {
		if (hasher->ask.wants_check)
			check(hasher);
		if (hasher->ask.wants_hash && (!hasher->ask.wants_check || hasher->result.is_right))
			make(hasher);
		store_relaxed(&answers->took_ns, now_ns() - since_ns);
	}
	/* Once: whoever logs in meanwhile hears it as well. */
	if (hasher->result.has_failed && !hasher->has_failed)
		diag(DIAG_WARNING, "a password could not be hashed (no memory for it? "
		     "auth.password_cost): 503");
	hasher->has_failed = hasher->result.has_failed;
	answers->results[number % PASSWORD_JOBS_MAX] = hasher->result;
	explicit_bzero(&hasher->crypt, sizeof(hasher->crypt));
	explicit_bzero(&hasher->ask, sizeof(hasher->ask));
	explicit_bzero(&hasher->result, sizeof(hasher->result));
}

void
hasher_run(struct hasher *hasher)
{
	struct password_answers *answers = hasher->answers;
	uint64_t count;

	while (load_acquire(&hasher->is_over) == 0) {
		/* The job is whole before `submitted` covers it.  Pairs with password_submit(). */
		if (answers->finished == load_acquire(&hasher->asks->submitted)) {
			/* EINTR: it looks again. */
			(void)!read(hasher->event_fd, &count, sizeof(count));
			continue;
		}
		work(hasher, answers->finished);
		/* The result is whole before it is announced.  Pairs with password_done(). */
		store_release(&answers->finished, answers->finished + 1);
		park_poke(hasher->front_event_fd);
	}
}
