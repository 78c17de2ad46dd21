#include "persistd/fetch.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "persistd/batch.h"
#include "persistd/disk.h"
#include "shm/atomic.h"
#include "shm/clock.h"
#include "shm/diag.h"
#include "shm/record.h"

#define FETCH_ROUNDS_MAX 16 /* of FETCH_SLOTS each, in a turn */
#define COMPLAINT_NS 1000000000ull

_Static_assert(sizeof(struct fetch_reply) % 8 == 0, "frames are aligned");

int
fetches_open(struct fetches *fetches, struct role *role, struct backend *backend)
{
	*fetches = (struct fetches){ .role = role, .backend = backend };
	for (uint32_t i = 0; i < FETCH_SLOTS; i++) {
		fetches->slots[i].bytes = disk_memory(FETCH_BYTES_MAX);
		if (fetches->slots[i].bytes == NULL) {
			diag_errno("no memory for bodies");
			return -1;
		}
	}
	return 0;
}

void
fetches_close(struct fetches *fetches)
{
	for (uint32_t i = 0; i < FRONT_MAX; i++) {
		if (fetches->fronts[i].epoch != 0)
			front_detach(&fetches->fronts[i].front);
	}
	for (uint32_t i = 0; i < FETCH_SLOTS; i++)
		disk_memory_free(fetches->slots[i].bytes, FETCH_BYTES_MAX);
	*fetches = (struct fetches){ 0 };
}

/* --- incarnations --- */

static void
front_leave(struct fetch_front *mine)
{
	if (mine->epoch != 0)
		front_detach(&mine->front);
	/* A read that is under way ends in private memory, and is thrown away for its epoch. */
	*mine = (struct fetch_front){ .slot_word = mine->slot_word };
}

static void
front_enter(struct fetches *fetches, uint32_t index, uint64_t epoch)
{
	struct fetch_front *mine = &fetches->fronts[index];
	const struct role *role = fetches->role;

	if (mine->epoch == epoch)
		return; /* STARTING became LIVE */
	front_leave(mine);
	role_take_regions(role);
	if (front_attach(&mine->front, role->instance, index, epoch, &role->geometry.front, &role->store, FRONT_MAP_FETCH) != 0) {
		diag_errno("cannot map front.%" PRIu32 ".%" PRIu64 "; its bodies are not read back", index, epoch);
		return;
	}
	mine->epoch = epoch;
	ring_init(&mine->fetch, &mine->front.shared->fetch, mine->front.fetch_bytes, role->geometry.front.fetch_bytes);
	ring_init(&mine->body, &mine->front.shared->body, mine->front.body_bytes, role->geometry.front.body_bytes);
}

bool
fetches_attend(struct fetches *fetches)
{
	const struct role *role = fetches->role;
	bool is_changed = false;

	for (uint32_t i = 0; i < role->geometry.fronts; i++) {
		struct fetch_front *mine = &fetches->fronts[i];
		enum slot_state state;
		uint64_t epoch;

		if (load_relaxed(&role->registry.shared->slot[SLOT_FRONT(i)].state_epoch) == mine->slot_word)
			continue;
		registry_slot(&role->registry, SLOT_FRONT(i), &state, &epoch);
		if (state == SLOT_STARTING || state == SLOT_LIVE)
			front_enter(fetches, i, epoch);
		else
			front_leave(mine);
		if (state == SLOT_DEAD) {
			/* We never look at that region again.  Pairs with the supervisor's load_acquire before it unlinks it. */
			store_release(&role->stats.shared->closed_epoch[i], epoch);
		}
		mine->slot_word = slot_word(epoch, state);
		is_changed = true;
	}
	return is_changed;
}

/*
 * A frontd that writes nonsense is killed, as DESIGN §5 has it: by the supervisor, which is told by closed_epoch, and at once.
 * We may signal nobody ourselves (persistd/sandbox.c).
 */
static void
front_break(struct fetches *fetches, uint32_t index, const char *what)
{
	const struct role *role = fetches->role;
	struct fetch_front *mine = &fetches->fronts[index];

	diag(DIAG_ERROR, "frontd %" PRIu32 " %s and is killed", index, what);
	mine->is_broken = true;
	/* We look at that region no more.  Pairs with the supervisor's load_acquire before it unlinks it. */
	store_release(&role->stats.shared->closed_epoch[index], mine->epoch);
	if (role->is_handed)
		park_poke(role->event_fd[SLOT_SUPERVISOR]);
}

/* --- slots --- */

/* It has its share of the slots already. */
static bool
front_is_busy(const struct fetches *fetches, const struct fetch_front *mine)
{
	uint32_t fronts = fetches->role->geometry.fronts, share = fronts < FETCH_SLOTS ? FETCH_SLOTS / fronts : 1;

	return mine->in_work >= share;
}

static void
slot_release(struct fetches *fetches, struct fetch_slot *slot)
{
	struct fetch_front *mine = &fetches->fronts[slot->front];

	if (mine->epoch == slot->epoch) {
		assert(mine->in_work > 0);
		mine->in_work--;
	}
	slot->state = FETCH_FREE;
}

