/*
 * A turn: take completions (they parse requests and write frames), take replies and what became durable, put off work,
 * deadlines, one SENDMSG for each connection that has something to say, post each ring once, wake each peer once; then enter
 * the kernel once: to submit all of it, and to sleep if nobody has left us anything meanwhile.
 */
#include "frontd/loop.h"

#include <assert.h>

#include "frontd/people/attempt.h"
#include "frontd/audit.h"
#include "frontd/await.h"
#include "frontd/frontd.h"
#include "frontd/memory.h"
#include "frontd/send.h"
#include "frontd/serve.h"
#include "shm/clock.h"
#include "shm/diag.h"

#define TURNS_WITHOUT_ENTER 4u
#define WAITING_SLEEP_NS (2 * NS_PER_MS) /* while connections wait for room in a ring */

static struct conn *
conn_of_tag(struct frontd *frontd, uint64_t tag)
{
	struct conn *conn = conn_at(frontd, uring_tag_index(tag));

	/* Descriptors are closed only when nothing is in flight, so nothing comes late. */
	assert(conn->state != CONN_FREE);
	assert(conn->generation == uring_tag_generation(tag));
	assert(conn->operations > 0);
	conn->operations--;
	return conn;
}

static void
loop_dispatch(struct frontd *frontd, const struct uring_completion *completion)
{
	struct conn *conn;

	switch (uring_tag_op(completion->tag)) {
	case URING_ACCEPT:
		listen_accepted(frontd, (enum listen_kind)uring_tag_index(completion->tag), completion->result, completion->has_more);
		break;
	case URING_RECEIVE:
		conn = conn_of_tag(frontd, completion->tag);
		conn_received(frontd, conn, completion->result, completion->bytes);
		conn_operation_ended(frontd, conn);
		break;
	case URING_SEND:
		conn = conn_of_tag(frontd, completion->tag);
		send_completed(frontd, conn, completion->result);
		conn_operation_ended(frontd, conn);
		break;
	case URING_SHUTDOWN:
		conn = conn_of_tag(frontd, completion->tag);
		conn_operation_ended(frontd, conn);
		break;
	case URING_CLOSE:
		conn = conn_of_tag(frontd, completion->tag);
		conn_closed(frontd, conn);
		break;
	case URING_EVENT:
		frontd->event_is_armed = false;
		break;
	case URING_AUDIT:
		audit_written(frontd, completion->result);
		break;
	case URING_CANCEL:
	case URING_NONE:
		break;
	}
	uring_give_back(frontd->uring, completion);
}

static bool
loop_completions(struct frontd *frontd)
{
	static _Thread_local struct uring_completion completions[URING_REAP_MAX]; /* too large for the stack of a thread */
	unsigned count = uring_reap(frontd->uring, completions, URING_REAP_MAX);

	for (unsigned i = 0; i < count; i++)
		loop_dispatch(frontd, &completions[i]);
	return count != 0;
}

/* ---- the end ---- */

static void
drain_begin(struct frontd *frontd)
{
	diag(DIAG_INFO, "stopping: %u connections", frontd->conns.open);
	frontd->is_draining = true;
	frontd->drain_until_ns = frontd->now_ns + 30 * NS_PER_S;
	for (uint32_t c = 0; c < frontd->conns.chunk_count; c++)
		for (uint32_t i = 0; i < CONN_CHUNK; i++) {
			struct conn *conn = &frontd->conns.chunks[c][i];

			if (conn->state == CONN_FREE || conn->state == CONN_CLOSING)
				continue;
			if (conn->poll != NULL) {
				serve_end_poll(frontd, conn, NULL);
				conn_finish(frontd, conn);
			} else if (conn->state == CONN_HANDSHAKE) {
				conn_break(frontd, conn);
			} else if (conn->state == CONN_HEAD || conn->state == CONN_BODY) {
				/* Whole it would be refused all the same: a client that stalls must not hold up the stop. */
				serve_refuse_outcome(frontd, conn, OUTCOME_SHUTTING_DOWN, "the request came only in part");
			} else if (conn->state == CONN_WAITING && conn->attempt != NULL) {
				/* A password may take its time while others have the CPUs. */
				serve_refuse_outcome(frontd, conn, OUTCOME_SHUTTING_DOWN, "its password was not checked yet");
			}
			conn_receive(frontd, conn);
		}
}

