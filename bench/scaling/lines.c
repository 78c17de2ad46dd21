/*
 * lines: what one message's cache lines and wakes cost on this machine, by a small experiment: two threads, bound to two CPUs,
 *
 *   line    hand a cache line to and fro: one store on this side, seen by a load on the other (half of a round)
 *   share   the same with two lines a hand-over, as a ring's frame and its cursor
 *   packed  two counters of two writers in one line, against the same 128 bytes apart: what false sharing would cost a store
 *   wake    write an eventfd whose reader sleeps in epoll: time of the write, and until the reader runs
 *
 *   build/bench/scaling/lines [CPU CPU]      default: the first and the last CPU that we may use
 */
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "shm/atomic.h"
#include "shm/clock.h"
#include "shm/limits.h"

#define ROUNDS 2000000u
#define WAKES 20000u

struct lines {
	_Alignas(CACHE_LINE_PAIR) uint64_t ping;
	_Alignas(CACHE_LINE_PAIR) uint64_t pong;
	_Alignas(CACHE_LINE_PAIR) uint64_t frame[2];
	_Alignas(CACHE_LINE_PAIR) uint64_t packed[2];
	_Alignas(CACHE_LINE_PAIR) uint64_t apart_one;
	_Alignas(CACHE_LINE_PAIR) uint64_t apart_other;
	_Alignas(CACHE_LINE_PAIR) uint64_t woken_ns;
};

static struct lines lines;
static int event_fd;
static int cpus[2];

static void
bind_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0)
		perror("lines: cannot bind; the figures mean little");
}

static void
await(const uint64_t *word, uint64_t value)
{
	while (load_acquire(word) != value)
		__builtin_ia32_pause();
}

static void *
echo(void *argument)
{
	bool has_frame = argument != NULL;

	bind_to(cpus[1]);
	for (uint64_t i = 1; i <= ROUNDS; i++) {
		await(&lines.ping, i);
		if (has_frame && load_relaxed(&lines.frame[0]) != i)
			abort();
		if (has_frame)
			store_relaxed(&lines.frame[1], i);
		store_release(&lines.pong, i);
	}
	return NULL;
}

/* Nanoseconds of a hand-over in one direction. */
static double
hand_over(bool has_frame)
{
	pthread_t other;
	uint64_t began_ns;

	lines.ping = lines.pong = 0;
	pthread_create(&other, NULL, echo, has_frame ? &lines : NULL);
	began_ns = now_ns();
	for (uint64_t i = 1; i <= ROUNDS; i++) {
		if (has_frame)
			store_relaxed(&lines.frame[0], i);
		store_release(&lines.ping, i);
		await(&lines.pong, i);
	}
	began_ns = now_ns() - began_ns;
	pthread_join(other, NULL);
	return (double)began_ns / (2.0 * ROUNDS);
}

static void *
count_up(void *argument)
{
	uint64_t *word = argument;

	bind_to(cpus[1]);
	for (uint64_t i = 0; i < 10 * ROUNDS; i++)
		store_relaxed(word, load_relaxed(word) + 1);
	return NULL;
}

/* Nanoseconds of a counter's step while another CPU steps `other`. */
static double
step_beside(uint64_t *mine, uint64_t *other)
{
	pthread_t neighbour;
	uint64_t began_ns;

	pthread_create(&neighbour, NULL, count_up, other);
	began_ns = now_ns();
	for (uint64_t i = 0; i < 10 * ROUNDS; i++)
		store_relaxed(mine, load_relaxed(mine) + 1);
	began_ns = now_ns() - began_ns;
	pthread_join(neighbour, NULL);
	return (double)began_ns / (10.0 * ROUNDS);
}

static void *
sleeper(void *argument)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int epoll_fd = epoll_create1(0);

	(void)argument;
	bind_to(cpus[1]);
	if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, event_fd, &event) != 0)
		abort();
	store_release(&lines.pong, 1);
	for (uint64_t i = 1; i <= WAKES; i++) {
		while (epoll_wait(epoll_fd, &event, 1, -1) < 1)
			;
		store_relaxed(&lines.woken_ns, now_ns());
		store_release(&lines.pong, i + 1);
	}
	close(epoll_fd);
	return NULL;
}

static void
wakes(double *write_ns, double *run_ns)
{
	uint64_t one = 1, in_write_ns = 0, until_run_ns = 0;
	pthread_t other;

	lines.pong = 0;
	event_fd = eventfd(0, EFD_CLOEXEC);
	pthread_create(&other, NULL, sleeper, NULL);
	for (uint64_t i = 1; i <= WAKES; i++) {
		await(&lines.pong, i);
		usleep(30); /* until it sleeps */
		uint64_t began_ns = now_ns();
		if (write(event_fd, &one, sizeof(one)) != sizeof(one))
			abort();
		in_write_ns += now_ns() - began_ns;
		await(&lines.pong, i + 1);
		until_run_ns += load_relaxed(&lines.woken_ns) - began_ns;
	}
	pthread_join(other, NULL);
	close(event_fd);
	*write_ns = (double)in_write_ns / WAKES;
	*run_ns = (double)until_run_ns / WAKES;
}

int
main(int argc, char **argv)
{
	double write_ns, run_ns;
	cpu_set_t allowed;

	cpus[0] = -1;
	if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
		return 1;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &allowed))
			continue;
		cpus[0] = cpus[0] < 0 ? cpu : cpus[0];
		cpus[1] = cpu;
	}
	if (argc == 3) {
		cpus[0] = atoi(argv[1]);
		cpus[1] = atoi(argv[2]);
	}
	if (cpus[0] == cpus[1]) {
		fprintf(stderr, "lines: two CPUs are needed\n");
		return 1;
	}
	bind_to(cpus[0]);
	printf("cpus=%d,%d line_ns=%.1f share_ns=%.1f", cpus[0], cpus[1], hand_over(false), hand_over(true));
	printf(" packed_ns=%.2f apart_ns=%.2f", step_beside(&lines.packed[0], &lines.packed[1]),
	    step_beside(&lines.apart_one, &lines.apart_other));
	wakes(&write_ns, &run_ns);
	printf(" wake_write_ns=%.0f wake_run_ns=%.0f\n", write_ns, run_ns);
	return 0;
}