static struct fetch_slot *
slot_free(struct fetches *fetches)
{
	for (uint32_t i = 0; i < FETCH_SLOTS; i++) {
		if (fetches->slots[i].state == FETCH_FREE)
			return &fetches->slots[i];
	}
	return NULL;
}

static void
slot_answer(struct fetch_slot *slot, enum outcome outcome)
{
	slot->outcome = outcome;
	slot->state = FETCH_READY;
}

/*
 * What the journal gave must begin with the record that was asked for.  It is said once a second at most: a frontd that was taken
 * over may ask for what was never a record, as often as it likes.
 */
static enum outcome
record_check(struct fetches *fetches, const struct fetch_request *request, const char *bytes)
{
	if (batch_record_bytes(bytes, request->record_bytes, request->lsn) == request->record_bytes)
		return OUTCOME_OK;
	uint64_t now = now_ns();
	if (now - fetches->complained_ns < COMPLAINT_NS && fetches->complained_ns != 0)
		return OUTCOME_MESSAGE_CORRUPT;
	fetches->complained_ns = now;
	diag(DIAG_ERROR, "the journal does not hold the record of LSN %" PRIu64 ", shard %" PRIu32 ", where it should be; "
	    "run chasqui check", request->lsn, request->shard);
	return OUTCOME_MESSAGE_CORRUPT;
}

/* Put a reply into the body ring of whoever asked, if he still lives.  False if there is no room yet. */
static bool
slot_deliver(struct fetches *fetches, struct fetch_slot *slot, enum outcome outcome, const char *bytes)
{
	struct fetch_front *mine = &fetches->fronts[slot->front];
	uint32_t record_bytes = outcome == OUTCOME_OK ? slot->request.record_bytes : 0;
	uint32_t frame_bytes = (uint32_t)sizeof(struct fetch_reply) + record_bytes;

	if (mine->epoch != slot->epoch || mine->is_broken) {
		slot_release(fetches, slot);
		return true;
	}
	struct fetch_reply *reply = ring_reserve(&mine->body, frame_bytes);
	if (reply == NULL && ring_head_lies(&mine->body)) {
		front_break(fetches, slot->front, "took bodies that were never given");
		slot_release(fetches, slot);
		return true;
	}
	if (reply == NULL)
		return false;
	reply->header = (struct frame_header){ .bytes = frame_bytes, .op = (uint16_t)outcome, .id = slot->request.header.id };
	reply->record_bytes = record_bytes;
	reply->reserved = 0;
	memcpy(reply->bytes, bytes, record_bytes);
	ring_push(&mine->body, frame_bytes);
	mine->has_pushed = true;
	slot_release(fetches, slot);
	return true;
}

/* Deliver it, or begin the read, now that the index may know the place.  False if nothing could be done yet. */
static bool
slot_locate(struct fetches *fetches, struct fetch_slot *slot)
{
	const struct fetch_request *request = &slot->request;
	struct backend_range range = { .lsn = request->lsn, .shard = request->shard, .bytes = request->record_bytes };
	const char *here;

	switch (fetches->backend->ops->fetch(fetches->backend, (uint32_t)(slot - fetches->slots), &range, slot->bytes, &here)) {
	case BACKEND_HERE:
		if (!slot_deliver(fetches, slot, record_check(fetches, request, here), here))
			return false;
		stat_add(&fetches->role->stats.shared->fetches, 1);
		return true;
	case BACKEND_FETCHING:
		slot->state = FETCH_READING;
		return true;
	case BACKEND_COMING:
	case BACKEND_LATER:
		return false;
	case BACKEND_FAILED:
		slot_answer(slot, OUTCOME_BUSY); /* nothing is wrong with the message: its client may try again */
		return true;
	case BACKEND_NONE:
		break;
	}
	slot_answer(slot, OUTCOME_NOT_FOUND);
	return true;
}

void
fetches_completed(struct fetches *fetches, uint32_t number, int32_t result)
{
	struct fetch_slot *slot = &fetches->slots[number];
	const struct fetch_request *request = &slot->request;

	assert(number < FETCH_SLOTS && slot->state == FETCH_READING);

	stat_add(&fetches->role->stats.shared->fetches, 1);
	if (result == (int32_t)request->record_bytes) {
		slot_answer(slot, record_check(fetches, request, slot->bytes));
		return;
	}
	errno = result < 0 ? -result : EIO;
	diag_errno("cannot read LSN %" PRIu64 " of shard %" PRIu32 " back", request->lsn, request->shard);
	/* It may be readable the next time; while it is not, its deliveries are used up. */
	slot_answer(slot, OUTCOME_JOURNAL_FAILED);
}

/* Show each frontd what it got, and wake it: once, however many bodies that are. */
static void
fetches_post(struct fetches *fetches)
{
	uint32_t count = fetches->role->geometry.fronts;
	bool has_posted = false;

	for (uint32_t i = 0; i < count; i++) {
		if (!fetches->fronts[i].has_pushed)
			continue;
		ring_post(&fetches->fronts[i].body);
		has_posted = true;
	}
	if (!has_posted)
		return;
	park_fence();
	for (uint32_t i = 0; i < count; i++) {
		if (!fetches->fronts[i].has_pushed)
			continue;
		fetches->fronts[i].has_pushed = false;
		if (park_wake(&fetches->role->waker[SLOT_FRONT(i)]))
			stat_add(&fetches->role->stats.shared->persist_wakes, 1);
	}
}

