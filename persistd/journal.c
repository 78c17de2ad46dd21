#include "persistd/journal.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "shm/diag.h"

static struct flight *
flight_of(struct journal *journal, uint64_t index)
{
	return &journal->flight[index % journal->in_flight];
}

void
journal_check(const struct journal *journal)
{
	uint64_t durable = journal->durable.index, sealed = journal->sealed.index;
	bool is_waiting = false;

	assert(durable <= sealed && sealed <= durable + journal->in_flight); /* J1 */
	for (uint64_t index = durable + 1; index <= sealed; index++) {
		const struct flight *flight = &journal->flight[index % journal->in_flight];

		assert(flight->state != FLIGHT_FREE); /* J2 */
		assert(flight->batch.header->index == index);
		assert(!is_waiting || flight->state == FLIGHT_SEALED); /* J3 */
		is_waiting = flight->state == FLIGHT_SEALED;
	}
	for (uint64_t index = sealed + 1; index <= durable + journal->in_flight; index++)
		assert(journal->flight[index % journal->in_flight].state == FLIGHT_FREE); /* J2 */
}

int
journal_init(struct journal *journal, struct backend *backend, uint32_t in_flight)
{
	assert(in_flight >= 1 && in_flight <= IN_FLIGHT_MAX);

	*journal = (struct journal){ .backend = backend, .in_flight = in_flight };
	for (uint32_t i = 0; i < in_flight; i++) {
		if (batch_init(&journal->flight[i].batch, backend->shards) != 0) {
			diag_errno("no memory for %" PRIu32 " batches", in_flight);
			journal_close(journal);
			return -1;
		}
	}
	return 0;
}

void
journal_close(struct journal *journal)
{
	for (uint32_t i = 0; i < journal->in_flight; i++)
		batch_release(&journal->flight[i].batch);
	*journal = (struct journal){ 0 };
}

int
journal_open(struct journal *journal, const struct backend_open *open)
{
	int code = journal->backend->ops->open(journal->backend, open, &journal->opened);

	if (code != 0)
		return code;
	journal->epoch = journal->opened.epoch;
	journal->sealed = journal->durable = journal->opened.position;
	journal->is_open = true;
	journal_check(journal);
	return 0;
}

struct batch *
journal_free(struct journal *journal)
{
	struct flight *flight = flight_of(journal, journal->sealed.index + 1);

	if (!journal->is_open || journal->is_broken || flight->state != FLIGHT_FREE)
		return NULL;
	batch_reset(&flight->batch);
	return &flight->batch;
}

void
journal_append(struct journal *journal, uint64_t time_ms, uint16_t flags, uint64_t now_ns)
{
	struct flight *flight = flight_of(journal, journal->sealed.index + 1);
	struct batch_place place = { .store_uuid = journal->backend->store_uuid, .epoch = journal->epoch,
		.index = journal->sealed.index + 1, .durable_index = journal->durable.index /* J4 */,
		.previous_hash = journal->sealed.hash, .time_ms = time_ms, .flags = flags };

	assert(flight->state == FLIGHT_FREE);
	assert(journal->is_open && !journal->is_broken);

	(void)batch_seal(&flight->batch, &place); /* the hash is in the header */
	flight->state = FLIGHT_SEALED;
	journal_position_add(&journal->sealed, flight->batch.header, 0);
	(void)journal_push(journal, now_ns); /* if it has to wait, the loop pushes again */
	journal_check(journal);
}

bool
journal_push(struct journal *journal, uint64_t now_ns)
{
	bool has_pushed = false;

	for (uint64_t index = journal->durable.index + 1; index <= journal->sealed.index && !journal->is_broken; index++) {
		struct flight *flight = flight_of(journal, index);

		if (flight->state != FLIGHT_SEALED)
			continue;
		if (journal->backend->ops->append(journal->backend, &flight->batch, (uint32_t)(index % journal->in_flight)) ==
		    BACKEND_WAIT)
			break;
		flight->state = FLIGHT_FLYING;
		flight->pushed_ns = now_ns;
		flight->segment = journal->backend->segment;
		has_pushed = true;
	}
	return has_pushed;
}

int
journal_land(struct journal *journal, uint32_t number, int32_t result, uint64_t now_ns)
{
	struct flight *flight = &journal->flight[number];

	assert(number < journal->in_flight);
	assert(flight->state == FLIGHT_FLYING);

	flight->state = FLIGHT_LANDED;
	flight->landed_ns = now_ns;
	if (result == (int32_t)flight->batch.queued_bytes)
		return 0;
	errno = result < 0 ? -result : EIO;
	if (!journal->is_broken)
		diag_errno("the journal failed: writing batch %" PRIu64 " (%" PRIu32 " bytes) to segment %" PRIu64 " gave %" PRId32
		    "; nothing more is acknowledged", flight->batch.header->index, flight->batch.header->total_bytes,
		    flight->segment, result);
	journal->is_broken = true;
	return -1;
}

const struct flight *
journal_next_durable(struct journal *journal)
{
	struct flight *flight = flight_of(journal, journal->durable.index + 1);

	if (journal->is_broken || flight->state != FLIGHT_LANDED)
		return NULL;
	assert(flight->batch.header->index == journal->durable.index + 1);
	journal->backend->ops->landed(journal->backend, &flight->batch, (uint32_t)(flight - journal->flight));
	journal_position_add(&journal->durable, flight->batch.header, flight->segment);
	flight->state = FLIGHT_FREE;
	journal_check(journal);
	return flight;
}

bool
journal_is_idle(const struct journal *journal)
{
	return journal->durable.index == journal->sealed.index;
}
