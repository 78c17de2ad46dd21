#include "frontd/people/attempt.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "frontd/frontd.h"
#include "frontd/intake.h"
#include "shm/atomic.h"
#include "shm/diag.h"

#define STUCK "the password could not be checked"

int
attempts_open(struct frontd *frontd)
{
	struct attempts *attempts = &frontd->attempts;

	if (getrandom(attempts->secret, sizeof(attempts->secret), 0) != sizeof(attempts->secret)) {
		diag_errno("no random bytes");
		return -1;
	}
	attempts->logins = logins_open();
	if (attempts->logins == NULL) {
		diag_errno("no memory for the counts of failed logins");
		return -1;
	}
	attempts->password = password_open(&frontd->limits.password_source);
	return attempts->password != NULL ? 0 : -1;
}

void
attempts_close(struct frontd *frontd)
{
	struct attempts *attempts = &frontd->attempts;

	password_close(attempts->password);
	logins_close(attempts->logins);
	explicit_bzero(attempts, sizeof(*attempts));
}

static unsigned char *
put_part(unsigned char *at, struct http_slice part)
{
	uint16_t bytes = part.ptr == NULL ? UINT16_MAX : (uint16_t)part.len;

	assert(part.len <= HTTP_PASSWORD_MAX);
	memcpy(at, &bytes, sizeof(bytes)); /* where it ends */
	if (part.len != 0)
		memcpy(at + sizeof(bytes), part.ptr, part.len);
	return at + sizeof(bytes) + part.len;
}

void
attempt_key(const struct frontd *frontd, const struct attempt_wish *wish, uint8_t key[ATTEMPT_KEY_BYTES])
{
	const struct attempts *attempts = &frontd->attempts;
	unsigned char text[3 * (sizeof(uint16_t) + HTTP_PASSWORD_MAX)];
	unsigned char *end = put_part(put_part(put_part(text, wish->user), wish->given), wish->fresh);
	unsigned bytes = ATTEMPT_KEY_BYTES;

	unsigned char *made = HMAC(EVP_sha256(), attempts->secret, sizeof(attempts->secret), text, (size_t)(end - text), key,
	    &bytes);
	assert(made != NULL);
	assert(bytes == ATTEMPT_KEY_BYTES);
	(void)made;
	explicit_bzero(text, sizeof(text));
}

static struct login_limits
limits_of(const struct frontd *frontd)
{
	return (struct login_limits){ .failures = frontd->limits.login_failures, .window_ns = frontd->limits.login_window_ns };
}

static struct http_slice
user_of(const struct attempt *attempt)
{
	return (struct http_slice){ .ptr = attempt->user.text, .len = attempt->user.bytes };
}

/* ---- waiting ---- */

static void
wait_link(struct frontd *frontd, struct conn *conn, uint32_t index, struct attempt_wait *wait)
{
	struct attempt *attempt = &frontd->attempts.list[index];

	memcpy(wait->key, attempt->key, sizeof(wait->key));
	wait->index = index;
	conn->attempt = wait;
	conn->waiting_next = NULL;
	*attempt->end = conn;
	attempt->end = &conn->waiting_next;
	frontd->attempts.waiting_count++;
}

static void
wait_unlink(struct frontd *frontd, struct conn *conn)
{
	uint32_t index = conn->attempt->index;
	struct attempt *attempt = &frontd->attempts.list[index];
	struct conn **at = &attempt->first;

	while (*at != conn)
		at = &(*at)->waiting_next;
	*at = conn->waiting_next;
	if (attempt->end == &conn->waiting_next)
		attempt->end = at;
	conn->waiting_next = NULL;
	frontd->attempts.waiting_count--;
	if (attempt->first == NULL)
		password_abandon(frontd->attempts.password, index);
}

void
attempt_forget(struct frontd *frontd, struct conn *conn)
{
	if (conn->attempt == NULL)
		return;
	if (!conn->attempt->is_done)
		wait_unlink(frontd, conn);
	explicit_bzero(conn->attempt, sizeof(*conn->attempt));
	free(conn->attempt);
	conn->attempt = NULL;
}

/* ---- asking ---- */

