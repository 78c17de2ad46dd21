#include "frontd/serve.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "frontd/api/queues.h"
#include "frontd/api/receive.h"
#include "frontd/api/routes.h"
#include "frontd/people/attempt.h"
#include "frontd/people/auth.h"
#include "frontd/audit.h"
#include "frontd/await.h"
#include "frontd/frontd.h"
#include "frontd/memory.h"
#include "frontd/send.h"

static void
world_refresh(struct frontd *frontd)
{
	struct api_world *world = &frontd->world;

	world->now_ms = frontd_now_ms(frontd);
	world->shard_count = frontd->shard_count;
	world->body_bytes_max = frontd->limits.body_bytes_max;
	world->unready = NULL;
	world->directory = &frontd->directory;
	world->usages = frontd->limits.auth_is_required ? frontd->usages : NULL;
	world->session_idle_ms = frontd->limits.session_idle_ms;
	world->session_max_ms = frontd->limits.session_max_ms;
	world->metrics_access = (enum metrics_access)frontd->limits.metrics_access;
	world->metrics_queues_max = frontd->limits.metrics_queues_max;
}

/* What the request has to wait for: room in the ring of that shard, or the directory, which is the work of worker 0. */
static enum served
no_room(struct frontd *frontd, uint32_t shard, bool wants_directory)
{
	frontd->submits.full_shard = shard;
	frontd->submits.wants_directory = wants_directory;
	return SERVE_NO_ROOM;
}

/* What auth.h says, in our words. */
static enum served
served_of(struct frontd *frontd, enum auth_answer answer)
{
	switch (answer) {
	case AUTH_GRANTED:
		return SERVE_DONE;
	case AUTH_REFUSED:
		return SERVE_REFUSED;
	case AUTH_WAITS:
		return SERVE_WAITS;
	case AUTH_NOT_NOW:
		break;
	}
	return no_room(frontd, 0, true);
}

/* What the head asks for; false: it cannot be read.  One that came before has been found fine. */
static bool
resolve(struct frontd *frontd)
{
	struct api_call *call = &frontd->call;

	call->request = frontd->request;
	if (frontd->head != NULL) {
		call->target = &frontd->head->target;
		api_known_give(&frontd->head->known, call);
		return true;
	}
	call->target = &frontd->target;
	call->known = NULL;
	enum http_result result = http_target_parse(frontd->request->origin_form,
	    (struct http_span){ .ptr = frontd->target_scratch, .len = sizeof(frontd->target_scratch) }, &frontd->target);
	if (http_is_refusal(result)) {
		routes_begin(call);
		problem_of_http(&call->problem, result);
		return false;
	}
	routes_resolve(call);
	return true;
}

enum served
serve_admit(struct frontd *frontd, struct conn *conn, const char *head)
{
	struct api_call *call = &frontd->call;

	call->world = &frontd->world;
	call->waiter_slot = conn->index;
	call->is_planned = call->is_not_now = false;
	world_refresh(frontd);
	if (!resolve(frontd))
		return SERVE_REFUSED;
	enum served served = served_of(frontd, auth_admit(frontd, conn));
	if (served != SERVE_DONE)
		return served;
	if (call->principal != NULL && call->principal->uid != conn->counted_uid && !quota_connect(frontd, conn, call->principal->uid)) {
		call->memo.keep_alive = false;
		return SERVE_REFUSED;
	}
	if (!routes_admit(call))
		return SERVE_REFUSED;
	if (frontd->head == NULL)
		heads_learn(frontd, conn, head);
	/* Before a body is asked for that would be thrown away. */
	enum outcome refusal = call->memo.route->op == OP_NONE ? OUTCOME_OK : peers_refusal(frontd, call->memo.route->op);
	if (refusal == OUTCOME_OK && frontd->audit.is_on && audit_is_admin(call->memo.route))
		refusal = audit_refusal(frontd);
	return refusal == OUTCOME_OK || api_refuse(call, refusal, NULL) ? SERVE_DONE : SERVE_REFUSED;
}

