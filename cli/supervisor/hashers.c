/*
 * Happy path: hashers_make() -> the frontd is run -> hashers_begin() -> ... -> the frontd dies ->
 * hashers_end(). Failure modes: a hasher dies: run again, at once unless it keeps dying.  It cannot
 * work at all (exit 78) while the broker starts: said, and the broker stops.  It is stopped or
 * hangs: killed, hashers_watch().  It is killed by us and gets no CPU to die: the next waits for
 * that, nobody else.
 */
#include "cli/supervisor/hashers.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/supervisor/supervise.h"
#include "shm/atomic.h"
#include "shm/clock.h"
#include "shm/diag.h"

void
hashers_init(struct supervisor *supervisor)
{
	struct registry_shared *shared = supervisor->registry.shared;

	cgroup_open(&supervisor->hashers.cgroup, supervisor->conf.auth_hasher_cgroup,
	    supervisor->conf.instance_name, "");
	snprintf(shared->hashers, sizeof(shared->hashers), "%s", supervisor->hashers.cgroup.text);
	for (uint32_t i = 0; i < FRONT_MAX; i++) {
		struct hasher_child *hasher = &supervisor->hashers.of[i];
		struct slot *slot = &shared->hasher[i];

		*hasher = (struct hasher_child){ .child.pidfd = -1,
			.files = { -1, -1, -1, -1 },
			.event_fd = -1,
			.epoch = load_relaxed(&slot->state_epoch) >> 8 };
		store_relaxed(&slot->last_signal, 0);
	}
}

/* --- the jobs --- */

static void
forget(struct hasher_child *hasher)
{
	passwords_close(&hasher->files);
	if (hasher->event_fd >= 0)
		close(hasher->event_fd);
	hasher->event_fd = -1;
}

static bool
keep(int *fd)
{
	if (*fd >= 0)
		*fd = child_keep_fd(*fd);
	return *fd >= 0;
}

int
hashers_make(struct supervisor *supervisor, uint32_t index, struct descriptors *descriptors)
{
	struct hasher_child *hasher = &supervisor->hashers.of[index];
	struct password_files *files = &hasher->files;

	forget(hasher);
	if (passwords_make(files, (uint64_t)supervisor->conf.auth_password_cost) != 0) {
		diag_errno("cannot make memory for the passwords of frontd.%u", index);
		return -1;
	}
	hasher->event_fd = eventfd(0, EFD_CLOEXEC);
	bool is_kept = keep(&files->asks_fd);
	is_kept &= keep(&files->asks_reading_fd);
	is_kept &= keep(&files->answers_fd);
	is_kept &= keep(&files->answers_reading_fd);
	if (!keep(&hasher->event_fd) || !is_kept) {
		diag_errno("no descriptors for the passwords of frontd.%u; raise the limit of open "
			   "files (ulimit -n)", index);
		forget(hasher);
		return -1;
	}
	descriptors_add(descriptors, files->asks_fd, PASSWORD_ASKS_FD);
	descriptors_add(descriptors, files->answers_reading_fd, PASSWORD_ANSWERS_FD);
	descriptors_add(descriptors, hasher->event_fd, PASSWORD_EVENT_FD);
	return 0;
}

/* --- what others see --- */

static void
show(struct supervisor *supervisor, uint32_t index, enum slot_state state)
{
	const struct hasher_child *hasher = &supervisor->hashers.of[index];
	struct registry_shared *shared = supervisor->registry.shared;
	struct slot *slot = &shared->hasher[index];

	store_relaxed(&slot->pid, hasher->child.pid);
	store_relaxed(&slot->started_ms, clock_ms(hasher->since_ns, shared->clock_offset_ns));
	/* The other words belong to this state.  Pairs with `chasqui status`. */
	store_release(&slot->state_epoch, slot_word(hasher->epoch, state));
}

/* --- running --- */