static enum directory_look
find_user(struct frontd *frontd, struct http_slice name, struct user_entry *user)
{
	struct queue_name text = { .bytes = (uint8_t)name.len };

	if (name.len > NAME_MAX_BYTES)
		return DIRECTORY_NONE;
	memcpy(text.text, name.ptr, name.len);
	return directory_user_by_name(&frontd->directory, &text, user);
}

/* One like it that somebody waits for. */
static bool
find_running(struct frontd *frontd, const uint8_t key[ATTEMPT_KEY_BYTES], uint32_t *index)
{
	for (uint32_t i = 0; i < PASSWORD_JOBS_MAX; i++)
		if (frontd->attempts.list[i].first != NULL &&
		    CRYPTO_memcmp(frontd->attempts.list[i].key, key, ATTEMPT_KEY_BYTES) == 0) {
			*index = i;
			return true;
		}
	return false;
}

static void
put(char *to, const char *from, size_t count)
{
	memcpy(to, from, count);
	to[count] = '\0';
}

static bool
count_attempt(struct frontd *frontd, struct attempt *attempt, struct problem *problem)
{
	struct login_limits limits = limits_of(frontd);
	uint32_t retry_ms;

	if (!attempt->is_check || logins_begin(frontd->attempts.logins, &limits, user_of(attempt), attempt->place, frontd->now_ns,
	    &retry_ms))
		return true;
	problem_of_outcome(problem, OUTCOME_TOO_MANY_LOGINS, "from this address, or for this user");
	problem->retry_after_ms = retry_ms;
	return false;
}

/* A new job for the hasher. */
static enum attempt_state
begin(struct frontd *frontd, struct conn *conn, const struct attempt *fresh, const struct attempt_wish *wish,
    const struct user_entry *user, struct attempt_wait *wait, struct problem *problem)
{
	struct password *password = frontd->attempts.password;
	struct password_ask *ask = NULL;
	uint32_t index;

	if (!password_is_stuck(password))
		ask = password_reserve(password, &index);
	if (ask == NULL) {
		problem_of_outcome(problem, OUTCOME_BUSY, password_is_stuck(password) ? STUCK :
		    "too many passwords are being checked");
		problem->retry_after_ms = password_wait_ms(password);
		return ATTEMPT_REFUSED;
	}
	struct attempt *attempt = &frontd->attempts.list[index];
	*attempt = *fresh;
	attempt->end = &attempt->first;
	if (!count_attempt(frontd, attempt, problem))
		return ATTEMPT_REFUSED;
	ask->wants_check = attempt->is_check;
	ask->wants_hash = wish->fresh.ptr != NULL;
	if (ask->wants_check)
		put(ask->given, wish->given.ptr, wish->given.len);
	if (attempt->uid != 0)
		put(ask->stored, user->config.password, user->config.password_bytes);
	if (ask->wants_hash)
		put(ask->fresh, wish->fresh.ptr, wish->fresh.len);
	wait_link(frontd, conn, index, wait);
	password_submit(password, frontd->now_ns);
	return ATTEMPT_WAITS;
}

static enum attempt_state
ask(struct frontd *frontd, struct conn *conn, const uint8_t key[ATTEMPT_KEY_BYTES], const struct attempt_wish *wish,
    struct attempt_wait *wait, struct problem *problem)
{
	struct attempt fresh = { .is_check = wish->given.ptr != NULL };
	struct user_entry user;
	uint32_t index;

	if (find_running(frontd, key, &index)) {
		wait_link(frontd, conn, index, wait);
		return ATTEMPT_WAITS;
	}
	memcpy(fresh.key, key, sizeof(fresh.key));
	if (fresh.is_check) {
		enum directory_look look = find_user(frontd, wish->user, &user);

		if (look == DIRECTORY_NOT_NOW)
			return ATTEMPT_NOT_NOW;
		fresh.user.bytes = (uint8_t)(wish->user.len < NAME_MAX_BYTES ? wish->user.len : NAME_MAX_BYTES);
		memcpy(fresh.user.text, wish->user.ptr, fresh.user.bytes);
		fresh.place = address_key(&conn->address);
		/* Of others it must take as long, so there is a job for them too. */
		if (look == DIRECTORY_FOUND && !user.config.is_disabled && user.config.password_bytes != 0) {
			fresh.uid = user.uid;
			fresh.password_etag = user.password_etag;
		}
	}
	return begin(frontd, conn, &fresh, wish, &user, wait, problem);
}

