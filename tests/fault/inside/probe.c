/*
 * probe: inside a daemon that is linked with sandbox_enter() wrapped: tries what it must not be
 * able to do, as its own user, with its own descriptors, through its own ring.  A try that kills is
 * made by a child that enters the same sandbox; all others are made by the process itself, which
 * then goes on with its work.
 *
 * A hostile frontd does not serve: it writes nonsense into its rings (tests/harness/attack) and
 * makes system calls by chance, until it is killed for one, or by the supervisor for its frames;
 * its successor goes on.
 */
#include "tests/harness/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "shm/atomic.h"
#include "shm/front.h"
#include "shm/passwords.h"
#include "shm/sandbox/sandbox.h"
#include "tests/harness/attack.h"

int __real_sandbox_enter(struct role *role, const struct sandbox_policy *policy);
int __wrap_sandbox_enter(struct role *role, const struct sandbox_policy *policy);
int __real_io_uring_queue_init_params(
    unsigned entries, struct io_uring *ring, struct io_uring_params *params);
int __wrap_io_uring_queue_init_params(
    unsigned entries, struct io_uring *ring, struct io_uring_params *params);
int __real_front_attach(struct front *front, const char *instance, uint32_t index, uint64_t epoch,
    const struct front_geometry *geometry, const struct region_identity *store, int worker);
int __wrap_front_attach(struct front *front, const char *instance, uint32_t index, uint64_t epoch,
    const struct front_geometry *geometry, const struct region_identity *store, int worker);

struct password_asks *__real_passwords_map_asks(int fd, int protection);
struct password_asks *__wrap_passwords_map_asks(int fd, int protection);
struct password_answers *__real_passwords_map_answers(int fd, int protection);
struct password_answers *__wrap_passwords_map_answers(int fd, int protection);

static struct {
	struct io_uring *ring;
	void *jobs;              /* of a frontd and its hasher: the part that is for reading */
	struct front *front;
	struct role *role;
	struct probe_file *file;
	char worker_memory[64];
	char shard_path[100];
	char durable_path[100];
	int data_fd;             /* DIR for persistd, else AT_FDCWD */
	char data_store[240];
	char beside[240];
	pid_t worker;
	pid_t supervisor;
} inside;

int
__wrap_io_uring_queue_init_params(
    unsigned entries, struct io_uring *ring, struct io_uring_params *params)
{
	inside.ring = ring;
	return __real_io_uring_queue_init_params(entries, ring, params);
}

int
__wrap_front_attach(struct front *front, const char *instance, uint32_t index, uint64_t epoch,
    const struct front_geometry *geometry, const struct region_identity *store, int worker)
{
	if (worker == FRONT_MAP_ALL)
		inside.front = front;
	return __real_front_attach(front, instance, index, epoch, geometry, store, worker);
}

struct password_asks *
__wrap_passwords_map_asks(int fd, int protection)
{
	struct password_asks *asks = __real_passwords_map_asks(fd, protection);

	if (protection == PROT_READ)
		inside.jobs = asks;
	return asks;
}

struct password_answers *
__wrap_passwords_map_answers(int fd, int protection)
{
	struct password_answers *answers = __real_passwords_map_answers(fd, protection);

	if (protection == PROT_READ)
		inside.jobs = answers;
	return answers;
}

/* --- tries: below 0 and errno, or what works --- */

