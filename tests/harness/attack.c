#include "tests/harness/attack.h"

#include <string.h>

#include "shm/atomic.h"
#include "shm/ops.h"
#include "shm/record.h"

/* A frame as it is made, before it goes into the ring. */
enum { FRAME_ROOM = 16384 };

struct draft {
	_Alignas(8) char bytes[FRAME_ROOM];
	uint32_t count;
};

/* --- choices --- */

static uint64_t
random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static uint32_t
choose_byte(struct attack_source *source)
{
	if (source->bytes == NULL)
		return (uint32_t)(random_next(&source->seed) >> 33) & 0xff;
	if (source->left == 0)
		return 0;
	source->left--;
	return *source->bytes++;
}

static uint64_t
choose_word(struct attack_source *source, unsigned bytes)
{
	uint64_t word = 0;

	while (bytes-- > 0)
		word = word << 8 | choose_byte(source);
	return word;
}

uint32_t
attack_choose(struct attack_source *source, uint32_t below)
{
	return (uint32_t)(choose_word(source, below <= 256 ? 1 : 4) % below);
}

bool
attack_is_used_up(const struct attack_source *source)
{
	return source->bytes != NULL && source->left == 0;
}

/* A value that somebody may have forgotten. */
static uint64_t
odd_value(struct attack_source *source)
{
	static const uint64_t odd[] = { 0, 1, 7, 8, 9, 15, 16, 17, 63, 64, 80, 81, 100, 101, 255, 1000, 1001, 4096, 65535, 65536,
		60000, 60001, 1u << 20, (1u << 20) + 1, 4u << 20, 1u << 31, UINT32_MAX - 7, UINT32_MAX, UINT64_MAX - 7, UINT64_MAX,
		1ull << 63, LEASE_MS_MAX, LEASE_MS_MAX + 1, DELAY_MS_MAX, DELAY_MS_MAX + 1, 1000000000000ull };
	uint32_t i = attack_choose(source, sizeof(odd) / sizeof(odd[0]) + 2);

	return i < sizeof(odd) / sizeof(odd[0]) ? odd[i] : choose_word(source, 8);
}

/* Mostly something below `below`, as an honest frontd would. */
static uint64_t
value(struct attack_source *source, uint32_t below)
{
	return attack_choose(source, 8) == 0 ? odd_value(source) : attack_choose(source, below);
}

static bool
one_in(struct attack_source *source, uint32_t times)
{
	return attack_choose(source, times) == 0;
}

/* --- drafts --- */

static void *
grow(struct draft *draft, uint32_t bytes)
{
	char *at = draft->bytes + draft->count;

	bytes = FRAME_ALIGN(bytes);
	if (draft->count + bytes > FRAME_ROOM)
		return NULL;
	memset(at, 0, bytes);
	draft->count += bytes;
	return at;
}

static void
put_name(struct attack_source *source, struct queue_name *name)
{
	name->bytes = 2;
	name->text[0] = 'h';
	name->text[1] = (char)('0' + attack_choose(source, 4));
	if (!one_in(source, 10))
		return;
	switch (attack_choose(source, 6)) {
	case 0:
		name->bytes = (uint8_t)choose_byte(source);
		return;
	case 1:
		name->text[1] = (char)choose_byte(source);
		return;
	case 2: /* no end, and the longest that is allowed or one more */
		memset(name->text, 'h', sizeof(name->text));
		name->bytes = (uint8_t)(NAME_MAX_BYTES + attack_choose(source, 2));
		return;
	case 3:
		name->bytes = 0;
		return;
	case 4: /* the same name with junk behind it */
		memset(name->text + 2, 'x', sizeof(name->text) - 2);
		return;
	default: /* many names */
		name->bytes = 4;
		name->text[2] = (char)('0' + attack_choose(source, 10));
		name->text[3] = (char)('0' + attack_choose(source, 10));
	}
}

