/*
 * http: the driver for Chasqui, and for anything that answers POST with 2xx.  Messages are published one a request or, with
 * options.batch, as application/vnd.mq.batch+json; received as JSON (or raw) and acknowledged one by one or as a batch.
 * options.argument is the durability of the queue it makes: "fsync" (or "") or "memory".
 */
#ifndef TRAFFIC_HTTP_H
#define TRAFFIC_HTTP_H

#include <stddef.h>

#include "cli/traffic/driver.h"

struct http_reply {
	unsigned status;
	size_t head_bytes;        /* up to and with the empty line */
	size_t body_bytes;
};

/* The reply that bytes begin with: its whole size, 0 while it is not all there, TRAFFIC_BROKEN where it is no HTTP. */
size_t http_reply_read(const char *bytes, size_t count, struct http_reply *reply);

#endif
