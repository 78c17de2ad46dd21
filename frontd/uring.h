/*
 * uring: what this process asks of the kernel, and what it hears back.  The only file that knows liburing.  Its shape is that
 * of completions (start something, hear later how it ended), so that epoll could stand behind the same calls.
 *
 * One ring for the one thread of a frontd.  Nothing is submitted until uring_turn(), which is the only system call of a
 * turn: it submits, collects and, if told so, sleeps.  Every start ends in exactly one completion (ACCEPT and RECEIVE may say
 * has_more), told apart by its tag: what it was, for which object, in which of its lives.
 */
#ifndef FRONTD_URING_H
#define FRONTD_URING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum uring_op { URING_NONE, URING_ACCEPT, URING_RECEIVE, URING_SEND, URING_EVENT, URING_SHUTDOWN, URING_CLOSE, URING_CANCEL,
	URING_AUDIT };

/* 8 bit op | 24 bit generation | 32 bit index. */
static inline uint64_t
uring_tag(enum uring_op op, uint32_t generation, uint32_t index)
{
	return (uint64_t)op << 56 | (uint64_t)(generation & 0xffffff) << 32 | index;
}

static inline enum uring_op
uring_tag_op(uint64_t tag)
{
	return (enum uring_op)(tag >> 56);
}

static inline uint32_t
uring_tag_generation(uint64_t tag)
{
	return (uint32_t)(tag >> 32) & 0xffffff;
}

static inline uint32_t
uring_tag_index(uint64_t tag)
{
	return (uint32_t)tag;
}

#define URING_BUFFER_BYTES 32768u
#define URING_REAP_MAX 512u

struct uring_options {
	uint32_t receive_buffers; /* of URING_BUFFER_BYTES, shared by all connections; a power of two */
	bool wants_restricted;    /* nothing but the operations below, for ever */
	bool accept_oneshot;      /* kernels 6.6 to 6.8-rc gave wrong descriptors with multishot (liburing 1062) */
};

struct uring_completion {
	uint64_t tag;
	int32_t result;      /* >= 0, or -errno */
	uint16_t buffer;
	bool has_buffer;     /* bytes[0..result) are in a receive buffer: give it back by uring_give_back() */
	bool has_more;       /* multishot: it stays armed */
	const char *bytes;
};

struct uring;

/*
 * Make the ring, its receive buffers and one line for the operator about what was possible.  NULL and a diag with cause and
 * cure when the kernel refuses: then exit 78, for trying again would not help.
 */
struct uring *uring_open(const struct uring_options *options);
void uring_free(struct uring *uring);
bool uring_is_restricted(const struct uring *uring);

/* Starts.  What is borrowed stays in place until the completion, but for `message` and its iovecs: until uring_turn(). */
void uring_accept(struct uring *uring, int listen_fd, uint64_t tag);
void uring_receive(struct uring *uring, int fd, uint64_t tag);
void uring_receive_into(struct uring *uring, int fd, uint64_t tag, void *room, size_t room_bytes);
void uring_send(struct uring *uring, int fd, uint64_t tag, const void *bytes, size_t count);
/*
 * The same, of what there is room for now; -EAGAIN where there is none.  It has completed when it was submitted, and nobody is in
 * a hurry to know: uring_turn() does not return for it alone.
 */
void uring_send_now(struct uring *uring, int fd, uint64_t tag, const void *bytes, size_t count);
void uring_send_message(struct uring *uring, int fd, uint64_t tag, const struct msghdr *message);
void uring_read_event(struct uring *uring, int event_fd, uint64_t tag, uint64_t *count);
/* To the end of a file that was opened to be appended to; is_durable: complete when it is on stable storage. */
void uring_append(struct uring *uring, int fd, uint64_t tag, const void *bytes, size_t count, bool is_durable);
void uring_shutdown(struct uring *uring, int fd, uint64_t tag, int how);
void uring_close(struct uring *uring, int fd, uint64_t tag);
/* Cancel what was started with the tag `target`; it ends by its own completion. */
void uring_cancel(struct uring *uring, uint64_t target, uint64_t tag);

/*
 * Submit what was started and collect completions.  wait_ns > 0: sleep until there is one, but that of a lone uring_send_now(),
 * or so long.
 */
void uring_turn(struct uring *uring, uint64_t wait_ns);

/* Take up to `max` completions.  Returns how many. */
unsigned uring_reap(struct uring *uring, struct uring_completion *completions, unsigned max);
bool uring_has_completions(const struct uring *uring);

/* The bytes of this completion are not needed any more. */
void uring_give_back(struct uring *uring, const struct uring_completion *completion);

/* How often the kernel was entered so far. */
uint64_t uring_enters(const struct uring *uring);

#endif