/* Who asks is a frontd's own word: any. */
static void
put_caller(struct attack_source *source, struct caller *caller)
{
	caller->uid = one_in(source, 4)
	    ? odd_value(source)
	    : (uint64_t)attack_choose(source, 4) << 32 | attack_choose(source, 4);
	caller->flags = one_in(source, 4) ? (uint32_t)odd_value(source)
	                                  : CALLER_ADMIN | CALLER_MAY_CREATE;
}

static void
draft_config(struct attack_source *source, struct draft *draft)
{
	struct queue_config_request *request = grow(draft, sizeof(*request));

	put_name(source, &request->queue.name);
	request->config = queue_config_default();
	request->config.lease_ms = value(source, 100);
	request->config.delay_ms = one_in(source, 4) ? value(source, 100) : 0;
	request->config.max_messages = value(source, 20);
	request->config.max_in_flight = (uint32_t)value(source, 10);
	request->config.max_deliveries = (uint32_t)value(source, 4) + 1;
	request->config.max_message_bytes = (uint32_t)value(source, 4096) + 1;
	request->config.backoff_min_ms = value(source, 100);
	request->config.backoff_max_ms = value(source, 200) + 100;
	request->config.backoff_jitter_ppm = (uint32_t)value(source, 1000000);
	request->config.durability = (uint8_t)value(source, 2);
	request->config.backoff_type = (uint8_t)value(source, 2);
	request->config.reserved[attack_choose(source, 6)] = one_in(source, 8) ? 1 : 0;
	request->fields = (uint32_t)choose_word(source, 2);
	request->condition = one_in(source, 6) ? (uint32_t)value(source, 4) : CONDITION_NONE;
	request->etag = value(source, 200);
	request->owner = one_in(source, 2) ? odd_value(source) : 0;
}

static void
draft_named(struct attack_source *source, struct draft *draft)
{
	struct queue_request *request = grow(draft, sizeof(*request));

	put_name(source, &request->name);
}

static void
draft_list(struct attack_source *source, struct draft *draft)
{
	struct queue_list_request *request = grow(draft, sizeof(*request));

	request->from_idx = (uint32_t)value(source, 20);
	request->limit = (uint32_t)value(source, 100) + 1;
	put_name(source, &request->prefix);
}

static void
draft_publish(struct attack_source *source, struct draft *draft)
{
	struct publish_request *request = grow(draft, sizeof(*request));
	uint32_t items = attack_choose(source, 6) + 1;

	put_name(source, &request->queue.name);
	request->count = one_in(source, 10) ? (uint32_t)odd_value(source) : items;
	for (uint32_t i = 0; i < items; i++) {
		struct publish_item *item = grow(draft, sizeof(*item));
		uint32_t attributes_bytes = one_in(source, 2) ? attack_choose(source, 40) : 0, body_bytes = attack_choose(source, 200);
		char *payload = grow(draft, attributes_bytes + body_bytes);

		item->delay_ms = one_in(source, 4) ? value(source, 100) : DELAY_DEFAULT;
		item->not_before_ms = one_in(source, 12) ? odd_value(source) : 0;
		item->attributes_bytes = one_in(source, 20) ? (uint32_t)odd_value(source) : attributes_bytes;
		item->body_bytes = one_in(source, 20) ? (uint32_t)odd_value(source) : body_bytes;
		for (uint32_t b = 0; b < attributes_bytes; b++)
			payload[b] = (char)choose_byte(source);
		if (attributes_bytes >= 12 && one_in(source, 2)) /* a list as it should be, with a value that breaks lines */
			memcpy(payload, "\x02\x07\x00" "x:1\r\nabcd", 12);
		memset(payload + attributes_bytes, 'b', body_bytes);
	}
}

static void
draft_receive(struct attack *attack, struct draft *draft)
{
	struct attack_source *source = attack->source;
	struct receive_request *request = grow(draft, sizeof(*request));

	put_name(source, &request->queue.name);
	request->lease_ms = one_in(source, 3) ? LEASE_DEFAULT : value(source, 200);
	request->max = (uint32_t)value(source, 10) + 1;
	request->wait_ms = one_in(source, 2) ? (uint32_t)value(source, 200) : 0;
	request->waiter_slot = (uint32_t)value(source, attack->waiter_slots + 1);
	request->bytes_max = (uint32_t)odd_value(source);
}

