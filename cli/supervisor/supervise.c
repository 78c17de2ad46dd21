/*
 * Happy path: supervise() starts every process from DOWN, prints the ready line when all are LIVE, and sleeps.  A death comes in
 * by its pidfd: on_death() -> PROCESS_DIED -> CLOSING -> BACKOFF -> STARTING -> LIVE.  There is no other way to start.
 *
 * Failure modes: a process dies (started again; at once unless it keeps dying), or cannot work at all (exit 78 or 65, or five
 * quick deaths before we ever served: said, and we stop with its code).  It hangs: killed first, then started again.  We are
 * killed: the children die with us (PR_SET_PDEATHSIG), and the next supervisor finds their slots STARTING or LIVE and their
 * epochs unclosed, and treats them as dead from that moment on.
 */
#include "cli/supervisor/supervise.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sysexits.h>
#include <unistd.h>

#include "shm/atomic.h"
#include "shm/clock.h"
#include "shm/diag.h"
#include "shm/park.h"

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)
/* While something is under way we look every 2 ms, so that a restart costs no more; after a second every 20 ms. */
#define LOOK_MS_FAST 2
#define LOOK_MS_SLOW 20
#define LOOK_MS_QUIET 1000
#define FAST_NS SECOND

#define STARTING_WARNING_SECONDS 30

/* --- what others see --- */

static void
poke_all(const struct supervisor *supervisor)
{
	for (uint32_t slot = 0; slot < SLOT_SUPERVISOR; slot++)
		park_poke(supervisor->event_fd[slot]);
}

static void
slot_set(struct supervisor *supervisor, uint32_t slot, uint64_t epoch, enum slot_state state)
{
	/* What belongs to this state, regions and the slot's other words, is there.  Pairs with registry_slot(). */
	store_release(&supervisor->registry.shared->slot[slot].state_epoch, slot_word(epoch, state));
}

static uint64_t
broker_ms(const struct supervisor *supervisor)
{
	return clock_ms(now_ns(), supervisor->registry.shared->clock_offset_ns);
}

/* --- entering a state --- */

static void handle(struct supervisor *supervisor, struct supervised *process, enum process_event event);

static void
mark_dead(struct supervisor *supervisor, struct supervised *process)
{
	struct slot *slot = &supervisor->registry.shared->slot[process->slot];
	enum slot_state state;
	uint64_t epoch;

	registry_slot(&supervisor->registry, process->slot, &state, &epoch);
	if (state != SLOT_STARTING && state != SLOT_LIVE)
		return;
	store_relaxed(&slot->died_ns, now_ns());
	slot_set(supervisor, process->slot, epoch, SLOT_DEAD);
	store_relaxed(&slot->pid, 0);
	/* It may have died between its post and its signal: who sleeps has to look again. */
	poke_all(supervisor);
}

void
role_arguments_write(const struct supervisor *supervisor, const struct role_identity *identity,
    struct role_arguments *arguments)
{
	static const char *const modes[] = { [CONF_SANDBOX_AUTO] = "auto", [CONF_SANDBOX_OFF] = "off",
		[CONF_SANDBOX_REQUIRED] = "required" };
	const struct user *user = identity->user;
	char **at = arguments->argv;

	snprintf(arguments->index, sizeof(arguments->index), "%u", identity->index);
	snprintf(arguments->epoch, sizeof(arguments->epoch), "%" PRIu64, identity->epoch);
	snprintf(arguments->uid, sizeof(arguments->uid), "%u", (unsigned)user->uid);
	snprintf(arguments->gid, sizeof(arguments->gid), "%u", (unsigned)user->gid);
	*at++ = (char *)identity->program;
	*at++ = "--instance", *at++ = (char *)supervisor->conf.instance_name;
	*at++ = "--index", *at++ = arguments->index;
	*at++ = "--epoch", *at++ = arguments->epoch;
	*at++ = "--sandbox", *at++ = (char *)modes[supervisor->conf.sandbox_mode];
	if (user->is_set) {
		*at++ = "--uid", *at++ = arguments->uid;
		*at++ = "--gid", *at++ = arguments->gid;
	}
	*at++ = NULL;
	assert(at - arguments->argv <= ROLE_ARGUMENTS_MAX);
}

