/*
 * Happy path: listeners_open() tries the address alone, then binds all listeners to it.
 * Failure modes: the address is taken.  A broker that was killed a moment ago leaves its port to a kernel thread that takes its
 * io_uring apart, so we try again for a while; a port of another program stays taken, and that is an error.
 */
#include "cli/supervisor/listeners.h"

#include <assert.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "shm/clock.h"
#include "shm/diag.h"

#define LISTEN_BACKLOG 4096 /* the kernel cuts it to net.core.somaxconn, 4096 by default */
#define BIND_WAIT_NS 3000000000ull
#define BIND_PAUSE_NS 50000000l

static void
address_text(const struct sockaddr_storage *address, char text[BOUND_TEXT_BYTES])
{
	char host[INET6_ADDRSTRLEN] = "?";

	if (address->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;

		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		snprintf(text, BOUND_TEXT_BYTES, "[%s]:%u", host, ntohs(in6->sin6_port));
		return;
	}
	const struct sockaddr_in *in = (const struct sockaddr_in *)address;

	inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
	snprintf(text, BOUND_TEXT_BYTES, "%s:%u", host, ntohs(in->sin_port));
}

/*
 * A bound socket that listens, or -1 and errno.  It blocks: io_uring answers EAGAIN at once to a multishot accept on a
 * non-blocking one instead of waiting.
 */
static int
listen_on(const struct sockaddr_storage *address, socklen_t address_bytes, int is_shared)
{
	int on = 1, saved;
	int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    (is_shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0) /* accepted sockets inherit it */
		goto fail;
	if (address->ss_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0)
		goto fail;
	if (bind(fd, (const struct sockaddr *)address, address_bytes) != 0 || listen(fd, LISTEN_BACKLOG) != 0)
		goto fail;
	return fd;

fail:
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/*
 * Nobody else listens there.  Without SO_REUSEPORT, for with it we would join any other broker of this user, and the kernel
 * would deal out the connections between both.
 */
static int
claim(const struct sockaddr_storage *address, socklen_t address_bytes)
{
	uint64_t deadline_ns = now_ns() + BIND_WAIT_NS;
	struct timespec pause = { .tv_nsec = BIND_PAUSE_NS };
	int fd;

	while ((fd = listen_on(address, address_bytes, 0)) < 0) {
		if (errno != EADDRINUSE || now_ns() >= deadline_ns)
			return -1;
		(void)nanosleep(&pause, NULL); /* too early is only one more try */
	}
	close(fd);
	return 0;
}

static int
refuse(const struct listen_wish *wish, const struct sockaddr_storage *address)
{
	char text[BOUND_TEXT_BYTES];

	address_text(address, text);
	switch (errno) {
	case EADDRINUSE:
		diag(DIAG_ERROR, "%s is in use by another program; stop it (ss -ltnp shows who) or set another %s", text,
		    wish->option);
		return EX_UNAVAILABLE;
	case EACCES:
		diag(DIAG_ERROR, "%s may not be used by this user; set %s to a port above 1023", text, wish->option);
		return EX_NOPERM;
	case EADDRNOTAVAIL:
		diag(DIAG_ERROR, "%s is no address of this machine; set another %s", text, wish->option);
		return EX_CONFIG;
	default:
		diag_errno("cannot listen on %s", text);
		return EX_OSERR;
	}
}

int
listeners_open(const struct listen_wish *wish, int fds[], char bound[BOUND_TEXT_BYTES])
{
	struct sockaddr_storage actual = wish->address;
	uint32_t open_count = 0;

	assert(wish->count >= 1);

	if (claim(&wish->address, wish->address_bytes) != 0)
		return refuse(wish, &wish->address);
	for (; open_count < wish->count; open_count++) {
		fds[open_count] = listen_on(&actual, wish->address_bytes, 1);
		if (fds[open_count] < 0)
			goto fail;
		/* With port 0 the first one picks, the others join it. */
		if (open_count == 0 && getsockname(fds[0], (struct sockaddr *)&actual, &(socklen_t){ sizeof(actual) }) != 0) {
			open_count++;
			goto fail;
		}
	}
	address_text(&actual, bound);
	return 0;

fail:;
	int code = refuse(wish, &actual);
	while (open_count > 0)
		close(fds[--open_count]);
	return code;
}
