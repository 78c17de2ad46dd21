/*
 * digest: Content-Digest (RFC 9530) of a request body: sha-256 and sha-512 are checked, others are passed on unchecked.
 */
#ifndef FRONTD_API_DIGEST_H
#define FRONTD_API_DIGEST_H

#include "frontd/api/call.h"

/* True without the header; a problem when it is malformed or does not match call->body. */
bool digest_check(struct api_call *call);

#endif
