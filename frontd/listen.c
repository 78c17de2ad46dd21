#include "frontd/listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "frontd/frontd.h"
#include "shm/clock.h"
#include "shm/diag.h"

#define RETRY_NS (100 * NS_PER_MS)
#define COMPLAINT_NS (60 * NS_PER_S)
#define TURNED_AWAY_MAX 64u
/* Who comes right after a restart should not wait for longer than the restart took. */
#define YOUNG_NS NS_PER_S
#define RENEW_YOUNG_NS (10 * NS_PER_MS)
#define RENEW_NS (250 * NS_PER_MS)

void
listen_init(struct frontd *frontd)
{
	int on = 1;

	frontd->listeners.young_ns = now_ns() + YOUNG_NS;
	/* Accepted sockets inherit it.  A unix socket in a test has none: no harm. */
	for (unsigned kind = 0; kind < LISTEN_KINDS; kind++)
		if (frontd->listeners.of[kind].fd >= 0)
			(void)setsockopt(frontd->listeners.of[kind].fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static bool
listen_wants(const struct frontd *frontd)
{
	return !frontd->is_draining && frontd->conns.open < frontd->limits.connections_max &&
	    frontd->now_ns >= frontd->listeners.retry_ns;
}

static void
complain_of_many(struct frontd *frontd)
{
	struct listeners *listeners = &frontd->listeners;

	if (frontd->is_draining || frontd->conns.open < frontd->limits.connections_max)
		return;
	if (frontd->now_ns < listeners->complained_ns + COMPLAINT_NS && listeners->complained_ns != 0)
		return;
	listeners->complained_ns = frontd->now_ns;
	diag(DIAG_WARNING, "%u connections are open, as many as there may be: new ones wait until one is closed; "
	    "server.max_connections and LimitNOFILE (ulimit -n) set how many", frontd->conns.open);
}

static void
listener_update(struct frontd *frontd, enum listen_kind kind, bool wants)
{
	struct listener *listener = &frontd->listeners.of[kind];
	uint64_t tag = uring_tag(URING_ACCEPT, 0, kind);

	if (listener->fd < 0)
		return;
	if (wants && !listener->is_armed) {
		uring_accept(frontd->uring, listener->fd, tag);
		listener->is_armed = true;
		listener->has_accepted = false;
	} else if (!wants && listener->is_armed && !listener->is_cancelling) {
		uring_cancel(frontd->uring, tag, uring_tag(URING_CANCEL, 0, 0));
		listener->is_cancelling = true;
	}
}

/* Cancelled, it is armed again in the next turn. */
static void
listen_renew(struct frontd *frontd)
{
	struct listeners *listeners = &frontd->listeners;

	listeners->renew_ns = frontd->now_ns + (frontd->now_ns < listeners->young_ns ? RENEW_YOUNG_NS : RENEW_NS);
	for (enum listen_kind kind = 0; kind < LISTEN_KINDS; kind++) {
		struct listener *listener = &listeners->of[kind];

		if (!listener->has_accepted)
			listener_update(frontd, kind, false);
		listener->has_accepted = false;
	}
}

uint64_t
listen_sleep_ns(const struct frontd *frontd)
{
	return frontd->now_ns < frontd->listeners.young_ns ? RENEW_YOUNG_NS : RENEW_NS;
}

void
listen_update(struct frontd *frontd)
{
	bool wants = listen_wants(frontd);

	if (frontd->now_ns >= frontd->listeners.renew_ns)
		listen_renew(frontd);
	if (!wants)
		complain_of_many(frontd);
	listener_update(frontd, LISTEN_PLAIN, wants);
	listener_update(frontd, LISTEN_TLS, wants && !tls_is_crowded(frontd));
}

static void
listen_failed(struct frontd *frontd, int error)
{
	struct listeners *listeners = &frontd->listeners;

	if (error == ECANCELED || error == ECONNABORTED || error == EINTR)
		return;
	/* Out of descriptors or memory: trying at once would burn a core and fill the log. */
	listeners->retry_ns = frontd->now_ns + RETRY_NS;
	if (role_is_draining(frontd->role)) /* the supervisor has shut the listener down; we see it in a moment */
		return;
	if (frontd->now_ns < listeners->complained_ns + NS_PER_S && listeners->complained_ns != 0)
		return;
	listeners->complained_ns = frontd->now_ns;
	errno = error;
	diag_errno("cannot accept connections (%u are open); raise LimitNOFILE or lower server.max_connections",
	    frontd->conns.open);
}

/*
 * More from one address than it may have.  It is told why, for a program that is merely badly written has to find its mistake;
 * but those who are told hold a descriptor for up to the time of lingering, so only a few at a time are, the others just closed.
 * So are those of TLS: to tell them would take the handshake that they are to be kept from.
 */
static void
turn_away(struct frontd *frontd, enum listen_kind kind, int fd, const struct client_address *address)
{
	stat_add(&frontd->stats->connections_refused, 1);
	/* To say it by HTTPS would take a handshake, which is what costs most. */
	if (kind == LISTEN_PLAIN && frontd->conns.turned_away < TURNED_AWAY_MAX) {
		conn_turn_away(frontd, conn_open(frontd, fd, address, false));
		return;
	}
	stat_add(&frontd->stats->connections_closed, 1);
	uring_close(frontd->uring, fd, uring_tag(URING_NONE, 0, 0));
}

void
listen_accepted(struct frontd *frontd, enum listen_kind kind, int result, bool has_more)
{
	struct listener *listener = &frontd->listeners.of[kind];

	if (!has_more) {
		listener->is_armed = false;
		listener->is_cancelling = false;
	}
	if (result < 0) {
		listen_failed(frontd, -result);
		return;
	}
	listener->has_accepted = true;
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
		turn_away(frontd, kind, result, &address);
	else
		conn_open(frontd, result, &address, kind == LISTEN_TLS);
}