/* Those of roles, but that it has neither slot nor regions: the user is the frontd's. */
static int
start(struct supervisor *supervisor, uint32_t index)
{
	struct hasher_child *hasher = &supervisor->hashers.of[index];
	const struct descriptor descriptors[] = {
		{ hasher->files.asks_reading_fd, PASSWORD_ASKS_FD },
		{ hasher->files.answers_fd, PASSWORD_ANSWERS_FD },
		{ hasher->event_fd, PASSWORD_EVENT_FD },
		{ supervisor->event_fd[SLOT_FRONT(index)], EVENT_FD(SLOT_FRONT(index)) },
	};
	struct role_arguments arguments;

	role_arguments_write(supervisor, &(struct role_identity){
		.program = supervisor->hashers.program,
		.user = &supervisor->users.of[ROLE_FRONT],
		.index = index,
		.epoch = hasher->epoch,
	}, &arguments);
	/* Not bound as the frontd is: any CPU that is left over. */
	return child_start(&hasher->child, &(struct child_command){
		.program = supervisor->hashers.program,
		.argv = arguments.argv,
		.descriptors = descriptors,
		.descriptor_count = sizeof(descriptors) / sizeof(descriptors[0]),
	});
}

static void
run(struct supervisor *supervisor, uint32_t index)
{
	struct hasher_child *hasher = &supervisor->hashers.of[index];
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = EPOLL_HASHER(index) };

	hasher->epoch++;
	hasher->since_ns = now_ns();
	hasher->is_ended = false;
	hasher->stuck_seconds = 0;
	if (start(supervisor, index) != 0) {
		hasher->due_ns = now_ns() + BACKOFF_MAX_NS;
		return;
	}
	/* If not, it works all the same. */
	(void)cgroup_take(&supervisor->hashers.cgroup, hasher->child.pid);
	if (epoll_ctl(supervisor->epoll_fd, EPOLL_CTL_ADD, hasher->child.pidfd, &event) != 0) {
		diag_errno("cannot watch hasher.%u", index);
		abort(); /* it would die unseen */
	}
	show(supervisor, index, SLOT_LIVE);
}

static bool
is_wanted(const struct supervisor *supervisor, uint32_t index)
{
	const struct hasher_child *hasher = &supervisor->hashers.of[index];

	return hasher->event_fd >= 0 && hasher->child.pid == 0;
}

void
hashers_begin(struct supervisor *supervisor, uint32_t index)
{
	supervisor->hashers.of[index].due_ns = 0;
	hashers_look(supervisor);
}

void
hashers_look(struct supervisor *supervisor)
{
	for (uint32_t i = 0; i < supervisor->geometry.fronts; i++) {
		if (is_wanted(supervisor, i) && now_ns() >= supervisor->hashers.of[i].due_ns)
			run(supervisor, i);
	}
}

void
hashers_end(struct supervisor *supervisor, uint32_t index)
{
	struct hasher_child *hasher = &supervisor->hashers.of[index];

	forget(hasher);
	hasher->is_ended = true;
	if (hasher->child.pid != 0)
		(void)kill(hasher->child.pid, SIGKILL); /* not waited for: the number is its own */
}

void
hashers_died(struct supervisor *supervisor, uint32_t index)
{
	struct hasher_child *hasher = &supervisor->hashers.of[index];
	struct slot *slot = &supervisor->registry.shared->hasher[index];
	uint64_t lived_ns = now_ns() - hasher->since_ns;
	char text[DEATH_TEXT_BYTES];
	int wait_status;

	if (!child_reap(&hasher->child, &wait_status))
		return;
	/* It does not say when it is ready; killed it was from outside. */
	struct death death = death_of(wait_status, true, lived_ns);
	store_relaxed(&slot->last_signal, (uint32_t)death.signal);
	store_relaxed(&slot->last_status, death.exit_code);
	show(supervisor, index, SLOT_DEAD);
	hasher->due_ns = 0;
	if (!hasher->is_ended) {
		hasher->due_ns = now_ns() + backoff_after(&hasher->quick_deaths, &death);
		store_relaxed(&slot->restarts, load_relaxed(&slot->restarts) + 1);
		death_text(&death, text);
		diag(DIAG_WARNING, "hasher.%u %s; running it again, it begins its job again", index,
		    text);
		if (death_is_final(&death) && !supervisor->has_served)
			supervise_stop(supervisor, death.exit_code);
	}
	hashers_look(supervisor);
}

