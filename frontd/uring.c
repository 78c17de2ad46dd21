/*
 * Happy path: uring_open() tries the flags of `ladder` from the best down; each turn ends in uring_turn().
 *
 * Why these operations and no others (measurements in docs/performance.md): one-shot RECEIVE with ring-mapped buffers gives
 * back-pressure for nothing and holds no buffer while a client is silent; POLL_FIRST lets it stay armed when all buffers are
 * out (it then ends in ENOBUFS only when data comes, and is simply started again).  Multishot receive, bundles and
 * incremental buffers each had kernels that lost or swapped bytes; SEND_ZC copies on loopback; linked timeouts are slower
 * than a wheel of our own.
 */
#include "frontd/uring.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <liburing.h>

#include "shm/diag.h"

#define SQ_ENTRIES 1024u
#define CQ_FACTOR 8u
#define BUFFER_GROUP 1

struct uring {
	struct io_uring ring;
	struct io_uring_buf_ring *buffers;
	char *buffer_bytes;
	uint32_t buffer_count;
	uint32_t given_back;  /* since the last turn */
	uint32_t sent_now;    /* by uring_send_now(), not submitted yet */
	uint64_t enters;
	bool accept_oneshot;
	bool wants_restricted;
	bool is_restricted;
};

/* All that a frontd starts. */
static const struct {
	uint8_t op;
	const char *name;
} operations[] = {
	{ IORING_OP_ACCEPT, "ACCEPT" }, { IORING_OP_RECV, "RECV" }, { IORING_OP_SENDMSG, "SENDMSG" }, { IORING_OP_SEND, "SEND" },
	{ IORING_OP_READ, "READ" }, { IORING_OP_WRITE, "WRITE" }, { IORING_OP_SHUTDOWN, "SHUTDOWN" }, { IORING_OP_CLOSE, "CLOSE" },
	{ IORING_OP_ASYNC_CANCEL, "ASYNC_CANCEL" },
};
#define OPERATION_COUNT (sizeof(operations) / sizeof(operations[0]))

/* From the best down.  DEFER_TASKRUN (6.1) is worth 25 % CPU; without any flag io_uring is slower than epoll. */
static const struct {
	unsigned flags;
	const char *names;
} ladder[] = {
	{ IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL, "SINGLE_ISSUER|DEFER_TASKRUN" },
	{ IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL, "COOP_TASKRUN" },
	{ 0, "none" },
};

static long
read_number(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	return n > 0 ? atol(text) : -1;
}

static bool
is_under_seccomp(void)
{
	char line[256];
	bool found = false;
	FILE *status = fopen("/proc/self/status", "re");

	if (status == NULL)
		return false;
	while (fgets(line, sizeof(line), status) != NULL)
		if (strncmp(line, "Seccomp:\t2", 10) == 0)
			found = true;
	fclose(status);
	return found;
}

/* Cause and cure of a refusal. */
static void
uring_diag_refusal(int error)
{
	struct rlimit limit = { 0, 0 };
	long disabled;

	switch (error) {
	case ENOSYS:
		diag(DIAG_ERROR, "io_uring: this kernel does not have it; Chasqui needs Linux 6.1 or later (gVisor has none)");
		return;
	case EPERM:
		disabled = read_number("/proc/sys/kernel/io_uring_disabled");
		if (disabled > 0)
			diag(DIAG_ERROR, "io_uring: forbidden by kernel.io_uring_disabled = %ld; run `sysctl -w "
			    "kernel.io_uring_disabled=0`, or set it to 1 and kernel.io_uring_group to group %u", disabled,
			    (unsigned)getegid());
		else if (is_under_seccomp())
			diag(DIAG_ERROR, "io_uring: forbidden by a seccomp profile, as containers have by default; run with "
			    "`docker run --security-opt seccomp=docker-seccomp.json`, which allows io_uring_setup, _enter "
			    "and _register");
		else
			diag(DIAG_ERROR, "io_uring: forbidden (EPERM) by a security module; allow it for this program");
		return;
	case ENOMEM:
		(void)getrlimit(RLIMIT_MEMLOCK, &limit); /* 0 is shown */
		diag(DIAG_ERROR, "io_uring: not enough locked memory (limit %llu, at most %llu bytes); set LimitMEMLOCK=infinity "
		    "or `--ulimit memlock=-1:-1` in a container", (unsigned long long)limit.rlim_cur,
		    (unsigned long long)limit.rlim_max);
		return;
	default:
		errno = error;
		diag_errno("io_uring: refused by the kernel with every set of flags; Chasqui needs Linux 6.1 or later");
	}
}

