/*
 * Happy path: siege_start() forks; the child opens all connections, gives each a tick now and then (kind_tick: what to send
 * next), and reads what comes for those kinds that read.  siege_stop() kills it: nothing of it is worth an orderly end.
 *
 * Failure modes: the test dies: PR_SET_PDEATHSIG.  The broker refuses, ends or resets a connection: that is what is wanted;
 * it is opened again a little later, from another of the 127.0.0.0/8 addresses, so that ports do not run out.
 */
#include "tests/harness/siege.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/harness/deadline.h"

enum { BLOCK_BYTES = 256 * 1024, EVENTS_MAX = 256, REOPEN_MS = 20, OPEN_AT_ONCE = 200, HELD_BYTES = 512 * 1024,
	SMALL_WINDOW = 2048 };

static const struct {
	const char *name;
	unsigned connections;
} kinds[SIEGE_COUNT] = {
#define X(name, connections, text) [SIEGE_##name] = { #name, connections },
	SIEGE_KINDS(X)
#undef X
};

const char *
siege_name(enum siege_kind kind)
{
	return kinds[kind].name;
}

unsigned
siege_connections(enum siege_kind kind)
{
	return kinds[kind].connections;
}

/* ---- the child ---- */

struct hostile {
	int fd;                 /* -1: not open */
	enum siege_kind kind;
	unsigned step;          /* ticks of this connection so far */
	uint64_t sent;
	uint64_t due_ms;
};

struct attacker {
	volatile struct siege_counts *counts;
	struct hostile *all;
	unsigned count;
	unsigned next;          /* whose turn it is to be looked at */
	int epoll_fd;
	uint16_t port;
	uint64_t random;
	char block[BLOCK_BYTES];
	char drain[BLOCK_BYTES];
};

/* xorshift64*, S. Vigna. */
static uint64_t
draw(struct attacker *attacker, uint64_t below)
{
	uint64_t x = attacker->random;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	attacker->random = x;
	return (x * UINT64_C(2685821657736338717) >> 11) % below;
}

static void
hostile_close(struct attacker *attacker, struct hostile *hostile, bool is_reset)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	/* Always by a reset, or the machine would be full of TIME_WAIT; is_reset only says whose wish it was. */
	(void)setsockopt(hostile->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(hostile->fd);
	hostile->fd = -1;
	hostile->due_ms = clock_ms() + (is_reset ? 1 : REOPEN_MS);
	attacker->counts->open--;
	attacker->counts->ended += !is_reset;
}

static void
hostile_open(struct attacker *attacker, struct hostile *hostile)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(attacker->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000000u + 2 + (uint32_t)draw(attacker, 250)) };
	const int on = 1, window = SMALL_WINDOW;
	struct epoll_event event = { .data.ptr = hostile };

	hostile->step = 0;
	hostile->sent = 0;
	hostile->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (hostile->fd < 0)
		_exit(3);
	(void)setsockopt(hostile->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (hostile->kind == SIEGE_SLOW_READER || hostile->kind == SIEGE_DEAF_RECEIVER)
		(void)setsockopt(hostile->fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof(window));
	bool reads = hostile->kind != SIEGE_SLOW_READER && hostile->kind != SIEGE_DEAF_RECEIVER &&
	    hostile->kind != SIEGE_HALF_CLOSE;
	event.events = reads ? EPOLLIN | EPOLLRDHUP : 0;
	if (bind(hostile->fd, (struct sockaddr *)&from, sizeof(from)) != 0 ||
	    (connect(hostile->fd, (struct sockaddr *)&to, sizeof(to)) != 0 && errno != EINPROGRESS) ||
	    epoll_ctl(attacker->epoll_fd, EPOLL_CTL_ADD, hostile->fd, &event) != 0) {
		close(hostile->fd);
		hostile->fd = -1;
		hostile->due_ms = clock_ms() + REOPEN_MS;
		attacker->counts->refused++;
		return;
	}
	attacker->counts->opened++;
	attacker->counts->open++;
	hostile->due_ms = clock_ms() + 1 + draw(attacker, 20);
}

