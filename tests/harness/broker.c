/*
 * Happy path: broker_init() makes the directory and the reaper, broker_start() runs the supervisor in a process group of
 * its own and waits for its ready line, broker_stop() and broker_free() end it.
 *
 * Failure modes: the test dies (Check kills it by its process group, or an assertion fails): the reaper's pipe ends, and
 * it kills the supervisor's group, whose pid it was told.  The supervisor dies: its children have PR_SET_PDEATHSIG.
 */
#include "tests/harness/broker.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/atomic.h"
#include "tests/harness/deadline.h"
#include "tests/harness/reaper.h"

/*
 * Small, so that a start is quick, and the same on every machine; a test's own options come behind them and win.  Passwords are
 * cheap: their thread runs when nobody else wants to, and on a busy machine the usual cost took longer than any client waits.
 */
static const char *const small_options[] = { "server.processes=1", "worker.shards=1", "worker.messages=131072",
	"worker.queues=256", "worker.waiters=4096", "data.segment_bytes=8MiB", "data.spare_segments=1", "data.ready_bytes=0", "auth.password_cost=1",
	"auth.hasher_cgroup=off" };
enum { SMALL_COUNT = sizeof(small_options) / sizeof(small_options[0]) };

enum { ARGUMENTS_MAX = 2 * (BROKER_OPTIONS_MAX + SMALL_COUNT + 5) + 5 };

/* tests/run says where; by hand it is bin/ of the build that this test is of: build/tests/http_queues -> build/bin. */
void
broker_program(char path[512], const char *name)
{
	const char *told = getenv("CHASQUI_BIN");
	char self[400];

	if (told != NULL) {
		snprintf(path, 512, "%s/%s", told, name);
		return;
	}
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	ck_assert_int_gt(n, 0);
	self[n] = '\0';
	for (char *slash; (slash = strrchr(self, '/')) != NULL;) {
		*slash = '\0';
		snprintf(path, 512, "%s/bin/%s", self, name);
		if (access(path, X_OK) == 0)
			return;
	}
	ck_abort_msg("there is no bin/%s above this test's program; run make first", name);
}

void
broker_init(struct broker *broker, const char *const *options)
{
	const char *base = getenv("TMPDIR");
	static unsigned count;

	*broker = (struct broker){ .ready_fd = -1 };
	for (unsigned i = 0; options != NULL && options[i] != NULL; i++) {
		ck_assert_uint_lt(i, BROKER_OPTIONS_MAX);
		broker->options[i] = options[i];
	}
	snprintf(broker->instance, sizeof(broker->instance), "t%d-%u", (int)getpid(), count++);
	snprintf(broker->directory, sizeof(broker->directory), "%s/chasqui-test-XXXXXX", base != NULL ? base : "/tmp");
	ck_assert_msg(mkdtemp(broker->directory) != NULL, "mkdtemp %s: %s", broker->directory, strerror(errno));
	snprintf(broker->data, sizeof(broker->data), "%s/data", broker->directory);
	snprintf(broker->log, sizeof(broker->log), "%s/log", broker->directory);
	ck_assert_int_eq(mkdir(broker->data, 0700), 0);
	broker->reaper_fd = reaper_start(broker->instance, broker->directory, &broker->reaper_pid);
	ck_assert_int_ge(broker->reaper_fd, 0);
}

void
broker_conf(struct broker *broker, const char *path)
{
	broker->conf_file = path;
}

void
broker_argument(struct broker *broker, const char *argument)
{
	broker->argument = argument;
}

