#include "tests/harness/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/harness/deadline.h"

enum { READ_BYTES = 65536 };

void
wire_init(struct wire *wire)
{
	*wire = (struct wire){ .fd = -1 };
}

static void
wire_close(struct wire *wire)
{
	if (wire->fd >= 0)
		close(wire->fd);
	wire->fd = -1;
	wire->count = 0;
}

void
wire_free(struct wire *wire)
{
	wire_close(wire);
	free(wire->bytes);
	response_free(&wire->answer);
	wire->bytes = NULL;
}

/* Where a port is free, Linux may connect a socket with itself. */
static bool
is_own_port(int fd, uint16_t port)
{
	struct sockaddr_in own = { 0 };
	socklen_t own_bytes = sizeof(own);

	return getsockname(fd, (struct sockaddr *)&own, &own_bytes) != 0 || ntohs(own.sin_port) == port;
}

bool
wire_open(struct wire *wire, uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int on = 1;

	if (wire->fd >= 0 && wire->port == port)
		return true;
	wire_close(wire);
	wire->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	wire->port = port;
	if (wire->fd < 0 || connect(wire->fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
	    is_own_port(wire->fd, port)) {
		wire_close(wire);
		return false;
	}
	(void)setsockopt(wire->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* without it only slower */
	return true;
}

static enum wire_end
wait_for(const struct wire *wire, short events, uint64_t deadline_ms)
{
	struct pollfd poll_fd = { .fd = wire->fd, .events = events };
	int n;

	do {
		n = poll(&poll_fd, 1, deadline_left_ms(deadline_ms));
	} while (n < 0 && errno == EINTR);
	return n == 0 ? WIRE_SILENT : WIRE_ANSWERED;
}

static enum wire_end
send_all(struct wire *wire, const char *bytes, size_t count, uint64_t deadline_ms)
{
	while (count > 0) {
		ssize_t n = send(wire->fd, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return WIRE_BROKE;
		if (n < 0 && wait_for(wire, POLLOUT, deadline_ms) == WIRE_SILENT)
			return WIRE_SILENT;
		if (n > 0) {
			bytes += n;
			count -= (size_t)n;
		}
	}
	return WIRE_ANSWERED;
}

static enum wire_end
read_answer(struct wire *wire, uint64_t deadline_ms)
{
	for (;;) {
		ssize_t n = response_parse(&wire->answer, wire->bytes, wire->count, false);

		if (n > 0) {
			wire->count -= (size_t)n;
			memmove(wire->bytes, wire->bytes + n, wire->count);
			return WIRE_ANSWERED;
		}
		if (n < 0)
			return WIRE_BROKE;
		if (wire->capacity - wire->count < READ_BYTES) {
			wire->capacity = wire->capacity * 2 + READ_BYTES;
			wire->bytes = realloc(wire->bytes, wire->capacity);
			if (wire->bytes == NULL)
				abort();
		}
		if (wait_for(wire, POLLIN, deadline_ms) == WIRE_SILENT)
			return WIRE_SILENT;
		n = recv(wire->fd, wire->bytes + wire->count, wire->capacity - wire->count, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return WIRE_BROKE;
		wire->count += n > 0 ? (size_t)n : 0;
	}
}

enum wire_end
wire_ask(struct wire *wire, const char *request, size_t request_bytes, unsigned timeout_ms)
{
	uint64_t deadline_ms = deadline_in(timeout_ms);
	enum wire_end end = send_all(wire, request, request_bytes, deadline_ms);

	/* A broker that refuses early answers and closes while we still send: then the answer counts. */
	if (end != WIRE_SILENT)
		end = read_answer(wire, deadline_ms);
	if (end != WIRE_ANSWERED || wire->answer.is_closing || wire->count > 0)
		wire_close(wire);
	return end;
}