/* As much as the socket takes.  False: the connection is gone. */
static bool
hostile_send(struct attacker *attacker, struct hostile *hostile, const void *bytes, size_t count)
{
	ssize_t n = send(hostile->fd, bytes, count, MSG_NOSIGNAL);

	if (n < 0 && (errno == EAGAIN || errno == ENOTCONN || errno == EINPROGRESS))
		return true;
	if (n < 0) {
		hostile_close(attacker, hostile, false);
		return false;
	}
	hostile->sent += (uint64_t)n;
	attacker->counts->bytes_sent += (uint64_t)n;
	return true;
}

static bool
hostile_text(struct attacker *attacker, struct hostile *hostile, const char *text)
{
	return hostile_send(attacker, hostile, text, strlen(text));
}

/* The text again and again until the block is full; how many bytes. */
static size_t
repeat(struct attacker *attacker, const char *text)
{
	size_t len = strlen(text), used = 0;

	for (; used + len <= BLOCK_BYTES; used += len)
		memcpy(attacker->block + used, text, len);
	return used;
}

#define HOST " HTTP/1.1\r\nHost: x\r\n"
#define PUBLISH "POST /v1/queues/junk/messages" HOST

/* What is sent at the first tick of a connection: the begin of a request. */
static const char *const begins[SIEGE_COUNT] = {
	[SIEGE_SLOW_HEAD] = PUBLISH,
	[SIEGE_SLOW_BODY] = PUBLISH "Content-Length: 100000\r\n\r\n",
	[SIEGE_HELD_BODY] = PUBLISH "Content-Length: 1048576\r\n\r\n",
	[SIEGE_ENDLESS_HEAD] = PUBLISH,
	[SIEGE_ENDLESS_CHUNKS] = PUBLISH "Transfer-Encoding: chunked\r\n\r\n",
	[SIEGE_RESET_POLL] = "POST /v1/queues/empty/messages:receive" HOST "Prefer: wait=60\r\n\r\n",
	[SIEGE_HALF_CLOSE] = "GET /v1/queues" HOST "\r\n",
	[SIEGE_DEEP_JSON] = "PUT /v1/queues/deep" HOST "Content-Length: 1000000\r\n\r\n{\"backoff\":",
	[SIEGE_WIDE_JSON] = "POST /v1/queues/junk/messages" HOST "Content-Type: application/vnd.mq.batch+json\r\n"
	    "Content-Length: 1048576\r\n\r\n{\"messages\":[",
};

static const char *const lengths[] = { "1048576", "8388608", "8388609", "4294967295", "4294967296", "9223372036854775807",
	"18446744073709551615", "99999999999999999999999999999999999999" };

static const char *const smuggles[] = {
	PUBLISH "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nPUT /v1/queues/smuggled" HOST "\r\n",
	PUBLISH "Content-Length: 0\r\nContent-Length: 48\r\n\r\nPUT /v1/queues/smuggled" HOST "\r\n",
	PUBLISH "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\nPUT /v1/queues/smuggled" HOST "\r\n",
	PUBLISH "Transfer-Encoding: chunked\r\n\r\n0\n\nPUT /v1/queues/smuggled" HOST "\r\n",
	PUBLISH "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff0\r\n\r\nPUT /v1/queues/smuggled" HOST "\r\n",
	"GET /livez HTTP/1.1\nHost: x\n\nPUT /v1/queues/smuggled" HOST "\r\n",
};

static const char *const names[] = {
	"PUT /v1/queues/..%2f..%2fetc" HOST "\r\n", "PUT /v1/queues/%00" HOST "\r\n", "PUT /v1/queues/%c0%ae" HOST "\r\n",
	"PUT /v1/queues/.." HOST "\r\n", "PUT /v1/queues/%ff%fe" HOST "\r\n", "PUT /v1/queues/a%0d%0aX:y" HOST "\r\n",
	"GET /v1/queues?prefix=%ed%a0%80" HOST "\r\n", "PUT /v1/queues/%252e%252e" HOST "\r\n",
};

static const char *const pipelined[] = {
	"GET /livez" HOST "\r\n", "GET /nowhere" HOST "\r\n", PUBLISH "Content-Length: 1\r\n\r\nx",
	"POST /v1/queues/junk/messages:receive" HOST "\r\n", "GET /v1/stats" HOST "\r\n", "DELETE /v1/queues/junk/leases/x" HOST "\r\n",
	"GET /v1/queues" HOST "\r\n",
};