/* Down the ladder on EINVAL; half the size on ENOMEM, twice.  The rung, or -errno. */
static int
uring_try(struct uring *uring)
{
	unsigned entries = SQ_ENTRIES, halvings = 0;
	size_t rung = 0;

	while (rung < sizeof(ladder) / sizeof(ladder[0])) {
		struct io_uring_params params = {
			.flags = ladder[rung].flags | IORING_SETUP_CQSIZE |
			    (uring->wants_restricted ? IORING_SETUP_R_DISABLED : 0),
			.cq_entries = entries * CQ_FACTOR,
		};
		int error = io_uring_queue_init_params(entries, &uring->ring, &params);
		if (error == 0)
			return (int)rung;
		if (error == -EINVAL)
			rung++;
		else if (error == -ENOMEM && halvings++ < 2)
			entries /= 2;
		else
			return error;
	}
	return -EINVAL;
}

static bool
uring_has_operations(struct uring *uring)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(&uring->ring);
	bool has_all = true;

	if (probe == NULL) {
		diag(DIAG_ERROR, "io_uring: the kernel does not tell its operations; Chasqui needs Linux 6.1 or later");
		return false;
	}
	for (size_t i = 0; i < OPERATION_COUNT; i++)
		if (!io_uring_opcode_supported(probe, operations[i].op)) {
			diag(DIAG_ERROR, "io_uring: the kernel has no operation %s; Chasqui needs Linux 6.1 or later",
			    operations[i].name);
			has_all = false;
		}
	io_uring_free_probe(probe);
	return has_all;
}

/* Anonymous memory, page aligned; NULL and errno. */
static void *
map_pages(size_t bytes)
{
	void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return pages == MAP_FAILED ? NULL : pages;
}

static void
buffer_add(struct uring *uring, uint16_t buffer)
{
	io_uring_buf_ring_add(uring->buffers, uring->buffer_bytes + (size_t)buffer * URING_BUFFER_BYTES, URING_BUFFER_BYTES,
	    buffer, io_uring_buf_ring_mask(uring->buffer_count), (int)uring->given_back);
	uring->given_back++;
}

static void
buffers_advance(struct uring *uring)
{
	if (uring->given_back == 0)
		return;
	io_uring_buf_ring_advance(uring->buffers, (int)uring->given_back);
	uring->given_back = 0;
}

static int
uring_open_buffers(struct uring *uring)
{
	uring->buffers = map_pages(uring->buffer_count * sizeof(struct io_uring_buf));
	uring->buffer_bytes = map_pages((size_t)uring->buffer_count * URING_BUFFER_BYTES);
	if (uring->buffers == NULL || uring->buffer_bytes == NULL) {
		diag_errno("cannot map %u receive buffers; lower server.receive_buffers", uring->buffer_count);
		return -1;
	}
	struct io_uring_buf_reg registration = {
		.ring_addr = (uint64_t)(uintptr_t)uring->buffers,
		.ring_entries = uring->buffer_count,
		.bgid = BUFFER_GROUP,
	};
	int error = io_uring_register_buf_ring(&uring->ring, &registration, 0);
	if (error != 0) {
		uring_diag_refusal(-error);
		return -1;
	}
	io_uring_buf_ring_init(uring->buffers);
	for (uint32_t buffer = 0; buffer < uring->buffer_count; buffer++)
		buffer_add(uring, (uint16_t)buffer);
	buffers_advance(uring);
	return 0;
}