static long try_open_passwd(void) { return open("/etc/passwd", O_RDONLY); }
static long
try_open_data_directory(void)
{
	return openat(
	    inside.data_fd, inside.data_fd == AT_FDCWD ? inside.data_store : "store", O_RDONLY);
}
static long
try_open_beside_data(void)
{
	return openat(
	    inside.data_fd, inside.data_fd == AT_FDCWD ? inside.beside : "../log", O_RDONLY);
}
static long
try_make_file_elsewhere(void)
{
	return open(inside.file->outside, O_WRONLY | O_CREAT, 0600);
}
static long try_shard_by_name(void) { return open(inside.shard_path, O_RDWR); }
static long try_durable_by_name(void) { return open(inside.durable_path, O_RDONLY); }
static long try_memory_of_worker(void) { return open(inside.worker_memory, O_RDWR); }
static long try_descriptor_again(void) { return open("/proc/self/fd/3", O_RDWR); }
static long try_eventfd_new(void) { return eventfd(0, 0); }
static long
try_link_file(void)
{
	return linkat(AT_FDCWD, inside.data_store, AT_FDCWD, inside.file->outside, 0);
}
static long
try_random_bytes(void)
{
	char bytes[8];
	return getrandom(bytes, sizeof(bytes), 0) == sizeof(bytes) ? 0 : -1;
}
static long
try_clock(void)
{
	struct timespec now;
	return syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
}
static long
try_signal_a_thread_elsewhere(void)
{
	return syscall(SYS_tgkill, inside.supervisor, inside.supervisor, 0);
}

static long
try_registry_writable(void)
{
	return mprotect(inside.role->registry.region.base, 4096, PROT_READ | PROT_WRITE);
}

static long
try_jobs_writable(void)
{
	return mprotect(inside.jobs, 4096, PROT_READ | PROT_WRITE);
}

static long
try_executable_memory(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	        MAP_FAILED
	    ? -1
	    : 0;
}

static long
try_executable_data(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page == MAP_FAILED ? 0 : mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static long
try_new_process(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid;
}

static void *
be_a_thread(void *context)
{
	*(int *)context = 1;
	return malloc(
	    100000); /* an arena of its own, for which glibc asks how many CPUs there are */
}

static long
try_new_thread(void)
{
	pthread_t thread;
	void *memory = NULL;
	int has_run = 0, error = pthread_create(&thread, NULL, be_a_thread, &has_run);

	if (error == 0)
		error = pthread_join(thread, &memory);
	free(memory);
	errno = error;
	return error == 0 && has_run && memory != NULL ? 0 : -1;
}

static long
try_ring_register_probe(void)
{
	char probe[4096] = { 0 };

	return syscall(SYS_io_uring_register, inside.ring != NULL ? inside.ring->ring_fd : 0,
	    IORING_REGISTER_PROBE, probe, 1);
}

/* What was prepared, through the daemon's own ring; nothing else is in it yet. */
static long
ring_try(void)
{
	struct io_uring_cqe *cqe;
	long result;

	if (io_uring_submit(inside.ring) < 0)
		return 0;
	if (io_uring_wait_cqe(inside.ring, &cqe) != 0)
		return 0;
	result = cqe->res;
	io_uring_cqe_seen(inside.ring, cqe);
	if (result < 0)
		errno = (int)-result;
	return result < 0 ? -1 : result;
}

static long
try_ring_openat(void)
{
	io_uring_prep_openat(io_uring_get_sqe(inside.ring), AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
	return ring_try();
}

static long
try_ring_socket(void)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(inside.ring);

	io_uring_prep_rw(IORING_OP_SOCKET, sqe, AF_INET, NULL, 0, SOCK_STREAM);
	return ring_try();
}

static long
try_ring_connect(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(80) };

	io_uring_prep_connect(
	    io_uring_get_sqe(inside.ring), LISTEN_FD, (struct sockaddr *)&address, sizeof(address));
	return ring_try();
}

static long
try_ring_sendmsg(void)
{
	struct msghdr message = { 0 };

	io_uring_prep_sendmsg(io_uring_get_sqe(inside.ring), HAND_FD, &message, MSG_DONTWAIT);
	return ring_try();
}

static long
try_ring_unlink_elsewhere(void)
{
	io_uring_prep_unlinkat(io_uring_get_sqe(inside.ring), AT_FDCWD, inside.beside, 0);
	return ring_try();
}

static long
try_ring_rename_elsewhere(void)
{
	io_uring_prep_renameat(io_uring_get_sqe(inside.ring), AT_FDCWD, inside.beside, AT_FDCWD,
	    inside.file->outside, 0);
	return ring_try();
}

static long
try_exec(void)
{
	char *argv[] = { "true", NULL }, *envp[] = { NULL };

	return execve("/bin/true", argv, envp);
}