static int
exec_process(struct supervisor *supervisor, struct supervised *process)
{
	struct role_arguments arguments;
	struct descriptors descriptors;
	int result;

	if (process->kind == ROLE_FRONT && audit_file_pair(&supervisor->audit, process->index) != 0)
		return -1;
	role_arguments_write(supervisor, &(struct role_identity){ .program = supervisor->program[process->kind],
		.user = &supervisor->users.of[process->kind], .index = process->index, .epoch = process->epoch }, &arguments);
	if (descriptors_make(supervisor, process, &descriptors) != 0) {
		if (process->kind == ROLE_FRONT)
			hashers_end(supervisor, process->index);
		return -1;
	}
	result = child_start(&process->child, &(struct child_command){
		.program = supervisor->program[process->kind],
		.argv = arguments.argv,
		.descriptors = descriptors.list,
		.descriptor_count = descriptors.count,
		.cpus = &supervisor->placement.cpus[process->slot],
		.ends_on_term = process->kind == ROLE_WORKER,
	});
	descriptors_close(&descriptors); /* the child's copy of RUN_LOCK_FD holds the lock from now on */
	if (process->kind != ROLE_FRONT)
		return result;
	audit_file_paired(&supervisor->audit, process->index);
	if (result == 0)
		hashers_begin(supervisor, process->index);
	else
		hashers_end(supervisor, process->index);
	return result;
}

/* A frontd's rings are new with each incarnation. */
static int
make_next_rings(const struct supervisor *supervisor, const struct supervised *process)
{
	return front_create(supervisor->conf.instance_name, process->index, process->epoch + 1, &supervisor->geometry.front,
	    &supervisor->store);
}

/* Those of its next incarnation, where they are not made yet.  The old ones are closed by all: nobody needs their names. */
static int
make_front(const struct supervisor *supervisor, const struct supervised *process)
{
	char prefix[32];

	if (process->rings_are_made)
		return 0;
	snprintf(prefix, sizeof(prefix), "front.%u.", process->index);
	(void)region_unlink_all(supervisor->conf.instance_name, prefix); /* how many does not matter */
	return make_next_rings(supervisor, process);
}

/* For rings beside those that are still held by others: else the others come first. */
static bool
has_room_for_rings(const struct supervisor *supervisor)
{
	struct statvfs fs;

	if (statvfs("/dev/shm", &fs) != 0)
		return false;
	return fs.f_blocks == 0 || (uint64_t)fs.f_bavail * fs.f_frsize > front_size_bytes(&supervisor->geometry.front);
}

/* Giving the memory of rings back takes as long as making them: when both are needed, clients wait only for the one. */
static void
unmake_old_rings(const struct supervisor *supervisor, const struct supervised *process)
{
	char name[64];

	front_name(name, process->index, process->epoch - 1);
	(void)region_unlink(supervisor->conf.instance_name, name); /* else make_front() does it some time */
}

static int
run_process(struct supervisor *supervisor, struct supervised *process)
{
	struct slot *slot = &supervisor->registry.shared->slot[process->slot];

	if (process->kind == ROLE_FRONT && make_front(supervisor, process) != 0)
		return -1;
	bool has_old_rings = process->rings_are_made;
	process->rings_are_made = false;
	process->epoch++;
	if (process->kind == ROLE_FRONT)
		descriptors_hand_front(supervisor, process);
	store_relaxed(&slot->started_ms, broker_ms(supervisor));
	slot_set(supervisor, process->slot, process->epoch, SLOT_STARTING);
	if (exec_process(supervisor, process) != 0)
		return -1;
	store_relaxed(&slot->pid, process->child.pid);
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = (uint32_t)(process - supervisor->processes) };
	if (epoll_ctl(supervisor->epoll_fd, EPOLL_CTL_ADD, process->child.pidfd, &event) != 0) {
		diag_errno("cannot watch %s", process->name);
		abort(); /* it would die unseen */
	}
	poke_all(supervisor); /* peers attach a new frontd's rings */
	if (has_old_rings)
		unmake_old_rings(supervisor, process);
	return 0;
}

