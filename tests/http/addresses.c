/*
 * Too many connections from one address: who is over the limit is told so, who is not notices nothing, and a connection that
 * ends makes room.  All of 127.0.0.0/8 is this machine, so a test has as many addresses as it likes.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/harness/deadline.h"
#include "tests/harness/session.h"
#include "tests/harness/unit.h"

enum { LIMIT = 5 };

/* A connection from 127.0.0.HOST. */
static void
open_from(struct client *client, uint8_t host)
{
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000000u | host) };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(session.broker.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	*client = (struct client){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .port = session.broker.port };
	ck_assert_int_eq(bind(client->fd, (struct sockaddr *)&from, sizeof(from)), 0);
	ck_assert_int_eq(connect(client->fd, (struct sockaddr *)&to, sizeof(to)), 0);
}

static void
write_conf(const char *path, unsigned limit)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	fprintf(file, "[server]\nmax_connections_per_address = %u\n", limit);
	fclose(file);
}

/* Opens one that is served; one that was closed a moment ago may still be counted. */
static void
open_served(struct client *client, uint8_t host)
{
	uint64_t deadline_ms = deadline_in(CLIENT_TIMEOUT_MS);

	for (;;) {
		open_from(client, host);
		client_text(client, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
		if (client_answer(client)->status == 200)
			return;
		client_close(client);
		ck_assert(deadline_pause(deadline_ms));
	}
}

START_TEST(one_more_than_allowed_is_told_so_and_closed)
{
	struct client held[LIMIT], one_more, elsewhere;

	for (unsigned i = 0; i < LIMIT; i++)
		open_served(&held[i], 10);
	open_from(&one_more, 10);
	struct response *answer = client_answer(&one_more);
	expect_problem(answer, 429, "too-many-connections");
	ck_assert_ptr_nonnull(response_field(answer, "Retry-After"));
	client_expect_close(&one_more);
	client_close(&one_more);

	open_from(&elsewhere, 11);
	expect_status(client_do(&elsewhere, "GET /livez"), 200);
	expect_status(client_do(&held[0], "GET /livez"), 200);
	client_close(&elsewhere);

	client_close(&held[LIMIT - 1]);
	open_served(&held[LIMIT - 1], 10);
	for (unsigned i = 0; i < LIMIT; i++)
		client_close(&held[i]);
}
END_TEST

START_TEST(a_flood_from_one_address_leaves_room_for_the_others)
{
	enum { FLOOD = 400 };
	static struct client flood[FLOOD];
	struct client held[LIMIT], elsewhere;

	for (unsigned i = 0; i < LIMIT; i++)
		open_served(&held[i], 20);
	for (unsigned i = 0; i < FLOOD; i++)
		open_from(&flood[i], 20);
	open_from(&elsewhere, 21);
	expect_status(client_do(&elsewhere, "GET /livez"), 200);
	/* All of them are ended, the most without an answer. */
	for (unsigned i = 0; i < FLOOD; i++) {
		char rest[4096];
		ssize_t n;

		while ((n = recv(flood[i].fd, rest, sizeof(rest), 0)) > 0)
			;
		client_close(&flood[i]);
	}
	expect_status(client_do(&held[0], "GET /livez"), 200);
	for (unsigned i = 0; i < LIMIT; i++)
		client_close(&held[i]);
	client_close(&elsewhere);
}
END_TEST

START_TEST(the_limit_can_be_set_without_a_restart_and_counts_those_who_are_there)
{
	struct client one, more;
	struct broker broker;
	char path[160];

	broker_init(&broker, NULL);
	snprintf(path, sizeof(path), "%s/chasqui.ini", broker.directory);
	write_conf(path, 0);
	broker_conf(&broker, path);
	broker_start(&broker);
	client_open(&one, broker.port);
	expect_status(client_do(&one, "GET /livez"), 200);
	write_conf(path, 1);
	kill(broker.pid, SIGHUP);
	broker_wait_log(&broker, "server.max_connections_per_address = 1 is reloaded; it was 0");

	uint64_t deadline_ms = deadline_in(CLIENT_TIMEOUT_MS);
	for (;;) { /* the frontd looks every 32 ms */
		client_open(&more, broker.port);
		struct response *answer = client_do(&more, "GET /livez");
		unsigned status = answer->status;
		client_close(&more);
		if (status == 429)
			break;
		ck_assert(deadline_pause(deadline_ms));
	}
	expect_status(client_do(&one, "GET /livez"), 200);
	client_close(&one);
	broker_free(&broker);
}
END_TEST

static Suite *
suite(void)
{
	static const char *const options[] = { "server.max_connections_per_address=5", NULL };
	TCase *tcase;
	Suite *suite = session_suite("addresses", options, &tcase);

	_Static_assert(LIMIT == 5, "as the option says");
	tcase_add_test(tcase, one_more_than_allowed_is_told_so_and_closed);
	tcase_add_test(tcase, a_flood_from_one_address_leaves_room_for_the_others);
	tcase_add_test(tcase, the_limit_can_be_set_without_a_restart_and_counts_those_who_are_there);
	return suite;
}

UNIT_MAIN(suite)
