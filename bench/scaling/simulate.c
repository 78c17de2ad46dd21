/*
 * simulate: the broker as a discrete-event simulation: where would the time go with F frontds and W workers on n CPUs?
 *
 *   build/bench/scaling/simulate [key=value]...      prints one line of key=value
 *
 * What is modelled.  A process sleeps, waits for a CPU or runs a turn.  A turn takes all that has come in, costs
 *
 *   fixed part of its role + part a message * messages + wakes of sleeping processes (dearer where a CPU stands idle: its
 *   virtual CPU has to be started)
 *
 * and shows its results at its end, the wakes behind them.  Frontds: requests in, answers out; a reply that comes before its
 * batch is durable costs a turn of its own, as in frontd/await.c.  A worker takes all its rings.  persistd (one) puts what all
 * shards have into a batch, has `in_flight` writes under way, acknowledges them in order.  A write takes a lognormal time and shares the disk's bytes a
 * second.  Clients are a closed loop: connections * window requests, spread evenly over frontds and at random over `shards`
 * of the workers (default: all).
 * With clients=N they are N processes on the same CPUs (as `build/bench/load` is), with clients=0 they cost nothing here and
 * are net_us away.
 *
 * CPUs are one pool, a process runs on until it sleeps or has had slice_us while others wait; who was woken comes next, who used
 * up his slice last.  (The other order was tried: it merges more turns than the kernel does where processes are many.)
 *
 * What is not modelled: caches and memory bandwidth (the costs were measured with two CPUs that share a cache), hyperthreads,
 * interrupts of a network card, receives, placement.  The costs come from bench/scaling/fit.awk.
 */
#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROLE_PROCESSES_MAX 32
#define PROCESS_MAX (3 * ROLE_PROCESSES_MAX + 1)
#define MESSAGES_MAX 262144u
#define EVENTS_MAX (MESSAGES_MAX + 1024)
#define IN_FLIGHT_MAX 8
#define WARM_SHARE 0.25 /* of the time, not counted */

static struct {
	double cpus, fronts, workers, shards, clients, connections, window, seconds, body, seed;
	double front_fixed, front_each, worker_fixed, worker_each, persist_fixed, persist_each, client_fixed, client_each;
	double wake_idle, wake_busy, slice_us, net_us, write_us, write_sigma, disk_mib_s, in_flight, batch_bytes;
} parameters = { .cpus = 2, .fronts = 1, .workers = 1, .connections = 64, .window = 1, .seconds = 2, .body = 1024, .seed = 1,
	.slice_us = 1400, .net_us = 20, .write_sigma = 0.5, .disk_mib_s = 1000, .in_flight = 2, .batch_bytes = 524288 };

#define P(name) { #name, &parameters.name }
static const struct {
	const char *name;
	double *value;
} names[] = { P(cpus), P(fronts), P(workers), P(shards), P(clients), P(connections), P(window), P(seconds), P(body), P(seed),
	P(front_fixed), P(front_each), P(worker_fixed), P(worker_each), P(persist_fixed), P(persist_each), P(client_fixed),
	P(client_each), P(wake_idle), P(wake_busy), P(slice_us), P(net_us), P(write_us), P(write_sigma),
	P(disk_mib_s), P(in_flight), P(batch_bytes) };
#undef P

/* --- what there is --- */

struct message {
	struct message *next;
	double sent_us;
	uint16_t front, shard, client;
};

struct queue {
	struct message *first;
	struct message **end;
	unsigned count;
};

enum kind { FRONT, WORKER, PERSIST, CLIENT };

struct process {
	enum kind kind;
	uint16_t index;
	bool is_asleep;
	bool was_asleep;      /* before this turn */
	double slice_ends_us, busy_us;
	struct queue in;      /* frontd: requests; worker: its rings; client: answers */
	struct queue durable; /* frontd: those on disk, to be answered */
	struct queue taken;   /* of the turn under way: what its end shows */
	struct queue answers; /* frontd: the same of what is durable */
};

struct flight {
	struct queue messages;
	bool is_used, has_landed;
	uint64_t number;
};

enum event_kind { TURN_ENDS, WAKES_END, REQUEST_ARRIVES, ANSWER_ARRIVES, WRITE_LANDS };

struct event {
	double at_us;
	uint64_t order;
	enum event_kind kind;
	union {
		struct process *process;
		struct message *message;
		struct flight *flight;
	};
};

