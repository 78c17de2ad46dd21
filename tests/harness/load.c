/*
 * Happy path: a publisher connects, sends one request, reads its answer, and so on; a consumer receives, acknowledges
 * what it got in one batch, receives again.  load_turn() is one round of epoll over all of them.
 *
 * Failure modes: a connection that ends goes DOWN and is opened again after RETRY_MS.  What it had asked: a publish stays
 * SENT in the oracle (it may have happened), a receive is forgotten (its leases end by time), an acknowledgement is sent
 * again, and is UNKNOWN if the receipt is stale by then.
 */
#include "tests/harness/load.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shm/atomic.h"
#include "tests/harness/response.h"
#include "tests/harness/deadline.h"

enum { HELD_MAX = 100, RECEIPT_BYTES = 72, RETRY_MS = 10, EVENTS_MAX = 256, READ_BYTES = 256 * 1024 };

struct held {
	uint32_t number;
	bool was_tried;                 /* an acknowledgement went out and no answer came */
	char receipt[RECEIPT_BYTES];
};

/*
 * DOWN -> CONNECTING -> IDLE -> ASKING -> IDLE ...   conn_set() alone sets it.  From each: conn_down() -> DOWN.
 */
enum conn_state { CONN_DOWN, CONN_CONNECTING, CONN_IDLE, CONN_ASKING };
enum asking { ASKING_PUBLISH, ASKING_RECEIVE, ASKING_ACK };

struct buffer {
	char *bytes;
	size_t count;
	size_t capacity;
};

struct conn {
	int fd;
	enum conn_state state;
	enum asking asking;
	bool is_consumer;
	uint64_t not_before_ms;         /* the next connect or request */
	uint64_t asked_ms;
	struct buffer out;
	size_t sent_bytes;
	struct buffer in;
	struct response answer;
	uint32_t stream;                /* publisher: of this connection */
	uint32_t first;                 /* publisher: numbers asked about */
	uint32_t count;
	unsigned held_count;            /* consumer: leased, to be acknowledged */
	struct held held[HELD_MAX];
};

struct load {
	struct load_options options;
	uint32_t port;                  /* load_set_port() */
	struct oracle *oracle;
	struct load_counts counts;
	bool publishes;
	bool consumes;
	int epoll_fd;
	char *body;                     /* one */
	unsigned conn_count;
	struct conn *conns;
};

static void
buffer_room(struct buffer *buffer, size_t count)
{
	if (buffer->capacity - buffer->count >= count)
		return;
	buffer->capacity = (buffer->count + count) * 2;
	buffer->bytes = realloc(buffer->bytes, buffer->capacity);
	assert(buffer->bytes != NULL);
}

static void
buffer_add(struct buffer *buffer, const char *bytes, size_t count)
{
	buffer_room(buffer, count);
	memcpy(buffer->bytes + buffer->count, bytes, count);
	buffer->count += count;
}

static void __attribute__((format(printf, 2, 3)))
buffer_print(struct buffer *buffer, const char *format, ...)
{
	va_list arguments;
	int n;

	buffer_room(buffer, 1024);
	va_start(arguments, format);
	n = vsnprintf(buffer->bytes + buffer->count, buffer->capacity - buffer->count, format, arguments);
	va_end(arguments);
	assert(n >= 0 && (size_t)n < buffer->capacity - buffer->count);
	buffer->count += (size_t)n;
}

static void
conn_watch(const struct load *load, struct conn *conn, uint32_t events, int operation)
{
	struct epoll_event event = { .events = events, .data.ptr = conn };
	int rc = epoll_ctl(load->epoll_fd, operation, conn->fd, &event);

	assert(rc == 0);
	(void)rc;
}

static void
conn_set(struct conn *conn, enum conn_state state)
{
	assert((state == CONN_DOWN) == (conn->fd < 0));
	conn->state = state;
}

static void
conn_down(struct load *load, struct conn *conn)
{
	if (conn->state == CONN_ASKING) {
		load->counts.resets++;
		for (unsigned i = 0; conn->asking == ASKING_ACK && i < conn->held_count; i++)
			conn->held[i].was_tried = true;
	}
	/* Not left to close(): a child that another thread just forks holds the socket until its exec. */
	(void)epoll_ctl(load->epoll_fd, EPOLL_CTL_DEL, conn->fd, NULL); /* it was added, so it cannot fail */
	close(conn->fd);
	conn->fd = -1;
	conn->out.count = conn->in.count = conn->sent_bytes = 0;
	conn->not_before_ms = clock_ms() + RETRY_MS;
	conn_set(conn, CONN_DOWN);
}

