#ifndef TESTS_HARNESS_WIRE_H
#define TESTS_HARNESS_WIRE_H

/*
 * wire: one HTTP/1.1 connection that lives with a broker in trouble: nothing here fails a test, every end is told.  One
 * request at a time, blocking.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/harness/response.h"

enum wire_end { WIRE_ANSWERED, WIRE_BROKE, WIRE_SILENT };

struct wire {
	int fd;                         /* -1: not connected */
	uint16_t port;
	char *bytes;
	size_t count;
	size_t capacity;
	struct response answer;         /* the last one */
};

void wire_init(struct wire *wire);
void wire_free(struct wire *wire);

/* Connect, if it is not connected with this port; false: nobody listens there. */
bool wire_open(struct wire *wire, uint16_t port);

/* Send a request and read its answer.  Whatever but an answer that leaves the connection open closes it. */
enum wire_end wire_ask(struct wire *wire, const char *request, size_t request_bytes, unsigned timeout_ms);

#endif
