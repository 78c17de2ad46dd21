#include "cli/traffic/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/traffic/tls.h"

#define BUFFER_BYTES 65536u
#define BUFFER_BYTES_MAX (64u << 20)
#define HELLO_SECONDS 30

/* False without memory: no measurement is worth more than that. */
static bool
buffer_reserve(struct traffic_buffer *buffer, size_t count)
{
	size_t used = buffer->end - buffer->begin, room = buffer->room != 0 ? buffer->room : BUFFER_BYTES;
	char *bytes;

	if (buffer->room - buffer->end >= count && buffer->bytes != NULL)
		return true;
	if (buffer->begin > 0) {
		memmove(buffer->bytes, buffer->bytes + buffer->begin, used);
		buffer->begin = 0;
		buffer->end = used;
	}
	while (room - used < count)
		room *= 2;
	if (room > BUFFER_BYTES_MAX)
		return false;
	if (room == buffer->room)
		return true;
	bytes = realloc(buffer->bytes, room);
	if (bytes == NULL)
		return false;
	buffer->bytes = bytes;
	buffer->room = room;
	return true;
}

static int
dial(struct traffic *traffic)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC }, *found = NULL;
	const struct traffic_options *options = &traffic->options;
	int code = getaddrinfo(options->host, options->port, &hints, &found), fd = -1, one = 1, error = 0;

	if (code != 0)
		return traffic_fail(traffic, "%s:%s: %s", options->host, options->port, gai_strerror(code));
	for (const struct addrinfo *at = found; at != NULL && fd < 0; at = at->ai_next) {
		fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) != 0) {
			error = errno;
			close(fd);
			fd = -1;
		} else if (fd < 0) {
			error = errno;
		}
	}
	freeaddrinfo(found);
	if (fd < 0)
		return traffic_fail(traffic, "cannot connect to %s:%s: %s%s", options->host, options->port, strerror(error),
		    error == EMFILE ? " (see ulimit -n)" : "");
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* slower without, and not wrong */
	return fd;
}

int
connection_open(struct traffic_connection *connection, struct traffic *traffic, uint32_t index, bool is_consumer)
{
	struct timeval patience = { .tv_sec = HELLO_SECONDS };

	memset(connection, 0, offsetof(struct traffic_connection, pending_ns));
	connection->pending_head = connection->pending_tail = 0;
	connection->traffic = traffic;
	connection->index = index;
	connection->is_consumer = is_consumer;
	connection->state = calloc(1, traffic->options.driver->state_bytes + 1);
	connection->fd = dial(traffic);
	if (connection->fd < 0)
		return -1;
	if (connection->state == NULL || !buffer_reserve(&connection->in, BUFFER_BYTES))
		return traffic_fail(traffic, "out of memory");
	/* Only for the handshake; a socket that does not block ignores it. */
	(void)setsockopt(connection->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return traffic->tls != NULL ? traffic_tls_open(connection) : 0;
}

void
connection_close(struct traffic_connection *connection)
{
	if (connection->traffic == NULL)
		return;
	if (connection->tls != NULL)
		traffic_tls_close(connection);
	if (connection->fd >= 0)
		close(connection->fd);
	free(connection->state);
	free(connection->in.bytes);
	free(connection->out.bytes);
	connection->traffic = NULL;
}

int
connection_watch(struct traffic_connection *connection)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = connection };

	if (fcntl(connection->fd, F_SETFL, fcntl(connection->fd, F_GETFL) | O_NONBLOCK) != 0 ||
	    epoll_ctl(connection->traffic->epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) != 0)
		return traffic_fail(connection->traffic, "cannot wait for a connection: %s", strerror(errno));
	return 0;
}

static void
want_write(struct traffic_connection *connection, bool wants)
{
	struct epoll_event event = { .events = EPOLLIN | (wants ? EPOLLOUT : 0), .data.ptr = connection };

	if (connection->wants_write == wants)
		return;
	if (epoll_ctl(connection->traffic->epoll_fd, EPOLL_CTL_MOD, connection->fd, &event) == 0)
		connection->wants_write = wants;
}

