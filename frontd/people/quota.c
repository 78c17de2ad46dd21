/*
 * Happy path: quota_refuses() finds the user's buckets, which are not empty; quota_charge() takes from them.
 * Failure modes: the directory is being written: the quotas as last known count, and for a user who was not seen before none.
 */
#include "frontd/people/quota.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontd/frontd.h"
#include "shm/diag.h"

#define BUCKET_NS NS_PER_S /* what a bucket holds, but always one message or byte */

int
quota_open(struct frontd *frontd)
{
	struct quotas *quotas = &frontd->quotas;

	if (!frontd->limits.auth_is_required)
		return 0;
	quotas->count = frontd->role->geometry.shard.users;
	quotas->users = calloc(quotas->count, sizeof(*quotas->users)); /* touched as users come */
	if (quotas->users != NULL)
		return 0;
	diag_errno("cannot make the table of quotas");
	return -1;
}

void
quota_close(struct frontd *frontd)
{
	free(frontd->quotas.users);
}

/* What is counted goes on counting when the quota changes. */
static void
take_quotas(struct quota_user *user, uint64_t uid, const struct user_quotas *quotas)
{
	if (user->uid != uid)
		*user = (struct quota_user){ .uid = uid };
	user->connections = quotas->connections;
	user->messages.rate = quotas->messages_per_second;
	user->bytes.rate = quotas->bytes_per_second;
}

/* NULL: there is no such slot. */
static struct quota_user *
user_of(struct frontd *frontd, uint64_t uid)
{
	static const struct user_quotas none;

	if (USER_SLOT(uid) >= frontd->quotas.count)
		return NULL;
	struct quota_user *user = &frontd->quotas.users[USER_SLOT(uid)];
	uint64_t generation = directory_generation(&frontd->directory);
	if (user->uid == uid && user->generation == generation)
		return user;
	struct user_quotas quotas;
	switch (directory_quotas(&frontd->directory, uid, &quotas)) {
	case DIRECTORY_FOUND:
		take_quotas(user, uid, &quotas);
		break;
	case DIRECTORY_NONE:
		take_quotas(user, uid, &none);
		break;
	case DIRECTORY_NOT_NOW:
		if (user->uid != uid)
			take_quotas(user, uid, &none);
		return user; /* and again the next time */
	}
	user->generation = generation;
	return user;
}

/* ---- rates ---- */

/* How long this frontd's share takes to fill so much.  The largest batch at the smallest rate is 2^57 ns. */
static uint64_t
fill_ns(const struct frontd *frontd, const struct quota_bucket *bucket, uint64_t amount)
{
	return amount * NS_PER_S * frontd->role->geometry.fronts / bucket->rate;
}

static uint64_t
bucket_ns(const struct frontd *frontd, const struct quota_bucket *bucket)
{
	uint64_t one_ns = fill_ns(frontd, bucket, 1);

	return one_ns > BUCKET_NS ? one_ns : BUCKET_NS;
}

/* Until when not even one message or byte is in it; 0: there is. */
static uint64_t
empty_until_ns(const struct frontd *frontd, const struct quota_bucket *bucket)
{
	if (bucket->rate == 0)
		return 0;
	uint64_t with_one_ns = bucket->taken_until_ns + fill_ns(frontd, bucket, 1);
	uint64_t full_ns = frontd->now_ns + bucket_ns(frontd, bucket);
	return with_one_ns <= full_ns ? 0 : frontd->now_ns + with_one_ns - full_ns;
}

static void
bucket_take(const struct frontd *frontd, struct quota_bucket *bucket, uint64_t amount)
{
	if (bucket->rate == 0)
		return;
	if (bucket->taken_until_ns < frontd->now_ns)
		bucket->taken_until_ns = frontd->now_ns;
	bucket->taken_until_ns += fill_ns(frontd, bucket, amount);
}

struct quota_user *
quota_find(struct frontd *frontd, uint64_t uid)
{
	struct quota_user *user = user_of(frontd, uid);

	return user != NULL && (user->messages.rate != 0 || user->bytes.rate != 0) ? user : NULL;
}

