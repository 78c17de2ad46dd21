#include "frontd/listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "frontd/frontd.h"
#include "shm/diag.h"

#define RETRY_NS (100 * NS_PER_MS)
#define COMPLAINT_NS (60 * NS_PER_S)
#define TURNED_AWAY_MAX 64u

#define ACCEPT_TAG uring_tag(URING_ACCEPT, 0, 0)

void
listen_init(struct frontd *frontd)
{
	int on = 1;

	/* Accepted sockets inherit it.  A unix socket in a test has none: no harm. */
	(void)setsockopt(frontd->listen_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static bool
listen_wants(const struct frontd *frontd)
{
	return !frontd->is_draining && frontd->conns.open < frontd->limits.connections_max &&
	    frontd->now_ns >= frontd->listener.retry_ns;
}

static void
complain_of_many(struct frontd *frontd)
{
	struct listener *listener = &frontd->listener;

	if (frontd->is_draining || frontd->conns.open < frontd->limits.connections_max)
		return;
	if (frontd->now_ns < listener->complained_ns + COMPLAINT_NS && listener->complained_ns != 0)
		return;
	listener->complained_ns = frontd->now_ns;
	diag(DIAG_WARNING, "%u connections are open, as many as there may be: new ones wait until one is closed; "
	    "server.max_connections and LimitNOFILE (ulimit -n) set how many", frontd->conns.open);
}

void
listen_update(struct frontd *frontd)
{
	struct listener *listener = &frontd->listener;
	bool wants = listen_wants(frontd);

	if (!wants)
		complain_of_many(frontd);
	if (wants && !listener->is_armed) {
		uring_accept(frontd->uring, frontd->listen_fd, ACCEPT_TAG);
		listener->is_armed = true;
	} else if (!wants && listener->is_armed && !listener->is_cancelling) {
		uring_cancel(frontd->uring, ACCEPT_TAG, uring_tag(URING_CANCEL, 0, 0));
		listener->is_cancelling = true;
	}
}

static void
listen_failed(struct frontd *frontd, int error)
{
	struct listener *listener = &frontd->listener;

	if (error == ECANCELED || error == ECONNABORTED || error == EINTR)
		return;
	/* Out of descriptors or memory: trying at once would burn a core and fill the log. */
	listener->retry_ns = frontd->now_ns + RETRY_NS;
	if (role_is_draining(frontd->role)) /* the supervisor has shut the listener down; we see it in a moment */
		return;
	if (frontd->now_ns < listener->complained_ns + NS_PER_S && listener->complained_ns != 0)
		return;
	listener->complained_ns = frontd->now_ns;
	errno = error;
	diag_errno("cannot accept connections (%u are open); raise LimitNOFILE or lower server.max_connections",
	    frontd->conns.open);
}

/*
 * More from one address than it may have.  It is told why, for a program that is merely badly written has to find its mistake;
 * but those who are told hold a descriptor for up to the time of lingering, so only a few at a time are, the others just closed.
 */
static void
turn_away(struct frontd *frontd, int fd, const struct client_address *address)
{
	stat_add(&frontd->stats->connections_refused, 1);
	if (frontd->conns.turned_away < TURNED_AWAY_MAX) {
		conn_turn_away(frontd, conn_open(frontd, fd, address));
		return;
	}
	stat_add(&frontd->stats->connections_closed, 1);
	uring_close(frontd->uring, fd, uring_tag(URING_NONE, 0, 0));
}

void
listen_accepted(struct frontd *frontd, int result, bool has_more)
{
	struct listener *listener = &frontd->listener;

	if (!has_more) {
		listener->is_armed = false;
		listener->is_cancelling = false;
	}
	if (result < 0) {
		listen_failed(frontd, -result);
		return;
	}
	if (frontd->is_draining) { /* it was accepted before the cancel took effect */
		uring_close(frontd->uring, result, uring_tag(URING_NONE, 0, 0));
		return;
	}
	/* One batch may go beyond the limit, until the cancel takes effect: served rather than reset. */
	stat_add(&frontd->stats->connections_accepted, 1);
	struct client_address address;
	address_of_fd(result, &address);
	uint64_t limit = frontd->limits.per_address_max;
	if (limit != 0 && addresses_count(&frontd->addresses, &address) >= limit)
		turn_away(frontd, result, &address);
	else
		conn_open(frontd, result, &address);
}