#define PICK(attacker, list) ((list)[draw((attacker), sizeof(list) / sizeof((list)[0]))])

/* The next nuisance of one connection; sets when the next one is due. */
static void
hostile_tick(struct attacker *attacker, struct hostile *hostile)
{
	char text[256];
	size_t count;

	hostile->due_ms = clock_ms() + 20 + draw(attacker, 60);
	if (hostile->step++ == 0 && begins[hostile->kind] != NULL) {
		if (!hostile_text(attacker, hostile, begins[hostile->kind]))
			return;
		if (hostile->sent == 0) /* not connected yet */
			hostile->step = 0;
		else if (hostile->kind == SIEGE_HALF_CLOSE)
			(void)shutdown(hostile->fd, SHUT_WR);
		return;
	}
	switch (hostile->kind) {
	case SIEGE_SLOW_HEAD:
		(void)hostile_send(attacker, hostile, "X", 1);
		break;
	case SIEGE_SLOW_BODY:
		(void)hostile_send(attacker, hostile, "b", 1);
		break;
	case SIEGE_HELD_BODY:
		if (hostile->sent < HELD_BYTES) {
			memset(attacker->block, 'b', 65536);
			(void)hostile_send(attacker, hostile, attacker->block, 65536);
		}
		break;
	case SIEGE_HUGE_LENGTH:
		if (hostile->sent == 0) {
			snprintf(text, sizeof(text), PUBLISH "Content-Type: %s\r\nContent-Length: %s\r\n\r\nsome",
			    draw(attacker, 2) == 0 ? "text/plain" : "application/x-ndjson", PICK(attacker, lengths));
			(void)hostile_text(attacker, hostile, text);
		}
		break;
	case SIEGE_SLOW_READER:
		count = repeat(attacker, "GET /v1/queues?limit=1000" HOST "\r\n");
		if (hostile_send(attacker, hostile, attacker->block, count < 8192 ? count : 8192 / 45 * 45))
			(void)!read(hostile->fd, text, 1);
		break;
	case SIEGE_DEAF_RECEIVER:
		count = repeat(attacker, "POST /v1/queues/large/messages:receive" HOST "Content-Length: 24\r\n\r\n"
		    "{\"max\":100,\"lease\":\"0s\"}");
		(void)hostile_send(attacker, hostile, attacker->block, count < 8192 ? count : 8192);
		break;
	case SIEGE_ENDLESS_HEAD:
		count = repeat(attacker, "X-Field-Of-No-Use: and a value of no use\r\n");
		(void)hostile_send(attacker, hostile, attacker->block, count);
		hostile->due_ms = clock_ms() + 2;
		break;
	case SIEGE_ENDLESS_CHUNKS:
		count = repeat(attacker, draw(attacker, 4) == 0 ? "1;a=b\r\nx\r\n" : "1\r\nx\r\n");
		(void)hostile_send(attacker, hostile, attacker->block, 1 + draw(attacker, 16384));
		hostile->due_ms = clock_ms() + 5;
		break;
	case SIEGE_RESET:
		(void)snprintf(text, sizeof(text), PUBLISH "Content-Length: 20\r\n\r\n01234567890123456789");
		if (hostile_send(attacker, hostile, text, draw(attacker, strlen(text))))
			hostile_close(attacker, hostile, true);
		break;
	case SIEGE_RESET_POLL:
		hostile_close(attacker, hostile, true);
		break;
	case SIEGE_PIPELINE:
		count = repeat(attacker, PICK(attacker, pipelined));
		(void)hostile_send(attacker, hostile, attacker->block, draw(attacker, 20000));
		break;
	case SIEGE_GARBAGE:
		for (count = 0; count < 1 + draw(attacker, 2000); count++)
			attacker->block[count] = (char)draw(attacker, 256);
		if (draw(attacker, 2) == 0)
			(void)hostile_text(attacker, hostile, "POST /v1/queues/junk/messages HTTP/1.1\r\n");
		if (hostile->fd >= 0)
			(void)hostile_send(attacker, hostile, attacker->block, count);
		break;
	case SIEGE_SMUGGLE:
		(void)hostile_text(attacker, hostile, PICK(attacker, smuggles));
		break;
	case SIEGE_BAD_NAME:
		(void)hostile_text(attacker, hostile, PICK(attacker, names));
		break;
	case SIEGE_DEEP_JSON:
		memset(attacker->block, draw(attacker, 2) == 0 ? '[' : '{', 65536);
		(void)hostile_send(attacker, hostile, attacker->block, 65536);
		break;
	case SIEGE_WIDE_JSON:
		count = repeat(attacker, "0,");
		(void)hostile_send(attacker, hostile, attacker->block, count);
		break;
	default:
		hostile->due_ms = clock_ms() + 1000;
	}
}

