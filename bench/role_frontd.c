/*
 * role_frontd: a frontd at work, one thread, always the same work: for bench/instructions, which counts its instructions.
 *
 *   role_frontd publish|receive|bearer MESSAGES
 *
 * TOGETHER connections each send one request; the frontd turns until their frames are in the ring; we answer them as a worker
 * would, and it turns until the clients have their answers.  loop_turn() is wrapped: between two turns the other side plays.
 * A receive is a receive and its acknowledgement.  A bearer publishes with a token, auth.mode being required.
 */
#include "tests/unit/people_world.h"

#define TOGETHER 16
#define BODY_BYTES 1024
#define ANSWER_BYTES 4096
#define IDLE_TURNS_MAX 1000
#define TOKEN "mq_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"

void __real_loop_turn(struct frontd *frontd);
void __wrap_loop_turn(struct frontd *frontd);

enum step { STEP_SEND, STEP_SERVE, STEP_READ };

static struct {
	int fd[TOGETHER];
	bool is_answered[TOGETHER];
	enum step step;
	unsigned served, answered, idle;
	bool is_receive, is_settling, has_token;
	unsigned long left;        /* messages */
	uint64_t seq;
	struct delivery delivery;
	char request[BODY_BYTES + 512];
	char receipt[64];
} play;

static void
finish(void)
{
	for (int i = 0; i < TOGETHER; i++)
		close(play.fd[i]);
	region_unlink_all(world.instance, "");
	exit(0);
}

static size_t
compose(void)
{
	char body[BODY_BYTES];

	memset(body, 'x', sizeof(body));
	if (!play.is_receive)
		return (size_t)sprintf(play.request,
		    "POST /v1/queues/bench/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\n"
		    "%sContent-Length: %d\r\n\r\n%.*s", play.has_token ? "Authorization: Bearer " TOKEN "\r\n" : "", BODY_BYTES,
		    BODY_BYTES, body);
	if (play.is_settling)
		return (size_t)sprintf(play.request, "DELETE /v1/queues/bench/leases/%s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
		    play.receipt);
	return (size_t)sprintf(play.request,
	    "POST /v1/queues/bench/messages:receive HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
	    "Content-Length: 9\r\n\r\n{\"max\":1}");
}

static void
send_requests(void)
{
	size_t bytes = compose();

	for (int i = 0; i < TOGETHER; i++) {
		ck_assert_int_eq(send(play.fd[i], play.request, bytes, 0), (int)bytes);
		play.is_answered[i] = false;
	}
	play.served = play.answered = 0;
	play.step = STEP_SERVE;
}

static void
serve_settle(uint64_t id)
{
	_Alignas(8) char bytes[sizeof(struct settle_reply) + sizeof(struct settled)] = { 0 };
	struct settle_reply *reply = (struct settle_reply *)bytes;

	reply->count = 1;
	reply->settled[0].outcome = OUTCOME_OK;
	world_reply_id(id, OUTCOME_OK, play.seq + 1, reply, sizeof(bytes));
}

/* What has come is answered and durable at once. */
static void
serve_requests(void)
{
	struct frame_header header;
	const void *frame;

	while (ring_peek(&world.request, FRAME_BYTES_MAX, &header, &frame) == RING_FRAME) {
		ring_skip(&world.request, header.bytes);
		ring_drop(&world.request);
		if (header.op == OP_PUBLISH)
			world_published_id(header.id, play.seq + 1, play.seq + 1);
		else if (header.op == OP_RECEIVE)
			world_deliver(header.id, play.delivery);
		else
			serve_settle(header.id);
		play.seq++;
		play.served++;
	}
	world_durable(play.seq + 1);
	if (play.served == TOGETHER)
		play.step = STEP_READ;
}

static void
keep_receipt(const char *answer)
{
	const char *at = strstr(answer, "\"receipt\":\"");

	if (at != NULL && sscanf(at, "\"receipt\":\"%63[^\"]", play.receipt) != 1)
		ck_abort_msg("no receipt in %s", answer);
}

static void
read_answers(void)
{
	char answer[ANSWER_BYTES];

	for (int i = 0; i < TOGETHER; i++) {
		ssize_t bytes = play.is_answered[i] ? 0 : recv(play.fd[i], answer, sizeof(answer) - 1, MSG_DONTWAIT);

		if (bytes <= 0)
			continue;
		answer[bytes] = '\0';
		ck_assert_msg(answer[9] == '2', "%s", answer);
		keep_receipt(answer);
		play.is_answered[i] = true;
		play.answered++;
		play.idle = 0;
	}
	if (play.answered < TOGETHER)
		return;
	play.step = STEP_SEND;
	play.is_settling = play.is_receive && !play.is_settling;
	if (play.is_settling)
		return;
	play.left -= play.left < TOGETHER ? play.left : TOGETHER;
	if (play.left == 0)
		finish();
}

/* Not inlined: what it does is not counted. */
__attribute__((noinline)) void
role_play(void)
{
	ck_assert_msg(play.idle++ < IDLE_TURNS_MAX, "nothing moves in step %d", play.step);
	if (play.step == STEP_SERVE)
		serve_requests();
	if (play.step == STEP_READ)
		read_answers();
	if (play.step == STEP_SEND)
		send_requests();
	/* It never sleeps: somebody has always left something. */
	park_poke(world.role.event_fd[SLOT_FRONT(0)]);
}

void
__wrap_loop_turn(struct frontd *frontd)
{
	role_play();
	__real_loop_turn(frontd);
}

START_TEST(play_all)
{
	char body[BODY_BYTES];

	if (play.has_token) {
		people_setup();
		struct user_entry user = people_user(1, "bench", USER_ROLE_USER, NULL);
		(void)people_credential(1, TOKEN, &user, "*");
	} else {
		world_setup();
	}
	memset(body, 'x', sizeof(body));
	play.delivery = world_record(3, "", 0, body, sizeof(body));
	world_durable(play.seq + 1);
	for (int i = 0; i < TOGETHER; i++) {
		struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(world.port),
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

		play.fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		ck_assert_int_eq(connect(play.fd[i], (struct sockaddr *)&address, sizeof(address)), 0);
	}
	(void)frontd_run(&world.role, &world.limits, world.listen_fd);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("role_frontd");
	TCase *tcase = tcase_create("play");

	tcase_add_test(tcase, play_all);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(int argc, char **argv)
{
	if (argc != 3 || (play.left = strtoul(argv[2], NULL, 10)) == 0) {
		fprintf(stderr, "usage: role_frontd publish|receive|bearer MESSAGES\n");
		return 2;
	}
	play.is_receive = strcmp(argv[1], "receive") == 0;
	play.has_token = strcmp(argv[1], "bearer") == 0;
	setenv("CK_FORK", "no", 1); /* Check's assertions are used, not its processes */
	return unit_run(suite);
}
