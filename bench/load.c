/*
 * load: a closed-loop HTTP client for one broker on loopback.  N connections, each with W requests outstanding (pipelined),
 * one thread, epoll.  Modes:
 *
 *   publish   POST /v1/queues/Q/messages, until the time is up
 *   consume   POST :receive {"max":M}, then one leases:ack (M > 1) or one DELETE lease, until the queue is empty or time is up
 *
 * Prints one line: operations, rate, latency quantiles in microseconds, answers by class.  It is a load, not a test: any
 * answer that is not expected is counted and its first one shown.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shm/clock.h"
#include "shm/histogram.h"

#define WINDOW_MAX 64
#define ANSWER_BYTES_MAX (8u << 20)
#define RECEIPT_BYTES 64

enum mode { MODE_PUBLISH, MODE_CONSUME };

struct options {
	enum mode mode;
	unsigned port, connections, window, size, max;
	double seconds;
	const char *queue;
};

struct connection {
	int fd;
	char *in;               /* answers, ANSWER_BYTES_MAX for a consumer, 64 KiB for a publisher */
	size_t in_used, in_capacity;
	uint64_t sent_ns[WINDOW_MAX];
	unsigned sent, answered; /* requests, free running */
	bool is_acking;
};

static struct {
	struct options options;
	struct connection *connections;
	struct histogram latency;
	char *publish;          /* one whole request */
	size_t publish_bytes;
	uint64_t operations, refused, ends_ns;
	unsigned idle;          /* consumers that found the queue empty */
	char first_refusal[256];
} load;

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static void
send_all(struct connection *connection, const char *bytes, size_t count)
{
	while (count > 0) {
		ssize_t n = send(connection->fd, bytes, count, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			die("send");
		bytes += n;
		count -= (size_t)n;
	}
	connection->sent_ns[connection->sent++ % WINDOW_MAX] = now_ns();
}

static void
send_receive(struct connection *connection)
{
	char body[32], request[256];
	int body_bytes = snprintf(body, sizeof(body), "{\"max\":%u}", load.options.max);
	int n = snprintf(request, sizeof(request),
	    "POST /v1/queues/%s/messages:receive HTTP/1.1\r\nHost: l\r\nContent-Type: application/json\r\n"
	    "Content-Length: %d\r\n\r\n%s",
	    load.options.queue, body_bytes, body);

	connection->is_acking = false;
	send_all(connection, request, (size_t)n);
}

/* Acknowledge every receipt of a receive's answer.  Returns how many there were. */
static unsigned
send_ack(struct connection *connection, const char *answer, size_t answer_bytes)
{
	static const char key[] = "\"receipt\":\"";
	static char body[RECEIPT_BYTES * 128], request[sizeof(body) + 256];
	const char *at = answer, *end = answer + answer_bytes, *first = NULL;
	size_t used = (size_t)sprintf(body, "{\"receipts\":[");
	unsigned count = 0;
	int n;

	while ((at = memmem(at, (size_t)(end - at), key, sizeof(key) - 1)) != NULL) {
		at += sizeof(key) - 1;
		const char *quote = memchr(at, '"', (size_t)(end - at));

		if (quote == NULL || quote - at >= RECEIPT_BYTES)
			die("receipt");
		first = first != NULL ? first : at;
		used += (size_t)sprintf(body + used, "%s\"%.*s\"", count == 0 ? "" : ",", (int)(quote - at), at);
		count++;
	}
	if (count == 0)
		return 0;
	used += (size_t)sprintf(body + used, "]}");
	if (count == 1)
		n = snprintf(request, sizeof(request), "DELETE /v1/queues/%s/leases/%.*s HTTP/1.1\r\nHost: l\r\n\r\n",
		    load.options.queue, (int)strcspn(first, "\""), first);
	else
		n = snprintf(request, sizeof(request),
		    "POST /v1/queues/%s/leases:ack HTTP/1.1\r\nHost: l\r\nContent-Type: application/json\r\n"
		    "Content-Length: %zu\r\n\r\n%s",
		    load.options.queue, used, body);
	connection->is_acking = true;
	send_all(connection, request, (size_t)n);
	return count;
}

static void
refuse(const char *answer, size_t count)
{
	if (load.refused++ == 0)
		snprintf(load.first_refusal, sizeof(load.first_refusal), "%.*s", (int)(count > 250 ? 250 : count), answer);
}

/* One whole answer: count it and send what follows. */
static void
on_answer(struct connection *connection, const char *answer, size_t count)
{
	uint64_t now = now_ns();
	bool is_good = answer[9] == '2';

	if (!is_good)
		refuse(answer, count);
	histogram_add(&load.latency, now - connection->sent_ns[connection->answered++ % WINDOW_MAX]);
	if (load.options.mode == MODE_PUBLISH) {
		load.operations += is_good;
		if (now < load.ends_ns)
			send_all(connection, load.publish, load.publish_bytes);
		return;
	}
	if (!connection->is_acking) {
		unsigned got = now < load.ends_ns ? send_ack(connection, answer, count) : 0;

		load.operations += got;
		if (got == 0)
			load.idle++;
		return;
	}
	send_receive(connection);
}

/* How long the answer at the head of the buffer is; 0 while it is not whole. */
static size_t
answer_bytes(const struct connection *connection)
{
	const char *end = memmem(connection->in, connection->in_used, "\r\n\r\n", 4);
	size_t body = 0;

	if (end == NULL)
		return 0;
	size_t head = (size_t)(end - connection->in) + 4;
	for (const char *line = connection->in; line < end;) {
		const char *next = memmem(line, (size_t)(end + 2 - line), "\r\n", 2);

		if (strncasecmp(line, "content-length:", 15) == 0)
			body = strtoul(line + 15, NULL, 10);
		line = next + 2;
	}
	return connection->in_used >= head + body ? head + body : 0;
}

static void
on_readable(struct connection *connection)
{
	ssize_t n = recv(connection->fd, connection->in + connection->in_used,
	    connection->in_capacity - connection->in_used, 0);
	size_t whole;

	if (n <= 0)
		die(n == 0 ? "the broker closed a connection" : "recv");
	connection->in_used += (size_t)n;
	while (connection->in_used > 0 && (whole = answer_bytes(connection)) > 0) {
		on_answer(connection, connection->in, whole);
		memmove(connection->in, connection->in + whole, connection->in_used - whole);
		connection->in_used -= whole;
	}
}

static int
dial(unsigned port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		die("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static void
build_publish(void)
{
	const struct options *options = &load.options;

	load.publish = malloc(options->size + 256u);
	assert(load.publish != NULL);
	int n = sprintf(load.publish,
	    "POST /v1/queues/%s/messages HTTP/1.1\r\nHost: l\r\nContent-Type: text/plain\r\nContent-Length: %u\r\n\r\n",
	    options->queue, options->size);
	memset(load.publish + n, 'x', options->size);
	load.publish_bytes = (size_t)n + options->size;
}

static void
run(void)
{
	const struct options *options = &load.options;
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event events[256];
	bool is_publish = options->mode == MODE_PUBLISH;

	build_publish();
	load.connections = calloc(options->connections, sizeof(*load.connections));
	assert(epoll >= 0 && load.connections != NULL);
	load.ends_ns = now_ns() + (uint64_t)(options->seconds * 1e9);
	for (unsigned i = 0; i < options->connections; i++) {
		struct connection *connection = &load.connections[i];
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = connection };

		connection->fd = dial(options->port);
		connection->in_capacity = is_publish ? 64u << 10 : ANSWER_BYTES_MAX;
		connection->in = malloc(connection->in_capacity);
		assert(connection->in != NULL);
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, connection->fd, &event) != 0)
			die("epoll_ctl");
		for (unsigned k = 0; is_publish && k < options->window; k++)
			send_all(connection, load.publish, load.publish_bytes);
		if (!is_publish)
			send_receive(connection);
	}
	/* Two seconds more for the answers still under way. */
	while (now_ns() < load.ends_ns + 2000000000u && load.idle < options->connections) {
		int count = epoll_wait(epoll, events, 256, 100);
		bool is_over = is_publish && now_ns() >= load.ends_ns;

		for (int i = 0; i < count; i++)
			on_readable(events[i].data.ptr);
		for (unsigned i = 0; is_over && i < options->connections; i++)
			is_over = load.connections[i].sent == load.connections[i].answered;
		if (is_over)
			break;
	}
}

