#include "tests/harness/chaos.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/harness/deadline.h"

enum { CALM_MS = 500, NOTHING_EVERY = 3, AGAIN_MS = 1500, PAUSE_SHORT_US = 4000, PAUSE_US = 40000, LIVE_MS = 100,
	EARLY_MAX = 5 /* then the supervisor would wait for a second and more before it runs that one again */ };

/* splitmix64, Sebastiano Vigna, public domain. */
static uint64_t
chance(struct chaos *chaos, uint64_t below)
{
	uint64_t z = chaos->random += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (z ^ z >> 31) % below;
}

const char *
chaos_role_name(enum chaos_role role)
{
	static const char *const names[CHAOS_ROLES] = { "frontd", "workerd", "persistd", "hasher", "supervisor", "all" };

	return names[role];
}

unsigned
chaos_kills(const struct chaos_counts *counts)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < CHAOS_ROLES; i++)
		sum += counts->kills[i];
	return sum;
}

/* --- the broker --- */

unsigned
chaos_begin(struct chaos *chaos, uint64_t seed)
{
	static const char *const choices[][4] = {
		{ "server.processes=2", "server.processes=2", "server.processes=2", "server.processes=1" },
		{ "worker.shards=2", "worker.shards=2", "worker.shards=2", "worker.shards=1" },
		{ "worker.stream_ring=8MiB", "worker.stream_ring=8MiB", "worker.stream_ring=16MiB", "worker.stream_ring=32MiB" },
		{ "worker.reply_ring=1MiB", "worker.reply_ring=1MiB", "worker.reply_ring=2MiB", "worker.reply_ring=8MiB" },
		{ "front.fetch_ring=4KiB", "front.fetch_ring=16KiB", "front.fetch_ring=64KiB", "front.fetch_ring=64KiB" },
		{ "data.batch_bytes=4KiB", "data.batch_bytes=64KiB", "data.batch_bytes=256KiB", "data.batch_bytes=1MiB" },
		{ "data.in_flight=1", "data.in_flight=2", "data.in_flight=2", "data.in_flight=8" },
		{ "data.direct=auto", "data.direct=auto", "data.direct=auto", "data.direct=off" },
		{ "worker.replay_ring=128KiB", "worker.replay_ring=1MiB", "worker.replay_ring=1MiB", "worker.replay_ring=1MiB" },
	};
	const char *options[BROKER_OPTIONS_MAX + 1] = { "log.level=warning" };
	unsigned count = 1;

	chaos->random = seed;
	for (unsigned i = 0; i < sizeof(choices) / sizeof(choices[0]); i++)
		options[count++] = choices[i][chance(chaos, 4)];
	for (unsigned i = 0; chaos->options != NULL && chaos->options[i] != NULL; i++) {
		ck_assert_uint_lt(count, BROKER_OPTIONS_MAX);
		options[count++] = chaos->options[i];
	}
	for (unsigned i = 1; i < count; i++)
		printf("%s%s", options[i], i + 1 < count ? " " : "\n");
	broker_up(&chaos->broker, options);
	return broker_geometry(&chaos->broker).workers;
}

void
chaos_calm(struct chaos *chaos)
{
	struct geometry geometry = broker_geometry(&chaos->broker);

	/* Each waits until it lives. */
	for (uint32_t i = 0; i < geometry.fronts; i++)
		(void)broker_pid(&chaos->broker, SLOT_FRONT(i));
	for (uint32_t w = 0; w < geometry.workers; w++)
		(void)broker_pid(&chaos->broker, SLOT_WORKER(w));
	(void)broker_pid(&chaos->broker, SLOT_PERSIST);
	for (uint32_t i = 0; i < geometry.fronts; i++)
		(void)broker_pid(&chaos->broker, BROKER_HASHER(i));
}

static void
wait_us(uint64_t us)
{
	const struct timespec pause = { .tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000 };

	nanosleep(&pause, NULL);
}