/* --- hanging --- */

/* Of CPU time in a second, each 10 ms: with less it has hardly run. */
#define RUN_TICKS 10

/* What the kernel says of it: its state, and ticks of CPU time.  Untouched when it says nothing. */
static void
read_stat(pid_t pid, char *state, uint64_t *ticks)
{
	char path[32], text[512], *at;
	uint64_t user, system;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	at = strrchr(text, ')'); /* behind the name */
	if (at == NULL ||
	    sscanf(at, ") %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64 " %" SCNu64, state,
		&user, &system) != 3)
		return;
	*ticks = user + system;
}

/*
 * It has no heartbeat, for it sleeps until there is work.  Work that is there and does not go on is
 * a sign, and so is being stopped.  But one that wants a CPU and gets none only stands behind
 * everybody else: the next would do no better.
 */
static unsigned
stuck_seconds(struct hasher_child *hasher)
{
	uint64_t submitted = 0, finished = 0, ticks = hasher->ticks;
	char state = 'S';

	/* Numbers that either side may spoil: it is their own hasher that is killed then. */
	(void)!pread(hasher->files.asks_fd, &submitted, sizeof(submitted),
	    offsetof(struct password_asks, submitted));
	(void)!pread(hasher->files.answers_fd, &finished, sizeof(finished),
	    offsetof(struct password_answers, finished));
	read_stat(hasher->child.pid, &state, &ticks);
	bool has_moved = finished != hasher->finished, has_run = ticks - hasher->ticks >= RUN_TICKS;
	hasher->finished = finished;
	hasher->ticks = ticks;
	if (state == 'T' || state == 't')
		return hasher->stuck_seconds + 1;
	if (submitted == finished || has_moved)
		return 0;
	return hasher->stuck_seconds + (state != 'R' || has_run);
}

static void
watch(struct hasher_child *hasher, uint32_t index, unsigned kill_seconds)
{
	unsigned before = hasher->stuck_seconds;
	int pid = (int)hasher->child.pid;

	hasher->stuck_seconds = stuck_seconds(hasher);
	if (hasher->stuck_seconds == before)
		return;
	if (hasher->stuck_seconds == kill_seconds / 3) {
		diag(DIAG_WARNING, "hasher.%u, pid %d, has not gone on for %u s (stopped?); "
		     "at %u s it is killed", index, pid, hasher->stuck_seconds, kill_seconds);
	} else if (hasher->stuck_seconds >= kill_seconds) {
		diag(DIAG_WARNING, "hasher.%u, pid %d, hangs: killing it", index, pid);
		(void)kill(pid, SIGKILL); /* not waited for: the number is its own */
	}
}

void
hashers_watch(struct supervisor *supervisor)
{
	unsigned kill_seconds = (unsigned)(supervisor->conf.instance_stuck_timeout_ms / 1000);

	for (uint32_t i = 0; i < supervisor->geometry.fronts; i++) {
		struct hasher_child *hasher = &supervisor->hashers.of[i];

		if (hasher->child.pid != 0 && !hasher->is_ended)
			watch(hasher, i, kill_seconds);
	}
}

void
hashers_wait(struct supervisor *supervisor)
{
	for (uint32_t i = 0; i < FRONT_MAX; i++) {
		struct hasher_child *hasher = &supervisor->hashers.of[i];
		int wait_status;

		hashers_end(supervisor, i);
		if (hasher->child.pid == 0)
			continue;
		while (waitpid(hasher->child.pid, &wait_status, 0) < 0 && errno == EINTR)
			;
		close(hasher->child.pidfd);
		hasher->child = (struct child){ .pidfd = -1 };
		show(supervisor, i, SLOT_DEAD);
	}
	cgroup_close(&supervisor->hashers.cgroup);
}