int
connection_flush(struct traffic_connection *connection)
{
	struct traffic_buffer *out = &connection->out;

	while (out->begin < out->end) {
		ssize_t sent = connection->tls != NULL
		    ? traffic_tls_send(connection, out->bytes + out->begin, out->end - out->begin)
		    : send(connection->fd, out->bytes + out->begin, out->end - out->begin, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EAGAIN) {
			want_write(connection, true);
			return 0;
		}
		if (sent < 0)
			return -1;
		out->begin += (size_t)sent;
	}
	out->begin = out->end = 0;
	want_write(connection, false);
	return 0;
}

/* Records are 16 KiB at most, and what OpenSSL has read already no event tells of: all of it. */
static int
fill_sealed(struct traffic_connection *connection)
{
	struct traffic_buffer *in = &connection->in;

	for (bool is_first = true;; is_first = false) {
		if (!buffer_reserve(in, in->room / 4))
			return -1;
		ssize_t got = traffic_tls_receive(connection, in->bytes + in->end, in->room - in->end);

		if (got > 0) {
			in->end += (size_t)got;
			if (!connection->traffic->is_running)
				return 0; /* hands are being shaken: the next read would block */
			continue;
		}
		if (got < 0 && errno == EAGAIN && (connection->traffic->is_running || !is_first))
			return 0;
		errno = got == 0 ? ECONNRESET : errno;
		return -1;
	}
}

int
connection_fill(struct traffic_connection *connection)
{
	struct traffic_buffer *in = &connection->in;

	if (in->begin == in->end)
		in->begin = in->end = 0;
	if (connection->tls != NULL)
		return fill_sealed(connection);
	if (!buffer_reserve(in, in->room / 4))
		return -1;
	for (;;) {
		ssize_t got = recv(connection->fd, in->bytes + in->end, in->room - in->end, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN && connection->traffic->is_running)
			return 0;
		if (got <= 0) {
			errno = got == 0 ? ECONNRESET : errno;
			return -1;
		}
		in->end += (size_t)got;
		return 0;
	}
}

char *
traffic_room(struct traffic_connection *connection, size_t count)
{
	struct traffic_buffer *out = &connection->out;
	char *room;

	if (!buffer_reserve(out, count)) {
		/* More than 64 MiB unsent on one connection: window, batch and size multiply to too much. */
		fprintf(stderr, "traffic: a connection needs more than %u MiB of output\n", BUFFER_BYTES_MAX >> 20);
		abort();
	}
	room = out->bytes + out->end;
	out->end += count;
	return room;
}

void
traffic_put(struct traffic_connection *connection, const void *bytes, size_t count)
{
	memcpy(traffic_room(connection, count), bytes, count);
}

void
traffic_printf(struct traffic_connection *connection, const char *format, ...)
{
	char text[2048];
	va_list arguments;

	va_start(arguments, format);
	int count = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (count < 0 || (size_t)count >= sizeof(text))
		abort(); /* a driver's bug: long things go through traffic_put() */
	traffic_put(connection, text, (size_t)count);
}

const char *
traffic_exchange(struct traffic_connection *connection,
    size_t (*whole)(struct traffic_connection *connection, const char *bytes, size_t count), size_t *count)
{
	struct traffic_buffer *in = &connection->in;

	if (connection_flush(connection) != 0) {
		traffic_fail(connection->traffic, "the server closed a connection: %s", strerror(errno));
		return NULL;
	}
	for (;;) {
		size_t bytes = in->begin < in->end ? whole(connection, in->bytes + in->begin, in->end - in->begin) : 0;

		if (bytes == TRAFFIC_BROKEN)
			return NULL;
		if (bytes > 0) {
			const char *answer = in->bytes + in->begin;

			in->begin += bytes;
			*count = bytes;
			return answer;
		}
		if (connection_fill(connection) != 0) {
			traffic_fail(connection->traffic, "no answer to the handshake: %s", strerror(errno));
			return NULL;
		}
	}
}

size_t
traffic_whole_line(struct traffic_connection *connection, const char *bytes, size_t count)
{
	const char *end = memchr(bytes, '\n', count);

	(void)connection; /* the signature of traffic_exchange() */
	return end != NULL ? (size_t)(end - bytes) + 1 : 0;
}
