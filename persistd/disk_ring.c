/*
 * disk_ring: the half of disk.h that goes through io_uring.  One ring for the process, made by the thread that uses it.
 */
#include "persistd/disk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shm/diag.h"

/* Commits, one step of a spare segment, cold reads and the eventfd: well below this. */
#define RING_ENTRIES 64

struct disk {
	struct io_uring ring;
	uint64_t wake_count;  /* what the eventfd's read brings; not looked at */
	uint32_t pending;
	bool is_wake_armed;
	bool is_restricted;
};

static uint64_t
tag_pack(struct disk_tag tag)
{
	return (uint64_t)tag.user << 32 | tag.number;
}

static struct disk_tag
tag_unpack(uint64_t packed)
{
	return (struct disk_tag){ .user = (enum disk_user)(packed >> 32), .number = (uint32_t)packed };
}

static int
sysctl_disabled(void)
{
	FILE *file = fopen("/proc/sys/kernel/io_uring_disabled", "r");
	int value = 0;

	if (file != NULL) {
		if (fscanf(file, "%d", &value) != 1)
			value = 0;
		fclose(file);
	}
	return value;
}

/* Cause and cure of a refused ring, by errno. */
static void
explain_refusal(int error)
{
	struct rlimit limit = { 0 };

	errno = error;
	switch (error) {
	case ENOSYS:
		diag_errno("io_uring is not there; Chasqui needs Linux 6.1 or later (gVisor has none)");
		break;
	case EPERM:
		if (sysctl_disabled() != 0)
			diag_errno("io_uring is switched off; run `sysctl -w kernel.io_uring_disabled=0` or put our group into "
			    "kernel.io_uring_group");
		else
			diag_errno("io_uring is refused, probably by a seccomp profile; run the container with "
			    "`--security-opt seccomp=conf/docker-seccomp.json`");
		break;
	case ENOMEM:
		(void)getrlimit(RLIMIT_MEMLOCK, &limit); /* stays 0 */
		diag_errno("io_uring gets no memory (locked memory: limit %" PRIu64 " bytes); set LimitMEMLOCK=infinity "
		    "or `--ulimit memlock=-1:-1`", (uint64_t)limit.rlim_cur);
		break;
	default:
		diag_errno("io_uring cannot be set up; Chasqui needs Linux 6.1 or later");
	}
}

/* The best flags the kernel takes; the plain ones are 30 % dearer but right. */
static int
ring_init_best(struct io_uring *ring, unsigned flags_too)
{
	static const struct { unsigned flags; const char *name; } ladder[] = {
		/* TASKRUN_FLAG: a look at the completions finds those that still wait for us to enter the kernel. */
		{ IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
		    IORING_SETUP_SUBMIT_ALL, "defer_taskrun" },
		{ IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL, "coop_taskrun" },
		{ 0, "no flags" },
	};
	int result = -EINVAL;

	for (unsigned i = 0; i < sizeof(ladder) / sizeof(ladder[0]) && result == -EINVAL; i++) {
		struct io_uring_params params = { .flags = ladder[i].flags | flags_too };

		result = io_uring_queue_init_params(RING_ENTRIES, ring, &params);
		if (result == 0)
			diag(i == 0 ? DIAG_DEBUG : DIAG_WARNING, "io_uring with %s", ladder[i].name);
	}
	return result;
}

/* seccomp does not see what a ring is asked to do.  From here on it works, and takes these operations only. */
static bool
ring_restrict(struct io_uring *ring)
{
	static const uint8_t operations[] = { IORING_OP_READ, IORING_OP_WRITE, IORING_OP_FALLOCATE, IORING_OP_FSYNC,
		IORING_OP_RENAMEAT, IORING_OP_UNLINKAT };
	struct io_uring_restriction rules[sizeof(operations) + 1] = { { 0 } };

	for (unsigned i = 0; i < sizeof(operations); i++)
		rules[i] = (struct io_uring_restriction){ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = operations[i] };
	rules[sizeof(operations)] = (struct io_uring_restriction){ .opcode = IORING_RESTRICTION_REGISTER_OP,
		.register_op = IORING_UNREGISTER_RING_FDS };
	/* liburing 2.3 declares calls for these two and forgot to export them. */
	long result = syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_RESTRICTIONS, rules, sizeof(operations) + 1);
	long enabled = syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
	assert(enabled == 0); /* we made it disabled, in this thread */
	(void)enabled;
	return result == 0;
}

struct disk *
disk_open(bool wants_restricted)
{
	struct disk *disk = calloc(1, sizeof(*disk));

	if (disk == NULL) {
		diag_errno("no memory for the disk ring");
		return NULL;
	}
	int result = ring_init_best(&disk->ring, wants_restricted ? IORING_SETUP_R_DISABLED : 0);
	if (result < 0) {
		explain_refusal(-result);
		free(disk);
		return NULL;
	}
	/* Saves a look-up of the descriptor in every call; refused before 5.18, and nothing depends on it. */
	(void)io_uring_register_ring_fd(&disk->ring);
	/* Buffered reads, renames and allocations go to kernel threads: two are enough for what runs in the background. */
	unsigned workers[2] = { 2, 2 };
	(void)io_uring_register_iowq_max_workers(&disk->ring, workers);
	if (wants_restricted)
		disk->is_restricted = ring_restrict(&disk->ring);
	return disk;
}

bool
disk_is_restricted(const struct disk *disk)
{
	return disk->is_restricted;
}

void
disk_close(struct disk *disk)
{
	if (disk == NULL)
		return;
	io_uring_queue_exit(&disk->ring);
	free(disk);
}

