/*
 * Happy path: see audit.h.
 * Failure modes: the WRITE fails (disk full, I/O error): what is in flight is tried again every second, from the beginning of
 * the line where it stopped; until it is written answers that wait go on waiting and new admin actions are refused, unless
 * audit.on_failure = go-on.  Lines come faster than the disk takes them: those of data are left out first, and counted.  We
 * are killed: lines nobody waited for may be lost, those of answered admin actions are on disk.
 */
#include "frontd/audit.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frontd/api/ids.h"
#include "frontd/await.h"
#include "frontd/frontd.h"
#include "shm/diag.h"

#define RETRY_NS NS_PER_S
#define GAP_NS NS_PER_S

static const char no_room_text[] = "they came faster than they could be written";
static const char too_many_text[] = "too many failures in one second";

_Static_assert(AUDIT_ADMINS_MAX * AUDIT_LINE_BYTES_MAX <= AUDIT_BUFFER_BYTES / 2, "there is room for every admin action");

/* ---- request ids ---- */

/* Unique over restarts: no two incarnations of a frontd start within the same millisecond. */
static void
next_id(struct frontd *frontd)
{
	struct audit *audit = &frontd->audit;

	audit->number++;
	snprintf(audit->next_id, sizeof(audit->next_id), "%llx.%u.%llu", (unsigned long long)audit->started_ms,
	    frontd->role->index, (unsigned long long)audit->number);
}

/* What is made has no place in the path yet; and who logs in by name and password in the body was nobody until now. */
static void
note_made(const struct frontd *frontd, struct audit_note *note, const struct answer *answer)
{
	struct user_entry user;

	id_format(answer->made_id, note->object);
	note->object_bytes = ID_BYTES;
	if ((note->user_bytes != 0 && !note->is_tried) ||
	    directory_user_by_uid(&frontd->directory, answer->made_uid, &user) != DIRECTORY_FOUND)
		return;
	memcpy(note->user, user.name.text, user.name.bytes);
	note->user_bytes = user.name.bytes;
	note->is_tried = false;
}

void
audit_named(struct frontd *frontd, struct exchange *exchange, const struct answer *answer)
{
	if (exchange->audit == AUDIT_NONE)
		exchange->audit = AUDIT_LINE;
	exchange->code = answer->code != NULL ? answer->code : "ok";
	if (answer->made_id != 0 && exchange->note != NULL)
		note_made(frontd, exchange->note, answer);
	exchange->request_number = frontd->audit.number;
	next_id(frontd);
}

/* ---- which requests ---- */

enum outcome
audit_refusal(const struct frontd *frontd)
{
	const struct audit *audit = &frontd->audit;

	if (audit->is_failed && !frontd->limits.audit_goes_on)
		return OUTCOME_AUDIT_FAILED;
	return audit->admins >= AUDIT_ADMINS_MAX ? OUTCOME_BUSY : OUTCOME_OK;
}

static void
take_note(struct frontd *frontd, struct exchange *exchange)
{
	exchange->note = malloc(sizeof(*exchange->note));
	assert(exchange->note != NULL);
	audit_note_take(exchange->note, &frontd->call);
}

void
audit_begin(struct frontd *frontd, struct exchange *exchange)
{
	const struct api_route *route = exchange->memo.route;

	if (audit_is_admin(route)) {
		exchange->audit = AUDIT_ADMIN;
		frontd->audit.admins++;
	} else if (frontd->limits.audit_data_plane && !audit_is_probe(route)) {
		exchange->audit = AUDIT_LINE;
	} else {
		return;
	}
	take_note(frontd, exchange);
}

void
audit_refused(struct frontd *frontd, struct exchange *exchange)
{
	const struct problem *problem = &frontd->call.problem;

	if (!audit_is_failure(problem->status, problem->code))
		return;
	exchange->audit = AUDIT_LINE;
	take_note(frontd, exchange);
}

void
audit_inherit(struct exchange *heir, struct exchange *exchange)
{
	assert(exchange->audit != AUDIT_ADMIN);

	heir->audit = exchange->audit;
	heir->note = exchange->note;
	exchange->audit = AUDIT_NONE;
	exchange->note = NULL;
}