static struct {
	double now_us, warm_us;
	struct event heap[EVENTS_MAX];
	unsigned event_count;
	uint64_t event_order, random;
	struct process front[ROLE_PROCESSES_MAX], worker[ROLE_PROCESSES_MAX], client[ROLE_PROCESSES_MAX], persist;
	struct process *runnable[PROCESS_MAX];
	unsigned runnable_count, free_cpus;
	struct queue stream; /* records of all shards that are in no batch yet */
	struct flight flights[IN_FLIGHT_MAX], *filling;
	uint64_t sealed, durable;
	double disk_free_us, disk_busy_us;
	struct message messages[MESSAGES_MAX];
	float latencies[8u << 20];
	unsigned done;
	uint64_t batches, wakes;
} world;

static double
chance(void)
{
	world.random ^= world.random << 13;
	world.random ^= world.random >> 7;
	world.random ^= world.random << 17;
	return (double)(world.random >> 11) / 9007199254740992.0;
}

static void
queue_init(struct queue *queue)
{
	queue->first = NULL;
	queue->end = &queue->first;
	queue->count = 0;
}

static void
queue_put(struct queue *queue, struct message *message)
{
	message->next = NULL;
	*queue->end = message;
	queue->end = &message->next;
	queue->count++;
}

static struct message *
queue_take(struct queue *queue)
{
	struct message *message = queue->first;

	if (message == NULL)
		return NULL;
	queue->first = message->next;
	if (queue->first == NULL)
		queue->end = &queue->first;
	queue->count--;
	return message;
}

static void
queue_move(struct queue *from, struct queue *to)
{
	struct message *message;

	while ((message = queue_take(from)) != NULL)
		queue_put(to, message);
}

/* --- time --- */

static bool
is_before(const struct event *one, const struct event *other)
{
	return one->at_us < other->at_us || (one->at_us == other->at_us && one->order < other->order);
}