void
supervise_stop(struct supervisor *supervisor, int exit_code)
{
	if (supervisor->exit_code == 0)
		supervisor->exit_code = exit_code;
	if (supervisor->drain != DRAIN_NONE)
		return;
	supervisor->drain = DRAIN_FRONTS;
	supervisor->drain_ns = now_ns();
	/* Before all served there is nothing to finish, and nobody who could. */
	supervisor->stop_is_forced |= !supervisor->has_served;
	/* The frontds see it when they look up.  Pairs with role_is_draining(). */
	store_release(&supervisor->registry.shared->is_draining, 1);
	poke_all(supervisor);
	/* New clients are refused now, instead of waiting in the kernel's queue for somebody who will not come. */
	for (uint32_t i = 0; i < supervisor->geometry.fronts; i++) {
		if (supervisor->bound[0] != '\0')
			(void)shutdown(supervisor->listen_fd[i], SHUT_RDWR); /* when it fails, they wait */
		if (supervisor->bound_tls[0] != '\0')
			(void)shutdown(supervisor->tls_listen_fd[i], SHUT_RDWR);
	}
}

static void
enter_starting(struct supervisor *supervisor, struct supervised *process)
{
	process->stuck_seconds = 0;
	process->heartbeat_ns = 0;
	process->live_ns = 0;
	if (run_process(supervisor, process) == 0) {
		diag(DIAG_DEBUG, "%s runs, pid %d, epoch %" PRIu64, process->name, (int)process->child.pid, process->epoch);
		return;
	}
	if (!supervisor->has_served)
		supervise_stop(supervisor, EX_OSERR);
	process->wait_ns = backoff_after(&process->quick_deaths, &(struct death){ .exit_code = EX_OSERR });
	handle(supervisor, process, supervisor->drain == DRAIN_NONE ? PROCESS_DIED : PROCESS_RETIRE);
}

static bool
all_are_live(const struct supervisor *supervisor)
{
	for (unsigned i = 0; i < supervisor->process_count; i++) {
		if (supervisor->processes[i].state != PROCESS_LIVE)
			return false;
	}
	return true;
}

static void
announce(struct supervisor *supervisor)
{
	bool has_plain = supervisor->bound[0] != '\0', has_tls = supervisor->bound_tls[0] != '\0';
	char doors[2 * BOUND_TEXT_BYTES + 32];

	supervisor->has_served = true;
	snprintf(doors, sizeof(doors), "%s%s%s%s%s", has_plain ? "http://" : "", supervisor->bound,
	    has_plain && has_tls ? " and " : "", has_tls ? "https://" : "", supervisor->bound_tls);
	diag(DIAG_INFO, "serving on %s: %u frontd, %u workerd, persistd", doors, supervisor->geometry.fronts,
	    supervisor->geometry.workers);
	printf("chasqui: ready on %s\n", doors);
	fflush(stdout);
}

static void
enter_live(struct supervisor *supervisor, struct supervised *process)
{
	process->live_ns = now_ns();
	slot_set(supervisor, process->slot, process->epoch, SLOT_LIVE);
	poke_all(supervisor);
	supervisor->a_front_served |= process->kind == ROLE_FRONT;
	if (process->died_ns != 0)
		diag(DIAG_INFO, "%s serves again, pid %d, epoch %" PRIu64 ", after %" PRIu64 " ms", process->name,
		    (int)process->child.pid, process->epoch, (process->live_ns - process->died_ns) / MS);
}

static void
enter_backoff(struct supervisor *supervisor, struct supervised *process)
{
	(void)supervisor; /* the signature of all states */
	process->due_ns = now_ns() + process->wait_ns;
}

/* The only place where a process's state changes. */
static void
handle(struct supervisor *supervisor, struct supervised *process, enum process_event event)
{
	static void (*const enter[PROCESS_STATE_COUNT])(struct supervisor *, struct supervised *) = {
		[PROCESS_DOWN] = mark_dead,
		[PROCESS_CLOSING] = mark_dead,
		[PROCESS_BACKOFF] = enter_backoff,
		[PROCESS_STARTING] = enter_starting,
		[PROCESS_LIVE] = enter_live,
	};

	process->state = process_next(process->state, event);
	enter[process->state](supervisor, process);
}

/* --- deaths --- */

/* A clean stop needs workers until they have nothing left to do, persistd until everything is on disk. */
static bool
is_wanted(const struct supervisor *supervisor, const struct supervised *process, const struct death *death)
{
	if (death_is_final(death))
		return false;
	switch (supervisor->drain) {
	case DRAIN_NONE:
		return true;
	case DRAIN_FRONTS:
	case DRAIN_JOURNAL:
		return process->kind == ROLE_WORKER ||
		    (process->kind == ROLE_PERSIST && (death->signal != 0 || death->exit_code != 0));
	default:
		return false;
	}
}