void
audit_forget(struct frontd *frontd, struct exchange *exchange)
{
	if (exchange->audit == AUDIT_ADMIN)
		frontd->audit.admins--;
	exchange->audit = AUDIT_NONE;
	free(exchange->note);
	exchange->note = NULL;
}

/* ---- lines ---- */

/* At the end of what is pending.  False: there is no room for it. */
static bool
append(struct audit *audit, const char *line, size_t bytes, bool is_admin)
{
	size_t room = is_admin ? AUDIT_BUFFER_BYTES : AUDIT_BUFFER_BYTES / 2;

	if (audit->pending_bytes + bytes > room)
		return false;
	memcpy(audit->pending + 1 + audit->pending_bytes, line, bytes);
	audit->pending_bytes += bytes;
	audit->appended += bytes;
	audit->wants_sync = audit->wants_sync || is_admin;
	return true;
}

/* Guessing passwords must not fill a disk. */
static bool
is_one_too_many(struct frontd *frontd, const struct exchange *exchange)
{
	struct audit *audit = &frontd->audit;

	if (exchange->audit == AUDIT_ADMIN || !audit_is_failure(exchange->status, exchange->code))
		return false;
	if (frontd->now_ns - audit->window_ns >= NS_PER_S) {
		audit->window_ns = frontd->now_ns;
		audit->window_count = 0;
	}
	if (audit->window_count++ < AUDIT_FAILURES_PER_SECOND)
		return false;
	audit->too_many++;
	return true;
}

/* A worker refused it, or its credential ended: nothing was noted, but the frame said who asked. */
static void
who_asked(const struct frontd *frontd, const struct exchange *exchange, struct audit_line *line, struct queue_name *name)
{
	uint64_t uid = exchange->memo.caller.uid;
	const struct identity *identity = exchange->conn != NULL ? exchange->conn->identity : NULL;
	struct user_entry user;

	if (uid == 0 || directory_user_by_uid(&frontd->directory, uid, &user) != DIRECTORY_FOUND)
		return;
	*name = user.name;
	line->user = (struct http_slice){ name->text, name->bytes };
	if (identity != NULL && identity->principal.uid == uid)
		line->credential = identity->principal.credential_id;
	else if (exchange->conn == NULL)
		line->credential = exchange->credential_id;
}

/* What was noted when the request came, or what is still known of one that a worker refused. */
static size_t
format_line(struct frontd *frontd, const struct exchange *exchange, char out[AUDIT_LINE_BYTES_MAX])
{
	const struct client_address *address = exchange->conn != NULL ? &exchange->conn->address : &exchange->address;
	const struct api_route *route = exchange->memo.route;
	const struct audit_note *note = exchange->note;
	char request[AUDIT_REQUEST_BYTES], from[ADDRESS_TEXT_BYTES];
	struct queue_name name;

	snprintf(request, sizeof(request), "%llx.%u.%llu", (unsigned long long)frontd->audit.started_ms, frontd->role->index,
	    (unsigned long long)exchange->request_number);
	address_format(address, from);
	struct audit_line line = {
		.time_ms = frontd_now_ms(frontd),
		.request = request,
		.from = from,
		.method = note != NULL ? note->method : route->method,
		.pattern = note != NULL ? note->pattern : route->pattern,
		.status = exchange->status,
		.code = exchange->code,
	};
	if (note == NULL) {
		/* Of a request about messages; elsewhere what stands for a name may be a secret. */
		if (strncmp(line.pattern, "/v1/queues/", 11) == 0)
			line.object = (struct http_slice){ exchange->memo.name, exchange->memo.name_bytes };
		who_asked(frontd, exchange, &line, &name);
		return audit_line_format(&line, out);
	}
	struct http_slice who = { note->user_bytes != 0 ? note->user : NULL, note->user_bytes };
	*(note->is_tried ? &line.tried : &line.user) = who;
	line.credential = note->credential;
	line.object = (struct http_slice){ note->object, note->object_bytes };
	return audit_line_format(&line, out);
}