/* seccomp does not see what a ring is asked to do.  From here on it works, takes these operations only, and stays as it is. */
static bool
uring_restrict(struct uring *uring)
{
	struct io_uring_restriction rules[OPERATION_COUNT + 2] = { { 0 } };

	for (size_t i = 0; i < OPERATION_COUNT; i++)
		rules[i] = (struct io_uring_restriction){ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = operations[i].op };
	rules[OPERATION_COUNT] = (struct io_uring_restriction){ .opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED,
		.sqe_flags = IOSQE_BUFFER_SELECT };
	rules[OPERATION_COUNT + 1] = (struct io_uring_restriction){ .opcode = IORING_RESTRICTION_REGISTER_OP,
		.register_op = IORING_UNREGISTER_RING_FDS };
	/* liburing 2.3 declares calls for these two and forgot to export them. */
	long result = syscall(SYS_io_uring_register, uring->ring.ring_fd, IORING_REGISTER_RESTRICTIONS, rules, OPERATION_COUNT + 2);
	long enabled = syscall(SYS_io_uring_register, uring->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
	assert(enabled == 0); /* we made it disabled, in this thread */
	(void)enabled;
	return result == 0;
}

bool
uring_is_restricted(const struct uring *uring)
{
	return uring->is_restricted;
}

struct uring *
uring_open(const struct uring_options *options)
{
	assert(options->receive_buffers != 0);
	assert((options->receive_buffers & (options->receive_buffers - 1)) == 0);
	assert(options->receive_buffers <= 32768);

	struct uring *uring = calloc(1, sizeof(*uring));
	if (uring == NULL) {
		diag_errno("cannot allocate the ring");
		return NULL;
	}
	uring->buffer_count = options->receive_buffers;
	uring->accept_oneshot = options->accept_oneshot;
	uring->wants_restricted = options->wants_restricted;
	int rung = uring_try(uring);
	if (rung < 0) {
		uring_diag_refusal(-rung);
		free(uring);
		return NULL;
	}
	if (!uring_has_operations(uring))
		goto fail;
	if (uring_open_buffers(uring) != 0)
		goto fail;
	bool is_registered = io_uring_register_ring_fd(&uring->ring) == 1; /* saves a lookup a turn; nothing lost without */
	if (uring->wants_restricted)
		uring->is_restricted = uring_restrict(uring);
	diag(rung == 0 ? DIAG_DEBUG : DIAG_WARNING, "io_uring: flags %s, %u entries, %u receive buffers, ring %sregistered%s",
	    ladder[rung].names, uring->ring.sq.ring_entries, uring->buffer_count, is_registered ? "" : "not ",
	    rung == 0 ? "" : "; slower than it could be, Linux 6.1 has DEFER_TASKRUN");
	return uring;

fail:
	uring_free(uring);
	return NULL;
}

void
uring_free(struct uring *uring)
{
	if (uring == NULL)
		return;
	io_uring_queue_exit(&uring->ring);
	if (uring->buffers != NULL)
		munmap(uring->buffers, uring->buffer_count * sizeof(struct io_uring_buf));
	if (uring->buffer_bytes != NULL)
		munmap(uring->buffer_bytes, (size_t)uring->buffer_count * URING_BUFFER_BYTES);
	free(uring);
}

/* A free entry; when there is none, what was started so far is submitted first. */
static struct io_uring_sqe *
uring_entry(struct uring *uring)
{
	struct io_uring_sqe *entry = io_uring_get_sqe(&uring->ring);

	while (entry == NULL) {
		uring_turn(uring, 0);
		entry = io_uring_get_sqe(&uring->ring);
	}
	return entry;
}

void
uring_accept(struct uring *uring, int listen_fd, uint64_t tag)
{
	struct io_uring_sqe *entry = uring_entry(uring);

	if (uring->accept_oneshot)
		io_uring_prep_accept(entry, listen_fd, NULL, NULL, SOCK_CLOEXEC);
	else
		io_uring_prep_multishot_accept(entry, listen_fd, NULL, NULL, SOCK_CLOEXEC);
	entry->user_data = tag;
}

void
uring_receive(struct uring *uring, int fd, uint64_t tag)
{
	struct io_uring_sqe *entry = uring_entry(uring);

	io_uring_prep_recv(entry, fd, NULL, URING_BUFFER_BYTES, 0);
	entry->ioprio |= IORING_RECVSEND_POLL_FIRST;
	entry->flags |= IOSQE_BUFFER_SELECT;
	entry->buf_group = BUFFER_GROUP;
	entry->user_data = tag;
}

void
uring_receive_into(struct uring *uring, int fd, uint64_t tag, void *room, size_t room_bytes)
{
	struct io_uring_sqe *entry = uring_entry(uring);

	/* Not MSG_WAITALL: progress has to be seen, and measured it saves nothing. */
	io_uring_prep_recv(entry, fd, room, room_bytes, 0);
	entry->user_data = tag;
}

/* Neither waits for all (MSG_WAITALL): a reader that takes nothing for 30 s must be told from a slow one. */
void
uring_send(struct uring *uring, int fd, uint64_t tag, const void *bytes, size_t count)
{
	struct io_uring_sqe *entry = uring_entry(uring);

	io_uring_prep_send(entry, fd, bytes, count, MSG_NOSIGNAL);
	entry->user_data = tag;
}

void
uring_send_now(struct uring *uring, int fd, uint64_t tag, const void *bytes, size_t count)
{
	struct io_uring_sqe *entry = uring_entry(uring);

	/* MSG_DONTWAIT: it is not put off until there is room, so its completion stands in the queue once it is submitted. */
	io_uring_prep_send(entry, fd, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);
	entry->user_data = tag;
	uring->sent_now++;
}

void
uring_send_message(struct uring *uring, int fd, uint64_t tag, const struct msghdr *message)
{
	struct io_uring_sqe *entry = uring_entry(uring);

	io_uring_prep_sendmsg(entry, fd, message, MSG_NOSIGNAL);
	entry->user_data = tag;
}

void
uring_read_event(struct uring *uring, int event_fd, uint64_t tag, uint64_t *count)
{
	struct io_uring_sqe *entry = uring_entry(uring);

	io_uring_prep_read(entry, event_fd, count, sizeof(*count), 0);
	entry->user_data = tag;
}

void
uring_append(struct uring *uring, int fd, uint64_t tag, const void *bytes, size_t count, bool is_durable)
{
	struct io_uring_sqe *entry = uring_entry(uring);

	io_uring_prep_write(entry, fd, bytes, (unsigned)count, UINT64_MAX);
	entry->rw_flags = is_durable ? RWF_DSYNC : 0;
	entry->user_data = tag;
}

void
uring_shutdown(struct uring *uring, int fd, uint64_t tag, int how)
{
	struct io_uring_sqe *entry = uring_entry(uring);

	io_uring_prep_shutdown(entry, fd, how);
	entry->user_data = tag;
}

void
uring_close(struct uring *uring, int fd, uint64_t tag)
{
	struct io_uring_sqe *entry = uring_entry(uring);

	io_uring_prep_close(entry, fd);
	entry->user_data = tag;
}

void
uring_cancel(struct uring *uring, uint64_t target, uint64_t tag)
{
	struct io_uring_sqe *entry = uring_entry(uring);

	/* By user_data: 1 to 5 us.  By descriptor it would walk everything that is armed. */
	io_uring_prep_cancel64(entry, target, 0);
	entry->user_data = tag;
}

void
uring_turn(struct uring *uring, uint64_t wait_ns)
{
	/* After several answers the next requests are on their way already: the turn that their completions make finds some. */
	unsigned wanted = uring->sent_now == 1 ? 2 : 1;
	int result;

	buffers_advance(uring);
	uring->enters++;
	uring->sent_now = 0;
	if (wait_ns == 0) {
		result = io_uring_submit_and_get_events(&uring->ring);
	} else {
		struct __kernel_timespec limit = {
			.tv_sec = (long long)(wait_ns / 1000000000), .tv_nsec = (long long)(wait_ns % 1000000000)
		};
		struct io_uring_cqe *first;
		result = io_uring_submit_and_wait_timeout(&uring->ring, &first, wanted, &limit, NULL);
	}
	if (result >= 0)
		return;
	switch (-result) {
	case ETIME:
	case EINTR:
	case EAGAIN: /* no memory for a request now; it stays in the queue */
	case EBUSY:  /* completions must be taken first */
		return;
	default:
		errno = -result;
		diag_errno("io_uring_enter");
		abort(); /* the ring is ours alone: this is a bug, and the supervisor starts us anew */
	}
}

unsigned
uring_reap(struct uring *uring, struct uring_completion *completions, unsigned max)
{
	struct io_uring_cqe *cqe;
	unsigned head, count = 0;

	io_uring_for_each_cqe(&uring->ring, head, cqe) {
		if (count == max)
			break;
		struct uring_completion *completion = &completions[count++];
		*completion = (struct uring_completion){
			.tag = cqe->user_data,
			.result = cqe->res,
			.has_buffer = (cqe->flags & IORING_CQE_F_BUFFER) != 0,
			.has_more = (cqe->flags & IORING_CQE_F_MORE) != 0,
		};
		if (completion->has_buffer) {
			completion->buffer = (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
			assert(completion->buffer < uring->buffer_count);
			completion->bytes = uring->buffer_bytes + (size_t)completion->buffer * URING_BUFFER_BYTES;
		}
	}
	io_uring_cq_advance(&uring->ring, count);
	return count;
}

bool
uring_has_completions(const struct uring *uring)
{
	return io_uring_cq_ready(&uring->ring) != 0;
}

void
uring_give_back(struct uring *uring, const struct uring_completion *completion)
{
	if (completion->has_buffer)
		buffer_add(uring, completion->buffer);
}

uint64_t
uring_enters(const struct uring *uring)
{
	return uring->enters;
}
