/*
 * HTTPS as an operator sees it: what a broker refuses to start with, certificates that change under
 * load, tickets that all frontds open and that end, clients by certificate, handshakes in masses,
 * and the death of a frontd.
 */
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <openssl/ssl.h>

#include "shm/stats.h"
#include "tests/harness/deadline.h"
#include "tests/harness/tls.h"
#include "tests/harness/unit.h"

enum { TEST_SECONDS = 120, OUTPUT_BYTES = 64 * 1024 };

static struct broker broker;
static struct client client;
static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

static struct tls_dialog
dialog(void)
{
	return (struct tls_dialog){ .directory = broker.directory, .authority = "ca" };
}

static void
start(const char *const *options)
{
	tls_broker_init(&broker, options);
	broker_start(&broker);
}

static void
expect_served(void)
{
	struct tls_dialog usual = dialog();
	struct client good;

	tls_client_open(&good, broker.tls_port, &usual);
	expect_status(client_do(&good, "GET /livez"), 200);
	client_close(&good);
}

static void
shell(const char *format, ...)
{
	char command[1024];
	va_list arguments;

	va_start(arguments, format);
	int n = vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	ck_assert(n > 0 && n < (int)sizeof(command));
	ck_assert_msg(system(command) == 0, "this failed: %s", command);
}

/* A counter of one frontd. */
static uint64_t
stat_of(uint32_t front, size_t offset)
{
	struct registry registry;
	struct stats stats;

	ck_assert_int_eq(registry_attach(&registry, broker.instance, NULL, REGION_READ_ONLY), 0);
	struct region_identity store = registry_identity(&registry);
	registry_detach(&registry);
	ck_assert_int_eq(
	    stats_attach(&stats, broker.instance, SLOT_FRONT(front), &store, REGION_READ_ONLY), 0);
	uint64_t value = load_relaxed((const uint64_t *)((const char *)stats.shared + offset));
	stats_detach(&stats);
	return value;
}

#define STAT(front, name) stat_of(front, offsetof(struct stats_shared, name))

/* ---- starting ---- */

/*
 * Started with the files of a whole broker, after `spoil` was run in their directory: it must say
 * `word` and exit with 78.
 */
static void
expect_refused(const char *const *options, const char *spoil, const char *word)
{
	int exit_status;

	tls_broker_init(&broker, options);
	shell("cd '%s' && %s", broker.directory, spoil);
	ck_assert_msg(!broker_try_start(&broker, &exit_status), "it started after: %s", spoil);
	char *log = broker_log(&broker);
	ck_assert_msg(exit_status == 78, "exit code %d after: %s: %s", exit_status, spoil, log);
	ck_assert_msg(
	    strstr(log, word) != NULL, "the log does not say `%s` after: %s: %s", word, spoil, log);
	free(log);
	broker_free(&broker);
}

START_TEST(files_that_cannot_be_used_are_refused_with_cause_and_cure)
{
	static const char *const wants_clients[] = { "tls.client_auth=required", NULL };

	expect_refused(NULL, "rm server.pem", "server.pem: cannot be read: No such file");
	expect_refused(NULL, "rm server.key", "server.key: cannot be read: No such file");
	expect_refused(NULL, "rm server.pem && mkdir server.pem",
	    "server.pem: cannot be read: Is a directory");
	expect_refused(NULL, "echo garbage > server.pem", "there is no certificate in it");
	expect_refused(NULL, "cp server.pem server.key", "there is no private key in it");
	expect_refused(NULL, "cp ca.key server.key", "does not belong to the first certificate");
	expect_refused(NULL,
	    "(echo -----BEGIN CERTIFICATE-----; echo AAAA; echo -----END CERTIFICATE-----) >> "
	    "server.pem",
	    "behind the first");
	expect_refused(NULL,
	    "openssl pkey -in server.key -aes256 -passout pass:x -out new && mv new server.key",
	    "this key is encrypted");
	expect_refused(NULL, "head -c 600000 /dev/zero > server.pem", "more than 512 KiB");
	expect_refused(wants_clients, "rm ca.pem", "ca.pem: cannot be read");
	expect_refused(wants_clients, "echo garbage > ca.pem", "no client could be let in");
}
END_TEST