enum attempt_state
attempt_ask(struct frontd *frontd, struct conn *conn, const uint8_t key[ATTEMPT_KEY_BYTES], const struct attempt_wish *wish,
    struct attempt_result *result, struct problem *problem)
{
	struct attempt_wait *wait = conn->attempt;

	assert(wait == NULL || wait->is_done); /* while it waits, nothing is asked */
	if (wait != NULL && CRYPTO_memcmp(wait->key, key, ATTEMPT_KEY_BYTES) == 0) {
		if (wait->has_failed) {
			problem_of_outcome(problem, OUTCOME_BUSY, STUCK);
			return ATTEMPT_REFUSED;
		}
		*result = wait->result;
		return ATTEMPT_DONE;
	}
	attempt_forget(frontd, conn);
	wait = calloc(1, sizeof(*wait));
	if (wait == NULL) {
		problem_of_outcome(problem, OUTCOME_BUSY, "too much memory is taken");
		return ATTEMPT_REFUSED;
	}
	enum attempt_state state = ask(frontd, conn, key, wish, wait, problem);
	if (state != ATTEMPT_WAITS)
		free(wait);
	return state;
}

/* ---- results ---- */

static void
forgive(struct frontd *frontd, const struct attempt *attempt, bool is_in)
{
	struct login_limits limits = limits_of(frontd);

	logins_forgive(frontd->attempts.logins, &limits, user_of(attempt), attempt->place, is_in);
}

/* What came of it, for each who waits; then their requests are tried again. */
static void
deliver(struct frontd *frontd, struct attempt *attempt, const struct attempt_wait *outcome)
{
	struct conn *first = attempt->first, *next;

	attempt->first = NULL;
	for (struct conn *conn = first; conn != NULL; conn = conn->waiting_next) {
		*conn->attempt = *outcome;
		frontd->attempts.waiting_count--;
	}
	for (struct conn *conn = first; conn != NULL; conn = next) {
		next = conn->waiting_next;
		conn->waiting_next = NULL;
		intake_retry(frontd, conn, false);
	}
}

void
attempt_results(struct frontd *frontd)
{
	struct password *password = frontd->attempts.password;
	uint32_t index;

	while (password != NULL && password_done(password, &index)) {
		struct password_result result = password_result(password, index);
		struct attempt attempt = frontd->attempts.list[index];
		struct attempt_wait outcome = { .is_done = true, .has_failed = result.has_failed != 0,
			.result = { .is_right = result.is_right != 0 && attempt.is_check } };

		memcpy(outcome.key, attempt.key, sizeof(outcome.key));
		if (outcome.result.is_right) {
			outcome.result.uid = attempt.uid;
			outcome.result.password_etag = attempt.password_etag;
		}
		memcpy(outcome.result.hash, result.hash, sizeof(result.hash));
		if (attempt.is_check && (result.is_right || result.has_failed || result.was_skipped))
			forgive(frontd, &attempt, outcome.result.is_right);
		frontd->attempts.list[index].first = NULL;
		password_drop(password);
		deliver(frontd, &attempt, &outcome);
		explicit_bzero(&outcome, sizeof(outcome));
		explicit_bzero(&result, sizeof(result));
	}
}

/* The hasher goes on some time, or the next one does: what was asked is abandoned, and not counted as a failed login. */
void
attempt_tick(struct frontd *frontd)
{
	const struct attempt_wait none = { .is_done = true, .has_failed = true };

	if (frontd->attempts.password == NULL || !password_look(frontd->attempts.password, frontd->now_ns))
		return;
	diag(DIAG_WARNING, "no password was checked for some time (is the hasher stopped? other programs on all CPUs?): "
	    "logins are 503");
	for (uint32_t i = 0; i < PASSWORD_JOBS_MAX; i++) {
		struct attempt *attempt = &frontd->attempts.list[i];
		struct attempt_wait outcome = none;

		if (attempt->first == NULL)
			continue;
		password_abandon(frontd->attempts.password, i);
		memcpy(outcome.key, attempt->key, sizeof(outcome.key));
		deliver(frontd, attempt, &outcome);
	}
}

bool
attempt_has_results(const struct frontd *frontd)
{
	uint32_t index;

	return frontd->attempts.password != NULL && password_done(frontd->attempts.password, &index);
}
