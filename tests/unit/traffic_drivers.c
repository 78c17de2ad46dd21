/*
 * The protocols of cli/traffic/ and bench/protocols: where an answer ends, whole or in pieces, and what a driver makes of a scripted
 * conversation.  The other side is a thread that answers each burst it reads with the next line of its script.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/protocols/protocols.h"
#include "tests/harness/unit.h"
#include "cli/traffic/http.h"

/* --- ends --- */

typedef size_t whole(const char *bytes, size_t count);

static size_t
http_whole(const char *bytes, size_t count)
{
	struct http_reply reply;

	return http_reply_read(bytes, count, &reply);
}

/* However few of its bytes are there, it is not whole; and what stands behind it is left alone. */
static void
expect_end(whole *whole, const char *bytes, size_t count)
{
	char *longer = malloc(count + 3);

	for (size_t part = 0; part < count; part++) {
		char *exact = malloc(part + 1); /* for the sanitizer: nothing is read beyond it */

		memcpy(exact, bytes, part);
		size_t seen = whole(exact, part);
		ck_assert_msg(seen == 0, "%zu of %zu bytes of `%.*s` were taken for %zu", part, count, (int)part, bytes, seen);
		free(exact);
	}
	memcpy(longer, bytes, count);
	memcpy(longer + count, "\r\n", 2);
	ck_assert_uint_eq(whole(longer, count), count);
	ck_assert_uint_eq(whole(longer, count + 2), count);
	free(longer);
}
#define EXPECT_END(whole, text) expect_end(whole, text, sizeof(text) - 1)

START_TEST(an_http_answer_ends_with_its_body)
{
	struct http_reply reply;

	EXPECT_END(http_whole, "HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhello");
	EXPECT_END(http_whole, "HTTP/1.1 200 OK\r\nDate: today\r\ncontent-length: 4\r\nX: y\r\n\r\n\r\n\r\n");
	EXPECT_END(http_whole, "HTTP/1.1 204 No Content\r\nDate: today\r\n\r\n");
	ck_assert_uint_eq(http_reply_read("HTTP/1.1 410 Gone\r\nContent-Length: 2\r\n\r\n{}", 42, &reply), 42);
	ck_assert_uint_eq(reply.status, 410);
	ck_assert_uint_eq(reply.head_bytes, 40);
	ck_assert_uint_eq(http_reply_read("+OK hello\r\n\r\n", 13, &reply), TRAFFIC_BROKEN);
}
END_TEST

START_TEST(a_resp_value_ends_with_its_last_element)
{
	EXPECT_END(resp_value, "+OK\r\n");
	EXPECT_END(resp_value, ":12\r\n");
	EXPECT_END(resp_value, "$-1\r\n");
	EXPECT_END(resp_value, "*-1\r\n");
	EXPECT_END(resp_value, "*0\r\n");
	EXPECT_END(resp_value, "$5\r\nhe\r\no\r\n");
	EXPECT_END(resp_value, "*1\r\n*2\r\n$1\r\nq\r\n*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\nb\r\n$2\r\nxy\r\n");
	ck_assert_uint_eq(resp_value("HTTP/1.1", 8), TRAFFIC_BROKEN);
}
END_TEST

START_TEST(a_nats_operation_ends_with_its_payload)
{
	EXPECT_END(nats_operation, "PING\r\n");
	EXPECT_END(nats_operation, "MSG s.q 1 $JS.ACK.x 5\r\nhello\r\n");
	EXPECT_END(nats_operation, "MSG _INBOX.1.a 1 0\r\n\r\n");
	EXPECT_END(nats_operation, "HMSG _INBOX.1.m 1 16 16\r\nNATS/1.0 404\r\n\r\n\r\n");
}
END_TEST

START_TEST(an_amqp_frame_ends_with_its_mark)
{
	EXPECT_END(amqp_frame, "\x01\x00\x01\x00\x00\x00\x04\x00\x3c\x00\x50\xce");
	ck_assert_uint_eq(amqp_frame("\x01\x00\x01\x00\x00\x00\x01x!", 9), TRAFFIC_BROKEN);
	ck_assert_uint_eq(amqp_frame("HTTP/1.1 400", 12), TRAFFIC_BROKEN);
}
END_TEST

