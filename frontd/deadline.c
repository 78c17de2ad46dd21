#include "frontd/deadline.h"

#include <assert.h>

#include "frontd/frontd.h"

void
deadline_init(struct frontd *frontd)
{
	for (unsigned i = 0; i < DEADLINE_SLOTS; i++)
		frontd->deadlines.slots[i] = CONN_NONE;
	frontd->deadlines.start_ns = frontd->now_ns;
	frontd->deadlines.tick = 1;
}

void
deadline_clear(struct frontd *frontd, struct conn *conn)
{
	if (conn->wheel_tick == 0)
		return;
	uint32_t *slot = &frontd->deadlines.slots[conn->wheel_tick % DEADLINE_SLOTS];

	if (conn->wheel_prev == CONN_NONE) {
		assert(*slot == conn->index);
		*slot = conn->wheel_next;
	} else {
		conn_at(frontd, conn->wheel_prev)->wheel_next = conn->wheel_next;
	}
	if (conn->wheel_next != CONN_NONE)
		conn_at(frontd, conn->wheel_next)->wheel_prev = conn->wheel_prev;
	conn->wheel_tick = 0;
}

static void
deadline_link(struct frontd *frontd, struct conn *conn, uint32_t tick)
{
	uint32_t *slot = &frontd->deadlines.slots[tick % DEADLINE_SLOTS];

	conn->wheel_tick = tick;
	conn->wheel_prev = CONN_NONE;
	conn->wheel_next = *slot;
	if (*slot != CONN_NONE)
		conn_at(frontd, *slot)->wheel_prev = conn->index;
	*slot = conn->index;
}

void
deadline_update(struct frontd *frontd, struct conn *conn)
{
	struct deadlines *wheel = &frontd->deadlines;
	uint64_t at_ns = conn_deadline_ns(frontd, conn);

	if (at_ns == 0)
		return; /* it stays linked, and is left alone when its slot comes */
	uint64_t tick = at_ns <= wheel->start_ns ? 0 : (at_ns - wheel->start_ns) / DEADLINE_TICK_NS + 1;
	if (tick <= wheel->tick)
		tick = wheel->tick + 1;
	if (tick > (uint64_t)wheel->tick + DEADLINE_SLOTS - 1)
		tick = (uint64_t)wheel->tick + DEADLINE_SLOTS - 1; /* beyond the horizon: asked again there */
	if (conn->wheel_tick != 0 && conn->wheel_tick <= tick)
		return;
	deadline_clear(frontd, conn);
	deadline_link(frontd, conn, (uint32_t)tick);
}

static void
deadline_run_slot(struct frontd *frontd, uint32_t tick)
{
	uint32_t index = frontd->deadlines.slots[tick % DEADLINE_SLOTS];

	/* What conn_due() does may unlink or relink any of them: take one at a time, from the front. */
	while (index != CONN_NONE) {
		struct conn *conn = conn_at(frontd, index);

		assert(conn->wheel_tick == tick);
		deadline_clear(frontd, conn);
		uint64_t at_ns = conn_deadline_ns(frontd, conn);
		if (at_ns != 0 && at_ns <= frontd->now_ns)
			conn_due(frontd, conn);
		if (conn->state != CONN_FREE)
			deadline_update(frontd, conn);
		index = frontd->deadlines.slots[tick % DEADLINE_SLOTS];
	}
}

void
deadline_run(struct frontd *frontd)
{
	struct deadlines *wheel = &frontd->deadlines;
	uint64_t now = (frontd->now_ns - wheel->start_ns) / DEADLINE_TICK_NS + 1;

	while (wheel->tick < now) {
		wheel->tick++;
		deadline_run_slot(frontd, wheel->tick);
	}
}

uint64_t
deadline_next_ns(const struct frontd *frontd, uint64_t max_ns)
{
	const struct deadlines *wheel = &frontd->deadlines;

	for (uint32_t ahead = 1; ahead * DEADLINE_TICK_NS <= max_ns + DEADLINE_TICK_NS; ahead++) {
		if (wheel->slots[(wheel->tick + ahead) % DEADLINE_SLOTS] == CONN_NONE)
			continue;
		uint64_t at_ns = wheel->start_ns + (uint64_t)(wheel->tick + ahead - 1) * DEADLINE_TICK_NS;
		uint64_t wait_ns = at_ns > frontd->now_ns ? at_ns - frontd->now_ns : 1;
		return wait_ns < max_ns ? wait_ns : max_ns;
	}
	return max_ns;
}