/* If this death ends the broker: says so, begins the stop, true. */
static bool
is_the_end(struct supervisor *supervisor, const struct supervised *process, const struct death *death, const char *text)
{
	if (supervisor->drain != DRAIN_NONE)
		return false;
	if (death_is_final(death)) {
		diag(DIAG_ERROR, "%s %s: running it again would not help; stopping", process->name, text);
		supervise_stop(supervisor, death->exit_code);
		return true;
	}
	if (!supervisor->has_served && (process->quick_deaths >= START_TRIES || death->exit_code == 127)) {
		diag(DIAG_ERROR, "%s %s, and does so each time; stopping", process->name, text);
		supervise_stop(supervisor, EX_SOFTWARE);
		return true;
	}
	return false;
}

static void
on_death(struct supervisor *supervisor, struct supervised *process, int wait_status)
{
	struct slot *slot = &supervisor->registry.shared->slot[process->slot];
	uint64_t lived_ns = process->state == PROCESS_LIVE ? now_ns() - process->live_ns : 0;
	struct death death = death_of(wait_status, process->state == PROCESS_LIVE, lived_ns);
	char text[DEATH_TEXT_BYTES];

	descriptors_forget(process);
	if (process->kind == ROLE_FRONT) {
		hashers_end(supervisor, process->index);
		audit_file_mend(&supervisor->audit); /* it may have been writing */
	}
	death_text(&death, text);
	store_relaxed(&slot->last_signal, (uint32_t)death.signal);
	store_relaxed(&slot->last_status, death.exit_code);
	process->died_ns = now_ns();
	process->wait_ns = backoff_after(&process->quick_deaths, &death);
	bool is_said = is_the_end(supervisor, process, &death, text);
	if (is_wanted(supervisor, process, &death)) {
		diag(DIAG_WARNING, "%s (epoch %" PRIu64 ") %s; running it again%s", process->name, process->epoch, text,
		    process->wait_ns >= SECOND ? " in some seconds" : "");
		store_relaxed(&slot->restarts, load_relaxed(&slot->restarts) + 1);
		handle(supervisor, process, PROCESS_DIED);
		/* While the others let go of the old ones. */
		if (process->kind == ROLE_FRONT && has_room_for_rings(supervisor))
			process->rings_are_made = make_next_rings(supervisor, process) == 0;
		return;
	}
	bool is_ours = supervisor->drain == DRAIN_KILL || (supervisor->drain == DRAIN_WORKERS && death.signal == SIGTERM);
	if (!is_said && !is_ours && (death.signal != 0 || death.exit_code != 0))
		diag(DIAG_WARNING, "%s %s while the broker stops", process->name, text);
	if (process->kind == ROLE_PERSIST && death.signal == 0 && death.exit_code == 0)
		supervisor->journal_is_clean = true;
	handle(supervisor, process, PROCESS_RETIRE);
}

/* --- looking --- */

/* All that could hold something of this frontd's dead incarnation have let it go. */
static bool
is_closed(const struct supervisor *supervisor, const struct supervised *process)
{
	if (process->kind != ROLE_FRONT)
		return true;
	for (unsigned i = 0; i < supervisor->process_count; i++) {
		const struct supervised *peer = &supervisor->processes[i];

		/* What the peer did to close it was before.  Pairs with its store_release of closed_epoch. */
		if (peer->kind != ROLE_FRONT && load_acquire(&peer->stats.shared->closed_epoch[process->index]) < process->epoch)
			return false;
	}
	return true;
}

static bool
is_ready(const struct supervised *process)
{
	/* Pairs with role_is_ready(). */
	return load_acquire(&process->stats.shared->ready_epoch) == process->epoch;
}

/* One look at a process: give it the events that nobody sends. */
static void
look_at(struct supervisor *supervisor, struct supervised *process)
{
	if (process->state == PROCESS_CLOSING && is_closed(supervisor, process))
		handle(supervisor, process, PROCESS_CLOSED);
	if (process->state == PROCESS_BACKOFF && now_ns() >= process->due_ns)
		handle(supervisor, process, PROCESS_DUE);
	if (process->state == PROCESS_STARTING && is_ready(process))
		handle(supervisor, process, PROCESS_READY);
}