START_TEST(a_beanstalkd_answer_ends_with_its_body)
{
	EXPECT_END(beanstalk_answer, "INSERTED 7\r\n");
	EXPECT_END(beanstalk_answer, "RESERVED 7 5\r\nhe\r\no\r\n");
	ck_assert_uint_eq(beanstalk_answer("RESERVED x\r\n", 12), TRAFFIC_BROKEN);
}
END_TEST

/* --- conversations --- */

#define LINES_MAX 16

struct line {
	const char *wanted;       /* what the burst must contain */
	const char *answer;
	size_t answer_bytes;      /* 0: up to its NUL */
	size_t wanted_bytes;      /* 0: up to its NUL */
};

static struct {
	const char *greeting;     /* NULL, or what it says first */
	const struct line *lines;
	unsigned count, said;
	int listener;
	char port[8];
	char trouble[1024];
	pthread_t thread;
} other;

static void *
answer_all(void *unused)
{
	static char burst[65536];

	(void)unused;
	for (int fd; other.said < other.count && (fd = accept(other.listener, NULL, NULL)) >= 0; close(fd)) {
		size_t used = 0;

		if (other.greeting != NULL)
			ck_assert_int_gt(send(fd, other.greeting, strlen(other.greeting), MSG_NOSIGNAL), 0);
		for (ssize_t got; other.said < other.count && (got = read(fd, burst + used, sizeof(burst) - 1 - used)) > 0;) {
			const struct line *line = &other.lines[other.said];

			used += (size_t)got;
			size_t wanted_bytes = line->wanted_bytes != 0 ? line->wanted_bytes : strlen(line->wanted);
			if (memmem(burst, used, line->wanted, wanted_bytes) == NULL) {
				/* The rest of the burst may still come; what is never said fails by said < count. */
				snprintf(other.trouble, sizeof(other.trouble), "wanted `%s`, saw `%.*s`", line->wanted, (int)used, burst);
				continue;
			}
			other.trouble[0] = '\0';
			used = 0;
			other.said++;
			size_t bytes = line->answer_bytes != 0 ? line->answer_bytes : strlen(line->answer);
			ck_assert_int_eq(send(fd, line->answer, bytes, MSG_NOSIGNAL), (int)bytes);
		}
	}
	/* Whoever has connected meanwhile is sent away. */
	shutdown(other.listener, SHUT_RDWR);
	return NULL;
}

static struct traffic_result result;

/* One connection, until `count` messages are done.  traffic_run()'s code. */
static int
converse(const struct traffic_driver *driver, enum traffic_mode mode, uint32_t batch, const struct line *lines, unsigned count)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t address_bytes = sizeof(address);
	struct traffic_options options = { .driver = driver, .host = "127.0.0.1", .port = other.port, .queue = "q",
		.argument = "", .mode = mode, .connections = 1, .window = 1, .size = 18, .batch = batch, .count = batch,
		.seconds = 5, .makes_queue = mode == TRAFFIC_PUBLISH };

	other.lines = lines;
	other.count = count;
	other.said = 0;
	other.trouble[0] = '\0';
	other.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(other.listener, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(other.listener, 8), 0);
	ck_assert_int_eq(getsockname(other.listener, (struct sockaddr *)&address, &address_bytes), 0);
	snprintf(other.port, sizeof(other.port), "%u", ntohs(address.sin_port));
	ck_assert_int_eq(pthread_create(&other.thread, NULL, answer_all, NULL), 0);
	int code = traffic_run(&options, &result);
	shutdown(other.listener, SHUT_RDWR);
	pthread_join(other.thread, NULL);
	close(other.listener);
	ck_assert_msg(other.said == count, "line %u was not said: %s; %s", other.said, other.trouble, result.trouble);
	return code;
}
#define CONVERSE(driver, mode, batch, lines) converse(driver, mode, batch, lines, sizeof(lines) / sizeof((lines)[0]))

