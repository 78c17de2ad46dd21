#ifndef TESTS_HARNESS_CLIENT_H
#define TESTS_HARNESS_CLIENT_H

/*
 * client: a small blocking HTTP/1.1 client on one raw socket, so that a test decides about every byte and every pause.
 * Whatever is not expected (no answer in time, a reset) fails the running test; load.h is the one that lives with it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/harness/response.h"

enum { CLIENT_TIMEOUT_MS = 40000 };

struct tls_state;

struct client {
	int fd;
	uint16_t port;
	struct tls_state *tls;  /* NULL: plain (tls.h) */
	bool is_head;           /* the next answer is to a HEAD request */
	bool has_ended;         /* the other side has, when no answer came */
	char *bytes;            /* received and not yet taken */
	size_t count;
	size_t capacity;
	struct response response;
};

void client_open(struct client *client, uint16_t port);
void client_close(struct client *client);

/* Close by a TCP reset. */
void client_reset(struct client *client);

/* No more will be sent; answers can still come. */
void client_end(struct client *client);

void client_send(struct client *client, const char *bytes, size_t count);
void client_text(struct client *client, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Each byte in a packet of its own. */
void client_drip(struct client *client, const char *text);

/* The next answer, in CLIENT_TIMEOUT_MS.  Borrowed until the next one is read. */
struct response *client_answer(struct client *client);

/* As client_answer(), but NULL when none came in that time or the connection ended before it was whole. */
struct response *client_try_answer(struct client *client, unsigned timeout_ms);

/* Wait until the other side has closed; fails the test if more bytes come instead. */
void client_expect_close(struct client *client);

/*
 * Send one request and wait for its answer.  request: "PUT /v1/queues/q"; fields: "Mq-Delay: 1s\r\n" or NULL; body: NULL
 * for none, and then there is no Content-Length.
 */
struct response *client_ask(struct client *client, const char *request, const char *fields, const char *body);
struct response *client_ask_bytes(struct client *client, const char *request, const char *fields, const char *body,
    size_t body_bytes);

/* Its first half; opens a new connection if the last answer said that it closes this one. */
void client_request(struct client *client, const char *request, const char *fields, const char *body, size_t body_bytes);

/* With Content-Type: application/json; the request is a format. */
struct response *client_json(struct client *client, const char *body, const char *request, ...)
    __attribute__((format(printf, 3, 4)));

/* Without fields and body; the request is a format. */
struct response *client_do(struct client *client, const char *request, ...) __attribute__((format(printf, 2, 3)));

/* PUT the queue with this JSON configuration; fails the test unless it was created. */
void client_queue(struct client *client, const char *queue, const char *config);

/* Publish a text; fails the test unless 201 or 202.  The answer with its id. */
struct response *client_publish(struct client *client, const char *queue, const char *body);

/* Receive with this JSON. */
struct response *client_receive(struct client *client, const char *queue, const char *json);

#endif