static long try_socket_new(void) { return socket(AF_INET, SOCK_STREAM, 0); }
static long
try_bind_tcp(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	return bind(LISTEN_FD, (struct sockaddr *)&any, sizeof(any));
}
static long try_trace_worker(void) { return ptrace(PTRACE_SEIZE, inside.worker, NULL, NULL); }
static long try_kill_worker(void) { return kill(inside.worker, 0); }
static long try_kill_supervisor(void) { return kill(inside.supervisor, 0); }
static long try_pidfd_of_worker(void) { return syscall(SYS_pidfd_open, inside.worker, 0); }
static long try_become_root(void) { return setresuid(0, 0, 0); }
static long try_mount_something(void) { return mount("none", "/mnt", "tmpfs", 0, NULL); }
static long try_new_root(void) { return chroot("/"); }
static long try_new_namespace(void) { return unshare(CLONE_NEWUSER); }
static long try_load_module(void) { return syscall(SYS_init_module, NULL, 0, ""); }
static long try_handle_faults(void) { return syscall(SYS_userfaultfd, O_CLOEXEC); }
static long try_keyring(void) { return syscall(SYS_keyctl, 0, -3, 0); }
static long try_memory_file(void) { return memfd_create("x", 0); }

static long
try_connect_tcp(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(9) };

	return connect(LISTEN_FD, (struct sockaddr *)&address, sizeof(address));
}

static long
try_ring_new(void)
{
	struct io_uring_params params = { 0 };

	return syscall(SYS_io_uring_setup, 4, &params);
}

static long
touch_worker(int number)
{
	char byte;
	struct iovec here = { &byte, 1 }, there = { inside.role, 1 };

	return syscall(number, inside.worker, &here, 1, &there, 1, 0);
}

static long try_read_worker(void) { return touch_worker(SYS_process_vm_readv); }
static long try_write_worker(void) { return touch_worker(SYS_process_vm_writev); }

static long
try_load_bpf(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1
	};

	return syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
}

static long
try_watch_kernel(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE, .size = sizeof(attr), .config = PERF_COUNT_SW_CPU_CLOCK
	};

	return syscall(SYS_perf_event_open, &attr, -1, 0, -1, 0);
}