START_TEST(http_publishes_with_a_stamp)
{
	static const struct line lines[] = {
		{ "PUT /v1/queues/q HTTP/1.1\r\n", "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", 0, 0 },
		{ "Content-Length: 18\r\n\r\nT=00", "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}", 0, 0 },
	};

	ck_assert_int_eq(CONVERSE(&traffic_http, TRAFFIC_PUBLISH, 1, lines), 0);
	ck_assert_uint_eq(result.stored, 1);
	ck_assert_uint_eq(result.refused, 0);
	ck_assert_uint_eq(result.latency.count, 1);
}
END_TEST

START_TEST(http_publishes_a_batch_as_one_request)
{
	static const struct line lines[] = {
		{ "PUT /v1/queues/q ", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0, 0 },
		{ "Content-Type: application/vnd.mq.batch+json\r\nContent-Length: 104\r\n\r\n{\"messages\":[{\"body\":\"T=",
		    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 0, 0 },
	};

	ck_assert_int_eq(CONVERSE(&traffic_http, TRAFFIC_PUBLISH, 3, lines), 0);
	ck_assert_uint_eq(result.stored, 3);
}
END_TEST

START_TEST(http_acknowledges_what_it_received)
{
	static const struct line lines[] = {
		{ "POST /v1/queues/q/messages:receive HTTP/1.1\r\n",
		    "HTTP/1.1 200 OK\r\nContent-Length: 46\r\n\r\n{\"messages\":[{\"receipt\":\"R1\",\"body\":\"hello\"}]}", 0, 0 },
		{ "DELETE /v1/queues/q/leases/R1 HTTP/1.1\r\n", "HTTP/1.1 204 No Content\r\n\r\n", 0, 0 },
	};

	ck_assert_int_eq(CONVERSE(&traffic_http, TRAFFIC_CONSUME, 1, lines), 0);
	ck_assert_uint_eq(result.consumed, 1);
	ck_assert_str_eq(result.trouble, "");
}
END_TEST

START_TEST(http_counts_each_receipt_of_a_batch)
{
	static const struct line lines[] = {
		{ "{\"max\":2}", "HTTP/1.1 200 OK\r\nContent-Length: 48\r\n\r\n"
		                 "{\"messages\":[{\"receipt\":\"R1\"},{\"receipt\":\"R2\"}]}", 0, 0 },
		{ "POST /v1/queues/q/leases:ack HTTP/1.1\r\n",
		    "HTTP/1.1 200 OK\r\nContent-Length: 66\r\n\r\n"
		    "{\"results\":[{\"status\":204},{\"status\":410,\"code\":\"lease-expired\"}]}", 0, 0 },
		{ "{\"max\":2}", "HTTP/1.1 204 No Content\r\n\r\n", 0, 0 },
	};

	CONVERSE(&traffic_http, TRAFFIC_CONSUME, 2, lines);
	ck_assert_uint_eq(result.consumed, 1);
	ck_assert_uint_eq(result.refused, 1);
	ck_assert_uint_eq(result.empty, 1);
	ck_assert_ptr_nonnull(strstr(result.trouble, "410"));
}
END_TEST

START_TEST(what_is_refused_is_told_and_not_counted)
{
	static const struct line lines[] = {
		{ "PUT ", "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", 0, 0 },
		{ "POST ", "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 2\r\n\r\n{}", 0, 0 },
	};
	static const struct line refused[] = {
		{ "PUT ", "HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\n{}", 0, 0 },
	};

	CONVERSE(&traffic_http, TRAFFIC_PUBLISH, 1, lines);
	ck_assert_uint_eq(result.stored, 0);
	ck_assert_uint_eq(result.refused, 1);
	ck_assert_ptr_nonnull(strstr(result.trouble, "429"));
	ck_assert_int_eq(CONVERSE(&traffic_http, TRAFFIC_PUBLISH, 1, refused), -1);
	ck_assert_ptr_nonnull(strstr(result.trouble, "cannot make the queue"));
}
END_TEST

START_TEST(a_server_that_goes_away_ends_the_run)
{
	static const struct line lines[] = {
		{ "PUT ", "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", 0, 0 },
	};

	ck_assert_int_eq(CONVERSE(&traffic_http, TRAFFIC_PUBLISH, 1, lines), -1);
	ck_assert_str_ne(result.trouble, "");
}
END_TEST

