/*
 * Happy path: hashers_make() -> the frontd is run -> hashers_begin() -> ... -> the frontd dies ->
 * hashers_end(). Failure modes: a hasher dies: run again, at once unless it keeps dying.  It cannot
 * work at all (exit 78) while the broker starts: said, and the broker stops.  It is killed by us
 * and gets no CPU to die: the next waits for that, nobody else.
 */
#include "cli/supervisor/hashers.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
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

/* --- their cgroup --- */

static int
open_in(const char *folder, const char *file)
{
	char path[CONF_TEXT_BYTES + 32];

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	return open(path, O_RDWR | O_CLOEXEC);
}

/* Without it the kernel counts their CPU time like anybody's, and others wait for whole slices. */
static bool
is_idle(const char *folder)
{
	int fd = open_in(folder, "cpu.idle");
	char word = '0';

	if (fd < 0)
		return false;
	if (pread(fd, &word, 1, 0) == 1 && word != '1')
		(void)!pwrite(fd, "1", 1, 0); /* if that is forbidden we see it */
	bool is_set = pread(fd, &word, 1, 0) == 1 && word == '1';
	close(fd);
	return is_set;
}

static int
open_cgroup(const char *folder)
{
	if (strcmp(folder, "off") == 0)
		return -1;
	int fd = open_in(folder, "cgroup.procs");
	if (fd < 0) {
		diag_errno("cannot use auth.hasher_cgroup %s: logins may be felt by others", folder);
		return -1;
	}
	if (!is_idle(folder))
		diag(DIAG_WARNING, "%s/cpu.idle is not 1 (is the cpu controller on there?): logins may "
		     "be felt by others", folder);
	return child_keep_fd(fd);
}

static void
put_into_cgroup(const struct supervisor *supervisor, uint32_t index)
{
	char pid[16];
	int bytes = snprintf(pid, sizeof(pid), "%d", (int)supervisor->hashers.of[index].child.pid);

	if (supervisor->hashers.cgroup_fd >= 0 &&
	    pwrite(supervisor->hashers.cgroup_fd, pid, (size_t)bytes, 0) != bytes)
		diag_errno("cannot put hasher.%u into %s: logins may be felt by others", index,
		    supervisor->conf.auth_hasher_cgroup);
}

void
hashers_init(struct supervisor *supervisor)
{
	supervisor->hashers.cgroup_fd = open_cgroup(supervisor->conf.auth_hasher_cgroup);
	for (uint32_t i = 0; i < FRONT_MAX; i++) {
		struct hasher_child *hasher = &supervisor->hashers.of[i];
		struct slot *slot = &supervisor->registry.shared->hasher[i];

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
	if (start(supervisor, index) != 0) {
		hasher->due_ns = now_ns() + BACKOFF_MAX_NS;
		return;
	}
	put_into_cgroup(supervisor, index);
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
}
