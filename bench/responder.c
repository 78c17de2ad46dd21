/*
 * responder: what HTTP and a disk allow on this machine, with no broker in between.  It answers each request with 201 and keeps
 * nothing of it but what its kind demands:
 *
 *   U    nothing: one process on io_uring; multishot accept and receive, provided buffers, one send for each burst
 *   J    the same, and each body is in a journal before its answer: batches of what gathered while the last one flew, one in
 *        flight, written asynchronously (O_DIRECT | O_DSYNC into a segment of zeros, used as a circle)
 *   JF   the same journal, written by a second process with a blocking pwrite: batch buffers in shared memory, a futex to wake
 *        it and an eventfd back.  It is the shape of Chasqui with no broker in it
 *
 *   responder PORT U | PORT J FILE | PORT JF FILE          "ready" on stdout, when all is prepared
 *
 * It knows the ends of heads and Content-Length, pipelined or in pieces, and nothing else: it is a limit, not a server.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/futex.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shm/atomic.h"

#define CONNECTIONS_MAX 20000u    /* descriptors */
#define RING_ENTRIES 2048u
#define BUFFERS 1024u             /* a power of two */
#define BUFFER_BYTES 32768u
#define BUFFER_GROUP 1
#define HEAD_BYTES_MAX 2048u
#define ANSWERS_MAX 256u          /* in one send */
#define BLOCK_BYTES 4096u
#define BATCH_BYTES_MAX (8u << 20)
#define BATCH_REQUESTS_MAX 65536u
#define SEGMENT_BYTES (256u << 20)

static const char answer[] =
    "HTTP/1.1 201 Created\r\nContent-Length: 27\r\nContent-Type: application/json\r\n\r\n{\"id\":\"0123456789abcdef01\"}";
#define ANSWER_BYTES (sizeof(answer) - 1)

enum operation { OP_ACCEPT = 1, OP_RECEIVE, OP_SEND, OP_JOURNAL };
enum kind { KIND_U, KIND_J, KIND_JF };

struct connection {
	uint32_t body_left;       /* of the request that is arriving */
	uint32_t head_bytes;      /* of a head that came in pieces, so far */
	uint32_t answers_due;
	uint32_t answers_flying;
	char head[HEAD_BYTES_MAX];
};

struct batch {
	char *bytes;
	size_t used;
	int *waiting;             /* connections to answer when it is on disk */
	unsigned waiting_count;
};

/* Between the two processes of JF.  `submitted` counts batches; the other words belong to the batch just submitted. */
struct handover {
	uint32_t submitted;
	uint32_t is_asleep;
	uint32_t batch;
	uint64_t bytes;
	uint64_t offset;
};

static struct {
	enum kind kind;
	struct io_uring ring;
	struct io_uring_buf_ring *buffer_ring;
	char *buffers;
	char *answers;            /* ANSWERS_MAX of them, one behind the other */
	struct connection *connections[CONNECTIONS_MAX];
	int listen_fd;
	/* The journal. */
	int fd;
	struct batch batch[2];
	unsigned filling;         /* the other one may be flying */
	bool is_flying;
	uint64_t offset;
	struct handover *handover;
	int event_fd;
	uint64_t event_count;
	uint64_t request_count;
} responder;