static const struct {
	long (*attempt)(void);
	enum probe_end end[ROLE_HASHER + 1];
} probes[] = {
#define X(name, front, worker, persist, hasher) \
	{ try_##name, { PROBE_##front, PROBE_##worker, PROBE_##persist, PROBE_##hasher } },
	PROBES(X)
#undef X
};

/* --- trying --- */

/* In a child that enters the sandbox as the process will.  The child must not come back. */
static void
try_in_child(struct role *role, const struct sandbox_policy *policy, struct probe_report *report,
    enum probe probe)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		role->parent = 0; /* its parent is this process */
		if (__real_sandbox_enter(role, policy) != 0)
			_exit(2);
		(void)probes[probe].attempt(); /* its end is the answer */
		_exit(1);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return;
	report->tries[probe].end = WIFSIGNALED(status) ? PROBE_KILLED : PROBE_WORKS;
	report->tries[probe].error = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

static void
try_here(struct probe_report *report, enum probe probe)
{
	errno = 0;
	bool is_refused = probes[probe].attempt() < 0;

	report->tries[probe].end = is_refused ? PROBE_REFUSED : PROBE_WORKS;
	report->tries[probe].error = is_refused ? errno : 0;
}

static struct probe_file *
map_file(void)
{
	const char *path = getenv(PROBE_FILE);
	int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
	void *file = fd < 0
	    ? MAP_FAILED
	    : mmap(NULL, sizeof(struct probe_file), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (fd >= 0)
		close(fd);
	return file == MAP_FAILED ? NULL : file;
}

static void
look_around(struct role *role)
{
	inside.role = role;
	inside.data_fd = role->kind == ROLE_PERSIST ? DATA_DIR_FD : AT_FDCWD;
	inside.supervisor = getppid();
	/*
	 * A worker that was started before us; the workers themselves and persistd take persistd,
	 * or the supervisor, and a hasher, who knows nobody, its parent.
	 */
	if (role->kind != ROLE_HASHER)
		inside.worker = role->registry.shared->slot[role->kind == ROLE_WORKER ? SLOT_PERSIST : SLOT_WORKER(0)].pid;
	if (inside.worker <= 0)
		inside.worker = inside.supervisor;
	snprintf(
	    inside.worker_memory, sizeof(inside.worker_memory), "/proc/%d/mem", (int)inside.worker);
	snprintf(inside.shard_path, sizeof(inside.shard_path), "/dev/shm/chasqui.%s.shard.0",
	    role->instance);
	snprintf(inside.durable_path, sizeof(inside.durable_path), "/dev/shm/chasqui.%s.durable",
	    role->instance);
	snprintf(inside.data_store, sizeof(inside.data_store), "%s/store", inside.file->data);
	snprintf(inside.beside, sizeof(inside.beside), "%s/../log", inside.file->data);
}

/* --- a hostile frontd --- */

/* Not those that would only make it wait for ever. */
static bool
waits_for_ever(long number)
{
	return number == SYS_pause || number == SYS_futex || number == SYS_clock_nanosleep ||
	    number == SYS_nanosleep || number == SYS_read || number == SYS_recvmsg ||
	    number == SYS_io_uring_enter || number == SYS_exit_group;
}

static void
call_by_chance(struct attack_source *source)
{
	long arguments[6];
	long number = attack_choose(source, 470);

	for (unsigned i = 0; i < 6; i++)
		arguments[i] = attack_choose(source, 4) == 0 ? (long)attack_choose(source, 200)
		                                             : (long)(intptr_t)inside.role;
	if (waits_for_ever(number) || number == SYS_munmap || number == SYS_brk ||
	    number == SYS_mremap)
		return;
	(void)syscall(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
	    arguments[5]);
	inside.file->hostile_calls++;
}

static void __attribute__((noreturn))
attack_for_ever(struct role *role)
{
	struct attack_source source = { .seed = inside.file->hostile_seed + role->epoch };
	struct front *front = inside.front;
	struct attack attack;

	attack_begin(&attack, &source,
	    &(struct front_rings){ .pair = &front->shared->worker[0],
	        .request_bytes = front->request_bytes[0],
	        .reply_bytes = front->reply_bytes[0],
	        .request_size_bytes = front->geometry.request_bytes,
	        .reply_size_bytes = front->geometry.reply_bytes },
	    16);
	role_is_ready(role);
	while (!load_relaxed(&inside.file->hostile_begins))
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ .tv_nsec = 1000000 },
		    NULL); /* too early: once more */
	for (uint64_t turn = 0;; turn++) {
		attack_step(&attack, turn % 64 == 63 ? 8 : 0);
		(void)attack_take_replies(&attack);
		inside.file->hostile_frames++;
		if (turn % 256 == 255)
			call_by_chance(&source);
	}
}

int
__wrap_sandbox_enter(struct role *role, const struct sandbox_policy *policy)
{
	struct probe_report *report;
	int result;

	inside.file = map_file();
	if (inside.file == NULL)
		return __real_sandbox_enter(role, policy);
	look_around(role);
	if (role->kind == ROLE_FRONT && inside.file->hostile_front == role->index + 1) {
		if (__real_sandbox_enter(role, policy) == 0)
			attack_for_ever(role);
		return -1;
	}
	report = &inside.file->report[role->kind == ROLE_HASHER ? PROBE_HASHER : role->slot];
	for (enum probe probe = 0; probe < PROBE_COUNT && role->epoch == 1; probe++) {
		if (probes[probe].end[role->kind] == PROBE_KILLED)
			try_in_child(role, policy, report, probe);
	}
	result = __real_sandbox_enter(role, policy);
	for (enum probe probe = 0; probe < PROBE_COUNT && role->epoch == 1 && result == 0;
	     probe++) {
		if (probes[probe].end[role->kind] != PROBE_KILLED &&
		    probes[probe].end[role->kind] != PROBE_UNTRIED)
			try_here(report, probe);
	}
	/* The report is whole.  Pairs with the test's load_acquire. */
	store_release(&report->is_done, 1);
	return result;
}
