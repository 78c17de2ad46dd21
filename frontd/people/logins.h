/*
 * logins: who has tried too many wrong passwords.  A job of the hasher costs an attempt when it begins, which it gives
 * back when the password was right: so a burst of guesses cannot be ahead of its own results.
 *
 * Three counts, for each has a way around the others:
 *   user and address   guessing one user's password from one place.  An attacker elsewhere does not lock the user out
 *   user               the same from many places.  Ten times as much, for it could be used to lock a user out; and
 *                      whoever was let in from an address before is let in from there whatever others do
 *   address            many users from one place.  Ten times as much, for many people may be behind one address
 *
 * An IPv6 address counts as its /64: whoever has one has all of it.  Tables of fixed size; when one is full, what would be
 * forgotten first is.  Each frontd counts for itself.
 */
#ifndef FRONTD_LOGINS_H
#define FRONTD_LOGINS_H

#include <stdbool.h>
#include <stdint.h>

#include "frontd/http/slice.h"

#define LOGINS_WIDER 10u /* times as many failures for a user from everywhere, or an address for all users */

struct logins;

struct login_limits {
	uint64_t failures;         /* at once */
	uint64_t window_ns;        /* in which they are forgiven, one by one */
};

/* Memory of a fixed size (160 KiB), and a secret that hides which keys fall together. */
struct logins *logins_open(void);
void logins_close(struct logins *logins);

/* An attempt begins, from a place: address_key().  False: too many have failed; *retry_ms says when to come again. */
bool logins_begin(struct logins *logins, const struct login_limits *limits, struct http_slice user,
    uint64_t place, uint64_t now_ns, uint32_t *retry_ms);

/* It was right (is_in), or nothing was learned of it (a busy broker): it is not counted. */
void logins_forgive(struct logins *logins, const struct login_limits *limits, struct http_slice user,
    uint64_t place, bool is_in);

#endif