static void
draft_cancel(struct attack *attack, struct draft *draft)
{
	struct receive_cancel_request *request = grow(draft, sizeof(*request));

	request->waiter_slot = (uint32_t)value(attack->source, attack->waiter_slots + 1);
}

static void
put_receipt(struct attack *attack, struct receipt *receipt)
{
	struct attack_source *source = attack->source;
	struct receipt known = { 0 };

	if (attack->receipt_count > 0)
		known = attack->receipts[attack_choose(source, attack->receipt_count)];
	*receipt = known;
	if (one_in(source, 8))
		receipt->msg_idx = (uint32_t)odd_value(source);
	if (one_in(source, 8))
		receipt->token = one_in(source, 2) ? odd_value(source) : known.token + attack_choose(source, 3) - 1;
	if (one_in(source, 16))
		receipt->reserved = UINT32_MAX;
}

static void
draft_settle(struct attack *attack, struct draft *draft)
{
	struct attack_source *source = attack->source;
	struct settle_request *request = grow(draft, sizeof(*request));
	uint32_t count = attack_choose(source, 8) + 1;

	put_name(source, &request->queue.name);
	request->lease_ms = one_in(source, 3) ? LEASE_DEFAULT : value(source, 200);
	request->mode = (uint32_t)value(source, 2);
	request->count = one_in(source, 10) ? (uint32_t)odd_value(source) : count;
	for (uint32_t i = 0; i < count; i++)
		put_receipt(attack, grow(draft, sizeof(struct receipt)));
}

static void
draft_purge(struct attack_source *source, struct draft *draft)
{
	struct purge_request *request = grow(draft, sizeof(*request));

	put_name(source, &request->queue.name);
	request->states = (uint32_t)value(source, 16);
	request->older_than_ms = one_in(source, 2) ? 0 : odd_value(source);
}

/* A text of some length, as a worker wants it or not: not only zeros behind its end. */
static uint32_t
put_text(struct attack_source *source, char *text, uint32_t room)
{
	static const char *const texts[] = { "*", "#", "admin", "publish:h0", "*:a.#", "h0 h1.*",
		"a  b", "$y$j9T$abc", "\x01" };
	uint32_t bytes;

	if (one_in(source, 6)) {
		bytes = attack_choose(source, room + 2);
		for (uint32_t i = 0; i < bytes && i < room; i++)
			text[i] = (char)choose_byte(source);
		return bytes;
	}
	const char *chosen = texts[attack_choose(source, sizeof(texts) / sizeof(texts[0]))];
	bytes = (uint32_t)strlen(chosen);
	memcpy(text, chosen, bytes);
	if (one_in(source, 10))
		text[attack_choose(source, room)] ^= 1;
	return bytes;
}

/* Slots and numbers as a young shard has them. */
static uint64_t
some_uid(struct attack_source *source)
{
	return one_in(source, 8) ? odd_value(source)
	                         : USER_UID(1 + attack_choose(source, 6), attack_choose(source, 5));
}

static uint64_t
some_id(struct attack_source *source)
{
	return one_in(source, 8)
	    ? odd_value(source)
	    : CREDENTIAL_ID(1 + attack_choose(source, 20), attack_choose(source, 20));
}

static void
draft_user(struct attack_source *source, struct draft *draft)
{
	struct user_request *request = grow(draft, sizeof(*request));
	struct user_config *config = &request->config;

	put_name(source, &request->name);
	config->quotas.queues = value(source, 10);
	config->quotas.bytes_per_second = value(source, 10);
	config->role = (uint8_t)value(source, 2);
	config->is_disabled = (uint8_t)value(source, 2);
	config->password_bytes = (uint8_t)put_text(
	    source, config->password, sizeof(config->password));
	config->creates_bytes = (uint16_t)put_text(
	    source, config->creates, sizeof(config->creates));
	config->reserved = one_in(source, 16) ? 1 : 0;
	request->fields = (uint32_t)choose_word(source, 2);
	request->condition = one_in(source, 6) ? (uint32_t)value(source, 4) : CONDITION_NONE;
	request->etag = value(source, 200);
}