START_TEST(resp_adds_and_reads_acknowledges_and_deletes)
{
	static const struct line publish[] = {
		{ "XGROUP\r\n$6\r\nCREATE\r\n$1\r\nq\r\n", "+OK\r\n", 0, 0 },
		{ "XADD\r\n$1\r\nq\r\n$1\r\n*\r\n$1\r\nb\r\n$18\r\nT=", "$3\r\n1-0\r\n", 0, 0 },
	};
	static const struct line consume[] = {
		{ "COUNT\r\n$1\r\n2\r\n", "*1\r\n*2\r\n$1\r\nq\r\n*2\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\nb\r\n$2\r\nxy\r\n"
		                          "*2\r\n$4\r\n1-25\r\n*2\r\n$1\r\nb\r\n$2\r\nzz\r\n", 0, 0 },
		{ "*5\r\n$4\r\nXACK\r\n$1\r\nq\r\n$1\r\ng\r\n$3\r\n1-0\r\n$4\r\n1-25\r\n*4\r\n$4\r\nXDEL\r\n$1\r\nq\r\n$3\r\n1-0\r\n$4\r\n1-25\r\n",
		    ":2\r\n:2\r\n", 0, 0 },
	};

	ck_assert_int_eq(CONVERSE(&protocol_resp, TRAFFIC_PUBLISH, 1, publish), 0);
	ck_assert_uint_eq(result.stored, 1);
	ck_assert_int_eq(CONVERSE(&protocol_resp, TRAFFIC_CONSUME, 2, consume), 0);
	ck_assert_uint_eq(result.consumed, 2);
}
END_TEST

START_TEST(nats_acknowledges_to_the_subject_of_each_message)
{
	static const struct line publish[] = {
		{ "PING\r\n", "PONG\r\n", 0, 0 },
		{ "PUB $JS.API.STREAM.CREATE.S_q ", "MSG _INBOX.0.x 1 2\r\n{}\r\n", 0, 0 },
		{ "PUB $JS.API.CONSUMER.DURABLE.CREATE.S_q.C ", "MSG _INBOX.0.x 1 2\r\n{}\r\n", 0, 0 },
		{ "PING\r\n", "PONG\r\n", 0, 0 },
		{ "PUB s.q _INBOX.0.p 18\r\nT=", "MSG _INBOX.0.p 1 9\r\n{\"seq\":1}\r\n", 0, 0 },
	};
	static const struct line consume[] = {
		{ "PING\r\n", "PONG\r\n", 0, 0 },
		{ "{\"batch\":2,\"no_wait\":true}\r\n", "MSG s.q 1 A.1 2\r\nxy\r\nMSG s.q 1 A.2 2\r\nzz\r\nPING\r\n", 0, 0 },
		{ "PUB A.1 _INBOX.0.a 4\r\n+ACK\r\nPUB A.2 _INBOX.0.a 4\r\n+ACK\r\nPONG\r\n",
		    "MSG _INBOX.0.a 1 0\r\n\r\nMSG _INBOX.0.a 1 0\r\n\r\n", 0, 0 },
	};

	other.greeting = "INFO {}\r\n";
	ck_assert_int_eq(CONVERSE(&protocol_nats, TRAFFIC_PUBLISH, 1, publish), 0);
	ck_assert_uint_eq(result.stored, 1);
	ck_assert_int_eq(CONVERSE(&protocol_nats, TRAFFIC_CONSUME, 2, consume), 0);
	ck_assert_uint_eq(result.consumed, 2);
}
END_TEST

/* A frame of a method without arguments that anybody reads. */
#define METHOD(channel, class, method) "\x01\x00" channel "\x00\x00\x00\x04\x00" class "\x00" method "\xce"
#define LINE(wanted, answer) { wanted, answer, sizeof(answer) - 1, sizeof(wanted) - 1 }

