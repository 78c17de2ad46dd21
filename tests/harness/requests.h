#ifndef TESTS_HARNESS_REQUESTS_H
#define TESTS_HARNESS_REQUESTS_H

/* requests: requests.def as a table, for the parser alone (unit/http_requests) and for a broker (http/smuggling). */

#include <stddef.h>

#define PUBLISH "POST /v1/queues/victim/messages HTTP/1.1\r\nHost: x\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n\r\n"
#define PUT_SMUGGLED "PUT /v1/queues/smuggled HTTP/1.1\r\nHost: xx\r\n\r\n" /* 46 bytes */
_Static_assert(sizeof(PUT_SMUGGLED) - 1 == 46, "the lengths in requests.def");

static const struct {
	unsigned parser, broker;
	const char *bytes;
	size_t count;
} requests[] = {
#define X(parser, broker, bytes) { parser, broker, bytes, sizeof(bytes) - 1 },
#include "tests/harness/requests.def"
#undef X
};

enum { REQUEST_COUNT = sizeof(requests) / sizeof(requests[0]) };

#endif