/* Behind those that wait already: positions grow. */
static void
wait_for_line(struct frontd *frontd, struct exchange *exchange)
{
	struct audit *audit = &frontd->audit;

	exchange->state = EXCHANGE_AUDITING;
	exchange->line_end = audit->appended;
	exchange->shard_next = NULL;
	*audit->waiting_end = exchange;
	audit->waiting_end = &exchange->shard_next;
}

bool
audit_answered(struct frontd *frontd, struct exchange *exchange)
{
	char line[AUDIT_LINE_BYTES_MAX];
	bool is_admin = exchange->audit == AUDIT_ADMIN;

	await_make(frontd, exchange); /* the line says how it ended, and the answer which line it is */
	bool is_left_out = is_one_too_many(frontd, exchange);
	if (!is_left_out && !append(&frontd->audit, line, format_line(frontd, exchange, line), is_admin)) {
		frontd->audit.no_room++;
		is_left_out = true;
	}
	/* No admin action that was let in finds no room, unless the log failed and all went on. */
	if (!is_admin || is_left_out || (frontd->audit.is_failed && frontd->limits.audit_goes_on)) {
		audit_forget(frontd, exchange);
		return false;
	}
	wait_for_line(frontd, exchange);
	return true;
}

/* ---- writing ---- */

static void
release(struct frontd *frontd, uint64_t position)
{
	struct audit *audit = &frontd->audit;

	while (audit->waiting != NULL && audit->waiting->line_end <= position) {
		struct exchange *exchange = audit->waiting;

		audit->waiting = exchange->shard_next;
		if (audit->waiting == NULL)
			audit->waiting_end = &audit->waiting;
		audit_forget(frontd, exchange);
		await_ready(frontd, exchange);
	}
}

static void
start_write(struct frontd *frontd)
{
	struct audit *audit = &frontd->audit;
	/* The byte before a line is the end of the one before, also before the first. */
	const char *from = audit->flying + 1 + audit->flying_start - audit->flying_is_torn;

	audit->is_flying = true;
	uring_append(frontd->uring, audit->fd, uring_tag(URING_AUDIT, 0, 0), from,
	    (size_t)(audit->flying + 1 + audit->flying_bytes - from), audit->flying_syncs);
}

/* Nothing is in flight, so nobody uses the old one. */
static void
take_next_fd(struct audit *audit)
{
	close(audit->fd);
	audit->fd = audit->next_fd;
	audit->next_fd = -1;
	audit->flying_is_torn = false;
	audit->retry_ns = 0;
}

void
audit_flush(struct frontd *frontd)
{
	struct audit *audit = &frontd->audit;

	if (audit->is_flying || (audit->pending_bytes == 0 && audit->flying_bytes == 0 && audit->next_fd < 0))
		return;
	if (audit->next_fd >= 0)
		take_next_fd(audit);
	if (audit->is_failed && frontd->now_ns < audit->retry_ns)
		return;
	if (audit->flying_bytes == 0) {
		char *empty = audit->flying;

		audit->flying = audit->pending;
		audit->flying_bytes = audit->pending_bytes;
		audit->flying_syncs = audit->wants_sync;
		audit->pending = empty;
		audit->pending_bytes = 0;
		audit->wants_sync = false;
	}
	if (audit->flying_bytes != 0)
		start_write(frontd);
}

static void
write_failed(struct frontd *frontd, int error)
{
	struct audit *audit = &frontd->audit;
	size_t at = audit->flying_start;

	while (at > 0 && audit->flying[at] != '\n') /* the byte before the at-th: flying has one in front */
		at--;
	audit->flying_is_torn = audit->flying_is_torn || at != audit->flying_start;
	audit->flying_start = at;
	audit->retry_ns = frontd->now_ns + RETRY_NS;
	if (!audit->is_failed) {
		errno = error;
		diag_errno("cannot write the audit log; %s, and it is tried again every second",
		    frontd->limits.audit_goes_on ? "audit.on_failure = go-on: what should stand there is done all the same"
		                                 : "until it can be, nothing is done that has to stand there");
	}
	audit->is_failed = true;
	if (frontd->limits.audit_goes_on)
		release(frontd, UINT64_MAX);
}

