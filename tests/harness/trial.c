#include "tests/harness/trial.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/harness/client.h"
#include "tests/harness/deadline.h"

unsigned
soak_seconds(void)
{
	const char *text = getenv("CHASQUI_SOAK_SECONDS");

	return text != NULL ? (unsigned)strtoul(text, NULL, 10) : 0;
}

static void
fill_defaults(struct trial_options *options)
{
	struct oracle_options *oracle = &options->oracle;
	struct load_options *load = &options->load;

	if (oracle->seed == 0) {
		struct timespec now;

		clock_gettime(CLOCK_REALTIME, &now);
		oracle->seed = (uint64_t)now.tv_sec * 1000000007u + (uint64_t)now.tv_nsec;
	}
	if (oracle->messages_max == 0)
		oracle->messages_max = 200000;
	if (oracle->body_bytes_max == 0) {
		oracle->body_bytes_min = 64;
		oracle->body_bytes_max = 2000;
	}
	if (options->queue_config == NULL)
		options->queue_config = "{}";
	if (options->drain_ms == 0)
		options->drain_ms = TRIAL_DRAIN_MS;
	if (load->queue == NULL)
		load->queue = "trial";
	if (load->batch == 0)
		load->batch = 1;
	if (load->receive_max == 0)
		load->receive_max = 20;
	if (load->lease == NULL)
		load->lease = "2s";
	if (load->wait == NULL)
		load->wait = "1s";
}

void
trial_begin(struct trial *trial, const struct trial_options *options)
{
	struct client client;

	*trial = (struct trial){ .options = *options };
	fill_defaults(&trial->options);
	broker_up(&trial->broker, options->broker);
	client_open(&client, trial->broker.port);
	client_queue(&client, trial->options.load.queue, trial->options.queue_config);
	client_close(&client);
	trial->options.load.port = trial->broker.port;
	trial->oracle = oracle_new(&trial->options.oracle);
	trial->load = load_open(&trial->options.load, trial->oracle);
}

void
trial_wait_live(struct trial *trial, uint32_t slot, uint64_t epoch)
{
	uint64_t deadline_ms = deadline_in(BROKER_START_MS);
	struct broker_role role;

	while (role = broker_role(&trial->broker, slot), role.epoch <= epoch || role.state != SLOT_LIVE) {
		ck_assert_msg(clock_ms() < deadline_ms, "slot %u does not come back: state %d epoch %llu", slot,
		    (int)role.state, (unsigned long long)role.epoch);
		load_run(trial->load, 2);
	}
}

void
trial_restart(struct trial *trial)
{
	broker_start(&trial->broker);
	load_set_port(trial->load, trial->broker.port);
}

static void
settle(struct trial *trial)
{
	bool is_settled = load_drain(trial->load, trial->options.drain_ms);
	const char *verdict = oracle_verdict(trial->oracle);
	struct oracle_counts counts = oracle_counts(trial->oracle);
	struct load_counts load = load_counts(trial->load);

	printf("seed %llu: %u sent, %u acknowledged, %llu deliveries, %u acked, %u acks unknown, %llu resets, %llu overloads, "
	    "longest publish %llu ms\n", (unsigned long long)trial->options.oracle.seed, counts.sent, counts.acknowledged,
	    (unsigned long long)counts.deliveries, counts.acked, counts.ack_unknown, (unsigned long long)load.resets,
	    (unsigned long long)load.overloads, (unsigned long long)load.publish_max_ms);
	fflush(stdout);
	ck_assert_msg(verdict[0] == '\0', "seed %llu:\n%s", (unsigned long long)trial->options.oracle.seed, verdict);
	ck_assert_msg(is_settled, "a publish is not answered");
}

void
trial_end(struct trial *trial)
{
	settle(trial);
	load_close(trial->load);
	oracle_free(trial->oracle);
	broker_free(&trial->broker);
}
