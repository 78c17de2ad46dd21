/*
 * Any bytes as what a client sends over a connection, through all of frontd/http and frontd/api and a real worker: parsed,
 * routed, planned, filled into a frame of just the size that was asked for, executed, answered.  Every answer has a status
 * that a client can cause, is UTF-8 JSON where it says so, and at the end the shard is sound.  A request may name {R}, the
 * receipt of the last message received.  Who asks: `Authorization: NAME SCOPES`, where there is such a user, else an admin;
 * a password is right if it is as long as the name.
 */
#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontd/api/ids.h"
#include "frontd/api/queues.h"
#include "frontd/api/routes.h"
#include "frontd/http/chunk.h"
#include "frontd/http/text.h"
#include "shm/pattern.h"
#include "tests/harness/engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

enum { INPUT_MAX = 64 << 10, REQUESTS_MAX = 20 };

static struct {
	struct engine *engine;
	struct http_request request;
	struct http_target target;
	struct api_world world;
	struct api_call call;
	char scratch[HTTP_TARGET_MAX];
	char room[ANSWER_ROOM_BYTES];
	char body[INPUT_MAX];
	char receipt[RECEIPT_BYTES];
	struct principal principal;
	struct user_entry user;  /* its texts */
} run;

/* ---- the answer ---- */

static void
check_answer(struct answer *answer)
{
	const char *begin = answer_start(answer), *end = begin + answer_bytes(answer);
	const char *body = memmem(begin, (size_t)(end - begin), "\r\n\r\n", 4);
	const char *type = memmem(begin, (size_t)(end - begin), "Content-Type: ", 14);

	assert(body != NULL && answer->status >= 200 && answer->status < 600);
	/* 503: the tables are small here.  No other fault is a client's to cause. */
	assert(answer->status < 500 || answer->status == 503);
	body += 4;
	if (body < end && type != NULL && type < body && (strncmp(type + 14, "application/json", 16) == 0 ||
	    strncmp(type + 14, "application/problem+json", 24) == 0) && !run.call.memo.wants_raw) {
		json_t *json = json_loadb(body, (size_t)(end - body), JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);

		assert(json != NULL);
		json_decref(json);
	}
	free(answer->heap);
}

static void
begin_answer(struct answer *answer)
{
	*answer = (struct answer){ .room = run.room, .date = HTTP_LITERAL("Thu, 01 Jan 1970 00:00:00 GMT"), .minor_version = 1,
		.keep_alive = true, .is_head = run.call.memo.is_head };
	answer_init(answer);
}

static void
answer_refusal(const struct problem *problem)
{
	struct answer answer;

	begin_answer(&answer);
	answer_problem(&answer, problem);
	check_answer(&answer);
}

/* ---- the worker ---- */

static const struct reply *
ask(struct api_memo *memo, uint32_t (*refill)(struct api_memo *, void *))
{
	uint32_t bytes = run.call.frame_bytes;
	void *copy = malloc(refill != NULL ? REPLY_BYTES_MAX : FRAME_ALIGN(bytes)), *frame;

	/* Exactly as large as was asked for, so that a sanitizer sees the first byte written beyond it. */
	assert(copy != NULL);
	bytes = refill != NULL ? refill(memo, copy) : memo->route->fill(&run.call, copy);
	if (bytes == 0) {
		free(copy);
		return NULL;
	}
	assert(refill != NULL || bytes <= FRAME_ALIGN(run.call.frame_bytes));
	frame = engine_frame(run.engine, 0, memo->route->op, ++run.engine->next_id, bytes);
	memcpy((char *)frame + sizeof(struct frame_header), (char *)copy + sizeof(struct frame_header), bytes - sizeof(struct frame_header));
	free(copy);
	engine_post(run.engine, 0);
	engine_run(run.engine);
	return engine_reply(run.engine, 0);
}

/* Bodies as frontd/fetch finds them, all hot. */
static void
find_bodies(const struct receive_reply *received, struct api_body bodies[RECEIVE_BATCH_MAX])
{
	const struct stream *stream = &run.engine->worker.stream;

	assert(received->count >= 1 && received->count <= RECEIVE_BATCH_MAX);
	for (uint32_t i = 0; i < received->count; i++) {
		const struct delivery *delivery = &received->deliveries[i];

		bodies[i] = (struct api_body){ .outcome = OUTCOME_OK,
			.attributes = stream->bytes + (delivery->lsn & (stream->size_bytes - 1)) + RECORD_PUBLISHED_BYTES };
		receipt_format(&(struct receipt){ .token = delivery->token, .msg_idx = delivery->msg_idx }, received->shard, run.receipt);
	}
}

