/*
 * condition: ETags, and what a client wants to be so before it changes something (RFC 9110, section
 * 13).
 */
#ifndef FRONTD_API_CONDITION_H
#define FRONTD_API_CONDITION_H

#include "frontd/api/call.h"

/* If-Match and If-None-Match of a PUT, PATCH or DELETE; or a problem. */
bool condition_take(struct api_call *call, struct condition *condition);

/* If-None-Match of a GET, for condition_is_known(). */
void condition_take_known(struct api_call *call);

/* The client of this GET has what carries this ETag: 304. */
bool condition_is_known(const struct api_memo *memo, uint64_t etag);

/* The ETag field of an answer; its head is begun. */
void condition_put_etag(struct answer *answer, uint64_t etag);

#endif