/* --- requests --- */

static enum outcome
request_check(const struct fetches *fetches, const struct fetch_request *request)
{
	if (request->shard >= fetches->role->geometry.workers)
		return OUTCOME_BAD_REQUEST;
	if (request->record_bytes < sizeof(struct record) || request->record_bytes > FETCH_BYTES_MAX ||
	    request->record_bytes % 8 != 0)
		return OUTCOME_BAD_REQUEST;
	if (request->lsn < LSN_FIRST || request->lsn % 8 != 0)
		return OUTCOME_BAD_REQUEST;
	/* The largest reply must fit into the ring at all, or it would wait for ever. */
	if (request->record_bytes + sizeof(struct fetch_reply) > fetches->role->geometry.front.body_bytes)
		return OUTCOME_TOO_LARGE;
	return OUTCOME_OK;
}

/* One request of one frontd.  False if there is none. */
static bool
front_serve(struct fetches *fetches, uint32_t index, struct fetch_slot *slot)
{
	struct fetch_front *mine = &fetches->fronts[index];
	struct frame_header header;
	const void *frame;

	if (mine->epoch == 0 || mine->is_broken || front_is_busy(fetches, mine))
		return false;
	switch (ring_peek(&mine->fetch, sizeof(struct fetch_request), &header, &frame)) {
	case RING_EMPTY:
		return false;
	case RING_FRAME:
		if (header.bytes == sizeof(struct fetch_request))
			break;
		/* fall through */
	case RING_LIES:
		front_break(fetches, index, "wrote nonsense into its fetch ring");
		return false;
	}
	/* Copied before it is looked at: he may still be writing to it. */
	memcpy(&slot->request, frame, sizeof(slot->request));
	slot->request.header = header;
	slot->front = index;
	slot->epoch = mine->epoch;
	slot->state = FETCH_LOCATING;
	mine->in_work++;
	ring_skip(&mine->fetch, header.bytes);
	ring_drop(&mine->fetch);
	enum outcome outcome = request_check(fetches, &slot->request);
	if (outcome != OUTCOME_OK)
		slot_answer(slot, outcome);
	return true;
}

/* One of each frontd in turn, until all slots are taken or nobody wants anything. */
static bool
slots_fill(struct fetches *fetches)
{
	uint32_t count = fetches->role->geometry.fronts, idle = 0;
	struct fetch_slot *slot;
	bool has_moved = false;

	while (idle < count && (slot = slot_free(fetches)) != NULL) {
		bool has_served = front_serve(fetches, fetches->first, slot);

		fetches->first = (fetches->first + 1) % count;
		idle = has_served ? 0 : idle + 1;
		has_moved |= has_served;
	}
	return has_moved;
}

static bool
slots_advance(struct fetches *fetches)
{
	bool has_moved = false;

	for (uint32_t i = 0; i < FETCH_SLOTS; i++) {
		struct fetch_slot *slot = &fetches->slots[i];

		if (slot->state == FETCH_LOCATING)
			has_moved |= slot_locate(fetches, slot);
		if (slot->state == FETCH_READY)
			has_moved |= slot_deliver(fetches, slot, (enum outcome)slot->outcome, slot->bytes);
	}
	return has_moved;
}

bool
fetches_serve(struct fetches *fetches)
{
	bool has_moved = false;

	/* Most are served out of a window and free their slot at once, so that the next can be taken; but commits wait, too. */
	for (uint32_t round = 0; round < FETCH_ROUNDS_MAX; round++) {
		bool one = slots_fill(fetches);

		one |= slots_advance(fetches);
		if (!one)
			break;
		has_moved = true;
	}
	fetches_post(fetches);
	return has_moved;
}

bool
fetches_are_blocked(const struct fetches *fetches)
{
	for (uint32_t i = 0; i < FETCH_SLOTS; i++) {
		if (fetches->slots[i].state == FETCH_LOCATING || fetches->slots[i].state == FETCH_READY)
			return true;
	}
	return false;
}

bool
fetches_have_news(const struct fetches *fetches)
{
	const struct role *role = fetches->role;
	bool has_slot = false;

	for (uint32_t i = 0; i < FETCH_SLOTS && !has_slot; i++)
		has_slot = fetches->slots[i].state == FETCH_FREE;
	for (uint32_t i = 0; i < role->geometry.fronts; i++) {
		const struct fetch_front *mine = &fetches->fronts[i];

		if (load_relaxed(&role->registry.shared->slot[SLOT_FRONT(i)].state_epoch) != mine->slot_word)
			return true;
		if (has_slot && mine->epoch != 0 && !mine->is_broken && !front_is_busy(fetches, mine) &&
		    load_acquire(&mine->front.shared->fetch.tail) != mine->fetch.head)
			return true;
	}
	return false;
}
