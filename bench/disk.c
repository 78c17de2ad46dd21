/*
 * disk: how many bytes a second this disk takes for good: appends of 1 MiB into zero-filled space, O_DIRECT and O_DSYNC, two in
 * flight.  No journal can be faster.  One line: the rate in messages of 1 KiB a second, and the latency of an append.
 *
 *   disk FILE SECONDS
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shm/clock.h"
#include "cli/traffic/latency.h"

#define APPEND_BYTES (1u << 20)
#define IN_FLIGHT 2
#define FILE_BYTES (512u << 20)
#define MESSAGE_BYTES 1024u

static struct latency latency;
static uint64_t began_ns[IN_FLIGHT];

static void
die(const char *what)
{
	fprintf(stderr, "disk: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* The file full of zeros, opened as a journal is. */
static int
prepare(const char *path, const char *zeros)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		die(path);
	for (off_t at = 0; at < FILE_BYTES; at += APPEND_BYTES)
		if (pwrite(fd, zeros, APPEND_BYTES, at) != APPEND_BYTES)
			die(path);
	if (fsync(fd) != 0)
		die(path);
	close(fd);
	fd = open(path, O_RDWR | O_DIRECT | O_DSYNC | O_CLOEXEC);
	if (fd < 0)
		die(path);
	unlink(path);
	return fd;
}

static void
append(struct io_uring *ring, int fd, const char *bytes, unsigned flight, uint64_t number)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	io_uring_prep_write(sqe, fd, bytes, APPEND_BYTES, number * APPEND_BYTES % FILE_BYTES);
	sqe->user_data = flight;
	began_ns[flight] = now_ns();
}

int
main(int argc, char **argv)
{
	char *bytes = aligned_alloc(4096, APPEND_BYTES);
	uint64_t appended = 0, landed = 0, start_ns, until_ns;
	struct io_uring_cqe *cqe;
	struct io_uring ring;

	if (argc != 3 || bytes == NULL || atof(argv[2]) <= 0) {
		fprintf(stderr, "usage: disk FILE SECONDS\n");
		return 2;
	}
	memset(bytes, 0, APPEND_BYTES);
	int fd = prepare(argv[1], bytes);
	errno = -io_uring_queue_init(IN_FLIGHT * 2, &ring, 0);
	if (errno != 0)
		die("io_uring");
	memset(bytes, 'x', APPEND_BYTES);
	start_ns = now_ns();
	until_ns = start_ns + (uint64_t)(atof(argv[2]) * 1e9);
	for (unsigned flight = 0; flight < IN_FLIGHT; flight++)
		append(&ring, fd, bytes, flight, appended++);
	while (landed < appended) {
		if (io_uring_submit_and_wait(&ring, 1) < 0 || io_uring_wait_cqe(&ring, &cqe) != 0)
			die("io_uring");
		if (cqe->res != (int)APPEND_BYTES) {
			errno = cqe->res < 0 ? -cqe->res : EIO;
			die("a write");
		}
		unsigned flight = (unsigned)cqe->user_data;
		io_uring_cqe_seen(&ring, cqe);
		latency_add(&latency, now_ns() - began_ns[flight], 1);
		landed++;
		if (now_ns() < until_ns)
			append(&ring, fd, bytes, flight, appended++);
	}
	double seconds = (double)(now_ns() - start_ns) / 1e9;
	printf("point=disk-1M operations=%llu seconds=%.3f rate=%.0f p50=%.1f p99=%.1f cpu=0 foreign=0\n", (unsigned long long)landed,
	    seconds, (double)landed * (APPEND_BYTES / MESSAGE_BYTES) / seconds, latency_quantile_us(&latency, 0.5),
	    latency_quantile_us(&latency, 0.99));
	return 0;
}
