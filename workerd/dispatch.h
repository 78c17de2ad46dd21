/*
 * dispatch: one request frame = one transaction.  Takes the next frame of a front, finds its handler by ops.def, and commits
 * effects, reply and consumption together.
 *
 * Every byte of a frame is hostile: a handler copies a struct out of it with request_read() and then looks at the copy only.
 */
#ifndef WORKERD_DISPATCH_H
#define WORKERD_DISPATCH_H

#include "shm/frame.h"
#include "workerd/worker.h"

enum dispatch {
	DISPATCH_EMPTY,   /* no frame */
	DISPATCH_SERVED,  /* one frame executed and consumed */
	DISPATCH_LATER,   /* it stays: no room for what it would produce */
	DISPATCH_BROKEN,  /* the ring lies: nothing more is read from this front */
};

/* Execute at most one frame; adds its size to *bytes. */
enum dispatch dispatch_one(struct worker *worker, uint32_t front, uint64_t *bytes);

/*
 * Copy count bytes at *offset of the frame and step over them, to the next multiple of 8.  False if the frame ends before.
 */
bool request_read(const struct request *request, uint64_t *offset, void *to, uint32_t count);

/* A stranger's name, made whole: unused bytes zero.  OK, or BAD_NAME. */
enum outcome request_name(struct queue_name *name);

/*
 * The queue of this name (made whole in place), on which the caller needs one of these rights: OK and *queue_idx; BAD_NAME;
 * NO_QUEUE, also where he has no right at all; FORBIDDEN.
 */
enum outcome request_queue(const struct worker *worker, struct queue_request *wish, uint32_t rights, uint32_t *queue_idx);

#define X(name, lower, what) enum served lower##_serve(struct worker *worker, const struct request *request);
#include "shm/ops.def"
#undef X

#endif