static void
conn_connect(struct load *load, struct conn *conn)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)load_relaxed(&load->port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int on = 1;

	conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert(conn->fd >= 0);
	(void)setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* without it only slower */
	conn_watch(load, conn, EPOLLOUT, EPOLL_CTL_ADD);
	conn_set(conn, CONN_CONNECTING);
	if (connect(conn->fd, (const struct sockaddr *)&address, sizeof(address)) != 0 && errno != EINPROGRESS)
		conn_down(load, conn);
}

/* Nobody listens, or, where the port is free, Linux connected the socket with itself. */
static bool
conn_is_nobody(const struct conn *conn)
{
	struct sockaddr_in own = { 0 }, peer = { 0 };
	socklen_t own_bytes = sizeof(own), peer_bytes = sizeof(peer);

	return getsockname(conn->fd, (struct sockaddr *)&own, &own_bytes) != 0 ||
	    getpeername(conn->fd, (struct sockaddr *)&peer, &peer_bytes) != 0 || own.sin_port == peer.sin_port;
}

static void
conn_write(struct load *load, struct conn *conn)
{
	while (conn->sent_bytes < conn->out.count) {
		ssize_t n = send(conn->fd, conn->out.bytes + conn->sent_bytes, conn->out.count - conn->sent_bytes,
		    MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			conn_watch(load, conn, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
			return;
		}
		if (n < 0) {
			conn_down(load, conn);
			return;
		}
		conn->sent_bytes += (size_t)n;
	}
	conn_watch(load, conn, EPOLLIN, EPOLL_CTL_MOD);
}

/* Send what stands in out as one request with this body. */
static void
conn_send(struct load *load, struct conn *conn, enum asking asking)
{
	conn->asking = asking;
	conn->sent_bytes = 0;
	conn->asked_ms = clock_ms();
	conn_set(conn, CONN_ASKING);
	conn_write(load, conn);
}

static void
add_head(struct load *load, struct conn *conn, const char *what, const char *type, size_t body_bytes)
{
	conn->out.count = 0;
	buffer_print(&conn->out, "POST /v1/queues/%s/%s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %s\r\n"
	    "Content-Length: %zu\r\n\r\n", load->options.queue, what, type, body_bytes);
}

/* False when the oracle has no more messages. */
static bool
ask_publish(struct load *load, struct conn *conn)
{
	struct buffer lines = { 0 };

	conn->count = 0;
	while (conn->count < load->options.batch) {
		uint32_t number = oracle_next(load->oracle, conn->stream), body_bytes;

		if (number == ORACLE_NONE)
			break;
		if (conn->count++ == 0)
			conn->first = number;
		body_bytes = oracle_body(load->oracle, number, load->body);
		if (load->options.batch == 1) {
			add_head(load, conn, "messages", "text/plain", body_bytes);
			buffer_add(&conn->out, load->body, body_bytes);
		} else {
			buffer_add(&lines, "{\"body\":\"", 9);
			buffer_add(&lines, load->body, body_bytes);
			buffer_add(&lines, "\"}\n", 3);
		}
	}
	if (load->options.batch > 1 && conn->count > 0) {
		add_head(load, conn, "messages", "application/x-ndjson", lines.count);
		buffer_add(&conn->out, lines.bytes, lines.count);
	}
	free(lines.bytes);
	if (conn->count == 0)
		return false;
	conn_send(load, conn, ASKING_PUBLISH);
	return true;
}

static void
ask_receive(struct load *load, struct conn *conn)
{
	char json[160];
	int n = snprintf(json, sizeof(json), "{\"max\":%u,\"lease\":\"%s\",\"wait\":\"%s\"}", load->options.receive_max,
	    load->options.lease, load->options.wait);

	add_head(load, conn, "messages:receive", "application/json", (size_t)n);
	buffer_add(&conn->out, json, (size_t)n);
	conn_send(load, conn, ASKING_RECEIVE);
}

static void
ask_ack(struct load *load, struct conn *conn)
{
	char json[32 + HELD_MAX * (RECEIPT_BYTES + 4)];
	size_t count = (size_t)sprintf(json, "{\"receipts\":[");

	for (unsigned i = 0; i < conn->held_count; i++)
		count += (size_t)sprintf(json + count, "%s\"%s\"", i == 0 ? "" : ",", conn->held[i].receipt);
	count += (size_t)sprintf(json + count, "]}");
	add_head(load, conn, "leases:ack", "application/json", count);
	buffer_add(&conn->out, json, count);
	conn_send(load, conn, ASKING_ACK);
}

/* What an idle connection does next, if anything. */
static void
conn_ask(struct load *load, struct conn *conn)
{
	if (conn->is_consumer) {
		if (conn->held_count > 0)
			ask_ack(load, conn);
		else if (load->consumes)
			ask_receive(load, conn);
	} else if (load->publishes) {
		(void)ask_publish(load, conn); /* all published: the connection stays idle */
	}
}

static void
take_publish(struct load *load, struct conn *conn)
{
	unsigned status = conn->answer.status;

	if (status / 100 == 2) {
		uint64_t waited_ms = clock_ms() - conn->asked_ms;

		load->counts.publish_answers++;
		if (waited_ms > load->counts.publish_max_ms)
			load->counts.publish_max_ms = waited_ms;
		oracle_published(load->oracle, conn->first, conn->count, PUBLISH_ACKNOWLEDGED);
	} else if (status / 100 == 4) {
		oracle_published(load->oracle, conn->first, conn->count, PUBLISH_REFUSED);
	}
}

static void
take_messages(struct load *load, struct conn *conn)
{
	json_t *messages = response_member(&conn->answer, "messages"), *message;
	size_t i;

	load->counts.receive_answers++;
	if (conn->answer.status == 204)
		return;
	if (!json_is_array(messages) || json_array_size(messages) > load->options.receive_max) {
		oracle_violation(load->oracle, "a receive answered with something else: %.200s", conn->answer.body);
		return;
	}
	json_array_foreach(messages, i, message) {
		json_t *body = json_object_get(message, "body");
		const char *receipt = json_string_value(json_object_get(message, "receipt"));
		uint32_t number = oracle_delivered(load->oracle, json_is_string(body) ? json_string_value(body) : "",
		    json_string_length(body), (uint32_t)json_integer_value(json_object_get(message, "delivery_count")),
		    conn->asked_ms);

		if (number == ORACLE_NONE || receipt == NULL || strlen(receipt) >= RECEIPT_BYTES)
			continue;
		struct held *held = &conn->held[conn->held_count++];
		held->number = number;
		held->was_tried = false;
		strcpy(held->receipt, receipt);
	}
}

static void
take_acks(struct load *load, struct conn *conn)
{
	json_t *results = response_member(&conn->answer, "results");

	if (json_array_size(results) != conn->held_count)
		oracle_violation(load->oracle, "%u receipts acked, answered with: %.200s", conn->held_count,
		    conn->answer.body);
	for (unsigned i = 0; i < conn->held_count && i < json_array_size(results); i++) {
		const struct held *held = &conn->held[i];
		json_int_t status = json_integer_value(json_object_get(json_array_get(results, i), "status"));

		if (status == 204)
			oracle_acked(load->oracle, held->number, held->receipt, ACK_SUCCEEDED);
		else if (status == 410)
			oracle_acked(load->oracle, held->number, held->receipt, held->was_tried ? ACK_UNKNOWN : ACK_STALE);
		else
			oracle_violation(load->oracle, "an ack was answered with %lld", (long long)status);
	}
	conn->held_count = 0;
}

static void
take_answer(struct load *load, struct conn *conn)
{
	unsigned status = conn->answer.status;

	conn_set(conn, CONN_IDLE);
	if (status == 429 || status == 503) {
		load->counts.overloads++;
		conn->not_before_ms = clock_ms() + RETRY_MS;
		for (unsigned i = 0; conn->asking == ASKING_ACK && i < conn->held_count; i++)
			conn->held[i].was_tried = true;
	} else if (status / 100 != 2) {
		oracle_violation(load->oracle, "an unexpected answer: %u %.200s", status, conn->answer.body);
		conn->held_count = 0;
	} else if (conn->asking == ASKING_RECEIVE) {
		take_messages(load, conn);
	} else if (conn->asking == ASKING_ACK) {
		take_acks(load, conn);
	}
	if (conn->asking == ASKING_PUBLISH)
		take_publish(load, conn);
	if (conn->answer.is_closing)
		conn_down(load, conn);
}

static void
conn_read(struct load *load, struct conn *conn)
{
	ssize_t n;

	buffer_room(&conn->in, READ_BYTES);
	n = recv(conn->fd, conn->in.bytes + conn->in.count, conn->in.capacity - conn->in.count, 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		conn_down(load, conn);
		return;
	}
	conn->in.count += (size_t)n;
	n = response_parse(&conn->answer, conn->in.bytes, conn->in.count, false);
	if (n < 0 || (n > 0 && conn->state != CONN_ASKING)) {
		oracle_violation(load->oracle, "not an HTTP response, or one too many: %.*s",
		    (int)(conn->in.count < 200 ? conn->in.count : 200), conn->in.bytes);
		conn_down(load, conn);
	} else if (n > 0) {
		conn->in.count -= (size_t)n;
		memmove(conn->in.bytes, conn->in.bytes + n, conn->in.count);
		take_answer(load, conn);
	}
}

static void
conn_event(struct load *load, struct conn *conn, uint32_t events)
{
	if (conn->state == CONN_CONNECTING) {
		if ((events & (EPOLLERR | EPOLLHUP)) != 0 || conn_is_nobody(conn)) {
			conn_down(load, conn);
			return;
		}
		conn_set(conn, CONN_IDLE);
		conn->stream = conn->is_consumer ? 0 : oracle_stream(load->oracle);
		conn_watch(load, conn, EPOLLIN, EPOLL_CTL_MOD);
		return;
	}
	if ((events & EPOLLOUT) != 0)
		conn_write(load, conn);
	if (conn->state != CONN_DOWN && (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0)
		conn_read(load, conn);
}

static void
load_turn(struct load *load)
{
	struct epoll_event events[EVENTS_MAX];
	uint64_t now_ms = clock_ms();
	int count;

	for (unsigned i = 0; i < load->conn_count; i++) {
		struct conn *conn = &load->conns[i];

		if (now_ms < conn->not_before_ms)
			continue;
		if (conn->state == CONN_DOWN)
			conn_connect(load, conn);
		else if (conn->state == CONN_IDLE)
			conn_ask(load, conn);
	}
	count = epoll_wait(load->epoll_fd, events, EVENTS_MAX, RETRY_MS);
	for (int i = 0; i < count; i++)
		conn_event(load, events[i].data.ptr, events[i].events);
}

struct load *
load_open(const struct load_options *options, struct oracle *oracle)
{
	struct load *load = calloc(1, sizeof(*load));

	assert(load != NULL && options->batch >= 1 && options->receive_max <= HELD_MAX);
	load->options = *options;
	load->port = options->port;
	load->oracle = oracle;
	load->publishes = load->consumes = true;
	load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	load->body = malloc(oracle_body_bytes_max(oracle) + 8);
	load->conn_count = options->publishers + options->consumers;
	load->conns = calloc(load->conn_count, sizeof(*load->conns));
	assert(load->epoll_fd >= 0 && load->body != NULL && load->conns != NULL);
	for (unsigned i = 0; i < load->conn_count; i++)
		load->conns[i] = (struct conn){ .fd = -1, .is_consumer = i >= options->publishers };
	return load;
}

void
load_close(struct load *load)
{
	if (load == NULL)
		return;
	for (unsigned i = 0; i < load->conn_count; i++) {
		struct conn *conn = &load->conns[i];

		/* Acknowledgements whose answers nobody will hear. */
		for (unsigned h = 0; h < conn->held_count; h++) {
			const struct held *held = &conn->held[h];

			if (held->was_tried || (conn->state == CONN_ASKING && conn->asking == ASKING_ACK))
				oracle_acked(load->oracle, held->number, held->receipt, ACK_UNKNOWN);
		}
		if (conn->fd >= 0)
			close(conn->fd);
		free(conn->out.bytes);
		free(conn->in.bytes);
		response_free(&conn->answer);
	}
	close(load->epoll_fd);
	free(load->conns);
	free(load->body);
	free(load);
}

void
load_set_port(struct load *load, uint16_t port)
{
	store_relaxed(&load->port, port);
}

void
load_run(struct load *load, unsigned ms)
{
	uint64_t deadline_ms = deadline_in(ms);

	while (clock_ms() < deadline_ms)
		load_turn(load);
}

static bool
is_publishing(const struct load *load)
{
	for (unsigned i = 0; i < load->options.publishers; i++) {
		if (load->conns[i].state == CONN_ASKING)
			return true;
	}
	return false;
}

bool
load_publish_only(struct load *load, unsigned timeout_ms)
{
	uint64_t deadline_ms = deadline_in(timeout_ms);
	bool is_done;

	load->publishes = true;
	load->consumes = false;
	while (!(is_done = !is_publishing(load) && oracle_is_used_up(load->oracle)) && clock_ms() < deadline_ms)
		load_turn(load);
	load->consumes = true;
	return is_done;
}

bool
load_drain(struct load *load, unsigned timeout_ms)
{
	uint64_t deadline_ms = deadline_in(timeout_ms);

	load->publishes = false;
	load->consumes = true;
	while ((is_publishing(load) || !oracle_is_settled(load->oracle)) && clock_ms() < deadline_ms)
		load_turn(load);
	return !is_publishing(load) && oracle_is_settled(load->oracle);
}

struct load_counts
load_counts(const struct load *load)
{
	return load->counts;
}
