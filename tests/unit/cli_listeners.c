/*
 * listeners: several on one port, a free port when asked for 0, and no port of somebody else.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "tests/harness/unit.h"

#include "cli/supervisor/listeners.h"

static struct sockaddr_storage
loopback(uint16_t port)
{
	struct sockaddr_storage address = { 0 };
	struct sockaddr_in *in = (struct sockaddr_in *)&address;

	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

static uint16_t
port_of(int fd)
{
	struct sockaddr_in in;
	socklen_t bytes = sizeof(in);

	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&in, &bytes), 0);
	return ntohs(in.sin_port);
}

static int
open_on(const struct sockaddr_storage *address, socklen_t address_bytes, uint32_t count, int fds[], char bound[BOUND_TEXT_BYTES])
{
	struct listen_wish wish = { .option = "server.listen", .address = *address, .address_bytes = address_bytes, .count = count };

	return listeners_open(&wish, fds, bound);
}

START_TEST(port_0_takes_a_free_one_for_all)
{
	struct sockaddr_storage address = loopback(0);
	char bound[BOUND_TEXT_BYTES], expected[BOUND_TEXT_BYTES];
	int fds[3];

	ck_assert_int_eq(open_on(&address, sizeof(struct sockaddr_in), 3, fds, bound), 0);
	snprintf(expected, sizeof(expected), "127.0.0.1:%u", port_of(fds[0]));
	ck_assert_str_eq(bound, expected);
	for (unsigned i = 0; i < 3; i++) {
		int no_delay = 0;

		ck_assert_uint_ne(port_of(fds[i]), 0);
		ck_assert_uint_eq(port_of(fds[i]), port_of(fds[0]));
		ck_assert_int_eq(getsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &no_delay, &(socklen_t){ sizeof(no_delay) }), 0);
		ck_assert_int_ne(no_delay, 0);
		/* A multishot accept on a non-blocking one would end at once. */
		ck_assert_int_eq(fcntl(fds[i], F_GETFL) & O_NONBLOCK, 0);
		ck_assert_int_ne(fcntl(fds[i], F_GETFD) & FD_CLOEXEC, 0);
	}
	for (unsigned i = 0; i < 3; i++)
		close(fds[i]);
}
END_TEST

START_TEST(a_port_of_another_broker_is_refused_though_it_would_share)
{
	struct sockaddr_storage address = loopback(0);
	char bound[BOUND_TEXT_BYTES];
	int theirs[1], ours[1];

	ck_assert_int_eq(open_on(&address, sizeof(struct sockaddr_in), 1, theirs, bound), 0);
	address = loopback(port_of(theirs[0]));
	ck_assert_int_eq(open_on(&address, sizeof(struct sockaddr_in), 1, ours, bound), EX_UNAVAILABLE);
	close(theirs[0]);
	ck_assert_int_eq(open_on(&address, sizeof(struct sockaddr_in), 1, ours, bound), 0);
	close(ours[0]);
}
END_TEST

START_TEST(an_address_of_another_machine_is_a_matter_of_configuration)
{
	struct sockaddr_storage address = loopback(0);
	char bound[BOUND_TEXT_BYTES];
	int fds[1];

	((struct sockaddr_in *)&address)->sin_addr.s_addr = inet_addr("192.0.2.1"); /* for documentation: nobody has it */
	ck_assert_int_eq(open_on(&address, sizeof(struct sockaddr_in), 1, fds, bound), EX_CONFIG);
}
END_TEST

START_TEST(ipv6_is_written_in_brackets)
{
	struct sockaddr_storage address = { .ss_family = AF_INET6 };
	char bound[BOUND_TEXT_BYTES], expected[BOUND_TEXT_BYTES];
	int fds[1], probe = socket(AF_INET6, SOCK_STREAM, 0);

	((struct sockaddr_in6 *)&address)->sin6_addr = in6addr_loopback;
	bool has_ipv6 = probe >= 0 && bind(probe, (struct sockaddr *)&address, sizeof(struct sockaddr_in6)) == 0;
	close(probe);
	if (!has_ipv6)
		return;
	ck_assert_int_eq(open_on(&address, sizeof(struct sockaddr_in6), 1, fds, bound), 0);
	snprintf(expected, sizeof(expected), "[::1]:%u", port_of(fds[0]));
	ck_assert_str_eq(bound, expected);
	close(fds[0]);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("cli/supervisor/listeners");
	TCase *listeners = tcase_create("listeners");

	tcase_set_timeout(listeners, 20);
	tcase_add_test(listeners, port_0_takes_a_free_one_for_all);
	tcase_add_test(listeners, a_port_of_another_broker_is_refused_though_it_would_share);
	tcase_add_test(listeners, an_address_of_another_machine_is_a_matter_of_configuration);
	tcase_add_test(listeners, ipv6_is_written_in_brackets);
	suite_add_tcase(suite, listeners);
	return suite;
}

UNIT_MAIN(suite)
