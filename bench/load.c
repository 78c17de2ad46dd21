/*
 * load: cli/traffic/ as a program, against any broker of the suite; one line of key=value on stdout.
 *
 *   load PROTOCOL PORT [mode=publish] [queue=bench] [connections=64] [window=1] [size=1024] [batch=1] [queues=0] [count=0]
 *        [rate=0] [seconds=1] [warmup=0.2] [argument=] [raw=0] [make=1] [pid=0] [quiet=0] [label=-]
 *
 * pid is the server's first process: its tree's CPU and memory are measured.  quiet waits that many seconds at most for the
 * machine to fall idle.  make=0 leaves the queue as it is.  Exit code 1 if anything went wrong; the line is printed all the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/protocols/protocols.h"
#include "cli/traffic/driver.h"
#include "cli/traffic/meter.h"

static const struct traffic_driver *const drivers[] = {
	&traffic_http, &protocol_resp, &protocol_nats, &protocol_amqp, &protocol_beanstalk,
};

struct options {
	struct traffic_options traffic;
	struct meter meter;
	const char *label;
	double quiet_s;
};

static int
usage(void)
{
	fprintf(stderr, "usage: load http|resp|nats|amqp|beanstalk PORT [key=value]...; see the head of bench/load.c\n");
	return 2;
}

static void
begin(void *context)
{
	meter_begin(context);
}

static void
end(void *context)
{
	meter_end(context);
}

static bool
take_number(struct options *options, const char *key, double value)
{
	struct traffic_options *traffic = &options->traffic;

	if (strcmp(key, "connections") == 0) traffic->connections = (uint32_t)value;
	else if (strcmp(key, "window") == 0) traffic->window = (uint32_t)value;
	else if (strcmp(key, "size") == 0) traffic->size = (uint32_t)value;
	else if (strcmp(key, "batch") == 0) traffic->batch = (uint32_t)value;
	else if (strcmp(key, "queues") == 0) traffic->queues = (uint32_t)value;
	else if (strcmp(key, "count") == 0) traffic->count = (uint64_t)value;
	else if (strcmp(key, "rate") == 0) traffic->rate = value;
	else if (strcmp(key, "seconds") == 0) traffic->seconds = value;
	else if (strcmp(key, "warmup") == 0) traffic->warmup_seconds = value;
	else if (strcmp(key, "raw") == 0) traffic->is_raw = value != 0;
	else if (strcmp(key, "make") == 0) traffic->makes_queue = value != 0;
	else if (strcmp(key, "pid") == 0) options->meter.root = (pid_t)value;
	else if (strcmp(key, "quiet") == 0) options->quiet_s = value;
	else return false;
	return true;
}

static bool
take_option(struct options *options, const char *word)
{
	const char *equals = strchr(word, '=');
	char key[32], *rest;
	double value;

	if (equals == NULL || equals - word >= (int)sizeof(key))
		return false;
	snprintf(key, sizeof(key), "%.*s", (int)(equals - word), word);
	if (strcmp(key, "mode") == 0)
		return traffic_mode_of(equals + 1, &options->traffic.mode);
	if (strcmp(key, "queue") == 0)
		options->traffic.queue = equals + 1;
	else if (strcmp(key, "argument") == 0)
		options->traffic.argument = equals + 1;
	else if (strcmp(key, "label") == 0)
		options->label = equals + 1;
	else {
		value = strtod(equals + 1, &rest);
		return rest != equals + 1 && *rest == '\0' && value >= 0 && take_number(options, key, value);
	}
	return true;
}

static void
print(const struct options *options, const struct traffic_result *result)
{
	const struct traffic_options *traffic = &options->traffic;
	const struct meter *meter = &options->meter;
	double messages = result->operations != 0 ? (double)result->operations : 1;

	printf("label=%s protocol=%s mode=%s connections=%u window=%u size=%u batch=%u queues=%u offered=%.0f",
	    options->label, traffic->driver->name, traffic_mode_name(traffic->mode), traffic->connections, traffic->window, traffic->size,
	    traffic->batch, traffic->queues, traffic->rate);
	printf(" operations=%llu stored=%llu consumed=%llu seconds=%.3f rate=%.0f", (unsigned long long)result->operations,
	    (unsigned long long)result->stored, (unsigned long long)result->consumed, result->seconds,
	    result->seconds > 0 ? (double)result->operations / result->seconds : 0);
	printf(" p50=%.1f p90=%.1f p99=%.1f p999=%.1f max=%.1f", latency_quantile_us(&result->latency, 0.5),
	    latency_quantile_us(&result->latency, 0.9), latency_quantile_us(&result->latency, 0.99),
	    latency_quantile_us(&result->latency, 0.999), (double)result->latency.max_ns / 1e3);
	if (traffic->mode == TRAFFIC_E2E)
		printf(" publish50=%.1f publish99=%.1f", latency_quantile_us(&result->publish_latency, 0.5),
		    latency_quantile_us(&result->publish_latency, 0.99));
	printf(" cpu=%.2f kernel=%.2f", meter->server_s * 1e6 / messages, meter->kernel_s * 1e6 / messages);
	for (uint32_t i = 0; i < meter->role_count; i++)
		if (meter->roles[i].seconds > 0)
			printf(" cpu:%s=%.2f", meter->roles[i].name, meter->roles[i].seconds * 1e6 / messages);
	printf(" client=%.2f foreign=%.2f resident=%llu", meter->wall_s > 0 ? meter->own_s / meter->wall_s : 0,
	    meter->wall_s > 0 ? meter->foreign_s / meter->wall_s : 0, (unsigned long long)meter->resident_kib);
	printf(" missing=%llu refused=%llu empty=%llu\n", (unsigned long long)result->missing,
	    (unsigned long long)result->refused, (unsigned long long)result->empty);
}

int
main(int argc, char **argv)
{
	static struct traffic_result result;
	static struct options options = {
		.traffic = { .host = "127.0.0.1", .queue = "bench", .argument = "", .connections = 64, .window = 1, .size = 1024,
			.batch = 1, .seconds = 1, .warmup_seconds = 0.2, .makes_queue = true,
			.measure_begin = begin, .measure_end = end, .context = &options.meter },
		.label = "-",
	};

	if (argc < 3)
		return usage();
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (strcmp(drivers[i]->name, argv[1]) == 0)
			options.traffic.driver = drivers[i];
	options.traffic.port = argv[2];
	for (int i = 3; i < argc; i++)
		if (!take_option(&options, argv[i])) {
			fprintf(stderr, "load: what is %s?\n", argv[i]);
			return usage();
		}
	if (options.traffic.driver == NULL)
		return usage();
	if (options.quiet_s > 0)
		(void)meter_wait_quiet(options.quiet_s); /* if it does not fall idle, `foreign` says so */
	int code = traffic_run(&options.traffic, &result);
	if (result.trouble[0] != '\0')
		fprintf(stderr, "load: %s: %s\n", options.label, result.trouble);
	if (result.seconds > 0)
		print(&options, &result);
	return code != 0 || result.trouble[0] != '\0';
}