/*
 * Once a second.  We count our own looks and not the time: neither a suspended machine nor a stopped supervisor makes a
 * process old.  One that never showed a heartbeat is not judged by it.
 */
static void
watch_heartbeat(const struct supervisor *supervisor, struct supervised *process)
{
	uint64_t heartbeat_ns = load_relaxed(&process->stats.shared->heartbeat_ns);
	unsigned kill_seconds = (unsigned)(supervisor->conf.instance_stuck_timeout_ms / 1000);

	if (process->child.pid == 0)
		return;
	if (heartbeat_ns != process->heartbeat_ns || (process->state == PROCESS_LIVE && process->heartbeat_ns == 0)) {
		process->heartbeat_ns = heartbeat_ns;
		process->stuck_seconds = 0;
		return;
	}
	process->stuck_seconds++;
	if (process->state == PROCESS_STARTING) {
		if (process->stuck_seconds % STARTING_WARNING_SECONDS == 0)
			diag(DIAG_WARNING, "%s has been starting for %u s without progress; %" PRIu64 " records replayed",
			    process->name, process->stuck_seconds, load_relaxed(&process->stats.shared->progress));
	} else if (process->stuck_seconds == kill_seconds / 3) {
		diag(DIAG_WARNING, "%s, pid %d, has shown no sign of life for %u s (stopped? the disk?); at %u s it is killed",
		    process->name, (int)process->child.pid, process->stuck_seconds, kill_seconds);
	} else if (process->stuck_seconds >= kill_seconds && supervisor->drain == DRAIN_NONE) {
		diag(DIAG_WARNING, "%s, pid %d, hangs: killing it", process->name, (int)process->child.pid);
		(void)kill(process->child.pid, SIGKILL); /* not waited for, so the number is still its own */
	}
}

/*
 * Once a second, and when persistd pokes us.  A peer that closes the living incarnation of a frontd has given it up (workerd/fronts.h).  It sees that
 * itself and ends; one that does not, because it is stopped or was taken over, is ended.
 */
static void
watch_given_up(const struct supervisor *supervisor, const struct supervised *process)
{
	if (process->kind != ROLE_FRONT || process->state != PROCESS_LIVE || process->child.pid == 0)
		return;
	for (unsigned i = 0; i < supervisor->process_count; i++) {
		const struct supervised *peer = &supervisor->processes[i];

		if (peer->kind == ROLE_FRONT ||
		    load_relaxed(&peer->stats.shared->closed_epoch[process->index]) < process->epoch)
			continue;
		diag(DIAG_WARNING, "%s, pid %d, was given up by %s: killing it", process->name, (int)process->child.pid,
		    peer->name);
		(void)kill(process->child.pid, SIGKILL); /* not waited for, so the number is still its own */
		return;
	}
}

/* --- stopping --- */

static bool
are_down(const struct supervisor *supervisor, enum role_kind kind)
{
	for (unsigned i = 0; i < supervisor->process_count; i++) {
		if (supervisor->processes[i].kind == kind && supervisor->processes[i].state != PROCESS_DOWN)
			return false;
	}
	return true;
}

static bool
worker_is_lost(const struct supervisor *supervisor)
{
	for (unsigned i = 0; i < supervisor->process_count; i++) {
		const struct supervised *process = &supervisor->processes[i];

		if (process->kind == ROLE_WORKER && process->state == PROCESS_DOWN &&
		    load_relaxed(&process->stats.shared->phase) != PHASE_DRAINED)
			return true;
	}
	return false;
}

static void
signal_all(struct supervisor *supervisor, enum role_kind kind, int signal)
{
	for (unsigned i = 0; i < supervisor->process_count; i++) {
		struct supervised *process = &supervisor->processes[i];

		if (process->kind != kind)
			continue;
		if (process->child.pid != 0)
			(void)kill(process->child.pid, signal); /* not waited for, so the number is still its own */
	}
}

/* Those that wait to be run again are not needed any more. */
static void
retire_waiting(struct supervisor *supervisor, enum role_kind kind)
{
	for (unsigned i = 0; i < supervisor->process_count; i++) {
		struct supervised *process = &supervisor->processes[i];

		if (process->kind == kind && process->child.pid == 0 && process->state != PROCESS_DOWN)
			handle(supervisor, process, PROCESS_RETIRE);
	}
}