static int
usage(void)
{
	fprintf(stderr, "usage: load publish|consume PORT QUEUE [connections=64] [window=1] [size=1024] [max=1] [seconds=3]\n");
	return 2;
}

int
main(int argc, char **argv)
{
	struct options *options = &load.options;

	if (argc < 4)
		return usage();
	*options = (struct options){ .connections = 64, .window = 1, .size = 1024, .max = 1, .seconds = 3,
		.port = (unsigned)atoi(argv[2]), .queue = argv[3],
		.mode = strcmp(argv[1], "consume") == 0 ? MODE_CONSUME : MODE_PUBLISH };
	for (int i = 4; i < argc; i++) {
		if (sscanf(argv[i], "connections=%u", &options->connections) != 1 &&
		    sscanf(argv[i], "window=%u", &options->window) != 1 && sscanf(argv[i], "size=%u", &options->size) != 1 &&
		    sscanf(argv[i], "max=%u", &options->max) != 1 && sscanf(argv[i], "seconds=%lf", &options->seconds) != 1)
			return usage();
	}
	if (options->window > WINDOW_MAX || options->max > 100)
		return usage();

	uint64_t began = now_ns();
	run();
	double elapsed = (double)(now_ns() - began) / 1e9;
	printf("mode=%s connections=%u window=%u size=%u max=%u operations=%llu rate=%.0f/s p50=%.0fus p99=%.0fus p999=%.0fus "
	       "refused=%llu\n",
	    argv[1], options->connections, options->window, options->size, options->max,
	    (unsigned long long)load.operations, (double)load.operations / elapsed,
	    (double)histogram_quantile(&load.latency, 0.5) / 1e3, (double)histogram_quantile(&load.latency, 0.99) / 1e3,
	    (double)histogram_quantile(&load.latency, 0.999) / 1e3, (unsigned long long)load.refused);
	if (load.refused > 0)
		fprintf(stderr, "first refusal: %s\n", load.first_refusal);
	return load.refused > 0;
}
