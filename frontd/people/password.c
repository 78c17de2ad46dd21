/*
 * Happy path: the loop fills an ask and moves `submitted`; the hasher works on it and moves
 * `finished`; the loop, woken by its eventfd, takes the result and moves `dropped`, which is its
 * own.
 *
 * Failure modes: the ring is full: password_reserve() gives NULL (503 busy).  The hasher is gone or
 * hangs: password_look(). It was taken over: it can say that any password is right, as it is asked
 * that; numbers and texts of its are bounded here.
 */
#include "frontd/people/password.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "shm/atomic.h"
#include "shm/diag.h"
#include "shm/park.h"

#define FIRST_GUESS_NS 50000000ull

_Static_assert((int)HTTP_PASSWORD_MAX == (int)PASSWORD_BYTES_MAX, "what a client may send fits");

struct password {
	struct password_asks *asks;
	const struct password_answers *answers;
	int event_fd;                /* wakes the hasher; borrowed */
	uint64_t submitted;          /* jobs [dropped, submitted) exist */
	uint64_t dropped;
	uint64_t seen;               /* `finished` at the last look */
	uint64_t moved_ns;           /* since when it has stood there with work to do */
	bool is_stuck;
};

struct password *
password_open(const struct password_source *source)
{
	struct password *password = calloc(1, sizeof(*password));

	if (password == NULL) {
		diag_errno("no memory for passwords");
		return NULL;
	}
	password->event_fd = source->event_fd;
	password->asks = passwords_map_asks(source->asks_fd, PROT_READ | PROT_WRITE);
	password->answers = passwords_map_answers(source->answers_fd, PROT_READ);
	if (password->asks != NULL && password->answers != NULL)
		return password;
	diag_errno("cannot map the jobs of the hasher");
	password_close(password);
	return NULL;
}

void
password_close(struct password *password)
{
	if (password == NULL)
		return;
	if (password->asks != NULL)
		explicit_bzero(password->asks->asks, sizeof(password->asks->asks));
	passwords_unmap(password->asks, password->answers);
	free(password);
}

/* How many of ours are done, by what the hasher says and no more than there are. */
static uint64_t
finished(const struct password *password)
{
	/* Pairs with the store_release in hasher_run(). */
	uint64_t number = load_acquire(&password->answers->finished);
	bool is_possible = number - password->dropped <= password->submitted - password->dropped;

	return is_possible ? number : password->dropped;
}

struct password_ask *
password_reserve(struct password *password, uint32_t *index)
{
	if (password->submitted - password->dropped == PASSWORD_JOBS_MAX)
		return NULL;
	*index = (uint32_t)(password->submitted % PASSWORD_JOBS_MAX);
	return &password->asks->asks[*index];
}

void
password_submit(struct password *password, uint64_t now_ns)
{
	assert(password->submitted - password->dropped < PASSWORD_JOBS_MAX);

	if (finished(password) == password->submitted)
		password->moved_ns = now_ns;
	password->submitted++;
	/* The job is whole before it is shown.  Pairs with hasher_run(). */
	store_release(&password->asks->submitted, password->submitted);
	park_poke(password->event_fd);
}

void
password_abandon(struct password *password, uint32_t index)
{
	assert(index < PASSWORD_JOBS_MAX);

	store_relaxed(&password->asks->asks[index].is_abandoned, (uint8_t)1);
}

bool
password_done(const struct password *password, uint32_t *index)
{
	if (finished(password) == password->dropped)
		return false;
	*index = (uint32_t)(password->dropped % PASSWORD_JOBS_MAX);
	return true;
}

struct password_result
password_result(const struct password *password, uint32_t index)
{
	assert(index < PASSWORD_JOBS_MAX);

	struct password_result result = password->answers->results[index];
	result.hash[sizeof(result.hash) - 1] = '\0';
	return result;
}

void
password_drop(struct password *password)
{
	assert(password->dropped < password->submitted);

	struct password_ask *ask = &password->asks->asks[password->dropped % PASSWORD_JOBS_MAX];
	explicit_bzero(ask, sizeof(*ask));
	password->dropped++;
}

static uint64_t
took_ns(const struct password *password)
{
	uint64_t ns = load_relaxed(&password->answers->took_ns);

	if (ns == 0)
		return FIRST_GUESS_NS;
	return ns < PASSWORD_PATIENCE_NS_MAX ? ns : PASSWORD_PATIENCE_NS_MAX;
}

static uint64_t
patience_ns(const struct password *password)
{
	uint64_t ns = 8 * took_ns(password);

	if (ns < PASSWORD_PATIENCE_NS_MIN)
		return PASSWORD_PATIENCE_NS_MIN;
	return ns < PASSWORD_PATIENCE_NS_MAX ? ns : PASSWORD_PATIENCE_NS_MAX;
}

bool
password_look(struct password *password, uint64_t now_ns)
{
	uint64_t number = finished(password);
	bool was_stuck = password->is_stuck;

	if (number != password->seen || number == password->submitted) {
		password->seen = number;
		password->moved_ns = now_ns;
		password->is_stuck = false;
		return false;
	}
	password->is_stuck = now_ns - password->moved_ns > patience_ns(password);
	return password->is_stuck && !was_stuck;
}

bool
password_is_stuck(const struct password *password)
{
	return password->is_stuck;
}

uint32_t
password_wait_ms(const struct password *password)
{
	uint64_t jobs = password->submitted - finished(password) + 1;

	return (uint32_t)(jobs * (took_ns(password) / 1000000 + 1));
}