static void
enter_drain(struct supervisor *supervisor, enum drain drain)
{
	diag(DIAG_INFO, "stopping: %s", drain_name(drain));
	supervisor->drain = drain;
	if (drain == DRAIN_WORKERS) {
		retire_waiting(supervisor, ROLE_WORKER);
		signal_all(supervisor, ROLE_WORKER, SIGTERM);
	}
	for (enum role_kind kind = ROLE_FRONT; drain == DRAIN_KILL && kind <= ROLE_PERSIST; kind++) {
		retire_waiting(supervisor, kind);
		signal_all(supervisor, kind, SIGKILL);
	}
	poke_all(supervisor);
}

static void
advance_drain(struct supervisor *supervisor)
{
	enum drain next;

	do {
		retire_waiting(supervisor, ROLE_FRONT);
		struct drain_facts facts = {
			.fronts_are_down = are_down(supervisor, ROLE_FRONT),
			.persistd_is_down = are_down(supervisor, ROLE_PERSIST),
			.workers_are_down = are_down(supervisor, ROLE_WORKER),
			.worker_is_lost = worker_is_lost(supervisor),
			.is_forced = supervisor->stop_is_forced,
			.lasted_ns = now_ns() - supervisor->drain_ns,
		};
		next = drain_next(supervisor->drain, &facts);
		if (next == supervisor->drain)
			return;
		enter_drain(supervisor, next);
	} while (next != DRAIN_OVER);
}

/* --- signals --- */

static bool
one_is_starting(const struct supervisor *supervisor)
{
	for (unsigned i = 0; i < supervisor->process_count; i++) {
		if (supervisor->processes[i].state == PROCESS_STARTING)
			return true;
	}
	return false;
}

/* What has changed works from now on in all processes. */
static void
hand_conf_over(struct supervisor *supervisor)
{
	if (reload_write(&supervisor->conf, supervisor->conf_fd) != 0)
		return;
	diag_set_level((enum diag_level)supervisor->conf.log_level);
	/* The text is whole.  Pairs with the daemons' load_acquire. */
	store_release(&supervisor->registry.shared->config_generation,
	    load_relaxed(&supervisor->registry.shared->config_generation) + 1);
	for (enum role_kind kind = ROLE_FRONT; kind <= ROLE_PERSIST; kind++)
		signal_all(supervisor, kind, SIGHUP);
}

static void
reload(struct supervisor *supervisor)
{
	struct tls_secrets *secrets = NULL;
	struct conf_error error;
	struct conf wanted;

	supervisor->reload_is_wanted = false;
	if (audit_file_reopen(&supervisor->audit)) {
		/* The descriptors are sent.  Pairs with the frontds' load_acquire. */
		store_release(&supervisor->registry.shared->audit_generation,
		    load_relaxed(&supervisor->registry.shared->audit_generation) + 1);
	}
	if (conf_source_load(supervisor->source, &wanted, &error) != 0 ||
	    tls_keeper_read(&supervisor->tls, &wanted, &secrets, &error) != 0) {
		diag(DIAG_ERROR, "nothing is reloaded: %s", error.text);
		return;
	}
	struct reload_result result = reload_apply(&supervisor->conf, &wanted);
	diag(DIAG_INFO, "SIGHUP: %u reloaded, %u need a restart", result.reloaded, result.needs_restart);
	if (result.reloaded != 0)
		hand_conf_over(supervisor);
	/* After the text that belongs to it.  Files may be new under old names. */
	tls_keeper_take(&supervisor->tls, secrets, &supervisor->registry);
}

static void
on_signal(struct supervisor *supervisor)
{
	struct signalfd_siginfo info;

	while (read(supervisor->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP) {
			supervisor->reload_is_wanted = true;
		} else if (supervisor->drain != DRAIN_NONE) {
			diag(DIAG_WARNING, "asked to stop again: killing all; shared memory is kept and the next start is warm");
			supervisor->stop_is_forced = true;
		} else {
			diag(DIAG_INFO, "stopping, as signal %u from pid %u asks", info.ssi_signo, info.ssi_pid);
			supervise_stop(supervisor, 0);
		}
	}
}

/* --- the loop --- */