bool
quota_refuses(struct frontd *frontd)
{
	struct api_call *call = &frontd->call;
	const struct quota_user *user = frontd->quotas.at_hand;

	uint64_t messages_ns = empty_until_ns(frontd, &user->messages);
	uint64_t bytes_ns = empty_until_ns(frontd, &user->bytes);
	if (messages_ns == 0 && bytes_ns == 0)
		return false;
	bool is_bytes = bytes_ns > messages_ns;
	api_refuse(call, OUTCOME_QUOTA_EXCEEDED, "%s_per_second is %" PRIu64, is_bytes ? "bytes" : "messages",
	    is_bytes ? user->bytes.rate : user->messages.rate);
	uint64_t wait_ms = ((is_bytes ? bytes_ns : messages_ns) - frontd->now_ns) / NS_PER_MS + 1;
	call->problem.retry_after_ms = wait_ms < UINT32_MAX ? (uint32_t)wait_ms : UINT32_MAX;
	return true;
}

void
quota_charge(struct frontd *frontd, uint32_t messages, uint64_t bytes)
{
	bucket_take(frontd, &frontd->quotas.at_hand->messages, messages);
	bucket_take(frontd, &frontd->quotas.at_hand->bytes, bytes);
}

/* ---- what a client is told ---- */

/* What is left in the bucket, in this frontd's share. */
static uint64_t
left_in(const struct frontd *frontd, const struct quota_bucket *bucket)
{
	uint64_t taken_ns = bucket->taken_until_ns > frontd->now_ns ? bucket->taken_until_ns - frontd->now_ns : 0;
	uint64_t holds_ns = bucket_ns(frontd, bucket);

	if (taken_ns >= holds_ns)
		return 0;
	return (uint64_t)((double)(holds_ns - taken_ns) * (double)bucket->rate / (double)NS_PER_S /
	    (double)frontd->role->geometry.fronts);
}

/* Seconds until it is full. */
static uint64_t
full_in_s(const struct frontd *frontd, const struct quota_bucket *bucket)
{
	return bucket->taken_until_ns > frontd->now_ns ? (bucket->taken_until_ns - frontd->now_ns + NS_PER_S - 1) / NS_PER_S : 0;
}

/* draft-ietf-httpapi-ratelimit-headers: quota, its window and unit; what is left and when all of it is back. */
void
quota_fields(struct frontd *frontd, uint64_t uid, char text[QUOTA_FIELDS_BYTES])
{
	const struct quota_user *user = quota_find(frontd, uid);
	char policies[96] = "", states[96] = "";
	int policy_bytes = 0, state_bytes = 0;

	text[0] = '\0';
	if (user == NULL)
		return; /* not any more */
	if (user->messages.rate != 0) {
		policy_bytes = snprintf(policies, sizeof(policies), "\"messages\";q=%" PRIu64 ";w=1", user->messages.rate);
		state_bytes = snprintf(states, sizeof(states), "\"messages\";r=%" PRIu64 ";t=%" PRIu64,
		    left_in(frontd, &user->messages), full_in_s(frontd, &user->messages));
	}
	if (user->bytes.rate != 0) {
		const char *comma = user->messages.rate != 0 ? ", " : "";

		snprintf(policies + policy_bytes, sizeof(policies) - (size_t)policy_bytes,
		    "%s\"bytes\";q=%" PRIu64 ";w=1;qu=\"content-bytes\"", comma, user->bytes.rate);
		snprintf(states + state_bytes, sizeof(states) - (size_t)state_bytes, "%s\"bytes\";r=%" PRIu64 ";t=%" PRIu64, comma,
		    left_in(frontd, &user->bytes), full_in_s(frontd, &user->bytes));
	}
	snprintf(text, QUOTA_FIELDS_BYTES, "RateLimit-Policy: %s\r\nRateLimit: %s", policies, states);
}

/* ---- connections ---- */

static uint64_t
connections_of(const struct frontd *frontd, uint64_t uid)
{
	return usage_total(frontd->usages, uid).connections;
}

void
quota_disconnect(struct frontd *frontd, struct conn *conn)
{
	if (conn->counted_uid == 0)
		return;
	usage_add(&frontd->usages[frontd->role->slot], conn->counted_uid, &(struct usage_entry){ .connections = (uint64_t)-1 });
	conn->counted_uid = 0;
}

bool
quota_connect(struct frontd *frontd, struct conn *conn, uint64_t uid)
{
	const struct quota_user *user = user_of(frontd, uid);

	assert(uid != conn->counted_uid);
	quota_disconnect(frontd, conn);
	if (user != NULL && user->connections != 0 && connections_of(frontd, uid) >= user->connections)
		return api_refuse(&frontd->call, OUTCOME_QUOTA_EXCEEDED, "connections is %" PRIu64, user->connections);
	usage_add(&frontd->usages[frontd->role->slot], uid, &(struct usage_entry){ .connections = 1 });
	conn->counted_uid = uid;
	return true;
}