static void
answer_reply(struct api_memo *memo, const struct reply *reply)
{
	struct api_body bodies[RECEIVE_BATCH_MAX];
	struct answer answer;

	while (reply != NULL) {
		begin_answer(&answer);
		if (reply->header.op >= OUTCOME_BAD_REQUEST) {
			api_answer_refusal(memo, reply->header.op, &answer);
			break;
		}
		if (memo->route->op == OP_RECEIVE && reply->header.op == OUTCOME_OK)
			find_bodies((const struct receive_reply *)reply, bodies);
		const struct api_reply all = { .frame = reply, .bodies = bodies, .world = &run.world };
		if (memo->route->answer(memo, &all, &answer) == API_ANSWERED)
			break;
		reply = ask(memo, memo->route->refill);
	}
	/* A receive that waits has no reply: it ends with the engine. */
	if (reply != NULL)
		check_answer(&answer);
}

/* ---- who asks ---- */

static bool
find_user(struct http_slice text, struct user_entry *user)
{
	struct queue_name name;

	if (!api_name_is_valid(text))
		return false;
	api_put_name(text, &name);
	return directory_user_by_name(run.world.directory, &name, user) == DIRECTORY_FOUND;
}

/* The header is text without CTL, so the scopes may be anything else. */
static const struct principal *
find_principal(struct http_slice header, enum api_entry entry)
{
	const char *blank = header.ptr != NULL ? memchr(header.ptr, ' ', header.len) : NULL;
	struct http_slice name = { header.ptr, blank != NULL ? (size_t)(blank - header.ptr) : header.len };
	struct http_slice scopes = HTTP_LITERAL("*");
	struct principal *principal = &run.principal;

	if (header.ptr == NULL || !find_user(name, &run.user))
		return entry == ENTRY_REQUIRED ? &principal_anybody : NULL;
	if (blank != NULL)
		scopes = (struct http_slice){ blank + 1, header.len - name.len - 1 };
	if (scopes.len == 0 || !scopes_are_valid(scopes.ptr, scopes.len))
		scopes = HTTP_LITERAL("browse:#");
	*principal = (struct principal){ .uid = run.user.uid, .kind = PRINCIPAL_PASSWORD, .scopes = scopes,
		.name = { run.user.name.text, run.user.name.bytes },
		.creates = { run.user.config.creates, run.user.config.creates_bytes },
		.has_admin_role = run.user.config.role == USER_ROLE_ADMIN,
		.is_whole = scopes_are_full(scopes.ptr, scopes.len) };
	principal->is_admin = principal->has_admin_role && scopes_have_admin(scopes.ptr, scopes.len);
	return principal;
}

/* What frontd/people/auth.c makes of call->password. */
static bool
check_passwords(struct api_call *call)
{
	struct api_password *password = &call->password;
	struct user_entry user;

	if (password->fresh.ptr != NULL)
		strcpy(password->hash, "$y$j9T$nothing");
	if (password->user.ptr == NULL)
		return true;
	if (!find_user(password->user, &user) || password->current.len != password->user.len)
		return api_refuse(call, OUTCOME_UNAUTHORIZED, NULL);
	password->verified_uid = user.uid;
	password->verified_etag = user.password_etag;
	return true;
}

/* ---- a request ---- */

static void
serve(struct http_slice body)
{
	struct api_call *call = &run.call;
	struct answer answer;

	call->body = call->memo.route->body == BODY_NONE ? (struct http_slice){ .ptr = NULL } : body;
	call->is_planned = true;
	if (call->memo.route->plan != NULL && !call->memo.route->plan(call)) {
		assert(!call->is_not_now); /* nobody writes the directory meanwhile */
		answer_refusal(&call->problem);
		return;
	}
	if (call->memo.route->op == OP_NONE) {
		begin_answer(&answer);
		call->memo.route->local(call, &answer);
		check_answer(&answer);
		return;
	}
	if (!check_passwords(call)) {
		answer_refusal(&call->problem);
		return;
	}
	const struct reply *reply = ask(&call->memo, NULL);
	if (reply == NULL && call->problem.status != 0)
		answer_refusal(&call->problem);
	struct api_memo memo = call->memo;
	call->memo.listing = NULL;
	answer_reply(&memo, reply);
	api_memo_release(&memo);
}

