/*
 * headers: the request headers that mean something to us.  Ours begin with Mq-; one that we do not know is refused, for a
 * typo must not lose meaning.
 */
#ifndef FRONTD_API_HEADERS_H
#define FRONTD_API_HEADERS_H

#include "frontd/api/call.h"

/* Every Mq- header (and Idempotency-Key) is known and may stand on this route; or a problem. */
bool headers_check(struct api_call *call);

/*
 * The headers that are stored with a message (Content-Type, Content-Encoding, Content-Digest, traceparent, tracestate, ce-*,
 * Mq-Attr-*), encoded as attributes.h into call->publish.attributes; and Mq-Delay, Mq-Not-Before.
 */
bool headers_take_message(struct api_call *call);

/* Of a batch: there must be none that belong to a single message. */
bool headers_check_batch(struct api_call *call);

/*
 * Are these the encoded attributes of a message as headers_take_message() makes them?  Workers never look inside: what a frontd
 * that was taken over has stored must not become headers, or JSON, of an answer of ours.
 */
bool headers_stored_are_sound(const char *bytes, uint32_t count);

/* Is this the name of a custom attribute ("Mq-Attr-" and a token)?  The token, or ptr == NULL. */
struct http_slice headers_attribute(struct http_slice name);

#endif