START_TEST(plain_http_beyond_loopback_is_refused_by_name)
{
	static const char *const options[] = { "auth.mode=required", "server.listen=0.0.0.0:0",
		NULL };

	expect_refused(options, "true", "insecure = yes");
}
END_TEST

START_TEST(a_key_that_everybody_can_read_is_warned_of)
{
	tls_broker_init(&broker, NULL);
	shell("chmod 644 '%s/server.key'", broker.directory);
	broker_start(&broker);
	broker_wait_log(&broker,
	    "every user of this machine can read or change this key (mode 0644); chmod 600");
	expect_served();
	broker_free(&broker);
}
END_TEST

START_TEST(a_certificate_that_has_expired_is_served_and_warned_of)
{
	tls_broker_init(&broker, NULL);
	tls_make_certificate(broker.directory, "server",
	    &(struct tls_wish){ .authority = "ca", .subject = "/CN=localhost", .days = -1 });
	broker_start(&broker);
	broker_wait_log(&broker, "it has EXPIRED");
	broker_free(&broker);
}
END_TEST

START_TEST(plain_http_may_be_off)
{
	static const char *const options[] = { "server.listen=off", NULL };
	char output[OUTPUT_BYTES];

	start(options);
	expect_served();
	const char *status[] = { "status", "-i", broker.instance, NULL };
	ck_assert_int_eq(broker_command(output, sizeof(output), status), 0);
	ck_assert_msg(
	    strstr(output, "http://") == NULL && strstr(output, "https://127.0.0.1:") != NULL, "%s",
	    output);
	broker_free(&broker);
}
END_TEST

/* ---- certificates that change ---- */

static void
renew(const char *name, const char *subject)
{
	tls_make_certificate(broker.directory, name,
	    &(struct tls_wish){ .authority = "ca",
		.subject = subject,
		.alternatives = "DNS:localhost,IP:127.0.0.1",
		.days = 1 });
}

static void
serial_now(char text[64])
{
	struct tls_dialog usual = dialog();

	tls_client_open(&client, broker.tls_port, &usual);
	tls_client_peer_serial(&client, text);
	client_close(&client);
}

START_TEST(a_new_certificate_is_served_without_a_connection_lost)
{
	enum { CLIENTS = 20 };
	static const char *const two[] = { "server.processes=2", NULL };
	struct client clients[CLIENTS];
	char before[64], after[64];
	unsigned answers = 0;

	start(two);
	serial_now(before);
	struct tls_dialog usual = dialog();
	for (unsigned i = 0; i < CLIENTS; i++)
		tls_client_open(&clients[i], broker.tls_port, &usual);
	client_queue(&clients[0], "load", "{}");
	renew("server", "/CN=localhost");
	ck_assert_int_eq(kill(broker.pid, SIGHUP), 0);
	uint64_t deadline_ms = deadline_in(20000);
	do {
		for (unsigned i = 0; i < CLIENTS; i++, answers++)
			client_publish(&clients[i], "load", "x");
		serial_now(after);
		ck_assert(deadline_in(0) < deadline_ms);
	} while (strcmp(before, after) == 0);
	/* All frontds have it soon; the old connections go on with the old one. */
	for (unsigned same = 0; same < 10; same++) {
		char again[64];

		for (unsigned i = 0; i < CLIENTS; i++, answers++)
			client_publish(&clients[i], "load", "x");
		serial_now(again);
		if (strcmp(again, after) != 0)
			same = 0;
		ck_assert(deadline_in(0) < deadline_ms);
	}
	for (unsigned i = 0; i < CLIENTS; i++) {
		char own[64];

		tls_client_peer_serial(&clients[i], own);
		ck_assert_str_eq(own, before);
	}
	ck_assert_int_eq(
	    response_number(client_do(&clients[0], "GET /v1/queues/load"), "stats.ready"), answers);
	for (unsigned i = 0; i < CLIENTS; i++)
		client_close(&clients[i]);
	broker_free(&broker);
}
END_TEST

