/*
 * bench/worker: what a worker's operations cost, without processes and disk: a ring of requests at a time through
 * worker_turn(), replies thrown away.  ns an operation, frame to reply, the copy of the body included.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shm/clock.h"
#include "shm/state/check.h"
#include "tests/harness/engine.h"

#define ROUNDS 400
#define BATCH 250

static struct engine *engine;
static struct receipt receipts[BATCH];

/* Nobody looks at the replies but to count them and to keep receipts. */
static unsigned
drain(void)
{
	unsigned replies = 0, at = 0;
	struct reply *reply;

	while ((reply = engine_reply(engine, 0)) != NULL) {
		const struct receive_reply *received = (const struct receive_reply *)reply;

		if (reply->header.op == OUTCOME_OK && reply->header.bytes == sizeof(*received) + sizeof(struct delivery) && at < BATCH)
			receipts[at++] = (struct receipt){ .token = received->deliveries[0].token,
				.msg_idx = received->deliveries[0].msg_idx };
		replies++;
	}
	return replies;
}

static uint64_t
run_timed(void)
{
	uint64_t began = now_ns();

	engine_run(engine);
	uint64_t took = now_ns() - began;
	if (drain() != BATCH)
		abort();
	return took;
}

static void
keep_least(uint64_t *least, uint64_t value)
{
	if (value < *least)
		*least = value;
}

/* The best round counts: others on the machine only add. */
static void
bench(const char *what, const char *body)
{
	uint64_t publish_ns = UINT64_MAX, receive_ns = UINT64_MAX, ack_ns = UINT64_MAX;

	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < BATCH; i++)
			(void)engine_post_publish(engine, 0, "q", body, DELAY_DEFAULT, 1);
		keep_least(&publish_ns, run_timed());
		for (int i = 0; i < BATCH; i++)
			(void)engine_post_receive(engine, 0, "q", 1, 30000, 0, 0);
		keep_least(&receive_ns, run_timed());
		for (int i = 0; i < BATCH; i++)
			(void)engine_post_settle(engine, 0, OP_ACK, "q", &receipts[i], 1, 0, 0);
		keep_least(&ack_ns, run_timed());
		engine->now_ms += 5;
	}
	printf("%-18s publish %4llu ns   receive %4llu ns   ack %4llu ns\n", what,
	    (unsigned long long)(publish_ns / BATCH), (unsigned long long)(receive_ns / BATCH),
	    (unsigned long long)(ack_ns / BATCH));
}

static void
bench_check(void)
{
	for (int i = 0; i < 1000; i++)
		(void)engine_publish(engine, "q", "x", 100000 + (uint64_t)i * 1000, 250);
	uint64_t began = now_ns();
	const char *wrong = shard_check(&engine->worker.shard, NULL);
	printf("shard_check        %.1f ns a message%s\n",
	    (double)(now_ns() - began) / engine->worker.shard.root->messages_high, wrong != NULL ? " FAILED" : "");
}

int
main(void)
{
	char body[1025] = "";

	engine = engine_open(&(struct engine_options){ .messages = 300000, .stream_bytes = 16u << 20 });
	(void)engine_put(engine, "q", NULL, 0);
	bench("empty body", "");
	memset(body, 'x', 1024);
	bench("1 KiB body", body);
	bench_check();
	engine_close(engine);
	return 0;
}