void
serve_abandon(struct frontd *frontd)
{
	api_call_end(&frontd->call);
}

/* The request is dealt with. */
static void
serve_end(struct frontd *frontd, struct conn *conn)
{
	if (conn->attempt != NULL) {
		attempt_forget(frontd, conn);
		explicit_bzero(frontd->call.password.hash, sizeof(frontd->call.password.hash));
	}
	api_call_end(&frontd->call);
}

static void
serve_problem(struct frontd *frontd, struct conn *conn, const struct api_memo *memo, const struct problem *problem, bool closes)
{
	struct exchange *exchange = exchange_new(frontd);
	struct answer answer;

	exchange->memo = *memo;
	exchange->closes = closes || !memo->keep_alive;
	exchange->is_limited = problem->code == outcome_text(OUTCOME_QUOTA_EXCEEDED)->slug;
	if (frontd->audit.is_on && problem == &frontd->call.problem)
		audit_refused(frontd, exchange);
	send_queue(frontd, conn, exchange);
	exchange_answer_begin(frontd, exchange, &answer);
	answer_problem(&answer, problem);
	exchange_answer_end(frontd, exchange, &answer);
	await_ready(frontd, exchange);
	if (exchange->closes)
		conn_finish(frontd, conn);
}

void
serve_refuse(struct frontd *frontd, struct conn *conn, bool closes)
{
	struct api_memo memo = frontd->call.memo;

	stat_add(&frontd->stats->http_requests, 1);
	memo.listing = NULL;
	serve_problem(frontd, conn, &memo, &frontd->call.problem, closes || frontd->is_draining);
	serve_end(frontd, conn);
}

static const struct api_memo memo_of_nothing = { .minor_version = 1, .keep_alive = false };

void
serve_refuse_http(struct frontd *frontd, struct conn *conn, enum http_result result)
{
	struct problem problem;

	stat_add(&frontd->stats->http_requests, 1);
	problem_of_http(&problem, result);
	serve_problem(frontd, conn, &memo_of_nothing, &problem, true);
}

void
serve_refuse_outcome(struct frontd *frontd, struct conn *conn, enum outcome outcome, const char *detail)
{
	struct problem problem;

	problem_of_outcome(&problem, outcome, "%s", detail);
	serve_problem(frontd, conn, &memo_of_nothing, &problem, true);
}

void
serve_refuse_timeout(struct frontd *frontd, struct conn *conn)
{
	struct problem problem = {
		.status = 408, .code = "request-timeout", .title = "The request did not come in time",
	};

	serve_problem(frontd, conn, &memo_of_nothing, &problem, true);
}

void
serve_refuse_plain_http(struct frontd *frontd, struct conn *conn)
{
	struct problem problem = {
		.status = 400, .code = "https-port", .title = "This is the HTTPS port",
		.detail = "this request came in plain HTTP; ask by https://, or at the address of server.listen",
	};

	serve_problem(frontd, conn, &memo_of_nothing, &problem, true);
}

void
serve_continue(struct frontd *frontd, struct conn *conn)
{
	struct exchange *exchange = exchange_new(frontd);
	struct answer answer;

	exchange->memo = (struct api_memo){ .keep_alive = true, .minor_version = 1 };
	send_queue(frontd, conn, exchange);
	exchange_answer_begin(frontd, exchange, &answer);
	answer.start = answer.end = 0;
	answer_put(&answer, HTTP_CONTINUE);
	answer.status = 100;
	exchange_answer_end(frontd, exchange, &answer);
	await_ready(frontd, exchange);
}