/* Read what has come; the connection's end is noticed here. */
static void
hostile_event(struct attacker *attacker, struct hostile *hostile)
{
	if (hostile->fd < 0)
		return;
	ssize_t n = read(hostile->fd, attacker->drain, sizeof(attacker->drain));
	if (n > 0)
		attacker->counts->bytes_read += (uint64_t)n;
	else if (n == 0 || errno != EAGAIN)
		hostile_close(attacker, hostile, false);
}

static void
siege_turn(struct attacker *attacker)
{
	struct epoll_event events[EVENTS_MAX];
	int n = epoll_wait(attacker->epoll_fd, events, EVENTS_MAX, 1);
	uint64_t now_ms = clock_ms();
	unsigned opened = 0;

	for (int i = 0; i < n; i++)
		hostile_event(attacker, events[i].data.ptr);
	for (unsigned i = 0; i < attacker->count && opened < OPEN_AT_ONCE; i++) {
		struct hostile *hostile = &attacker->all[attacker->next];

		attacker->next = (attacker->next + 1) % attacker->count;
		if (hostile->due_ms > now_ms)
			continue;
		if (hostile->fd >= 0) {
			hostile_tick(attacker, hostile);
		} else {
			hostile_open(attacker, hostile);
			opened++;
		}
	}
}

static void __attribute__((noreturn))
siege_run(struct attacker *attacker, const unsigned connections[SIEGE_COUNT])
{
	unsigned at = 0;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || (setpriority(PRIO_PROCESS, 0, 19) != 0 && errno != EACCES))
		_exit(4);
	attacker->all = calloc(attacker->count, sizeof(*attacker->all));
	attacker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (attacker->all == NULL || attacker->epoll_fd < 0)
		_exit(5);
	for (unsigned kind = 0; kind < SIEGE_COUNT; kind++)
		for (unsigned i = 0; i < connections[kind]; i++)
			attacker->all[at++] = (struct hostile){ .fd = -1, .kind = (enum siege_kind)kind };
	for (;;)
		siege_turn(attacker);
}

/* ---- the test's side ---- */

void
siege_start(struct siege *attack, uint16_t port, const unsigned connections[SIEGE_COUNT], uint64_t seed)
{
	static struct attacker attacker;

	attack->counts = mmap(NULL, sizeof(*attack->counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne((void *)(uintptr_t)attack->counts, MAP_FAILED);
	attacker = (struct attacker){ .counts = attack->counts, .port = port, .random = seed * 2 + 1 };
	for (unsigned kind = 0; kind < SIEGE_COUNT; kind++)
		attacker.count += connections[kind];
	ck_assert_uint_gt(attacker.count, 0);
	attack->pid = fork();
	ck_assert_int_ge(attack->pid, 0);
	if (attack->pid == 0)
		siege_run(&attacker, connections);
}

struct siege_counts
siege_stop(struct siege *attack)
{
	struct siege_counts counts;
	int status;

	ck_assert_msg(waitpid(attack->pid, &status, WNOHANG) == 0, "the attackers ended by themselves: %#x", (unsigned)status);
	ck_assert_int_eq(kill(attack->pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(attack->pid, &status, 0), attack->pid);
	memcpy(&counts, (const void *)(uintptr_t)attack->counts, sizeof(counts));
	munmap((void *)(uintptr_t)attack->counts, sizeof(*attack->counts));
	attack->pid = 0;
	return counts;
}