static void
loop_check_end(struct frontd *frontd)
{
	if (peers_closed_us(frontd)) {
		diag(DIAG_WARNING, "the others have closed incarnation %llu; the supervisor starts the next",
		    (unsigned long long)frontd->role->epoch);
		frontd->is_over = true;
		frontd->exit_code = EXIT_SOFTWARE;
		return;
	}
	if (!frontd->is_draining && role_is_draining(frontd->role))
		drain_begin(frontd);
	if (!frontd->is_draining)
		return;
	if (frontd->conns.open == 0 && frontd->submits.again_count == 0 && audit_is_idle(frontd)) {
		frontd->is_over = true;
	} else if (frontd->now_ns >= frontd->drain_until_ns) {
		diag(DIAG_WARNING, "stopping with %u connections still open after 30 s", frontd->conns.open);
		frontd->is_over = true;
	}
}

/* ---- sleeping ---- */

static uint64_t
loop_sleep_ns(const struct frontd *frontd)
{
	uint64_t max_ns = PARK_MS_MAX * NS_PER_MS;

	if (frontd->submits.waiting_count != 0 || frontd->submits.again_count != 0 || frontd->fetches.has_unasked)
		max_ns = WAITING_SLEEP_NS;
	if (listen_sleep_ns(frontd) < max_ns)
		max_ns = listen_sleep_ns(frontd);
	return deadline_next_ns(frontd, max_ns);
}

static void
loop_enter(struct frontd *frontd, bool was_busy)
{
	uint64_t *parked = &frontd->stats->parked;

	/* Replies that come while we work are cheaper to take than a system call. */
	if (was_busy && frontd->turns_without_enter < TURNS_WITHOUT_ENTER && await_has_work(frontd)) {
		frontd->turns_without_enter++;
		return;
	}
	frontd->turns_without_enter = 0;
	if (!frontd->event_is_armed) {
		uring_read_event(frontd->uring, frontd->role->event_fd[frontd->role->slot], uring_tag(URING_EVENT, 0, 0),
		    &frontd->event_count);
		frontd->event_is_armed = true;
	}
	/* A worker does not wake us for a reply that only persistd can release. */
	park_begin(parked, frontd->submits.held_count + frontd->submits.changes_asked != 0);
	if (await_has_work(frontd) || uring_has_completions(frontd->uring) || tls_has_work(frontd)) {
		park_end(parked);
		uring_turn(frontd->uring, 0);
	} else {
		uring_turn(frontd->uring, loop_sleep_ns(frontd));
		park_end(parked);
	}
}

void
loop_turn(struct frontd *frontd)
{
	frontd->now_ns = now_ns();
	store_relaxed(&frontd->stats->heartbeat_ns, frontd->now_ns);
	stat_add(&frontd->stats->front_turns, 1);

	bool was_busy = loop_completions(frontd);
	if (frontd->tls.is_on)
		tls_turn(frontd);
	memory_shed(frontd);
	was_busy |= await_replies(frontd);
	await_durable(frontd);
	fetch_replies(frontd);
	attempt_results(frontd);
	submit_retry(frontd);
	if (frontd->now_ns >= frontd->tick_ns) {
		frontd->tick_ns = frontd->now_ns + DEADLINE_TICK_NS / 2;
		deadline_run(frontd);
		peers_refresh(frontd);
		limits_reload(frontd);
		store_relaxed(&frontd->stats->connections_open, frontd->conns.open);
		store_relaxed(&frontd->stats->body_memory_used, frontd->memory_used);
		if (frontd->limits.auth_is_required)
			identity_walk(frontd);
		attempt_tick(frontd);
		audit_tick(frontd);
		tls_reload(frontd);
		memory_trim(frontd);
		loop_check_end(frontd);
	}
	listen_update(frontd);
	send_flush(frontd);
	submit_post(frontd);
	audit_flush(frontd);
	loop_enter(frontd, was_busy);
	store_relaxed(&frontd->stats->front_enters, frontd->enters_before + uring_enters(frontd->uring));
}
