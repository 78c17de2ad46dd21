/*
 * role_workerd: a worker at work, always the same work: for bench/instructions, which counts what worker_turn() executes.
 *
 *   role_workerd publish|receive MESSAGES
 *
 * TOGETHER requests are in its ring at each turn.  A receive is a receive and its acknowledgement.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/harness/engine.h"

#define TOGETHER 16
#define BODY_BYTES 1024
#define STREAM_BYTES (16u << 20)

static struct engine *engine;
static struct receipt receipts[TOGETHER];

static void
must(bool is_so)
{
	if (!is_so) {
		fprintf(stderr, "role_workerd: a reply is missing or refuses\n");
		exit(1);
	}
}

static void
drain(void)
{
	unsigned replies = 0;
	struct reply *reply;

	while ((reply = engine_reply(engine, 0)) != NULL) {
		const struct receive_reply *received = (const struct receive_reply *)reply;

		must(reply->header.op == OUTCOME_OK && replies < TOGETHER);
		if (reply->header.bytes == sizeof(*received) + sizeof(struct delivery))
			receipts[replies] = (struct receipt){ .token = received->deliveries[0].token,
				.msg_idx = received->deliveries[0].msg_idx };
		replies++;
	}
	must(replies == TOGETHER);
}

static void
publish(const char *body)
{
	for (int i = 0; i < TOGETHER; i++)
		(void)engine_post_publish(engine, 0, "bench", body, DELAY_DEFAULT, 1);
	engine_run(engine);
	drain();
}

static void
receive(void)
{
	for (int i = 0; i < TOGETHER; i++)
		(void)engine_post_receive(engine, 0, "bench", 1, 30000, 0, 0);
	engine_run(engine);
	drain();
	for (int i = 0; i < TOGETHER; i++)
		(void)engine_post_settle(engine, 0, OP_ACK, "bench", &receipts[i], 1, 0, 0);
	engine_run(engine);
	drain();
}

int
main(int argc, char **argv)
{
	unsigned long messages = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	char body[BODY_BYTES + 1];
	bool is_receive;

	if (messages == 0) {
		fprintf(stderr, "usage: role_workerd publish|receive MESSAGES\n");
		return 2;
	}
	is_receive = strcmp(argv[1], "receive") == 0;
	memset(body, 'x', BODY_BYTES);
	body[BODY_BYTES] = '\0';
	engine = engine_open(&(struct engine_options){ .messages = 100000, .stream_bytes = STREAM_BYTES });
	(void)engine_put(engine, "bench", NULL, 0);
	/* What is received was there before, the same for any number of messages asked for. */
	for (int i = 0; is_receive && i < 60000; i += TOGETHER)
		publish(body);
	for (unsigned long done = 0; done < messages; done += TOGETHER) {
		if (is_receive)
			receive();
		else
			publish(body);
	}
	engine_close(engine);
	return 0;
}
