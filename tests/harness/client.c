#include "tests/harness/client.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/harness/deadline.h"
#include "tests/harness/tls.h"

enum { REQUEST_BYTES_MAX = 32 * 1024 };

void
client_open(struct client *client, uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int on = 1;

	*client = (struct client){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .port = port };
	ck_assert_int_ge(client->fd, 0);
	ck_assert_msg(connect(client->fd, (const struct sockaddr *)&address, sizeof(address)) == 0, "connect to port %u: %s",
	    port, strerror(errno));
	(void)setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* without it only slower */
}

void
client_close(struct client *client)
{
	if (client->tls != NULL)
		tls_client_free(client);
	if (client->fd >= 0)
		close(client->fd);
	free(client->bytes);
	response_free(&client->response);
	*client = (struct client){ .fd = -1 };
}

void
client_reset(struct client *client)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	ck_assert_int_eq(setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	client_close(client);
}

void
client_end(struct client *client)
{
	ck_assert_int_eq(shutdown(client->fd, SHUT_WR), 0);
}

void
client_send(struct client *client, const char *bytes, size_t count)
{
	while (count > 0) {
		ssize_t n = client->tls != NULL ? tls_client_write(client, bytes, count)
						: send(client->fd, bytes, count, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		ck_assert_msg(n > 0, "send: %s", strerror(errno));
		bytes += n;
		count -= (size_t)n;
	}
}

void
client_text(struct client *client, const char *format, ...)
{
	char text[REQUEST_BYTES_MAX];
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	ck_assert(n >= 0 && n < (int)sizeof(text));
	client_send(client, text, (size_t)n);
}

void
client_drip(struct client *client, const char *text)
{
	for (; *text != '\0'; text++)
		client_send(client, text, 1);
}

enum arrival { ARRIVAL_BYTES, ARRIVAL_END, ARRIVAL_NOTHING };

static enum arrival
read_more(struct client *client, uint64_t deadline_ms)
{
	struct pollfd poll_fd = { .fd = client->fd, .events = POLLIN };
	ssize_t n;

	if (client->capacity - client->count < 65536) {
		client->capacity = client->capacity * 2 + 65536;
		client->bytes = realloc(client->bytes, client->capacity);
		ck_assert_ptr_nonnull(client->bytes);
	}
	do {
		n = client->tls != NULL && tls_client_has_bytes(client) ? 1 : poll(&poll_fd, 1, deadline_left_ms(deadline_ms));
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		return ARRIVAL_NOTHING;
	if (client->tls != NULL)
		n = tls_client_read(client, client->bytes + client->count, client->capacity - client->count);
	else
		n = recv(client->fd, client->bytes + client->count, client->capacity - client->count, 0);
	if (n <= 0)
		return ARRIVAL_END;
	client->count += (size_t)n;
	return ARRIVAL_BYTES;
}

struct response *
client_try_answer(struct client *client, unsigned timeout_ms)
{
	uint64_t deadline_ms = deadline_in(timeout_ms);

	for (;;) {
		ssize_t n = response_parse(&client->response, client->bytes != NULL ? client->bytes : "", client->count,
		    client->is_head);

		ck_assert_msg(n >= 0, "this is no HTTP response: %.*s", (int)client->count, client->bytes);
		if (n > 0) {
			client->count -= (size_t)n;
			memmove(client->bytes, client->bytes + n, client->count);
			return &client->response;
		}
		enum arrival arrival = read_more(client, deadline_ms);
		client->has_ended = arrival == ARRIVAL_END;
		if (arrival != ARRIVAL_BYTES)
			return NULL;
	}
}

struct response *
client_answer(struct client *client)
{
	struct response *answer = client_try_answer(client, CLIENT_TIMEOUT_MS);

	ck_assert_msg(answer != NULL, "no whole answer came%s; the last bytes: %.*s",
	    client->has_ended ? ", the connection ended" : " in time", (int)client->count,
	    client->bytes != NULL ? client->bytes : "");
	return answer;
}

void
client_expect_close(struct client *client)
{
	enum arrival arrival = client->count > 0 ? ARRIVAL_BYTES : read_more(client, deadline_in(CLIENT_TIMEOUT_MS));

	ck_assert_msg(arrival != ARRIVAL_NOTHING, "the connection was not closed");
	ck_assert_msg(arrival == ARRIVAL_END, "bytes came instead of a close: %.*s", (int)client->count, client->bytes);
}

/* As any HTTP client: a connection that the last answer has closed is opened again. */
static void
client_renew(struct client *client)
{
	uint16_t port = client->port;

	if (!client->response.is_closing)
		return;
	ck_assert_msg(client->tls == NULL, "the last answer closed this connection; a test opens one of TLS itself");
	client_close(client);
	client_open(client, port);
}

void
client_request(struct client *client, const char *request, const char *fields, const char *body, size_t body_bytes)
{
	char length[48] = "", *bytes;
	size_t room = strlen(request) + (fields != NULL ? strlen(fields) : 0) + body_bytes + 200;
	int head_bytes;

	client_renew(client);
	bytes = malloc(room);
	ck_assert_ptr_nonnull(bytes);
	if (body != NULL)
		snprintf(length, sizeof(length), "Content-Length: %zu\r\n", body_bytes);
	head_bytes = snprintf(bytes, room, "%s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%s%s\r\n", request, client->port,
	    fields != NULL ? fields : "", length);
	if (body != NULL)
		memcpy(bytes + head_bytes, body, body_bytes);
	client_send(client, bytes, (size_t)head_bytes + (body != NULL ? body_bytes : 0));
	free(bytes);
	client->is_head = strncmp(request, "HEAD ", 5) == 0;
}

struct response *
client_ask_bytes(struct client *client, const char *request, const char *fields, const char *body, size_t body_bytes)
{
	struct response *answer;

	client_request(client, request, fields, body, body_bytes);
	answer = client_answer(client);
	client->is_head = false;
	return answer;
}

struct response *
client_ask(struct client *client, const char *request, const char *fields, const char *body)
{
	return client_ask_bytes(client, request, fields, body, body != NULL ? strlen(body) : 0);
}

struct response *
client_json(struct client *client, const char *body, const char *request, ...)
{
	char line[REQUEST_BYTES_MAX];
	va_list arguments;

	va_start(arguments, request);
	vsnprintf(line, sizeof(line), request, arguments);
	va_end(arguments);
	return client_ask(client, line, "Content-Type: application/json\r\n", body);
}

struct response *
client_do(struct client *client, const char *request, ...)
{
	char line[REQUEST_BYTES_MAX];
	va_list arguments;

	va_start(arguments, request);
	vsnprintf(line, sizeof(line), request, arguments);
	va_end(arguments);
	return client_ask(client, line, NULL, NULL);
}

void
client_queue(struct client *client, const char *queue, const char *config)
{
	struct response *answer = client_json(client, config, "PUT /v1/queues/%s", queue);

	expect_status(answer, 201);
}

struct response *
client_publish(struct client *client, const char *queue, const char *body)
{
	char request[160];
	struct response *answer;

	snprintf(request, sizeof(request), "POST /v1/queues/%s/messages", queue);
	answer = client_ask(client, request, "Content-Type: text/plain\r\n", body);
	ck_assert_msg(answer->status == 201 || answer->status == 202, "publish: status %u: %.300s", answer->status,
	    answer->body);
	return answer;
}

struct response *
client_receive(struct client *client, const char *queue, const char *json)
{
	return client_json(client, json, "POST /v1/queues/%s/messages:receive", queue);
}