static void
add_process(struct supervisor *supervisor, enum role_kind kind, uint32_t index, uint32_t slot)
{
	struct supervised *process = &supervisor->processes[supervisor->process_count++];
	enum slot_state state;

	*process = (struct supervised){ .kind = kind, .index = index, .slot = slot, .child = { .pidfd = -1 }, .hand_fd = -1 };
	snprintf(process->name, sizeof(process->name), "%s.%u", role_name(kind), index);
	registry_slot(&supervisor->registry, slot, &state, &process->epoch);
}

static int
prepare(struct supervisor *supervisor)
{
	const struct geometry *geometry = &supervisor->geometry;
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = EPOLL_SIGNAL };
	struct epoll_event poke = { .events = EPOLLIN, .data.u32 = EPOLL_POKE };
	sigset_t signals;

	/* persistd first: the others wait for it. */
	add_process(supervisor, ROLE_PERSIST, 0, SLOT_PERSIST);
	for (uint32_t w = 0; w < geometry->workers; w++)
		add_process(supervisor, ROLE_WORKER, w, SLOT_WORKER(w));
	for (uint32_t i = 0; i < geometry->fronts; i++)
		add_process(supervisor, ROLE_FRONT, i, SLOT_FRONT(i));
	for (unsigned i = 0; i < supervisor->process_count; i++) {
		struct supervised *process = &supervisor->processes[i];

		if (stats_attach(&process->stats, supervisor->conf.instance_name, process->slot, &supervisor->store,
		        REGION_READ_ONLY) != 0) {
			diag_errno("cannot map shared memory stats.%u", process->slot);
			return -1;
		}
	}
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	supervisor->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (supervisor->epoll_fd < 0 || sigprocmask(SIG_BLOCK, &signals, NULL) != 0 ||
	    (supervisor->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK)) < 0 ||
	    epoll_ctl(supervisor->epoll_fd, EPOLL_CTL_ADD, supervisor->signal_fd, &event) != 0 ||
	    epoll_ctl(supervisor->epoll_fd, EPOLL_CTL_ADD, supervisor->event_fd[SLOT_SUPERVISOR], &poke) != 0) {
		diag_errno("cannot prepare for signals");
		return -1;
	}
	return 0;
}

/* We are there; what our predecessor ran is dead. */
static void
begin(struct supervisor *supervisor)
{
	struct registry_shared *shared = supervisor->registry.shared;
	enum slot_state state;
	uint64_t epoch;

	store_relaxed(&shared->is_draining, 0);
	/* Whatever ended those of our predecessor now, it was none of the signals that he wrote down before. */
	for (uint32_t slot = 0; slot < SLOT_MAX; slot++)
		store_relaxed(&shared->slot[slot].last_signal, 0);
	registry_slot(&supervisor->registry, SLOT_SUPERVISOR, &state, &epoch);
	store_relaxed(&shared->slot[SLOT_SUPERVISOR].pid, getpid());
	store_relaxed(&shared->slot[SLOT_SUPERVISOR].started_ms, broker_ms(supervisor));
	slot_set(supervisor, SLOT_SUPERVISOR, epoch + 1, SLOT_LIVE);
	for (unsigned i = 0; i < supervisor->process_count; i++)
		handle(supervisor, &supervisor->processes[i], PROCESS_START);
}

static bool
is_busy(const struct supervisor *supervisor)
{
	return supervisor->drain != DRAIN_NONE || supervisor->reload_is_wanted || !supervisor->has_served ||
	    !all_are_live(supervisor);
}

/* How long to sleep at most. */
static int
look_ms(struct supervisor *supervisor)
{
	if (!is_busy(supervisor)) {
		supervisor->busy_ns = 0;
		return LOOK_MS_QUIET;
	}
	if (supervisor->busy_ns == 0)
		supervisor->busy_ns = now_ns();
	return now_ns() - supervisor->busy_ns < FAST_NS ? LOOK_MS_FAST : LOOK_MS_SLOW;
}

/* All processes serve; once there is somebody who can come in, we say that we are ready. */
static void
look_for_admin(struct supervisor *supervisor)
{
	bool pokes_worker;
	int code = admin_token_step(&supervisor->admin_token, &supervisor->registry, &pokes_worker);

	if (code != 0)
		supervise_stop(supervisor, code);
	else if (pokes_worker)
		park_poke(supervisor->event_fd[SLOT_WORKER(0)]);
	else if (supervisor->admin_token.state == ADMIN_TOKEN_DONE) {
		announce(supervisor);
		admin_token_print(&supervisor->admin_token);
	}
}

