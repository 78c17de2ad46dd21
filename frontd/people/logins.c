/*
 * Each count is one time (the generic cell rate algorithm, ITU-T I.371): `ends_ns` is when all failures so far will be
 * forgiven.  A failure moves it by window / failures; an attempt that would move it further than a window from now is refused.
 */
#include "frontd/people/logins.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "shm/hash.h"

#define WAYS 8u
#define SETS 1024u
#define KNOWN_SETS 256u

/* key 0: free, and so is one whose end has passed */
struct count {
	uint64_t key;
	uint64_t ends_ns;
};

struct logins {
	uint64_t secret;
	uint64_t turn;                        /* grows with each success */
	struct count counts[SETS][WAYS];
	struct count known[KNOWN_SETS][WAYS]; /* user and address of those who were let in; ends_ns is the turn of the last time */
};

enum what { PAIR, USER, ADDRESS, WHATS };

struct logins *
logins_open(void)
{
	struct logins *logins = calloc(1, sizeof(*logins));

	if (logins == NULL)
		return NULL;
	if (getrandom(&logins->secret, sizeof(logins->secret), 0) != sizeof(logins->secret)) {
		free(logins);
		return NULL;
	}
	return logins;
}

void
logins_close(struct logins *logins)
{
	free(logins);
}

/* Hidden by the secret: nobody can choose names that fall on another's count. */
static uint64_t
key_of(const struct logins *logins, enum what what, struct http_slice user, uint64_t place)
{
	struct {
		uint64_t secret, what, place;
		char user[88];
	} text = { .secret = logins->secret, .what = what };

	if (what != USER)
		text.place = place;
	if (what != ADDRESS)
		memcpy(text.user, user.ptr, user.len < sizeof(text.user) ? user.len : sizeof(text.user));
	return hash_bytes(&text, sizeof(text)) | 1;
}

static struct count *
find(struct count set[WAYS], uint64_t key)
{
	for (unsigned way = 0; way < WAYS; way++)
		if (set[way].key == key)
			return &set[way];
	return NULL;
}

/* The count of this key, or the one that would be forgotten first, for it. */
static struct count *
find_or_make(struct count set[WAYS], uint64_t key)
{
	struct count *found = find(set, key), *oldest = &set[0];

	if (found != NULL)
		return found;
	for (unsigned way = 1; way < WAYS; way++)
		if (set[way].ends_ns < oldest->ends_ns)
			oldest = &set[way];
	*oldest = (struct count){ .key = key };
	return oldest;
}

static struct count *
set_of(struct logins *logins, uint64_t key)
{
	return logins->counts[(key >> 32) % SETS];
}

static struct count *
known_set_of(struct logins *logins, uint64_t key)
{
	return logins->known[(key >> 32) % KNOWN_SETS];
}

static uint64_t
step_ns(const struct login_limits *limits, enum what what)
{
	return limits->window_ns / (limits->failures * (what == PAIR ? 1 : LOGINS_WIDER));
}

bool
logins_begin(struct logins *logins, const struct login_limits *limits, struct http_slice user,
    uint64_t place, uint64_t now_ns, uint32_t *retry_ms)
{
	struct count *counts[WHATS];
	uint64_t pair = key_of(logins, PAIR, user, place), late_ns = 0;

	for (enum what what = 0; what < WHATS; what++) {
		uint64_t key = key_of(logins, what, user, place);

		counts[what] = find_or_make(set_of(logins, key), key);
		if (counts[what]->ends_ns < now_ns)
			counts[what]->ends_ns = now_ns;
		uint64_t ends_ns = counts[what]->ends_ns + step_ns(limits, what);
		if (ends_ns <= now_ns + limits->window_ns || (what == USER && find(known_set_of(logins, pair), pair) != NULL))
			continue;
		if (ends_ns - now_ns - limits->window_ns > late_ns)
			late_ns = ends_ns - now_ns - limits->window_ns;
	}
	if (late_ns != 0) {
		*retry_ms = (uint32_t)(late_ns / 1000000 + 1);
		return false;
	}
	for (enum what what = 0; what < WHATS; what++)
		counts[what]->ends_ns += step_ns(limits, what);
	return true;
}

void
logins_forgive(struct logins *logins, const struct login_limits *limits, struct http_slice user,
    uint64_t place, bool is_in)
{
	uint64_t pair = key_of(logins, PAIR, user, place);

	for (enum what what = 0; what < WHATS; what++) {
		uint64_t key = key_of(logins, what, user, place), step = step_ns(limits, what);
		struct count *count = find(set_of(logins, key), key);

		if (count != NULL)
			count->ends_ns -= count->ends_ns < step ? count->ends_ns : step;
	}
	if (is_in)
		find_or_make(known_set_of(logins, pair), pair)->ends_ns = ++logins->turn;
}