/* Answered here, without a worker. */
static void
serve_local(struct frontd *frontd, struct exchange *exchange)
{
	struct api_call *call = &frontd->call;
	struct answer answer;

	for (uint32_t slot = 0; slot < SLOT_MAX; slot++)
		frontd->world.stats[slot] = slot == frontd->role->slot ? frontd->stats : frontd->role->peer[slot].shared;
	peers_refresh(frontd);
	frontd->world.now_ns = frontd->now_ns;
	frontd->world.registry = frontd->role->registry.shared;
	frontd->world.durable = frontd->durable.shared;
	frontd->world.snapshots_asked = &frontd->stats->snapshots_asked;
	for (uint32_t w = 0; w < frontd->shard_count; w++)
		frontd->world.undurable_bytes[w] = peers_undurable_bytes(frontd, w);
	frontd->world.unready = peers_unready(frontd, &frontd->world.unready_outcome);
	exchange_answer_begin(frontd, exchange, &answer);
	call->memo.route->local(call, &answer);
	exchange_answer_end(frontd, exchange, &answer);
	await_ready(frontd, exchange);
}

/* Why the planned call cannot be asked now.  True: call->problem. */
static bool
is_refused_now(struct frontd *frontd, struct conn *conn)
{
	struct api_call *call = &frontd->call;
	enum outcome refusal = peers_shard_refusal(frontd, call->memo.shard);
	uint32_t waiters = frontd->role->geometry.shard.waiters_per_front;

	if (refusal != OUTCOME_OK)
		return !api_refuse(call, refusal, NULL);
	if (FRAME_ALIGN(call->frame_bytes) > frontd->front.geometry.request_bytes)
		return !api_refuse(call, OUTCOME_TOO_LARGE, "larger than the ring of requests");
	if (call->memo.route->op != OP_RECEIVE || conn->index < waiters)
		return false;
	if (call->memo.wait_ms != 0)
		return !api_refuse(call, OUTCOME_TOO_MANY_WAITERS, NULL);
	call->waiter_slot = 0; /* it will not wait */
	return false;
}

/* Room for a client's frame.  Others were here first: cancels of our own, and those who wait already. */
static void *
reserve_for_client(struct frontd *frontd, uint32_t shard, uint32_t bytes)
{
	const struct shard_link *link = &frontd->submits.links[shard];

	if (link->again != NULL || (link->waiting != NULL && !frontd->submits.is_retrying))
		return NULL;
	return submit_reserve(frontd, shard, bytes);
}

/* The frame is in the ring: from now on an exchange stands for the request. */
static void
serve_asked(struct frontd *frontd, struct conn *conn, void *frame, uint32_t bytes)
{
	struct api_call *call = &frontd->call;
	struct exchange *exchange = exchange_new(frontd);

	exchange->memo = call->memo;
	if (frontd->audit.is_on)
		audit_begin(frontd, exchange);
	call->memo.listing = NULL;
	exchange->waiter_slot = conn->index;
	exchange->closes = !call->memo.keep_alive;
	exchange->state = EXCHANGE_ASKED;
	exchange->is_change = call->memo.route->op != OP_RECEIVE;
	frontd->submits.changes_asked += exchange->is_change;
	send_queue(frontd, conn, exchange);
	if (exchange->memo.listing != NULL)
		exchange_hold(frontd, exchange, queue_listing_bytes(exchange->memo.listing));
	memory_progress(frontd, conn);
	exchange->is_limited = frontd->quotas.at_hand != NULL;
	if (exchange->is_limited)
		quota_charge(frontd, ((const struct publish_request *)frame)->count, call->body.len);
	submit_push(frontd, call->memo.shard, frame, bytes, call->memo.route->op, exchange_id(exchange));
	if (call->memo.route->op == OP_RECEIVE && call->memo.wait_ms != 0)
		conn->poll = exchange;
	if (exchange->closes)
		conn_finish(frontd, conn);
}

static enum served
serve_refused(struct frontd *frontd, struct conn *conn)
{
	serve_refuse(frontd, conn, false);
	return SERVE_DONE;
}