static void
look(struct supervisor *supervisor)
{
	bool is_watch = now_ns() - supervisor->watched_ns >= SECOND;

	if (is_watch) {
		supervisor->watched_ns = now_ns();
		audit_file_reserve(&supervisor->audit);
	}
	for (unsigned i = 0; i < supervisor->process_count; i++) {
		look_at(supervisor, &supervisor->processes[i]);
		if (is_watch) {
			watch_heartbeat(supervisor, &supervisor->processes[i]);
			watch_given_up(supervisor, &supervisor->processes[i]);
		}
	}
	if (is_watch) {
		hashers_watch(supervisor);
		tls_keeper_rotate(&supervisor->tls, &supervisor->conf, &supervisor->registry);
	}
	if (!supervisor->has_served && supervisor->drain == DRAIN_NONE && all_are_live(supervisor))
		look_for_admin(supervisor);
	hashers_look(supervisor);
	if (supervisor->reload_is_wanted && supervisor->drain == DRAIN_NONE && !one_is_starting(supervisor))
		reload(supervisor);
	if (supervisor->drain != DRAIN_NONE)
		advance_drain(supervisor);
}

static void
on_poke(struct supervisor *supervisor)
{
	uint64_t count;

	(void)!read(supervisor->event_fd[SLOT_SUPERVISOR], &count, sizeof(count)); /* readable, so it does not wait */
	for (unsigned i = 0; i < supervisor->process_count; i++)
		watch_given_up(supervisor, &supervisor->processes[i]);
}

static void
turn(struct supervisor *supervisor)
{
	struct epoll_event events[16];
	int count = epoll_wait(supervisor->epoll_fd, events, 16, look_ms(supervisor)), wait_status;

	for (int i = 0; i < count; i++) {
		if (events[i].data.u32 == EPOLL_SIGNAL) {
			on_signal(supervisor);
			continue;
		}
		if (events[i].data.u32 == EPOLL_POKE) {
			on_poke(supervisor);
			continue;
		}
		if (events[i].data.u32 >= EPOLL_HASHER(0)) {
			hashers_died(supervisor, events[i].data.u32 - EPOLL_HASHER(0));
			continue;
		}
		struct supervised *process = &supervisor->processes[events[i].data.u32];
		if (child_reap(&process->child, &wait_status))
			on_death(supervisor, process, wait_status);
	}
	look(supervisor);
}

static int
serve(struct supervisor *supervisor)
{
	if (prepare(supervisor) != 0)
		return EX_OSERR;
	if (supervisor->conf.auth_mode != CONF_AUTH_OFF) {
		struct admin_token_where where = { .instance = supervisor->conf.instance_name,
			.data_directory = supervisor->conf.data_directory, .audit = &supervisor->audit,
			.geometry = &supervisor->geometry, .store = &supervisor->store };
		int code = admin_token_begin(&supervisor->admin_token, &where, supervisor->wants_admin_token);

		if (code != 0)
			return code;
	} else if (supervisor->wants_admin_token) {
		diag(DIAG_WARNING, "--new-admin-token does nothing with auth.mode = off");
	}
	begin(supervisor);
	while (supervisor->drain != DRAIN_OVER)
		turn(supervisor);
	return 0;
}

int
supervise(struct supervisor *supervisor, bool *is_clean)
{
	*is_clean = false;
	hashers_init(supervisor);
	int code = serve(supervisor);
	hashers_wait(supervisor);
	if (code != 0)
		return code;
	slot_set(supervisor, SLOT_SUPERVISOR, load_relaxed(&supervisor->registry.shared->slot[SLOT_SUPERVISOR].state_epoch) >> 8,
	    SLOT_DEAD);
	store_relaxed(&supervisor->registry.shared->slot[SLOT_SUPERVISOR].pid, 0);
	/* What never served holds nothing that is not on disk. */
	*is_clean = supervisor->journal_is_clean || (!supervisor->is_warm && !supervisor->a_front_served);
	if (!*is_clean && supervisor->has_served && supervisor->exit_code == 0)
		return EX_TEMPFAIL;
	return supervisor->exit_code;
}