START_TEST(amqp_counts_confirms_that_stand_for_several)
{
#define OPENING \
	LINE("AMQP", METHOD("\x00", "\x0a", "\x0a")), /* start */ \
	LINE("PLAIN", METHOD("\x00", "\x0a", "\x1e")), /* tune */ \
	LINE("/", METHOD("\x00", "\x0a", "\x29") METHOD("\x01", "\x14", "\x0b")) /* both are open */
	static const struct line publish[] = {
		OPENING,
		LINE("q", METHOD("\x01", "\x32", "\x0b")), /* declared */
		OPENING,
		LINE("U", METHOD("\x01", "\x55", "\x0b")), /* confirms selected */
		/* basic.ack, delivery tag 1, multiple */
		LINE("T=", "\x01\x00\x01\x00\x00\x00\x0d\x00\x3c\x00\x50\x00\x00\x00\x00\x00\x00\x00\x01\x01\xce"),
	};
	static const struct line consume[] = {
		OPENING,
		LINE("\x00\x3c\x00\x0a", METHOD("\x01", "\x3c", "\x0b")), /* qos */
		/* basic.deliver "c" 7, not redelivered, "", "q"; header of 2 bytes; body in two frames */
		LINE("\x00\x3c\x00\x14",
		    "\x01\x00\x01\x00\x00\x00\x12\x00\x3c\x00\x3c\x01" "c" "\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x01q\xce"
		    "\x02\x00\x01\x00\x00\x00\x0e\x00\x3c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\xce"
		    "\x03\x00\x01\x00\x00\x00\x01x\xce" "\x03\x00\x01\x00\x00\x00\x01y\xce"),
	};

	ck_assert_int_eq(CONVERSE(&protocol_amqp, TRAFFIC_PUBLISH, 1, publish), 0);
	ck_assert_uint_eq(result.stored, 1);
	ck_assert_int_eq(CONVERSE(&protocol_amqp, TRAFFIC_CONSUME, 1, consume), 0);
	ck_assert_uint_eq(result.consumed, 1);
}
END_TEST

START_TEST(beanstalk_deletes_what_it_reserved)
{
	static const struct line publish[] = {
		{ "use q\r\n", "USING q\r\n", 0, 0 },
		{ "put 1024 0 120 18\r\nT=", "INSERTED 5\r\n", 0, 0 },
	};
	static const struct line consume[] = {
		{ "watch q\r\nignore default\r\n", "WATCHING 2\r\nWATCHING 1\r\n", 0, 0 },
		{ "reserve-with-timeout 0\r\n", "RESERVED 5 2\r\nxy\r\n", 0, 0 },
		{ "delete 5\r\n", "DELETED\r\n", 0, 0 },
	};

	ck_assert_int_eq(CONVERSE(&protocol_beanstalk, TRAFFIC_PUBLISH, 1, publish), 0);
	ck_assert_uint_eq(result.stored, 1);
	ck_assert_int_eq(CONVERSE(&protocol_beanstalk, TRAFFIC_CONSUME, 1, consume), 0);
	ck_assert_uint_eq(result.consumed, 1);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("cli/traffic/drivers");
	TCase *ends = tcase_create("ends"), *conversations = tcase_create("conversations");

	tcase_add_test(ends, an_http_answer_ends_with_its_body);
	tcase_add_test(ends, a_resp_value_ends_with_its_last_element);
	tcase_add_test(ends, a_nats_operation_ends_with_its_payload);
	tcase_add_test(ends, an_amqp_frame_ends_with_its_mark);
	tcase_add_test(ends, a_beanstalkd_answer_ends_with_its_body);
	suite_add_tcase(suite, ends);
	tcase_add_test(conversations, http_publishes_with_a_stamp);
	tcase_add_test(conversations, http_publishes_a_batch_as_one_request);
	tcase_add_test(conversations, http_acknowledges_what_it_received);
	tcase_add_test(conversations, http_counts_each_receipt_of_a_batch);
	tcase_add_test(conversations, what_is_refused_is_told_and_not_counted);
	tcase_add_test(conversations, a_server_that_goes_away_ends_the_run);
	tcase_add_test(conversations, resp_adds_and_reads_acknowledges_and_deletes);
	tcase_add_test(conversations, nats_acknowledges_to_the_subject_of_each_message);
	tcase_add_test(conversations, amqp_counts_confirms_that_stand_for_several);
	tcase_add_test(conversations, beanstalk_deletes_what_it_reserved);
	tcase_set_timeout(conversations, 30);
	suite_add_tcase(suite, conversations);
	return suite;
}

UNIT_MAIN(suite)