static void
draft_user_delete(struct attack_source *source, struct draft *draft)
{
	struct user_delete_request *request = grow(draft, sizeof(*request));

	put_name(source, &request->name);
	request->condition = one_in(source, 6) ? (uint32_t)value(source, 4) : CONDITION_NONE;
	request->etag = value(source, 200);
}

static void
draft_credential(struct attack_source *source, struct draft *draft)
{
	struct credential_request *request = grow(draft, sizeof(*request));
	struct credential_config *config = &request->credential;

	memset(config->hash, (int)attack_choose(source, 30), sizeof(config->hash));
	config->uid = some_uid(source);
	config->expires_ms = one_in(source, 2) ? 0 : odd_value(source);
	config->idle_ms = one_in(source, 2) ? 0 : value(source, 1000);
	config->name.bytes = (uint8_t)put_text(
	    source, config->name.text, sizeof(config->name.text));
	config->scopes_bytes = (uint16_t)put_text(source, config->scopes, sizeof(config->scopes));
	config->kind = (uint8_t)value(source, 2);
	config->reserved[attack_choose(source, 5)] = one_in(source, 16) ? 1 : 0;
	request->password_etag = one_in(source, 4) ? odd_value(source) : 0;
}

static void
draft_revoke(struct attack_source *source, struct draft *draft, bool is_all)
{
	struct credential_revoke_request *request = grow(draft, sizeof(*request));

	_Static_assert(sizeof(*request) == sizeof(struct credential_revoke_all_request),
	    "they differ in what the number is");
	request->id = is_all ? some_uid(source) : some_id(source);
	request->kind = (uint32_t)value(source, 2);
}

static void
draft_touch(struct attack_source *source, struct draft *draft)
{
	struct credential_touch_request *request = grow(draft, sizeof(*request));

	request->id = some_id(source);
}

static void
draft_grant(struct attack_source *source, struct draft *draft)
{
	struct grant_request *request = grow(draft, sizeof(*request));

	put_name(source, &request->queue.name);
	request->uid = some_uid(source);
	request->rights = (uint32_t)value(source, RIGHTS_ALL + 1);
}

static void
draft_op(struct attack *attack, struct draft *draft, uint32_t op)
{
	switch (op) {
	case OP_QUEUE_PUT:
	case OP_QUEUE_PATCH:
		draft_config(attack->source, draft);
		return;
	case OP_QUEUE_GET:
	case OP_QUEUE_DELETE:
	case OP_GRANT_LIST:
		draft_named(attack->source, draft);
		return;
	case OP_QUEUE_LIST:
		draft_list(attack->source, draft);
		return;
	case OP_PUBLISH:
		draft_publish(attack->source, draft);
		return;
	case OP_RECEIVE:
		draft_receive(attack, draft);
		return;
	case OP_RECEIVE_CANCEL:
		draft_cancel(attack, draft);
		return;
	case OP_ACK:
	case OP_EXTEND:
	case OP_NACK:
		draft_settle(attack, draft);
		return;
	case OP_PURGE:
		draft_purge(attack->source, draft);
		return;
	case OP_USER_PUT:
	case OP_USER_PATCH:
		draft_user(attack->source, draft);
		return;
	case OP_USER_DELETE:
		draft_user_delete(attack->source, draft);
		return;
	case OP_CREDENTIAL_CREATE:
		draft_credential(attack->source, draft);
		return;
	case OP_CREDENTIAL_REVOKE:
	case OP_CREDENTIAL_REVOKE_ALL:
		draft_revoke(attack->source, draft, op == OP_CREDENTIAL_REVOKE_ALL);
		return;
	case OP_CREDENTIAL_TOUCH:
		draft_touch(attack->source, draft);
		return;
	case OP_GRANT_PUT:
	case OP_GRANT_DELETE:
		draft_grant(attack->source, draft);
		return;
	default: /* none */
		(void)grow(draft, sizeof(struct frame_header) + attack_choose(attack->source, 200));
	}
}