START_TEST(a_bad_new_certificate_is_refused_and_the_old_one_stays)
{
	static const struct {
		const char *spoil, *word;
	} wrong[] = {
		{ "echo garbage > server.pem", "there is no certificate in it" },
		{ "cp ca.key server.key", "does not belong to the first certificate" },
		{ "rm server.key", "server.key: cannot be read" },
	};
	char before[64], after[64], line[160];

	start(NULL);
	serial_now(before);
	shell("cd '%s' && cp server.pem good.pem && cp server.key good.key", broker.directory);
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		shell("cd '%s' && cp good.pem server.pem && cp good.key server.key && %s",
		    broker.directory, wrong[i].spoil);
		ck_assert_int_eq(kill(broker.pid, SIGHUP), 0);
		snprintf(line, sizeof(line), "%s", wrong[i].word);
		broker_wait_log(&broker, line);
		serial_now(after);
		ck_assert_str_eq(after, before);
	}
	char *log = broker_log(&broker);
	ck_assert_ptr_nonnull(strstr(log, "nothing is reloaded: tls.certificate = "));
	free(log);
	renew("server", "/CN=localhost");
	ck_assert_int_eq(kill(broker.pid, SIGHUP), 0);
	uint64_t deadline_ms = deadline_in(20000);
	do {
		ck_assert(deadline_pause(deadline_ms));
		serial_now(after);
	} while (strcmp(before, after) == 0);
	broker_free(&broker);
}
END_TEST

/* ---- tickets ---- */

/* A session with a ticket in it. */
static SSL_SESSION *
session_of(int version)
{
	struct tls_dialog one = dialog();

	one.version = version;
	tls_client_open(&client, broker.tls_port, &one);
	expect_status(client_do(&client, "GET /livez"), 200);
	SSL_SESSION *session = tls_client_session(&client);
	ck_assert_ptr_nonnull(session);
	client_close(&client);
	return session;
}

static bool
is_resumed(SSL_SESSION *session, int version)
{
	struct tls_dialog one = dialog();

	one.version = version;
	one.session = session;
	tls_client_open(&client, broker.tls_port, &one);
	expect_status(client_do(&client, "GET /livez"), 200);
	bool is = tls_client_resumed(&client);
	client_close(&client);
	return is;
}

START_TEST(a_ticket_is_good_at_every_frontd_and_after_their_deaths)
{
	static const char *const two[] = { "server.processes=2", NULL };
	uint64_t deadline_ms = deadline_in(60000);

	start(two);
	SSL_SESSION *session = session_of(versions[_i]);
	while (STAT(0, tls_resumed) < 3 || STAT(1, tls_resumed) < 3) {
		ck_assert(is_resumed(session, versions[_i]));
		ck_assert(deadline_in(0) < deadline_ms);
	}
	for (uint32_t front = 0; front < 2; front++)
		broker_wait_live(
		    &broker, SLOT_FRONT(front), broker_kill(&broker, SLOT_FRONT(front)));
	uint64_t before[] = { STAT(0, tls_resumed), STAT(1, tls_resumed) };
	while (STAT(0, tls_resumed) == before[0] || STAT(1, tls_resumed) == before[1]) {
		ck_assert(is_resumed(session, versions[_i]));
		ck_assert(deadline_in(0) < deadline_ms);
	}
	SSL_SESSION_free(session);
	broker_free(&broker);
}
END_TEST

START_TEST(a_ticket_ends_with_the_second_change_of_keys)
{
	static const char *const often[] = { "tls.ticket_rotation=2s", NULL };
	uint64_t deadline_ms = deadline_in(60000);

	start(often);
	SSL_SESSION *session = session_of(versions[_i]);
	uint64_t begin_ms = deadline_in(0);
	ck_assert(is_resumed(session, versions[_i]));
	while (is_resumed(session, versions[_i]))
		ck_assert(deadline_pause(deadline_ms));
	ck_assert_uint_ge(deadline_in(0) - begin_ms, 2000); /* it is good for one whole period */
	SSL_SESSION_free(session);
	session = session_of(versions[_i]);
	ck_assert(is_resumed(session, versions[_i]));
	SSL_SESSION_free(session);
	broker_free(&broker);
}
END_TEST

/* ---- clients by certificate ---- */