/* A role first, so that each is struck as often whatever their numbers; hashers half as often, for they hold nothing. */
static uint32_t
random_slot(struct chaos *chaos)
{
	struct geometry geometry = broker_geometry(&chaos->broker);

	switch (chance(chaos, 7)) {
	case 0:
	case 1:
		return SLOT_FRONT((uint32_t)chance(chaos, geometry.fronts));
	case 2:
		return BROKER_HASHER((uint32_t)chance(chaos, geometry.fronts));
	case 3:
	case 4:
		return SLOT_WORKER((uint32_t)chance(chaos, geometry.workers));
	default:
		return SLOT_PERSIST;
	}
}

static enum chaos_role
role_of(uint32_t slot)
{
	if (slot >= BROKER_HASHER(0))
		return ROLE_HASHER_OF_FRONTD;
	if (slot == SLOT_SUPERVISOR)
		return ROLE_SUPERVISOR;
	if (slot == SLOT_PERSIST)
		return ROLE_PERSISTD;
	return slot >= SLOT_WORKER(0) ? ROLE_WORKERD : ROLE_FRONTD;
}

/* A signal to whatever runs in a slot, also when it has only just started. */
static bool
signal_slot(struct chaos *chaos, uint32_t slot, int signal)
{
	struct broker_role role = broker_role(&chaos->broker, slot);

	if (slot == SLOT_SUPERVISOR)
		return kill(chaos->broker.pid, signal) == 0;
	return (role.state == SLOT_LIVE || role.state == SLOT_STARTING) && role.pid > 0 &&
	    getpgid(role.pid) == chaos->broker.pid && kill(role.pid, signal) == 0;
}

static bool
kill_slot(struct chaos *chaos, uint32_t slot)
{
	chaos->early[slot] += broker_role(&chaos->broker, slot).state == SLOT_STARTING;
	if (!signal_slot(chaos, slot, SIGKILL))
		return false;
	chaos->counts.kills[role_of(slot)]++;
	return true;
}

/* One that serves, once it does: to kill what is not there yet is for kill_again() to choose. */
static uint32_t
live_slot(struct chaos *chaos)
{
	uint32_t slot = random_slot(chaos);
	uint64_t deadline_ms = deadline_in(LIVE_MS);

	while (chaos->only < ROLE_SUPERVISOR && role_of(slot) != chaos->only)
		slot = random_slot(chaos);
	while (broker_role(&chaos->broker, slot).state != SLOT_LIVE && clock_ms() < deadline_ms)
		wait_us(200);
	return slot;
}

/* --- single processes --- */

static void
kill_two(struct chaos *chaos)
{
	uint32_t first = live_slot(chaos), second = live_slot(chaos);

	(void)kill_slot(chaos, first);
	if (second != first)
		(void)kill_slot(chaos, second);
}

/* Killed, and its successors as soon as they are seen: while they start or a few milliseconds later. */
static void
kill_again(struct chaos *chaos)
{
	uint32_t slot = live_slot(chaos);
	unsigned times = 1 + (unsigned)chance(chaos, 3);
	uint64_t epoch = broker_role(&chaos->broker, slot).epoch;

	if (!kill_slot(chaos, slot))
		return;
	while (times-- > 0 && chaos->early[slot] < EARLY_MAX) {
		uint64_t deadline_ms = deadline_in(AGAIN_MS), after_us = chance(chaos, 2) * chance(chaos, 4000);
		struct broker_role role;

		while (role = broker_role(&chaos->broker, slot), role.epoch <= epoch || role.pid <= 0) {
			if (clock_ms() >= deadline_ms)
				return; /* it takes its time by now */
			wait_us(100);
		}
		epoch = role.epoch;
		wait_us(after_us);
		chaos->counts.in_recovery += kill_slot(chaos, slot);
	}
}

static void
stop_for_a_while(struct chaos *chaos)
{
	uint32_t slot = chance(chaos, 5) == 0 ? SLOT_SUPERVISOR : random_slot(chaos);
	uint64_t ms = STOP_MS_MIN + chance(chaos, chance(chaos, 4) == 0 ? STOP_MS_MAX - STOP_MS_MIN : 150);

	if (!signal_slot(chaos, slot, SIGSTOP))
		return;
	chaos->counts.stops++;
	wait_us(ms * 500);
	if (chance(chaos, 3) == 0)
		(void)kill_slot(chaos, random_slot(chaos)); /* perhaps the stopped one */
	wait_us(ms * 500);
	(void)signal_slot(chaos, slot, SIGCONT); /* none of it is left: it was killed, or its successor runs */
}