/* Some bytes of it changed, wherever they are but for its length. */
static void
spoil(struct attack_source *source, struct draft *draft)
{
	for (uint32_t times = attack_choose(source, 6) + 1; times > 0; times--) {
		uint32_t at = 4 + attack_choose(source, draft->count - 4);

		draft->bytes[at] = (char)choose_byte(source);
	}
}

static void
draft_finish(struct attack *attack, struct draft *draft, uint32_t op, uint32_t lies_per_1024)
{
	struct attack_source *source = attack->source;
	struct frame_header *header = (struct frame_header *)draft->bytes;

	if (one_in(source, 16)) /* cut short, at a multiple of 8 */
		draft->count = (uint32_t)sizeof(*header) + (attack_choose(source, draft->count) & ~7u);
	*header = (struct frame_header){ .bytes = draft->count, .op = (uint16_t)op, .id = ++attack->next_id };
	if (op != OP_RECEIVE_CANCEL && op != OP_CREDENTIAL_TOUCH &&
	    draft->count >= sizeof(struct queue_request))
		put_caller(source, &((struct queue_request *)draft->bytes)->caller);
	if (one_in(source, 24))
		header->id = one_in(source, 2) ? 0 : odd_value(source);
	if (one_in(source, 4))
		spoil(source, draft);
	if (attack_choose(source, 1024) < lies_per_1024) {
		header->bytes = (uint32_t)odd_value(source);
		attack->lies++;
	}
}

/* --- the ring --- */

static void
post_draft(struct attack *attack, const struct draft *draft)
{
	if (ring_room(&attack->request, draft->count) < draft->count)
		return;
	memcpy(ring_at(&attack->request, attack->request.tail), draft->bytes, draft->count);
	ring_push(&attack->request, draft->count);
	ring_post(&attack->request);
	attack->frames++;
}

/* A cursor somewhere else: near, a ring further, behind, not aligned, anywhere. */
static uint64_t
jump(struct attack_source *source, const struct ring *ring, uint64_t cursor)
{
	switch (attack_choose(source, 8)) {
	case 0:
		return cursor + 8;
	case 1:
		return cursor + 1 + attack_choose(source, 7);
	case 2:
		return cursor + ring->size_bytes;
	case 3:
		return cursor + ring->size_bytes + 8;
	case 4:
		return cursor - 8;
	case 5:
		return 0;
	case 6:
		return cursor + attack_choose(source, (uint32_t)ring->size_bytes);
	default:
		return choose_word(source, 8);
	}
}

static void
lie_about_cursors(struct attack_source *source, struct ring *out, struct ring *in)
{
	switch (attack_choose(source, 4)) {
	case 0: /* the words of the other side, which no one should read */
		store_relaxed(&out->shared->head, jump(source, out, out->shared->head));
		store_relaxed(&in->shared->tail, jump(source, in, in->shared->tail));
		return;
	case 1:
		store_relaxed(&in->shared->head, jump(source, in, in->head));
		return;
	default:
		store_relaxed(&out->shared->tail, jump(source, out, out->tail));
	}
}

/* Bytes of the ring itself, wherever. */
static void
scribble(struct attack_source *source, struct ring *ring)
{
	for (uint32_t times = attack_choose(source, 64); times > 0; times--)
		ring->bytes[attack_choose(source, (uint32_t)ring->size_bytes)] = (char)choose_byte(source);
}

void
attack_begin(struct attack *attack, struct attack_source *source, const struct front_rings *rings, uint32_t waiter_slots)
{
	*attack = (struct attack){ .source = source, .waiter_slots = waiter_slots };
	ring_init(&attack->request, &rings->pair->request, rings->request_bytes, rings->request_size_bytes);
	ring_init(&attack->reply, &rings->pair->reply, rings->reply_bytes, rings->reply_size_bytes);
}