static void
admit_and_serve(struct http_slice body)
{
	struct api_call *call = &run.call;
	struct http_span scratch = { .ptr = run.scratch, .len = sizeof(run.scratch) };

	memset(call, 0, sizeof(*call));
	call->request = &run.request;
	call->target = &run.target;
	call->world = &run.world;
	run.world = (struct api_world){ .now_ms = run.engine->now_ms, .shard_count = 1, .body_bytes_max = 8u << 20,
		.session_idle_ms = 1000, .session_max_ms = 5000, .directory = &run.engine->worker.directory };
	enum http_result result = http_target_parse(run.request.origin_form, scratch, &run.target);
	if (http_is_refusal(result)) {
		problem_of_http(&call->problem, result);
	} else {
		routes_resolve(call);
		call->principal = find_principal(run.request.known[HTTP_AUTHORIZATION], call->entry);
	}
	if (http_is_refusal(result) || !routes_admit(call))
		answer_refusal(&call->problem);
	else if (body.len > call->body_max)
		assert(run.request.is_chunked || call->problem.status != 0);
	else
		serve(body);
	if (call->memo.route != NULL)
		api_call_end(call);
}

/* How many bytes it took; 0: there is no more. */
static size_t
take_request(const char *bytes, size_t count)
{
	size_t scan_from = 0;

	if (http_parse_head(bytes, count, &scan_from, &run.request) != HTTP_DONE)
		return 0;
	size_t used = run.request.head_bytes + (size_t)run.request.content_length;
	struct http_slice in = { .ptr = bytes + run.request.head_bytes, .len = count - run.request.head_bytes };
	struct http_slice body = { .ptr = in.ptr, .len = (size_t)run.request.content_length };
	if (run.request.is_chunked) {
		struct http_span out = { .ptr = run.body, .len = sizeof(run.body) };
		struct http_chunk chunk;

		http_chunk_init(&chunk, sizeof(run.body));
		if (http_chunk_decode(&chunk, &in, &out) != HTTP_DONE)
			return 0;
		used = (size_t)(in.ptr - bytes);
		body = (struct http_slice){ .ptr = run.body, .len = (size_t)chunk.body_bytes };
	} else if (run.request.content_length > in.len) {
		return 0;
	}
	/* In memory of its own size. */
	char *copy = malloc(body.len + 1);
	assert(copy != NULL);
	memcpy(copy, body.ptr, body.len);
	copy = realloc(copy, body.len > 0 ? body.len : 1);
	admit_and_serve((struct http_slice){ .ptr = copy, .len = body.len });
	free(copy);
	return used;
}

/* {R} -> the receipt, in place and of the same length as its placeholder: {RRRRRRRRRRRRRRRRRRR}. */
static void
put_receipt(char *bytes, size_t count)
{
	static const char place[] = "{RRRRRRRRRRRRRRRRRRR}";
	_Static_assert(sizeof(place) - 1 == RECEIPT_BYTES, "replaced in place");
	char *found = memmem(bytes, count, place, RECEIPT_BYTES);

	if (found != NULL)
		memcpy(found, run.receipt, RECEIPT_BYTES);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t count)
{
	const struct engine_options options = { .messages = 64, .queues = 16, .waiters_per_front = 64 };
	char *bytes = malloc(count + 1);
	size_t at = 0, used = 1;

	if (count > INPUT_MAX || bytes == NULL) {
		free(bytes);
		return 0;
	}
	memcpy(bytes, input, count);
	memset(run.receipt, '0', sizeof(run.receipt));
	run.engine = engine_open(&options);
	for (unsigned n = 0; n < REQUESTS_MAX && at < count && used != 0; n++) {
		put_receipt(bytes + at, count - at);
		used = take_request(bytes + at, count - at);
		at += used;
	}
	const char *complaint = engine_check(run.engine);
	if (complaint == NULL)
		complaint = directory_check(&run.engine->worker.directory);
	if (complaint != NULL)
		fprintf(stderr, "%s\n", complaint);
	assert(complaint == NULL);
	engine_close(run.engine);
	free(bytes);
	return 0;
}
