/*
 * Happy path: the loop fills a job and moves `submitted`; the thread, asleep in a read of its eventfd, works on it and moves
 * `finished`; the loop is woken as by any other process (park.h), takes the result and moves `dropped`.
 *
 * Failure modes: the ring is full: password_reserve() gives NULL (503 busy).  libcrypt finds no memory for a hash (16 MiB at the
 * default cost): has_failed, and the client is told to try again.  The process dies: the thread with it, nothing is kept.
 */
#include "frontd/people/password.h"

#include <assert.h>
#include <crypt.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "shm/atomic.h"
#include "shm/clock.h"
#include "shm/diag.h"
#include "shm/park.h"

#define PREFIX "$y$" /* yescrypt */
#define FIRST_GUESS_NS 50000000ull

struct password {
	struct password_job jobs[PASSWORD_JOBS_MAX];
	uint64_t submitted;          /* loop: jobs [dropped, submitted) exist */
	uint64_t finished;           /* thread: those before are done */
	uint64_t dropped;            /* loop */
	uint64_t took_ns;            /* thread: the last job, as both crypt() calls took */
	uint64_t is_closing;         /* loop */
	struct waker waker;          /* thread's: of the loop */
	int event_fd;                /* wakes the thread */
	unsigned cost;
	pthread_t thread;
	char nobody[CRYPT_GENSALT_OUTPUT_SIZE]; /* the setting that an unknown user's password is hashed with */
	struct crypt_data crypt;     /* thread's; 32 KiB */
};

/* ---- the thread ---- */

/* crypt(3) of the phrase; NULL: it failed.  The result is in password->crypt. */
static const char *
hash(struct password *password, const char *phrase, const char *setting)
{
	password->crypt.initialized = 0;
	const char *result = crypt_r(phrase, setting, &password->crypt);
	return result != NULL && result[0] != '*' ? result : NULL;
}

static void
check(struct password *password, struct password_job *job)
{
	bool is_somebody = job->stored[0] != '\0';
	size_t len = strlen(job->stored);
	const char *made = hash(password, job->given, is_somebody ? job->stored : password->nobody);

	job->has_failed = made == NULL && (!is_somebody || errno == ENOMEM);
	job->is_right = is_somebody && made != NULL && strlen(made) == len && CRYPTO_memcmp(made, job->stored, len) == 0;
}

static void
make(struct password *password, struct password_job *job)
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];

	/* Without bytes of ours it takes the salt from the kernel. */
	const char *made = crypt_gensalt_rn(PREFIX, password->cost, NULL, 0, setting, sizeof(setting)) == NULL ? NULL :
	    hash(password, job->fresh, setting);
	job->has_failed = made == NULL || strlen(made) >= sizeof(job->hash);
	if (!job->has_failed)
		memcpy(job->hash, made, strlen(made) + 1);
}

static void
work(struct password *password, struct password_job *job)
{
	uint64_t since_ns = now_ns();

	/* Only a hint: if the loop says so later, the job is done for nothing. */
	job->was_skipped = load_relaxed(&job->is_abandoned);
	if (job->was_skipped)
		return;
	if (job->wants_check)
		check(password, job);
	if (job->wants_hash && (!job->wants_check || job->is_right))
		make(password, job);
	explicit_bzero(&password->crypt, sizeof(password->crypt));
	store_relaxed(&password->took_ns, now_ns() - since_ns);
}

static void *
password_work(void *context)
{
	struct password *password = context;
	struct sched_param param = { 0 };
	uint64_t count;

	/* Below everything else; where that is forbidden it competes as any other thread, and diag says so. */
	if (sched_setscheduler(0, SCHED_IDLE, &param) != 0)
		diag_errno("the thread for passwords cannot have SCHED_IDLE: logins may be felt by others");
	while (load_acquire(&password->is_closing) == 0) {
		/* The job is whole before `submitted` covers it.  Pairs with password_submit(). */
		if (password->finished == load_acquire(&password->submitted)) {
			(void)!read(password->event_fd, &count, sizeof(count)); /* EINTR: it looks again */
			continue;
		}
		work(password, &password->jobs[password->finished % PASSWORD_JOBS_MAX]);
		/* The result is whole before it is announced.  Pairs with password_done(). */
		store_release(&password->finished, password->finished + 1);
		park_fence();
		(void)park_wake(&password->waker);
	}
	return NULL;
}