void
attack_step(struct attack *attack, uint32_t lies_per_1024)
{
	struct attack_source *source = attack->source;
	uint32_t op = one_in(source, 32) ? (uint32_t)choose_word(source, 2) : attack_choose(source, OP_COUNT);
	struct draft draft = { .count = 0 };

	if (attack_choose(source, 1024) < lies_per_1024) {
		attack->lies++;
		lie_about_cursors(source, &attack->request, &attack->reply);
		return;
	}
	if (lies_per_1024 > 0 && one_in(source, 64))
		scribble(source, one_in(source, 2) ? &attack->request : &attack->reply);
	draft_op(attack, &draft, op);
	draft_finish(attack, &draft, op, lies_per_1024);
	post_draft(attack, &draft);
}

static void
remember(struct attack *attack, const struct receive_reply *reply)
{
	for (uint32_t i = 0; i < reply->count && i < RECEIVE_BATCH_MAX; i++) {
		uint32_t at = attack->receipt_count < ATTACK_RECEIPTS ? attack->receipt_count++
		    : attack_choose(attack->source, ATTACK_RECEIPTS);

		attack->receipts[at] = (struct receipt){ .token = reply->deliveries[i].token,
			.msg_idx = reply->deliveries[i].msg_idx };
	}
}

bool
attack_take_replies(struct attack *attack)
{
	struct frame_header header;
	const void *frame;
	enum ring_peek peek;

	while ((peek = ring_peek(&attack->reply, REPLY_BYTES_MAX, &header, &frame)) == RING_FRAME) {
		/* Only receives have replies of this shape; a settle's may look like one and gives receipts that are none. */
		if (header.op == OUTCOME_OK && header.bytes >= sizeof(struct receive_reply) + sizeof(struct delivery) &&
		    ((const struct receive_reply *)frame)->count * sizeof(struct delivery) <= header.bytes)
			remember(attack, frame);
		ring_skip(&attack->reply, header.bytes);
	}
	if (peek == RING_LIES)
		return false;
	ring_drop(&attack->reply);
	return true;
}

/* --- fetches --- */

void
attack_fetch_begin(struct attack_fetch *attack, struct attack_source *source, const struct front *front)
{
	*attack = (struct attack_fetch){ .source = source, .shards = front->geometry.workers, .lsn_first = LSN_FIRST,
		.lsn_end = LSN_FIRST + (1 << 20) };
	ring_init(&attack->request, &front->shared->fetch, front->fetch_bytes, front->geometry.fetch_bytes);
	ring_init(&attack->body, &front->shared->body, front->body_bytes, front->geometry.body_bytes);
}

void
attack_fetch_step(struct attack_fetch *attack, uint32_t lies_per_1024)
{
	struct attack_source *source = attack->source;
	uint64_t span = attack->lsn_end - attack->lsn_first;
	struct fetch_request request = { .header = { .bytes = sizeof(request), .id = ++attack->next_id } };

	if (attack_choose(source, 1024) < lies_per_1024) {
		attack->lies++;
		lie_about_cursors(source, &attack->request, &attack->body);
		return;
	}
	request.lsn = one_in(source, 4) ? odd_value(source) : (attack->lsn_first + choose_word(source, 4) % span) & ~7ull;
	request.shard = (uint32_t)value(source, attack->shards);
	request.record_bytes = (uint32_t)value(source, 4096) & (one_in(source, 8) ? UINT32_MAX : ~7u);
	if (attack_choose(source, 1024) < lies_per_1024) {
		request.header.bytes = (uint32_t)odd_value(source);
		attack->lies++;
	}
	if (ring_room(&attack->request, sizeof(request)) < sizeof(request))
		return;
	memcpy(ring_at(&attack->request, attack->request.tail), &request, sizeof(request));
	ring_push(&attack->request, sizeof(request));
	ring_post(&attack->request);
	attack->frames++;
}

void
attack_fetch_take(struct attack_fetch *attack)
{
	attack->body.tail = attack->body.head = load_acquire(&attack->body.shared->tail);
	ring_drop(&attack->body);
}