static struct io_uring_sqe *
next_sqe(struct disk *disk)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&disk->ring);

	if (sqe == NULL) {
		disk_submit(disk);
		sqe = io_uring_get_sqe(&disk->ring);
	}
	assert(sqe != NULL);
	return sqe;
}

static struct io_uring_sqe *
queue(struct disk *disk, struct disk_tag tag)
{
	assert(tag.user != DISK_WAKE);

	disk->pending++;
	struct io_uring_sqe *sqe = next_sqe(disk);
	return sqe;
}

static void
queue_write(struct disk *disk, struct disk_tag tag, int fd, const void *from, uint32_t bytes, uint64_t offset, int flags)
{
	struct io_uring_sqe *sqe = queue(disk, tag);

	io_uring_prep_write(sqe, fd, from, bytes, offset);
	sqe->rw_flags = flags;
	io_uring_sqe_set_data64(sqe, tag_pack(tag));
}

void
disk_queue_commit(struct disk *disk, struct disk_tag tag, int fd, const void *from, uint32_t bytes, uint64_t offset)
{
	queue_write(disk, tag, fd, from, bytes, offset, RWF_DSYNC);
}

void
disk_queue_write(struct disk *disk, struct disk_tag tag, int fd, const void *from, uint32_t bytes, uint64_t offset)
{
	queue_write(disk, tag, fd, from, bytes, offset, 0);
}

void
disk_queue_read(struct disk *disk, struct disk_tag tag, int fd, void *to, uint32_t bytes, uint64_t offset)
{
	struct io_uring_sqe *sqe = queue(disk, tag);

	io_uring_prep_read(sqe, fd, to, bytes, offset);
	io_uring_sqe_set_data64(sqe, tag_pack(tag));
}

void
disk_queue_allocate(struct disk *disk, struct disk_tag tag, int fd, uint64_t bytes)
{
	struct io_uring_sqe *sqe = queue(disk, tag);

	io_uring_prep_fallocate(sqe, fd, 0, 0, (off_t)bytes);
	io_uring_sqe_set_data64(sqe, tag_pack(tag));
}

void
disk_queue_punch(struct disk *disk, struct disk_tag tag, int fd, uint64_t bytes)
{
	struct io_uring_sqe *sqe = queue(disk, tag);

	io_uring_prep_fallocate(sqe, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)bytes);
	io_uring_sqe_set_data64(sqe, tag_pack(tag));
}

void
disk_queue_sync(struct disk *disk, struct disk_tag tag, int fd)
{
	struct io_uring_sqe *sqe = queue(disk, tag);

	io_uring_prep_fsync(sqe, fd, 0);
	io_uring_sqe_set_data64(sqe, tag_pack(tag));
}

void
disk_queue_rename(struct disk *disk, struct disk_tag tag, int dir_fd, const char *from, const char *to)
{
	struct io_uring_sqe *sqe = queue(disk, tag);

	io_uring_prep_renameat(sqe, dir_fd, from, dir_fd, to, 0);
	io_uring_sqe_set_data64(sqe, tag_pack(tag));
}

void
disk_queue_unlink(struct disk *disk, struct disk_tag tag, int dir_fd, const char *name)
{
	struct io_uring_sqe *sqe = queue(disk, tag);

	io_uring_prep_unlinkat(sqe, dir_fd, name, 0);
	io_uring_sqe_set_data64(sqe, tag_pack(tag));
}

void
disk_submit(struct disk *disk)
{
	if (io_uring_sq_ready(&disk->ring) == 0)
		return;
	int result = io_uring_submit(&disk->ring);
	/* EAGAIN, EBUSY: the kernel is short of memory or completions wait to be reaped; what is queued stays queued. */
	assert(result >= 0 || result == -EAGAIN || result == -EBUSY || result == -EINTR);
}

bool
disk_reap(struct disk *disk, struct disk_completion *completion)
{
	struct io_uring_cqe *cqe;

	while (io_uring_peek_cqe(&disk->ring, &cqe) == 0) {
		uint64_t packed = io_uring_cqe_get_data64(cqe);
		int32_t result = cqe->res;

		io_uring_cqe_seen(&disk->ring, cqe);
		if (tag_unpack(packed).user == DISK_WAKE) {
			disk->is_wake_armed = false;
			continue;
		}
		assert(disk->pending > 0);
		disk->pending--;
		*completion = (struct disk_completion){ .tag = tag_unpack(packed), .result = result };
		return true;
	}
	return false;
}

uint32_t
disk_pending(const struct disk *disk)
{
	return disk->pending;
}

void
disk_park(struct disk *disk, int wake_fd, uint32_t timeout_ms)
{
	struct __kernel_timespec timeout = { .tv_sec = timeout_ms / 1000, .tv_nsec = (timeout_ms % 1000) * 1000000ll };
	struct io_uring_cqe *cqe;

	if (wake_fd >= 0 && !disk->is_wake_armed) {
		struct io_uring_sqe *sqe = next_sqe(disk);

		io_uring_prep_read(sqe, wake_fd, &disk->wake_count, sizeof(disk->wake_count), 0);
		io_uring_sqe_set_data64(sqe, tag_pack((struct disk_tag){ .user = DISK_WAKE }));
		disk->is_wake_armed = true;
	}
	int result = io_uring_submit_and_wait_timeout(&disk->ring, &cqe, 1, &timeout, NULL);
	assert(result >= 0 || result == -ETIME || result == -EINTR || result == -EAGAIN || result == -EBUSY);
}
