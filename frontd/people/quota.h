/*
 * quota: what a user may do at a time: messages and bytes published in a second, open connections.  What he may own, queues and
 * bytes in them, a worker decides (workerd/quota).
 *
 * Rates: each frontd gives its share, the rate divided by the number of frontds, as a bucket that holds what one second fills.
 * A publish is let in while one message and one byte are left and takes what it costs, if need be from what is to come: so a batch
 * larger than a second's worth passes as well, and the rate holds over time.  Connections are counted over all frontds (shm/usage.h).
 *
 * Who has no quota costs two comparisons a request.
 */
#ifndef FRONTD_QUOTA_H
#define FRONTD_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/people.h"

struct api_call;
struct conn;
struct frontd;

/* One bucket: how far what was taken reaches into the future. */
struct quota_bucket {
	uint64_t rate;             /* a second, of all frontds; 0: no limit */
	uint64_t taken_until_ns;   /* now or earlier: it is full; a second from now or later: it is empty */
};

struct quota_user {
	uint64_t uid;
	uint64_t generation;       /* of the directory, when the quotas were read */
	uint64_t connections;      /* at once; 0: no limit */
	struct quota_bucket messages;
	struct quota_bucket bytes;
};

struct quotas {
	struct quota_user *users;  /* by slot of the table of users; NULL with auth.mode = off */
	uint32_t count;
	struct quota_user *at_hand; /* who publishes with the request at hand, if he has a rate; else NULL */
};

/* 0, or -1 and a diag. */
int quota_open(struct frontd *frontd);
void quota_close(struct frontd *frontd);

/*
 * The connection's last request is this user's.  False: he has as many connections as he may have, and call->problem says so; the
 * request is refused and the connection ends.
 */
bool quota_connect(struct frontd *frontd, struct conn *conn, uint64_t uid);
void quota_disconnect(struct frontd *frontd, struct conn *conn);

/* NULL: he has no rate. */
struct quota_user *quota_find(struct frontd *frontd, uint64_t uid);

/* The publish of the user at hand has to wait: call->problem. */
bool quota_refuses(struct frontd *frontd);
/* It is under way. */
void quota_charge(struct frontd *frontd, uint32_t messages, uint64_t bytes);

/* Both RateLimit fields as they stand for this user, without the last CRLF; "" where he has no rate. */
#define QUOTA_FIELDS_BYTES 256
void quota_fields(struct frontd *frontd, uint64_t uid, char text[QUOTA_FIELDS_BYTES]);

#endif