void
audit_written(struct frontd *frontd, int result)
{
	struct audit *audit = &frontd->audit;

	assert(audit->is_flying);
	audit->is_flying = false;
	if (result <= 0) {
		write_failed(frontd, result == 0 ? ENOSPC : -result);
		return;
	}
	assert(audit->flying_start + (size_t)result - audit->flying_is_torn <= audit->flying_bytes);
	audit->flying_start += (size_t)result - audit->flying_is_torn;
	audit->flying_is_torn = false;
	if (audit->flying_start < audit->flying_bytes) {
		start_write(frontd);
		return;
	}
	if (audit->is_failed)
		diag(DIAG_INFO, "the audit log can be written again");
	audit->is_failed = false;
	audit->written += audit->flying_bytes;
	audit->flying_bytes = audit->flying_start = 0;
	release(frontd, audit->written);
}

/* ---- now and then ---- */

/* The descriptor in this message, or -1. */
static int
descriptor_of(struct msghdr *message)
{
	const struct cmsghdr *header = CMSG_FIRSTHDR(message);
	int fd;

	if (header == NULL || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(sizeof(fd)))
		return -1;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

/* The supervisor has opened the file again, once or more often: the last one is the file. */
static void
take_descriptors(struct audit *audit)
{
	union {
		struct cmsghdr header; /* aligns */
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	char nothing;
	struct iovec payload = { .iov_base = &nothing, .iov_len = 1 };

	for (;;) {
		struct msghdr message = { .msg_iov = &payload, .msg_iovlen = 1, .msg_control = control.bytes,
			.msg_controllen = sizeof(control.bytes) };

		if (recvmsg(audit->control_fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0)
			return; /* EAGAIN, or the supervisor is gone, and so are we in a moment */
		int fd = descriptor_of(&message);
		if (fd < 0)
			continue;
		if (audit->next_fd >= 0)
			close(audit->next_fd);
		audit->next_fd = fd;
	}
}

static void
say_gap(struct frontd *frontd, uint64_t *count, const char *why)
{
	char line[AUDIT_LINE_BYTES_MAX];

	if (*count == 0 || !append(&frontd->audit, line, audit_gap_format(frontd_now_ms(frontd), *count, why, line), false))
		return;
	stat_add(&frontd->stats->audit_left_out, *count);
	*count = 0;
}

void
audit_tick(struct frontd *frontd)
{
	struct audit *audit = &frontd->audit;
	/* The descriptor was sent before.  Pairs with the supervisor's store_release. */
	uint64_t generation = load_acquire(&frontd->role->registry.shared->audit_generation);

	if (!audit->is_on)
		return;
	if (generation != audit->generation) {
		audit->generation = generation;
		take_descriptors(audit);
	}
	if (frontd->now_ns - audit->gap_ns < GAP_NS)
		return;
	audit->gap_ns = frontd->now_ns;
	say_gap(frontd, &audit->no_room, no_room_text);
	say_gap(frontd, &audit->too_many, too_many_text);
}

bool
audit_is_idle(const struct frontd *frontd)
{
	const struct audit *audit = &frontd->audit;

	return !audit->is_flying && audit->pending_bytes == 0 && audit->flying_bytes == 0;
}

/* ---- beginning and end ---- */

static char *
make_buffer(void)
{
	char *buffer = malloc(1 + AUDIT_BUFFER_BYTES);

	assert(buffer != NULL);
	buffer[0] = '\n';
	return buffer;
}

void
audit_open(struct frontd *frontd, int fd, int control_fd)
{
	struct audit *audit = &frontd->audit;

	*audit = (struct audit){ .fd = fd, .control_fd = control_fd, .next_fd = -1, .started_ms = frontd_now_ms(frontd) };
	audit->waiting_end = &audit->waiting;
	audit->generation = load_acquire(&frontd->role->registry.shared->audit_generation);
	audit->is_on = fd > 0 && fcntl(fd, F_GETFD) >= 0;
	if (!audit->is_on)
		return;
	audit->pending = make_buffer();
	audit->flying = make_buffer();
	next_id(frontd);
}

void
audit_free(struct frontd *frontd)
{
	free(frontd->audit.pending);
	free(frontd->audit.flying);
	if (frontd->audit.is_on && frontd->audit.next_fd >= 0)
		close(frontd->audit.next_fd);
}
