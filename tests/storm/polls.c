/*
 * Many long polls parked on one frontd, each served with a message of its own: 2,000 in `make test`; in `make soak` 100,000,
 * or as many as the limit of descriptors allows.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/harness/broker.h"
#include "tests/harness/client.h"
#include "tests/harness/deadline.h"
#include "tests/harness/trial.h"
#include "tests/harness/unit.h"

enum { TEST_SECONDS = 200, FEW = 2000, MANY = 100000, SPARE_DESCRIPTORS = 300, SERVE_MS = 55000, EVENTS_MAX = 512,
	PER_ADDRESS = 20000, BATCH = 1000 };

/* As many as wanted and possible, after the limit was raised as far as it goes; our children inherit it. */
static unsigned
polls_possible(unsigned wanted)
{
	struct rlimit limit;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_max < wanted + SPARE_DESCRIPTORS) {
		struct rlimit higher = { wanted + SPARE_DESCRIPTORS, wanted + SPARE_DESCRIPTORS };

		if (setrlimit(RLIMIT_NOFILE, &higher) == 0) /* root may */
			return wanted;
	}
	limit.rlim_cur = limit.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_cur < wanted + SPARE_DESCRIPTORS) {
		printf("the limit of descriptors is %llu\n", (unsigned long long)limit.rlim_cur);
		return (unsigned)limit.rlim_cur - SPARE_DESCRIPTORS;
	}
	return wanted;
}

/* Connect and ask for one message, to be waited for. */
static int
park(uint16_t port, unsigned number)
{
	static const char request[] = "POST /v1/queues/polled/messages:receive HTTP/1.1\r\nHost: x\r\nPrefer: wait=60\r\n\r\n";
	/* One address has not enough ports for all. */
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + number / PER_ADDRESS) };
	struct sockaddr_in peer = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_msg(fd >= 0, "socket %u: %s", number, strerror(errno));
	ck_assert_int_eq(setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)), 0);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&own, sizeof(own)), 0);
	ck_assert_msg(connect(fd, (const struct sockaddr *)&peer, sizeof(peer)) == 0, "connect %u: %s", number,
	    strerror(errno));
	ck_assert_int_eq(send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL), sizeof(request) - 1);
	return fd;
}

/* Publish messages whose bodies are the numbers from first on. */
static void
publish_numbers(struct client *client, unsigned first, unsigned count)
{
	char *lines = malloc(count * 32), *end = lines;

	ck_assert_ptr_nonnull(lines);
	for (unsigned i = first; i < first + count; i++)
		end += sprintf(end, "{\"body\":\"%u\"}\n", i);
	expect_status(client_ask_bytes(client, "POST /v1/queues/polled/messages", "Content-Type: application/x-ndjson\r\n",
	    lines, (size_t)(end - lines)), 200);
	free(lines);
}

/* The whole answer that lies on this socket, if it does: its one message's number is marked. */
static bool
take(int fd, struct response *answer, bool *seen, unsigned count)
{
	char bytes[4096];
	ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);
	unsigned number;

	ck_assert_msg(n > 0, "a parked connection ended: %s", n == 0 ? "closed" : strerror(errno));
	n = response_parse(answer, bytes, (size_t)n, false);
	ck_assert_int_ge(n, 0);
	if (n == 0)
		return false;
	ck_assert_int_eq(recv(fd, bytes, (size_t)n, 0), n);
	expect_status(answer, 200);
	ck_assert_uint_eq(response_count(answer, "messages"), 1);
	number = (unsigned)strtoul(response_text(answer, "messages.0.body"), NULL, 10);
	ck_assert_uint_lt(number, count);
	ck_assert_msg(!seen[number], "message %u was given to two", number);
	seen[number] = true;
	return true;
}

static void
serve_all(int epoll_fd, unsigned count)
{
	uint64_t deadline_ms = deadline_in(SERVE_MS);
	struct epoll_event events[EVENTS_MAX];
	struct response answer = { 0 };
	bool *seen = calloc(count, sizeof(*seen));
	unsigned served = 0;

	ck_assert_ptr_nonnull(seen);
	while (served < count) {
		int n = epoll_wait(epoll_fd, events, EVENTS_MAX, deadline_left_ms(deadline_ms));

		ck_assert_msg(n > 0, "%u of %u long polls were served", served, count);
		for (int i = 0; i < n; i++)
			served += take(events[i].data.fd, &answer, seen, count);
	}
	response_free(&answer);
	free(seen);
}

START_TEST(every_parked_long_poll_is_served_with_a_message_of_its_own)
{
	static const char *const options[] = { "server.max_connections=110000", "worker.waiters=131072", "log.level=warning",
		NULL };
	unsigned count = polls_possible(soak_seconds() != 0 ? MANY : FEW);
	int *fds = malloc(count * sizeof(*fds)), epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	struct broker broker;
	struct client client;
	uint64_t began_ms;

	ck_assert_ptr_nonnull(fds);
	broker_up(&broker, options);
	client_open(&client, broker.port);
	client_queue(&client, "polled", "{\"lease\":\"1h\"}");
	began_ms = clock_ms();
	for (unsigned i = 0; i < count; i++) {
		struct epoll_event event = { .events = EPOLLIN };

		fds[i] = event.data.fd = park(broker.port, i);
		ck_assert_int_eq(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fds[i], &event), 0);
	}
	uint64_t deadline_ms = deadline_in(CLIENT_TIMEOUT_MS);
	while (response_number(client_do(&client, "GET /v1/queues/polled"), "stats.waiters") != count)
		ck_assert_msg(deadline_pause(deadline_ms), "%s", client.response.body);
	printf("%u long polls parked in %llu ms\n", count, (unsigned long long)(clock_ms() - began_ms));
	began_ms = clock_ms();
	for (unsigned first = 0; first < count; first += BATCH)
		publish_numbers(&client, first, count - first < BATCH ? count - first : BATCH);
	serve_all(epoll_fd, count);
	printf("all served in %llu ms\n", (unsigned long long)(clock_ms() - began_ms));
	for (unsigned i = 0; i < count; i++)
		close(fds[i]);
	close(epoll_fd);
	free(fds);
	client_close(&client);
	broker_free(&broker);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("storm/polls");
	TCase *tcase = tcase_create("polls");

	tcase_set_timeout(tcase, TEST_SECONDS);
	tcase_add_test(tcase, every_parked_long_poll_is_served_with_a_message_of_its_own);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