/* The child's side of the fork in broker_launch(): never returns. */
static void __attribute__((noreturn))
run_up(const struct broker *broker, int stdout_fd)
{
	char program[512], text[4][200];
	const char *argv[ARGUMENTS_MAX];
	int argc = 0, log_fd;

	snprintf(text[0], sizeof(text[0]), "instance.name=%s", broker->instance);
	snprintf(text[1], sizeof(text[1]), "data.directory=%s", broker->data);
	snprintf(text[2], sizeof(text[2]), "server.listen=127.0.0.1:0");
	snprintf(text[3], sizeof(text[3]), "auth.mode=off");
	broker_program(program, "chasqui");
	argv[argc++] = program;
	argv[argc++] = "up";
	if (broker->conf_file != NULL) {
		argv[argc++] = "-c";
		argv[argc++] = broker->conf_file;
	}
	for (unsigned i = 0; i < 4; i++) {
		argv[argc++] = "-o";
		argv[argc++] = text[i];
	}
	for (unsigned i = 0; i < SMALL_COUNT; i++) {
		argv[argc++] = "-o";
		argv[argc++] = small_options[i];
	}
	for (unsigned i = 0; broker->options[i] != NULL; i++) {
		argv[argc++] = "-o";
		argv[argc++] = broker->options[i];
	}
	if (broker->argument != NULL)
		argv[argc++] = broker->argument;
	argv[argc] = NULL;
	log_fd = open(broker->log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (setpgid(0, 0) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || log_fd < 0 || dup2(stdout_fd, 1) < 0 ||
	    dup2(log_fd, 2) < 0)
		_exit(127);
	execv(program, (char *const *)argv);
	_exit(127);
}

void
broker_launch(struct broker *broker)
{
	int pipe_fd[2];

	ck_assert_int_eq(broker->pid, 0);
	ck_assert_int_eq(pipe2(pipe_fd, O_CLOEXEC), 0);
	broker->pid = fork();
	ck_assert_int_ge(broker->pid, 0);
	if (broker->pid == 0)
		run_up(broker, pipe_fd[1]);
	(void)setpgid(broker->pid, broker->pid); /* both sides do it, whichever is first */
	broker->argument = NULL;
	reaper_tell(broker->reaper_fd, broker->pid);
	close(pipe_fd[1]);
	broker->ready_fd = pipe_fd[0];
}

/* The supervisor has ended and was waited for. */
static void
forget_process(struct broker *broker)
{
	close(broker->ready_fd);
	broker->ready_fd = -1;
	broker->pid = 0;
	reaper_tell(broker->reaper_fd, 0);
}

/* False when it does not end in that time. */
static bool
try_wait_end(struct broker *broker, unsigned timeout_ms, int *status)
{
	uint64_t deadline_ms = deadline_in(timeout_ms);

	while (waitpid(broker->pid, status, WNOHANG) == 0) {
		if (!deadline_pause(deadline_ms))
			return false;
	}
	forget_process(broker);
	return true;
}

/* Wait for the supervisor's end; its wait status. */
static int
wait_end(struct broker *broker, unsigned timeout_ms)
{
	int status = 0;

	ck_assert_msg(try_wait_end(broker, timeout_ms, &status), "chasqui up (pid %d) does not end", (int)broker->pid);
	return status;
}

/* The port of the ready line; 0 when stdout ended without one. */
static uint16_t
read_ready_line(struct broker *broker)
{
	uint64_t deadline_ms = deadline_in(BROKER_START_MS);
	char text[512] = "";
	size_t count = 0;

	while (strchr(text, '\n') == NULL) {
		struct pollfd poll_fd = { .fd = broker->ready_fd, .events = POLLIN };
		ssize_t n;

		ck_assert_msg(poll(&poll_fd, 1, deadline_left_ms(deadline_ms)) > 0, "no ready line in %d ms",
		    BROKER_START_MS);
		n = read(broker->ready_fd, text + count, sizeof(text) - 1 - count);
		if (n <= 0)
			return 0;
		count += (size_t)n;
		text[count] = '\0';
	}
	unsigned port = 0;
	if (sscanf(text, "chasqui: ready on https://127.0.0.1:%hu", &broker->tls_port) == 1)
		return broker->tls_port; /* plain HTTP is off */
	ck_assert_msg(sscanf(text, "chasqui: ready on http://127.0.0.1:%u and https://127.0.0.1:%hu", &port,
	                  &broker->tls_port) >= 1, "not a ready line: %s", text);
	return (uint16_t)port;
}

bool
broker_try_start(struct broker *broker, int *exit_status)
{
	int status;

	broker_launch(broker);
	broker->port = read_ready_line(broker);
	if (broker->port != 0)
		return true;
	status = wait_end(broker, BROKER_STOP_MS);
	ck_assert_msg(WIFEXITED(status), "chasqui up was ended by signal %d", WTERMSIG(status));
	*exit_status = WEXITSTATUS(status);
	return false;
}

void
broker_start(struct broker *broker)
{
	int exit_status;

	if (!broker_try_start(broker, &exit_status)) {
		char *log = broker_log(broker);

		ck_abort_msg("chasqui up ended with %d:\n%s", exit_status, log);
	}
}

void
broker_up(struct broker *broker, const char *const *options)
{
	broker_init(broker, options);
	broker_start(broker);
}

unsigned
broker_regions(const struct broker *broker)
{
	return reaper_regions(broker->instance, false);
}

/* A line of the log that says that a process wanted what it had not told its sandbox; NULL: none did. */
static const char *
refused_call(const struct broker *broker)
{
	static char line[120];
	char *log = broker_log(broker), *found = strstr(log, "sandbox: system call ");

	snprintf(line, sizeof(line), "%.*s", found != NULL ? (int)strcspn(found, "\n") : 0, found != NULL ? found : "");
	free(log);
	return line[0] != '\0' ? line : NULL;
}

static const char *
stop_complaint(struct broker *broker)
{
	static char complaint[120];
	int status = 0;

	if (!try_wait_end(broker, BROKER_STOP_MS, &status))
		snprintf(complaint, sizeof(complaint), "chasqui up (pid %d) does not stop", (int)broker->pid);
	else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		snprintf(complaint, sizeof(complaint), "chasqui up stopped with wait status %#x", (unsigned)status);
	else if (broker_regions(broker) != 0)
		snprintf(complaint, sizeof(complaint), "a clean stop left %u regions behind", broker_regions(broker));
	else
		return broker->is_probed ? NULL : refused_call(broker);
	return complaint;
}

const char *
broker_try_stop(struct broker *broker)
{
	ck_assert_int_gt(broker->pid, 0);
	ck_assert_int_eq(kill(broker->pid, SIGTERM), 0);
	return stop_complaint(broker);
}

void
broker_stop(struct broker *broker)
{
	const char *complaint = broker_try_stop(broker);

	ck_assert_msg(complaint == NULL, "%s", complaint);
}

void
broker_wait_stopped(struct broker *broker)
{
	const char *complaint = stop_complaint(broker);

	ck_assert_msg(complaint == NULL, "%s", complaint);
}

void
broker_free(struct broker *broker)
{
	if (broker->pid != 0)
		broker_stop(broker);
	reaper_finish(broker->reaper_fd, broker->reaper_pid);
	*broker = (struct broker){ .ready_fd = -1 };
}

static void
look(const struct broker *broker, struct registry *registry)
{
	ck_assert_msg(registry_attach(registry, broker->instance, NULL, REGION_READ_ONLY) == 0, "no registry of %s: %s",
	    broker->instance, strerror(errno));
}

struct broker_role
broker_role(const struct broker *broker, uint32_t number)
{
	struct registry registry;

	look(broker, &registry);
	const struct slot *slot = number < SLOT_MAX ? &registry.shared->slot[number] : &registry.shared->hasher[number - SLOT_MAX];
	/* Its pid belongs to this state.  Pairs with the supervisor's store_release. */
	uint64_t word = load_acquire(&slot->state_epoch);
	struct broker_role role = { .pid = slot->pid, .epoch = word >> 8, .state = (enum slot_state)(word & 0xff) };
	registry_detach(&registry);
	return role;
}

struct broker_role
broker_hasher(const struct broker *broker, uint32_t index, uint64_t epoch)
{
	uint64_t deadline_ms = deadline_in(BROKER_START_MS);

	for (;;) {
		struct broker_role role = broker_role(broker, BROKER_HASHER(index));

		if (role.epoch > epoch && role.state == SLOT_LIVE)
			return role;
		ck_assert_msg(deadline_pause(deadline_ms), "hasher.%u does not come: state %d epoch %llu", index,
		    (int)role.state, (unsigned long long)role.epoch);
	}
}

struct geometry
broker_geometry(const struct broker *broker)
{
	struct registry registry;
	struct geometry geometry;

	look(broker, &registry);
	geometry = registry.shared->geometry;
	registry_detach(&registry);
	return geometry;
}

void
broker_stats(const struct broker *broker, uint32_t slot, struct stats_shared *copy)
{
	struct region_identity store;
	struct registry registry;
	struct stats stats;

	look(broker, &registry);
	store = registry_identity(&registry);
	ck_assert_int_eq(stats_attach(&stats, broker->instance, slot, &store, REGION_READ_ONLY), 0);
	memcpy(copy, stats.shared, sizeof(*copy));
	stats_detach(&stats);
	registry_detach(&registry);
}

pid_t
broker_pid(const struct broker *broker, uint32_t slot)
{
	if (slot == SLOT_SUPERVISOR)
		return broker->pid;
	uint64_t deadline_ms = deadline_in(BROKER_START_MS);
	for (;;) {
		struct broker_role role = broker_role(broker, slot);

		if (role.state == SLOT_LIVE && role.pid > 0)
			return role.pid;
		ck_assert_msg(deadline_pause(deadline_ms), "slot %u of %s does not become live: state %d epoch %llu", slot,
		    broker->instance, (int)role.state, (unsigned long long)role.epoch);
	}
}

void
broker_wait_live(const struct broker *broker, uint32_t slot, uint64_t epoch)
{
	uint64_t deadline_ms = deadline_in(BROKER_START_MS);
	struct broker_role role;

	while (role = broker_role(broker, slot), role.epoch <= epoch || role.state != SLOT_LIVE)
		ck_assert_msg(deadline_pause(deadline_ms), "slot %u does not come back: state %d epoch %llu", slot,
		    (int)role.state, (unsigned long long)role.epoch);
}

void
broker_signal(const struct broker *broker, uint32_t slot, int signal)
{
	pid_t pid = broker_pid(broker, slot);

	ck_assert_msg(kill(pid, signal) == 0, "kill %d: %s", (int)pid, strerror(errno));
}

uint64_t
broker_kill(const struct broker *broker, uint32_t slot)
{
	pid_t pid = broker_pid(broker, slot);
	uint64_t epoch = broker_role(broker, slot).epoch;

	ck_assert_msg(kill(pid, SIGKILL) == 0 || errno == ESRCH, "kill %d: %s", (int)pid, strerror(errno));
	return epoch;
}

static void
wait_pidfd(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	ck_assert_msg(poll(&poll_fd, 1, BROKER_STOP_MS) == 1, "a killed process does not end");
	close(fd);
}

void
broker_kill_all(struct broker *broker)
{
	struct registry registry;
	int pidfd[SLOT_MAX];
	unsigned count = 0;

	look(broker, &registry);
	for (uint32_t slot = 0; slot < SLOT_SUPERVISOR; slot++) {
		pid_t pid = registry.shared->slot[slot].pid;
		int fd = pid > 0 && getpgid(pid) == broker->pid ? pidfd_open(pid, 0) : -1;

		if (fd >= 0)
			pidfd[count++] = fd;
	}
	registry_detach(&registry);
	ck_assert_int_eq(kill(-broker->pid, SIGKILL), 0);
	while (count > 0)
		wait_pidfd(pidfd[--count]);
	(void)wait_end(broker, BROKER_STOP_MS); /* killed: its status says nothing */
}

void
broker_kill_group(struct broker *broker)
{
	pid_t pid = broker->pid;
	uint64_t deadline_ms = deadline_in(BROKER_STOP_MS);

	ck_assert_int_eq(kill(-pid, SIGKILL), 0);
	(void)wait_end(broker, BROKER_STOP_MS); /* killed: its status says nothing */
	while (kill(-pid, SIGKILL) == 0)
		ck_assert_msg(deadline_pause(deadline_ms), "a killed process group does not end");
}

void
broker_kill_supervisor(struct broker *broker)
{
	ck_assert_int_eq(kill(broker->pid, SIGKILL), 0);
	(void)wait_end(broker, BROKER_STOP_MS); /* killed: its status says nothing */
}

void
broker_wipe(struct broker *broker)
{
	ck_assert_int_eq(broker->pid, 0);
	(void)reaper_regions(broker->instance, true); /* how many does not matter */
}

char *
broker_log(const struct broker *broker)
{
	int fd = open(broker->log, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *text;
	ssize_t n;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	text = malloc((size_t)st.st_size + 1);
	ck_assert_ptr_nonnull(text);
	n = read(fd, text, (size_t)st.st_size);
	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	close(fd);
	return text;
}

void
broker_wait_log(const struct broker *broker, const char *text)
{
	uint64_t deadline_ms = deadline_in(BROKER_STOP_MS);

	for (;;) {
		char *log = broker_log(broker);
		bool is_there = strstr(log, text) != NULL;

		if (!is_there && !deadline_pause(deadline_ms))
			ck_abort_msg("the log does not say \"%s\":\n%s", text, log);
		free(log);
		if (is_there)
			return;
	}
}

int
broker_command(char *output, size_t capacity, const char *const *arguments)
{
	char program[512];
	const char *argv[ARGUMENTS_MAX];
	size_t count = 0;
	int pipe_fd[2], argc = 0, status;
	ssize_t n;
	pid_t pid;

	broker_program(program, "chasqui");
	argv[argc++] = program;
	while (*arguments != NULL && argc < ARGUMENTS_MAX - 1)
		argv[argc++] = *arguments++;
	argv[argc] = NULL;
	ck_assert_int_eq(pipe2(pipe_fd, O_CLOEXEC), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		if (dup2(pipe_fd[1], 1) >= 0 && dup2(pipe_fd[1], 2) >= 0)
			execv(program, (char *const *)argv);
		_exit(127);
	}
	close(pipe_fd[1]);
	while (count + 1 < capacity && (n = read(pipe_fd[0], output + count, capacity - 1 - count)) > 0)
		count += (size_t)n;
	output[count] = '\0';
	close(pipe_fd[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status), "chasqui %s was ended by signal %d", argv[1], WTERMSIG(status));
	return WEXITSTATUS(status);
}