/* --- all of them --- */

static void
start(struct chaos *chaos)
{
	broker_start(&chaos->broker);
	memset(chaos->early, 0, sizeof(chaos->early)); /* a new supervisor knows of no deaths */
	chaos->moved(chaos->argument, chaos->broker.port);
}

/* Started and killed before it is ready, some times. */
static void
start_in_vain(struct chaos *chaos)
{
	for (unsigned times = (unsigned)chance(chaos, 3); times > 0; times--) {
		broker_launch(&chaos->broker);
		wait_us(chance(chaos, 60000));
		broker_kill_group(&chaos->broker);
		chaos->counts.kills[ROLE_ALL]++;
		chaos->counts.in_recovery++;
	}
}

static void
restart_warm(struct chaos *chaos)
{
	if (chance(chaos, 2) == 0) {
		broker_kill_supervisor(&chaos->broker);
		chaos->counts.kills[ROLE_SUPERVISOR]++;
	} else {
		broker_kill_all(&chaos->broker);
		chaos->counts.kills[ROLE_ALL]++;
	}
	if (chance(chaos, 3) == 0)
		start_in_vain(chaos);
	start(chaos);
	chaos->counts.warm++;
}

static void
restart_cold(struct chaos *chaos)
{
	uint64_t begin_us = clock_us();

	broker_kill_all(&chaos->broker);
	chaos->counts.kills[ROLE_ALL]++;
	broker_wipe(&chaos->broker);
	if (chance(chaos, 3) == 0) {
		start_in_vain(chaos);
		broker_wipe(&chaos->broker);
	}
	history_cut(chaos->history, begin_us, clock_us());
	start(chaos);
	chaos->counts.cold++;
}

static void
restart_clean(struct chaos *chaos)
{
	if (chance(chaos, 3) == 0) {
		/* Not so clean: killed on the way, so that it may be warm or cold, with or without its mark. */
		ck_assert_int_eq(kill(chaos->broker.pid, SIGTERM), 0);
		wait_us(chance(chaos, 30000));
		broker_kill_group(&chaos->broker);
		chaos->counts.kills[ROLE_ALL]++;
	} else {
		broker_stop(&chaos->broker);
	}
	start(chaos);
	chaos->counts.clean++;
}

/* --- the schedule --- */

static void
lone_kill(struct chaos *chaos, struct blow *blow)
{
	uint32_t slot = live_slot(chaos);

	blow->role = role_of(slot);
	blow->is_lone_kill = broker_role(&chaos->broker, slot).state == SLOT_LIVE;
	blow->is_lone_kill &= kill_slot(chaos, slot);
}

static void
strike(struct chaos *chaos, struct blow *blow)
{
	uint64_t what = chance(chaos, 100);

	if (what < 52)
		lone_kill(chaos, blow);
	else if (what < 68)
		kill_two(chaos);
	else if (what < 88)
		kill_again(chaos);
	else if (what < 93)
		stop_for_a_while(chaos);
	else if (what < 96)
		restart_warm(chaos);
	else if (what < 99)
		restart_cold(chaos);
	else
		restart_clean(chaos);
}

void
chaos_blow(struct chaos *chaos)
{
	struct blow *blow = &chaos->blows[chaos->blow_count];

	ck_assert_uint_lt(chaos->blow_count, BLOWS_MAX);
	blow->begin_us = clock_us();
	if (chaos->is_calm && chaos->blow_count % NOTHING_EVERY == 0)
		blow->is_nothing = true;
	else if (chaos->is_calm)
		lone_kill(chaos, blow);
	else
		strike(chaos, blow);
	blow->end_us = clock_us();
	chaos->blow_count++;
	if (chaos->is_calm)
		wait_us(CALM_MS * 1000 + chance(chaos, 50000));
	else
		wait_us(chance(chaos, chance(chaos, 3) == 0 ? PAUSE_SHORT_US : PAUSE_US));
}