static void
make_clients(void)
{
	tls_make_authority(broker.directory, "other");
	tls_make_certificate(broker.directory, "alice",
	    &(struct tls_wish){ .authority = "ca",
		.subject = "/CN=alice",
		.alternatives = "DNS:alice.example,email:alice@example.org",
		.days = 1 });
	tls_make_certificate(broker.directory, "late",
	    &(struct tls_wish){ .authority = "ca", .subject = "/CN=late", .days = -1 });
	tls_make_certificate(broker.directory, "stranger", &(struct tls_wish){ .authority = "other",
	    .subject = "/CN=alice", .days = 1 });
}

/* By this certificate (NULL: none) no request is served; the broker's alert. */
static int
alert_for(const char *certificate, int version)
{
	struct tls_dialog one = dialog();
	int alert;

	one.certificate = certificate;
	one.version = version;
	if (!tls_client_try(&client, broker.tls_port, &one, &alert))
		return alert;
	/* TLS 1.3: the client is done before the broker has seen its certificate. */
	client_text(&client, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
	ck_assert_ptr_null(client_try_answer(&client, 5000));
	ck_assert_uint_eq(client.count, 0);
	alert = tls_client_alert(&client);
	client_close(&client);
	return alert;
}

static void
expect_let_in(const char *certificate, int version)
{
	struct tls_dialog one = dialog();

	one.certificate = certificate;
	one.version = version;
	tls_client_open(&client, broker.tls_port, &one);
	expect_status(client_do(&client, "GET /livez"), 200);
	one.session = tls_client_session(&client);
	client_close(&client);
	tls_client_open(&client, broker.tls_port, &one);
	expect_status(client_do(&client, "GET /livez"), 200);
	ck_assert(tls_client_resumed(&client));
	client_close(&client);
	SSL_SESSION_free(one.session);
}

START_TEST(who_must_show_a_certificate_and_has_no_good_one_is_told_why)
{
	static const char *const required[] = { "tls.client_auth=required", "tls.client_users=san",
		NULL };
	int version = versions[_i];

	tls_broker_init(&broker, required);
	make_clients();
	broker_start(&broker);
	expect_let_in("alice", version);
	ck_assert_int_eq(alert_for(NULL, version),
	    version == TLS1_3_VERSION ? SSL_AD_CERTIFICATE_REQUIRED : SSL_AD_HANDSHAKE_FAILURE);
	ck_assert_int_eq(alert_for("stranger", version), SSL_AD_UNKNOWN_CA);
	ck_assert_int_eq(alert_for("late", version), SSL_AD_CERTIFICATE_EXPIRED);
	expect_let_in("alice", version);
	broker_free(&broker);
}
END_TEST

START_TEST(a_certificate_may_be_optional_but_not_wrong)
{
	static const char *const optional[] = { "tls.client_auth=optional", NULL };

	tls_broker_init(&broker, optional);
	make_clients();
	broker_start(&broker);
	expect_let_in(NULL, versions[_i]);
	expect_let_in("alice", versions[_i]);
	ck_assert_int_eq(alert_for("stranger", versions[_i]), SSL_AD_UNKNOWN_CA);
	broker_free(&broker);
}
END_TEST

START_TEST(a_ticket_from_before_does_not_replace_the_certificate_that_is_asked_for_now)
{
	char conf[300];

	tls_broker_init(&broker, NULL);
	snprintf(conf, sizeof(conf), "%s/conf.ini", broker.directory);
	shell("echo > '%s'", conf);
	broker_conf(&broker, conf);
	broker_start(&broker);
	SSL_SESSION *session = session_of(versions[_i]);
	ck_assert(is_resumed(session, versions[_i]));
	shell("printf '[tls]\\nclient_auth = required\\n' > '%s'", conf);
	ck_assert_int_eq(kill(broker.pid, SIGHUP), 0);
	broker_wait_log(&broker, "tls.client_auth = required is reloaded");
	/* Until the frontd has it, clients without one are served. */
	uint64_t deadline_ms = deadline_in(20000);
	struct tls_dialog one = dialog();
	one.version = versions[_i];
	one.session = session;
	for (;;) {
		int alert;

		ck_assert(deadline_pause(deadline_ms));
		if (!tls_client_try(&client, broker.tls_port, &one, &alert))
			break;
		client_text(&client, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
		bool is_served = client_try_answer(&client, 5000) != NULL;
		client_close(&client);
		if (!is_served)
			break;
	}
	SSL_SESSION_free(session);
	broker_free(&broker);
}
END_TEST

/* ---- masses ---- */

START_TEST(silent_handshakes_do_not_keep_others_out)
{
	enum { SILENT = 200 };
	static const char *const few[] = { "tls.handshakes=32", "tls.handshake_timeout=60s", NULL };
	struct client silent[SILENT];

	start(few);
	for (unsigned i = 0; i < SILENT; i++)
		tls_client_begin(&silent[i], broker.tls_port,
		    i % 3 == 0       ? 0
			: i % 3 == 1 ? 60
				     : 4000);
	uint64_t begin_ms = deadline_in(0);
	expect_served(); /* its turn comes as those before it are ended, 32 a second */
	ck_assert_uint_le(deadline_in(0) - begin_ms, 30000);
	for (unsigned i = 0; i < SILENT; i++)
		client_close(&silent[i]);
	broker_free(&broker);
}
END_TEST

START_TEST(a_frontd_that_is_killed_costs_its_connections_and_no_message)
{
	struct tls_dialog usual;

	start(NULL);
	usual = dialog();
	tls_client_open(&client, broker.tls_port, &usual);
	client_queue(&client, "kept", "{}");
	for (unsigned i = 0; i < 50; i++)
		client_publish(&client, "kept", "x");
	uint64_t epoch = broker_kill(&broker, SLOT_FRONT(0));
	client_expect_close(&client);
	client_close(&client);
	/* The listener is the supervisor's: a connection made now waits. */
	tls_client_open(&client, broker.tls_port, &usual);
	broker_wait_live(&broker, SLOT_FRONT(0), epoch);
	ck_assert_int_eq(
	    response_number(client_do(&client, "GET /v1/queues/kept"), "stats.ready"), 50);
	client_close(&client);
	broker_free(&broker);
}
END_TEST

START_TEST(a_clean_stop_ends_handshakes_and_says_good_bye_to_the_others)
{
	struct tls_dialog usual;
	struct client half;

	start(NULL);
	usual = dialog();
	tls_client_open(&client, broker.tls_port, &usual);
	expect_status(client_do(&client, "GET /livez"), 200);
	tls_client_begin(&half, broker.tls_port, 100);
	uint64_t begin_ms = deadline_in(0);
	ck_assert_int_eq(kill(broker.pid, SIGTERM), 0);
	ck_assert(tls_client_heard_goodbye(&client));
	client_expect_close(&half);
	broker_wait_stopped(&broker);
	ck_assert_uint_le(deadline_in(0) - begin_ms, 20000);
	client_close(&client);
	client_close(&half);
	broker_free(&broker);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("http/tls_operation");
	TCase *tcase = tcase_create("http/tls_operation");

	tcase_set_timeout(tcase, TEST_SECONDS);
	tcase_add_test(tcase, files_that_cannot_be_used_are_refused_with_cause_and_cure);
	tcase_add_test(tcase, plain_http_beyond_loopback_is_refused_by_name);
	tcase_add_test(tcase, a_key_that_everybody_can_read_is_warned_of);
	tcase_add_test(tcase, a_certificate_that_has_expired_is_served_and_warned_of);
	tcase_add_test(tcase, plain_http_may_be_off);
	tcase_add_test(tcase, a_new_certificate_is_served_without_a_connection_lost);
	tcase_add_test(tcase, a_bad_new_certificate_is_refused_and_the_old_one_stays);
	tcase_add_loop_test(tcase, a_ticket_is_good_at_every_frontd_and_after_their_deaths, 0, 2);
	tcase_add_loop_test(tcase, a_ticket_ends_with_the_second_change_of_keys, 0, 2);
	tcase_add_loop_test(
	    tcase, who_must_show_a_certificate_and_has_no_good_one_is_told_why, 0, 2);
	tcase_add_loop_test(tcase, a_certificate_may_be_optional_but_not_wrong, 0, 2);
	tcase_add_loop_test(tcase,
	    a_ticket_from_before_does_not_replace_the_certificate_that_is_asked_for_now, 0, 2);
	tcase_add_test(tcase, silent_handshakes_do_not_keep_others_out);
	tcase_add_test(tcase, a_frontd_that_is_killed_costs_its_connections_and_no_message);
	tcase_add_test(tcase, a_clean_stop_ends_handshakes_and_says_good_bye_to_the_others);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