static void
die(const char *what)
{
	fprintf(stderr, "responder: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct io_uring_sqe *
next_sqe(void)
{
	struct io_uring_sqe *sqe;

	while ((sqe = io_uring_get_sqe(&responder.ring)) == NULL)
		io_uring_submit(&responder.ring);
	return sqe;
}

/* Last: io_uring_prep_* of some versions of the library clear user_data. */
static void
tag(struct io_uring_sqe *sqe, enum operation operation, int fd)
{
	sqe->user_data = (uint64_t)operation << 32 | (uint32_t)fd;
}

static void
send_answers(int fd)
{
	struct connection *connection = responder.connections[fd];
	struct io_uring_sqe *sqe;

	if (connection->answers_flying > 0 || connection->answers_due == 0)
		return;
	connection->answers_flying = connection->answers_due < ANSWERS_MAX ? connection->answers_due : ANSWERS_MAX;
	connection->answers_due -= connection->answers_flying;
	sqe = next_sqe();
	io_uring_prep_send(sqe, fd, responder.answers, connection->answers_flying * ANSWER_BYTES, MSG_WAITALL | MSG_NOSIGNAL);
	tag(sqe, OP_SEND, fd);
}

/* --- journal --- */

static long
futex(uint32_t *word, int operation, uint32_t value)
{
	return syscall(SYS_futex, word, operation, value, NULL, NULL, 0);
}

/* The second process of JF. */
static void
journal_process(void)
{
	struct handover *handover = responder.handover;
	const uint64_t one = 1;
	uint32_t seen = 0;

	for (;;) {
		while (load_acquire(&handover->submitted) == seen) {
			exchange(&handover->is_asleep, 1u);
			fence_full();
			if (load_acquire(&handover->submitted) == seen)
				futex(&handover->submitted, FUTEX_WAIT, seen);
			store_relaxed(&handover->is_asleep, 0u);
		}
		seen++;
		if (pwrite(responder.fd, responder.batch[handover->batch].bytes, handover->bytes, (off_t)handover->offset) !=
		        (ssize_t)handover->bytes ||
		    write(responder.event_fd, &one, sizeof(one)) != sizeof(one))
			die("cannot write the journal");
	}
}

static void
hand_over(size_t bytes)
{
	struct handover *handover = responder.handover;
	struct io_uring_sqe *sqe = next_sqe();

	handover->batch = responder.filling;
	handover->bytes = bytes;
	handover->offset = responder.offset;
	/* What the batch is becomes visible before its number.  Pairs with journal_process(). */
	store_release(&handover->submitted, handover->submitted + 1);
	fence_full();
	if (load_relaxed(&handover->is_asleep))
		futex(&handover->submitted, FUTEX_WAKE, 1);
	io_uring_prep_read(sqe, responder.event_fd, &responder.event_count, sizeof(responder.event_count), 0);
	tag(sqe, OP_JOURNAL, 0);
}

/* Once a turn: what gathered goes, if nothing is on its way. */
static void
journal_start(void)
{
	struct batch *batch = &responder.batch[responder.filling];
	size_t bytes = (batch->used + BLOCK_BYTES - 1) & ~(size_t)(BLOCK_BYTES - 1);

	if (responder.is_flying || batch->waiting_count == 0)
		return;
	if (responder.offset + bytes > SEGMENT_BYTES)
		responder.offset = 0;
	if (responder.kind == KIND_JF) {
		hand_over(bytes);
	} else {
		struct io_uring_sqe *sqe = next_sqe();

		io_uring_prep_write(sqe, responder.fd, batch->bytes, (unsigned)bytes, responder.offset);
		tag(sqe, OP_JOURNAL, 0);
	}
	responder.offset += bytes;
	responder.is_flying = true;
	responder.filling ^= 1;
}

static void
journal_landed(int result)
{
	struct batch *batch = &responder.batch[responder.filling ^ 1];

	if (result < 0) {
		errno = -result;
		die("cannot write the journal");
	}
	for (unsigned i = 0; i < batch->waiting_count; i++) {
		responder.connections[batch->waiting[i]]->answers_due++;
		send_answers(batch->waiting[i]);
	}
	batch->waiting_count = 0;
	batch->used = 0;
	responder.is_flying = false;
}

static void
journal_put(const void *bytes, size_t count)
{
	struct batch *batch = &responder.batch[responder.filling];

	if (responder.kind == KIND_U)
		return;
	if (batch->used + count > BATCH_BYTES_MAX) {
		errno = ENOBUFS;
		die("more than a batch can hold is outstanding");
	}
	memcpy(batch->bytes + batch->used, bytes, count);
	batch->used += count;
}

/* Zeros once, synced: a write into blocks that were never written would also write the file's maps. */
static void
journal_prepare(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	char *zeros = calloc(1, 1u << 20);

	if (fd < 0 || zeros == NULL)
		die(path);
	for (off_t at = 0; at < SEGMENT_BYTES; at += 1 << 20)
		if (pwrite(fd, zeros, 1u << 20, at) != 1 << 20)
			die(path);
	if (fsync(fd) != 0)
		die(path);
	close(fd);
	free(zeros);
	responder.fd = open(path, O_RDWR | O_DIRECT | O_DSYNC | O_CLOEXEC);
	if (responder.fd < 0)
		die(path);
	unlink(path);
	for (int i = 0; i < 2; i++) {
		responder.batch[i].bytes = mmap(NULL, BATCH_BYTES_MAX + BLOCK_BYTES, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		responder.batch[i].waiting = malloc(BATCH_REQUESTS_MAX * sizeof(int));
		if (responder.batch[i].bytes == MAP_FAILED || responder.batch[i].waiting == NULL)
			die("no memory for batches");
	}
	if (responder.kind != KIND_JF)
		return;
	responder.handover = mmap(NULL, BLOCK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	responder.event_fd = eventfd(0, EFD_CLOEXEC);
	if (responder.handover == MAP_FAILED || responder.event_fd < 0)
		die("no memory for the hand-over");
	pid_t child = fork();
	if (child < 0)
		die("fork");
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		journal_process();
	}
}

/* --- requests --- */

static void
request_ended(int fd)
{
	struct batch *batch = &responder.batch[responder.filling];

	responder.request_count++;
	if (responder.kind == KIND_U) {
		responder.connections[fd]->answers_due++;
		return;
	}
	if (batch->waiting_count == BATCH_REQUESTS_MAX) {
		errno = ENOBUFS;
		die("more requests than a batch can hold are outstanding");
	}
	batch->waiting[batch->waiting_count++] = fd;
}

static uint32_t
content_length(const char *head, const char *end)
{
	for (const char *line = memchr(head, '\n', (size_t)(end - head)); line != NULL && line < end;
	     line = memchr(line, '\n', (size_t)(end - line))) {
		line++;
		if ((line[0] | 0x20) == 'c' && strncasecmp(line, "content-length:", 15) == 0)
			return (uint32_t)strtoul(line + 15, NULL, 10);
	}
	return 0;
}

static void
begin_body(int fd, uint32_t body_bytes)
{
	/* As much as a broker has to say about a message at the least. */
	const uint64_t record[4] = { body_bytes, (uint64_t)fd, responder.request_count, 0 };

	journal_put(record, sizeof(record));
	responder.connections[fd]->body_left = body_bytes;
	if (body_bytes == 0)
		request_ended(fd);
}

/* The head at bytes, or the rest of one.  How many bytes belong to it. */
static size_t
take_head(int fd, const char *bytes, size_t count)
{
	struct connection *connection = responder.connections[fd];
	size_t before = connection->head_bytes, part = count;
	const char *head = bytes, *end;

	if (before > 0) {
		part = count < HEAD_BYTES_MAX - before ? count : HEAD_BYTES_MAX - before;
		memcpy(connection->head + before, bytes, part);
		head = connection->head;
	}
	end = memmem(head, before + part, "\r\n\r\n", 4);
	if (end != NULL) {
		connection->head_bytes = 0;
		begin_body(fd, content_length(head, end + 2));
		return (size_t)(end + 4 - head) - before;
	}
	if (before + part >= HEAD_BYTES_MAX) {
		errno = EMSGSIZE;
		die("a request's head");
	}
	if (before == 0)
		memcpy(connection->head, bytes, part);
	connection->head_bytes = (uint32_t)(before + part);
	return part;
}

static void
take_bytes(int fd, const char *bytes, size_t count)
{
	struct connection *connection = responder.connections[fd];

	while (count > 0) {
		size_t part;

		if (connection->body_left == 0) {
			part = take_head(fd, bytes, count);
		} else {
			part = count < connection->body_left ? count : connection->body_left;
			journal_put(bytes, part);
			connection->body_left -= (uint32_t)part;
			if (connection->body_left == 0)
				request_ended(fd);
		}
		bytes += part;
		count -= part;
	}
}

/* --- the ring --- */

static void
arm_accept(void)
{
	struct io_uring_sqe *sqe = next_sqe();

	io_uring_prep_multishot_accept(sqe, responder.listen_fd, NULL, NULL, 0);
	tag(sqe, OP_ACCEPT, 0);
}

static void
arm_receive(int fd)
{
	struct io_uring_sqe *sqe = next_sqe();

	io_uring_prep_recv(sqe, fd, NULL, 0, 0);
	sqe->ioprio |= IORING_RECV_MULTISHOT;
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = BUFFER_GROUP;
	tag(sqe, OP_RECEIVE, fd);
}

static void
accepted(const struct io_uring_cqe *cqe)
{
	int one = 1;

	if (cqe->res >= 0 && cqe->res < (int)CONNECTIONS_MAX) {
		struct connection **connection = &responder.connections[cqe->res];

		setsockopt(cqe->res, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (*connection == NULL)
			*connection = malloc(sizeof(**connection));
		if (*connection == NULL)
			die("no memory for a connection");
		memset(*connection, 0, offsetof(struct connection, head));
		arm_receive(cqe->res);
	}
	if (!(cqe->flags & IORING_CQE_F_MORE))
		arm_accept();
}

/* Gives true when a buffer is to be given back. */
static bool
received(int fd, const struct io_uring_cqe *cqe)
{
	unsigned buffer = cqe->flags >> IORING_CQE_BUFFER_SHIFT;

	if (cqe->res == -ENOBUFS) {
		arm_receive(fd);
		return false;
	}
	if (cqe->res <= 0) {
		close(fd);
		return false;
	}
	take_bytes(fd, responder.buffers + (size_t)buffer * BUFFER_BYTES, (size_t)cqe->res);
	send_answers(fd);
	if (!(cqe->flags & IORING_CQE_F_MORE))
		arm_receive(fd);
	return true;
}

static void
turn(void)
{
	struct io_uring_cqe *cqe;
	unsigned head, count = 0, given_back = 0;
	int result = io_uring_submit_and_wait(&responder.ring, 1);

	if (result < 0 && result != -EINTR) {
		errno = -result;
		die("io_uring_submit_and_wait");
	}
	io_uring_for_each_cqe(&responder.ring, head, cqe) {
		int fd = (int)(uint32_t)cqe->user_data;

		count++;
		switch ((enum operation)(cqe->user_data >> 32)) {
		case OP_ACCEPT:
			accepted(cqe);
			break;
		case OP_RECEIVE:
			if (received(fd, cqe)) {
				unsigned buffer = cqe->flags >> IORING_CQE_BUFFER_SHIFT;

				io_uring_buf_ring_add(responder.buffer_ring, responder.buffers + (size_t)buffer * BUFFER_BYTES,
				    BUFFER_BYTES, (unsigned short)buffer, BUFFERS - 1, (int)given_back++);
			}
			break;
		case OP_SEND:
			responder.connections[fd]->answers_flying = 0;
			send_answers(fd);
			break;
		case OP_JOURNAL:
			journal_landed(cqe->res);
			break;
		}
	}
	io_uring_buf_ring_advance(responder.buffer_ring, (int)given_back);
	io_uring_cq_advance(&responder.ring, count);
	if (responder.kind != KIND_U)
		journal_start();
}

static void
ring_open(void)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		.cq_entries = RING_ENTRIES * 4,
	};
	size_t ring_bytes = BUFFERS * sizeof(struct io_uring_buf);

	errno = -io_uring_queue_init_params(RING_ENTRIES, &responder.ring, &params);
	if (errno != 0)
		die("io_uring");
	responder.buffer_ring = aligned_alloc(BLOCK_BYTES, ring_bytes);
	responder.buffers = aligned_alloc(BLOCK_BYTES, (size_t)BUFFERS * BUFFER_BYTES);
	if (responder.buffer_ring == NULL || responder.buffers == NULL)
		die("no memory for buffers");
	struct io_uring_buf_reg registration = { .ring_addr = (uintptr_t)responder.buffer_ring, .ring_entries = BUFFERS,
		.bgid = BUFFER_GROUP };
	errno = -io_uring_register_buf_ring(&responder.ring, &registration, 0);
	if (errno != 0)
		die("buffers of io_uring");
	io_uring_buf_ring_init(responder.buffer_ring);
	for (unsigned i = 0; i < BUFFERS; i++)
		io_uring_buf_ring_add(responder.buffer_ring, responder.buffers + (size_t)i * BUFFER_BYTES, BUFFER_BYTES,
		    (unsigned short)i, BUFFERS - 1, (int)i);
	io_uring_buf_ring_advance(responder.buffer_ring, BUFFERS);
}

static void
listen_on(unsigned port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1;

	responder.listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(responder.listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	/* A killed process with io_uring gives its port back a moment after its death. */
	for (int i = 0; bind(responder.listen_fd, (struct sockaddr *)&address, sizeof(address)) != 0; i++) {
		if (i == 60)
			die("bind");
		usleep(50000);
	}
	if (listen(responder.listen_fd, 1024) != 0)
		die("listen");
}

int
main(int argc, char **argv)
{
	static const char *const kinds[] = { [KIND_U] = "U", [KIND_J] = "J", [KIND_JF] = "JF" };
	unsigned kind = 0;

	while (argc >= 3 && kind < 3 && strcmp(argv[2], kinds[kind]) != 0)
		kind++;
	if (argc < 3 || kind == 3 || argc != (kind == KIND_U ? 3 : 4)) {
		fprintf(stderr, "usage: responder PORT U | PORT J FILE | PORT JF FILE\n");
		return 2;
	}
	responder.kind = (enum kind)kind;
	if (responder.kind != KIND_U)
		journal_prepare(argv[3]);
	responder.answers = malloc(ANSWERS_MAX * ANSWER_BYTES);
	if (responder.answers == NULL)
		die("no memory for answers");
	for (unsigned i = 0; i < ANSWERS_MAX; i++)
		memcpy(responder.answers + i * ANSWER_BYTES, answer, ANSWER_BYTES);
	ring_open();
	listen_on((unsigned)atoi(argv[1]));
	arm_accept();
	printf("ready\n");
	fflush(stdout);
	for (;;)
		turn();
}