/* ---- the loop ---- */

static int
start(struct password *password)
{
	sigset_t all, before;

	/* Signals are for the loop's thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&password->thread, NULL, password_work, password);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = error;
	return error == 0 ? 0 : -1;
}

struct password *
password_open(unsigned cost, struct password_wake wake)
{
	struct password *password = calloc(1, sizeof(*password));

	if (password == NULL) {
		diag_errno("no memory for passwords");
		return NULL;
	}
	password->cost = cost;
	password->took_ns = FIRST_GUESS_NS;
	password->waker = (struct waker){ .word = wake.parked, .event_fd = wake.event_fd };
	password->event_fd = eventfd(0, EFD_CLOEXEC);
	if (password->event_fd < 0) {
		diag_errno("cannot make an eventfd; raise the limit of open files (ulimit -n)");
		goto fail_free;
	}
	if (crypt_gensalt_rn(PREFIX, cost, NULL, 0, password->nobody, sizeof(password->nobody)) == NULL) {
		diag_errno("libcrypt knows no yescrypt of cost %u; set auth.password_cost", cost);
		goto fail_close;
	}
	if (start(password) != 0) {
		diag_errno("cannot start the thread for passwords; raise the limit of processes (ulimit -u)");
		goto fail_close;
	}
	return password;

fail_close:
	close(password->event_fd);
fail_free:
	free(password);
	return NULL;
}

static void
poke(const struct password *password)
{
	const uint64_t one = 1;

	ssize_t written = write(password->event_fd, &one, sizeof(one));
	assert(written == sizeof(one)); /* an eventfd takes it unless it stands at 2^64 - 2 */
	(void)written;
}

void
password_close(struct password *password)
{
	if (password == NULL)
		return;
	for (uint64_t at = password->dropped; at < password->submitted; at++)
		store_relaxed(&password->jobs[at % PASSWORD_JOBS_MAX].is_abandoned, true);
	store_release(&password->is_closing, 1);
	poke(password);
	int error = pthread_join(password->thread, NULL);
	assert(error == 0);
	(void)error;
	close(password->event_fd);
	explicit_bzero(password, sizeof(*password));
	free(password);
}

struct password_job *
password_reserve(struct password *password, uint32_t *index)
{
	if (password->submitted - password->dropped == PASSWORD_JOBS_MAX)
		return NULL;
	*index = (uint32_t)(password->submitted % PASSWORD_JOBS_MAX);
	return &password->jobs[*index];
}

void
password_submit(struct password *password)
{
	assert(password->submitted - password->dropped < PASSWORD_JOBS_MAX);

	/* The job is whole before it is shown.  Pairs with password_work(). */
	store_release(&password->submitted, password->submitted + 1);
	poke(password);
}

struct password_job *
password_job(struct password *password, uint32_t index)
{
	assert(index < PASSWORD_JOBS_MAX);

	return &password->jobs[index];
}

bool
password_done(const struct password *password, uint32_t *index)
{
	/* Pairs with the store_release in password_work(). */
	if (load_acquire(&password->finished) == password->dropped)
		return false;
	*index = (uint32_t)(password->dropped % PASSWORD_JOBS_MAX);
	return true;
}

void
password_drop(struct password *password)
{
	assert(password->dropped < load_relaxed(&password->finished));

	struct password_job *job = &password->jobs[password->dropped % PASSWORD_JOBS_MAX];
	explicit_bzero(job, sizeof(*job));
	password->dropped++;
}

uint32_t
password_wait_ms(const struct password *password)
{
	uint64_t jobs = password->submitted - load_relaxed(&password->finished) + 1;

	return (uint32_t)(jobs * (load_relaxed(&password->took_ns) / 1000000 + 1));
}