static void
event_put(struct event event)
{
	unsigned at = world.event_count++;

	assert(world.event_count < EVENTS_MAX);
	event.order = world.event_order++;
	while (at > 0 && is_before(&event, &world.heap[(at - 1) / 2])) {
		world.heap[at] = world.heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	world.heap[at] = event;
}

static struct event
event_take(void)
{
	struct event first = world.heap[0], last = world.heap[--world.event_count];
	unsigned at = 0;

	for (;;) {
		unsigned child = 2 * at + 1;

		if (child >= world.event_count)
			break;
		if (child + 1 < world.event_count && is_before(&world.heap[child + 1], &world.heap[child]))
			child++;
		if (!is_before(&world.heap[child], &last))
			break;
		world.heap[at] = world.heap[child];
		at = child;
	}
	world.heap[at] = last;
	return first;
}

/* --- turns: what is taken at the beginning gives the cost, what is shown waits for the end --- */

static struct flight *
flight_free(void)
{
	for (unsigned i = 0; i < (unsigned)parameters.in_flight; i++) {
		if (!world.flights[i].is_used)
			return &world.flights[i];
	}
	return NULL;
}

static struct flight *
flight_landed(void)
{
	for (unsigned i = 0; i < (unsigned)parameters.in_flight; i++) {
		if (world.flights[i].is_used && world.flights[i].has_landed && world.flights[i].number == world.durable + 1)
			return &world.flights[i];
	}
	return NULL;
}

static bool
has_work(const struct process *process)
{
	switch (process->kind) {
	case FRONT:
		return process->in.count + process->durable.count > 0;
	case PERSIST:
		return flight_landed() != NULL || (world.stream.count > 0 && flight_free() != NULL);
	default:
		return process->in.count > 0;
	}
}

static double
front_begin(struct process *front)
{
	queue_move(&front->in, &front->taken);
	queue_move(&front->durable, &front->answers);
	/* A message passes twice, as a request and as an answer: half of its cost each. */
	return parameters.front_fixed + parameters.front_each / 2 * (front->taken.count + front->answers.count);
}

static double
persist_begin(void)
{
	struct flight *flight = flight_free();
	double bytes = 0, cost = 0;

	if (flight_landed() != NULL)
		cost += parameters.persist_fixed / 2;
	if (flight == NULL || world.stream.count == 0)
		return cost;
	queue_init(&flight->messages);
	while (world.stream.count > 0 && bytes + parameters.body + 96 <= parameters.batch_bytes) {
		queue_put(&flight->messages, queue_take(&world.stream));
		bytes += parameters.body + 96;
	}
	flight->is_used = true;
	flight->has_landed = false;
	flight->number = ++world.sealed;
	world.filling = flight;
	return cost + parameters.persist_fixed / 2 + parameters.persist_each * flight->messages.count;
}

static double
turn_begin(struct process *process)
{
	switch (process->kind) {
	case FRONT:
		return front_begin(process);
	case PERSIST:
		return persist_begin();
	case WORKER:
		queue_move(&process->in, &process->taken);
		return parameters.worker_fixed + parameters.worker_each * process->taken.count;
	default:
		/* Each request is on its way before the next answer is looked at. */
		queue_put(&process->taken, queue_take(&process->in));
		return parameters.client_each + (process->was_asleep ? parameters.client_fixed : 0);
	}
}

/* --- CPUs --- */

static void
run(struct process *process)
{
	double cost_us = turn_begin(process);

	process->was_asleep = false;
	process->busy_us += world.now_us >= world.warm_us ? cost_us : 0;
	event_put((struct event){ .at_us = world.now_us + cost_us, .kind = TURN_ENDS, .process = process });
}

/* It was asleep. */
static void
make_runnable(struct process *process)
{
	if (world.free_cpus > 0) {
		world.free_cpus--;
		process->slice_ends_us = world.now_us + parameters.slice_us;
		run(process);
	} else {
		memmove(world.runnable + 1, world.runnable, world.runnable_count++ * sizeof(world.runnable[0]));
		world.runnable[0] = process;
	}
}

static void
wake_always(struct process *process)
{
	if (!process->is_asleep)
		return;
	process->is_asleep = false;
	process->was_asleep = true;
	make_runnable(process);
}

/* Something came for it. */
static void
wake(struct process *process)
{
	if (has_work(process))
		wake_always(process);
}

/* What it costs `waker` to wake it now. */
static double
wake_cost(struct process *waker, const struct process *process)
{
	double cost_us = world.free_cpus > 0 ? parameters.wake_idle : parameters.wake_busy;

	if (!process->is_asleep)
		return 0;
	if (world.now_us >= world.warm_us) {
		world.wakes++;
		waker->busy_us += cost_us;
	}
	return cost_us;
}

static double
wake_from(struct process *waker, struct process *process)
{
	double cost_us = has_work(process) ? wake_cost(waker, process) : 0;

	wake(process);
	return cost_us;
}

/* --- the end of a turn --- */

static double
disk_done_us(unsigned messages)
{
	double bytes = ceil((messages * (parameters.body + 96) + 512) / 4096) * 4096;
	double transfer_us = bytes / (parameters.disk_mib_s * 1.048576);
	double begins_us = world.now_us > world.disk_free_us ? world.now_us : world.disk_free_us;
	double normal = sqrt(-2 * log(1 - chance())) * cos(6.283185307179586 * chance());

	world.disk_free_us = begins_us + transfer_us;
	world.disk_busy_us += world.now_us >= world.warm_us ? transfer_us : 0;
	return world.disk_free_us + parameters.write_us * exp(parameters.write_sigma * normal);
}

/* Each gives what its wakes cost. */
static double
front_end(struct process *front)
{
	double wakes_us = 0;
	uint32_t touched = 0;
	struct message *message;

	while ((message = queue_take(&front->taken)) != NULL) {
		queue_put(&world.worker[message->shard].in, message);
		touched |= 1u << message->shard;
	}
	for (; touched != 0; touched &= touched - 1)
		wakes_us += wake_from(front, &world.worker[__builtin_ctz(touched)]);
	while ((message = queue_take(&front->answers)) != NULL)
		event_put((struct event){ .at_us = world.now_us + (parameters.clients > 0 ? 0 : parameters.net_us),
			.kind = ANSWER_ARRIVES, .message = message });
	return wakes_us;
}

static double
worker_end(struct process *worker)
{
	double wakes_us = 0;
	uint32_t touched = 0;
	struct message *message;

	while ((message = queue_take(&worker->taken)) != NULL) {
		queue_put(&world.stream, message);
		touched |= 1u << message->front;
	}
	/* A frontd that sleeps takes the replies in a turn that cannot answer them yet. */
	for (; touched != 0; touched &= touched - 1) {
		struct process *front = &world.front[__builtin_ctz(touched)];

		wakes_us += wake_cost(worker, front);
		wake_always(front);
	}
	return wakes_us + wake_from(worker, &world.persist);
}

static double
persist_end(struct process *persist)
{
	double wakes_us = 0;
	struct flight *flight;
	struct message *message;
	uint32_t touched = 0;

	if (world.filling != NULL) {
		event_put((struct event){ .at_us = disk_done_us(world.filling->messages.count), .kind = WRITE_LANDS,
			.flight = world.filling });
		world.batches += world.now_us >= world.warm_us;
		world.filling = NULL;
	}
	while ((flight = flight_landed()) != NULL) {
		while ((message = queue_take(&flight->messages)) != NULL) {
			queue_put(&world.front[message->front].durable, message);
			touched |= 1u << message->front;
		}
		flight->is_used = false;
		world.durable++;
	}
	for (; touched != 0; touched &= touched - 1)
		wakes_us += wake_from(persist, &world.front[__builtin_ctz(touched)]);
	return wakes_us;
}

static double
client_end(struct process *client)
{
	struct message *message;

	while ((message = queue_take(&client->taken)) != NULL) {
		message->sent_us = world.now_us;
		event_put((struct event){ .at_us = world.now_us, .kind = REQUEST_ARRIVES, .message = message });
	}
	return 0;
}

/* It goes on, or its CPU takes the next one. */
static void
turn_over(struct process *process)
{
	bool goes_on = has_work(process);
	struct process *next;

	if (goes_on && (world.runnable_count == 0 || world.now_us < process->slice_ends_us)) {
		run(process);
		return;
	}
	process->is_asleep = !goes_on;
	if (goes_on)
		world.runnable[world.runnable_count++] = process;
	if (world.runnable_count == 0) {
		world.free_cpus++;
		return;
	}
	next = world.runnable[0];
	memmove(world.runnable, world.runnable + 1, --world.runnable_count * sizeof(world.runnable[0]));
	next->slice_ends_us = world.now_us + parameters.slice_us;
	run(next);
}

static void
turn_end(struct process *process)
{
	static double (*const ends[])(struct process *) = { [FRONT] = front_end, [WORKER] = worker_end, [PERSIST] = persist_end,
		[CLIENT] = client_end };
	double wakes_us = ends[process->kind](process);

	event_put((struct event){ .at_us = world.now_us + wakes_us, .kind = WAKES_END, .process = process });
}

/* --- clients --- */

static void
answer_arrives(struct message *message)
{
	if (world.now_us >= world.warm_us && world.done < sizeof(world.latencies) / sizeof(world.latencies[0]))
		world.latencies[world.done++] = (float)(world.now_us - message->sent_us);
	message->shard = (uint16_t)(chance() * parameters.shards);
	if (parameters.clients > 0) {
		queue_put(&world.client[message->client].in, message);
		wake(&world.client[message->client]); /* who sends pays in its own cost */
		return;
	}
	message->sent_us = world.now_us;
	event_put((struct event){ .at_us = world.now_us + parameters.net_us, .kind = REQUEST_ARRIVES, .message = message });
}

static void
handle(const struct event *event)
{
	switch (event->kind) {
	case TURN_ENDS:
		turn_end(event->process);
		break;
	case WAKES_END:
		turn_over(event->process);
		break;
	case REQUEST_ARRIVES:
		queue_put(&world.front[event->message->front].in, event->message);
		wake(&world.front[event->message->front]);
		break;
	case ANSWER_ARRIVES:
		answer_arrives(event->message);
		break;
	case WRITE_LANDS:
		event->flight->has_landed = true;
		wake(&world.persist);
		break;
	}
}

static void
process_init(struct process *process, enum kind kind, unsigned index)
{
	*process = (struct process){ .kind = kind, .index = (uint16_t)index, .is_asleep = true };
	queue_init(&process->in);
	queue_init(&process->durable);
	queue_init(&process->taken);
	queue_init(&process->answers);
}

static void
begin(void)
{
	unsigned count = (unsigned)(parameters.connections * parameters.window);

	assert(count <= MESSAGES_MAX);
	world.warm_us = parameters.seconds * 1e6 * WARM_SHARE;
	world.free_cpus = (unsigned)parameters.cpus;
	world.random = 88172645463325252u + (uint64_t)parameters.seed * 7919;
	queue_init(&world.stream);
	process_init(&world.persist, PERSIST, 0);
	for (unsigned i = 0; i < ROLE_PROCESSES_MAX; i++) {
		process_init(&world.front[i], FRONT, i);
		process_init(&world.worker[i], WORKER, i);
		process_init(&world.client[i], CLIENT, i);
	}
	for (unsigned i = 0; i < count; i++) {
		struct message *message = &world.messages[i];

		message->front = (uint16_t)(i % (unsigned)parameters.fronts);
		message->client = parameters.clients > 0 ? (uint16_t)(i % (unsigned)parameters.clients) : 0;
		message->shard = (uint16_t)(chance() * parameters.shards);
		event_put((struct event){ .at_us = chance() * 100, .kind = REQUEST_ARRIVES, .message = message });
	}
}

/* --- the outcome --- */

static int
compare(const void *one, const void *other)
{
	float a = *(const float *)one, b = *(const float *)other;

	return a < b ? -1 : a > b;
}

static double
busiest(const struct process *processes, double count, double span_us)
{
	double most_us = 0;

	for (unsigned i = 0; i < (unsigned)count; i++)
		most_us = processes[i].busy_us > most_us ? processes[i].busy_us : most_us;
	return most_us / span_us;
}

static double
all_busy_us(void)
{
	double sum_us = world.persist.busy_us;

	for (unsigned i = 0; i < ROLE_PROCESSES_MAX; i++)
		sum_us += world.front[i].busy_us + world.worker[i].busy_us + world.client[i].busy_us;
	return sum_us;
}

static void
report(void)
{
	double span_us = parameters.seconds * 1e6 * (1 - WARM_SHARE);
	double front = busiest(world.front, parameters.fronts, span_us), worker = busiest(world.worker, parameters.workers, span_us);
	double persist = busiest(&world.persist, 1, span_us), disk = world.disk_busy_us / span_us;
	double cpus = all_busy_us() / span_us / parameters.cpus;
	const struct {
		const char *name;
		double used;
	} limits[] = { { "persistd", persist }, { "frontd", front }, { "workerd", worker }, { "disk-bytes", disk }, { "cpus", cpus } };
	const char *first = "write-latency"; /* nobody is busy: all wait for the two writes */
	double most = 0.9;

	for (unsigned i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		if (limits[i].used > most) {
			most = limits[i].used;
			first = limits[i].name;
		}
	}
	qsort(world.latencies, world.done, sizeof(world.latencies[0]), compare);
	printf("cpus=%.0f F=%.0f W=%.0f conns=%.0f rate=%.0f p50_us=%.0f p99_us=%.0f front=%.2f worker=%.2f persist=%.2f disk=%.2f "
	       "cpu=%.2f batch=%.1f wakes=%.3f first=%s\n",
	    parameters.cpus, parameters.fronts, parameters.workers, parameters.connections, world.done / span_us * 1e6,
	    world.done > 0 ? (double)world.latencies[world.done / 2] : 0,
	    world.done > 0 ? (double)world.latencies[(size_t)world.done * 99 / 100] : 0, front, worker, persist, disk, cpus,
	    world.batches > 0 ? (double)world.done / (double)world.batches : 0,
	    world.done > 0 ? (double)world.wakes / world.done : 0, first);
}

static bool
set(const char *assignment)
{
	size_t name_bytes = strcspn(assignment, "=");

	for (unsigned i = 0; assignment[name_bytes] == '=' && i < sizeof(names) / sizeof(names[0]); i++) {
		if (strlen(names[i].name) != name_bytes || strncmp(names[i].name, assignment, name_bytes) != 0)
			continue;
		*names[i].value = strtod(assignment + name_bytes + 1, NULL);
		return true;
	}
	fprintf(stderr, "simulate: %s: no such parameter; there are", assignment);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		fprintf(stderr, " %s", names[i].name);
	fprintf(stderr, "\n");
	return false;
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!set(argv[i]))
			return 2;
	}
	if (parameters.shards == 0)
		parameters.shards = parameters.workers;
	if (parameters.fronts < 1 || parameters.fronts > ROLE_PROCESSES_MAX || parameters.workers < 1 ||
	    parameters.workers > ROLE_PROCESSES_MAX || parameters.shards < 1 || parameters.shards > parameters.workers ||
	    parameters.clients > ROLE_PROCESSES_MAX || parameters.in_flight < 1 || parameters.in_flight > IN_FLIGHT_MAX ||
	    parameters.front_each <= 0) {
		fprintf(stderr, "simulate: 1 to 32 of each role, 1 to 8 writes in flight, and the costs of fit.awk\n");
		return 2;
	}
	begin();
	while (world.event_count > 0 && world.now_us < parameters.seconds * 1e6) {
		struct event event = event_take();

		world.now_us = event.at_us;
		handle(&event);
	}
	report();
	return 0;
}