/* Lists are large, and can be asked for again. */
static bool
is_list(const struct api_route *route)
{
	return route->method == HTTP_GET && route->params != NULL;
}

enum served
serve_request(struct frontd *frontd, struct conn *conn, struct http_slice body)
{
	struct api_call *call = &frontd->call;
	const struct api_route *route = call->memo.route;

	call->body = route->body == BODY_NONE ? (struct http_slice){ .ptr = NULL } : body;
	memset(&call->password, 0, offsetof(struct api_password, hash) + 1);
	call->is_planned = true;
	bool is_fine = route->plan == NULL || route->plan(call);
	if (call->is_not_now) {
		api_call_end(call);
		return no_room(frontd, 0, true);
	}
	if (!is_fine)
		return serve_refused(frontd, conn);
	if (is_list(route) && memory_refuses(frontd)) {
		(void)api_refuse(call, OUTCOME_BUSY, "too much memory is taken");
		return serve_refused(frontd, conn);
	}
	if (route->op == OP_NONE) {
		struct exchange *exchange = exchange_new(frontd);

		exchange->memo = call->memo;
		if (frontd->audit.is_on)
			audit_begin(frontd, exchange);
		exchange->closes = !call->memo.keep_alive || frontd->is_draining;
		send_queue(frontd, conn, exchange);
		serve_local(frontd, exchange);
		if (exchange->closes)
			conn_finish(frontd, conn);
		stat_add(&frontd->stats->http_requests, 1);
		serve_end(frontd, conn);
		return SERVE_DONE;
	}
	if (is_refused_now(frontd, conn))
		return serve_refused(frontd, conn);
	frontd->quotas.at_hand = NULL;
	if (route->op == OP_PUBLISH && call->memo.caller.uid != 0)
		frontd->quotas.at_hand = quota_find(frontd, call->memo.caller.uid);
	if (frontd->quotas.at_hand != NULL && quota_refuses(frontd))
		return serve_refused(frontd, conn);
	enum served served = served_of(frontd, auth_password(frontd, conn));
	if (served == SERVE_REFUSED)
		return serve_refused(frontd, conn);
	if (served != SERVE_DONE) {
		api_call_end(call);
		return served;
	}
	void *frame = reserve_for_client(frontd, call->memo.shard, call->frame_bytes);
	if (frame == NULL) {
		uint32_t shard = call->memo.shard;

		api_call_end(call);
		return no_room(frontd, shard, false);
	}
	uint32_t bytes = route->fill(call, frame);
	if (bytes == 0)
		return serve_refused(frontd, conn);
	assert(bytes <= FRAME_ALIGN(call->frame_bytes));
	serve_asked(frontd, conn, frame, bytes);
	stat_add(&frontd->stats->http_requests, 1);
	serve_end(frontd, conn);
	return SERVE_DONE;
}

void
serve_end_poll(struct frontd *frontd, struct conn *conn, const struct problem *problem)
{
	struct exchange *poll = conn->poll, *instead = exchange_new(frontd);
	struct answer answer;

	/* It is the last of the FIFO: nothing was taken after it. */
	assert(conn->last == poll);
	conn->poll = NULL;
	struct exchange **at = &conn->first, *before = NULL;
	while (*at != poll) {
		before = *at;
		at = &(*at)->next;
	}
	*at = NULL;
	conn->last = before;
	conn->exchange_count--;
	exchange_disown(frontd, poll);
	poll->state = EXCHANGE_CANCELLING;
	submit_again(frontd, poll);

	instead->memo = poll->memo;
	audit_inherit(instead, poll);
	instead->closes = true;
	send_queue(frontd, conn, instead);
	exchange_answer_begin(frontd, instead, &answer);
	if (problem != NULL)
		answer_problem(&answer, problem);
	else
		receive_answer_empty(&instead->memo, &answer);
	exchange_answer_end(frontd, instead, &answer);
	await_ready(frontd, instead);
}
