/*
 * epoch: a frontd dies and its successor gets a region of its own (DESIGN §5, shm/front.h).
 *
 *   supervisor  the kernel reports the death: slot = DEAD(E); when every peer has closed E: unlink front.I.E, create
 *               front.I.(E+1), slot = STARTING(E+1), run the new frontd
 *   worker      slot STARTING/LIVE(E) and not open: attach front.I.E, commit OPEN(E).  Slot DEAD(E) and open: execute what was
 *               posted, one transaction each, commit CLOSING, drop the waiters in slices (a job), commit CLOSED, and only then
 *               publish closed_epoch = E in its statistics.  A worker that never opened E closes it at once.
 *
 * Workers die too, between any two steps: what was committed stands, all else is forgotten, and closed_epoch is published
 * again from what is committed.
 *
 * Shown: each posted request is executed exactly once, nobody touches a region that is gone, no request or waiter of
 * an old epoch is left when the new one begins, and it always begins.
 *
 * -D WAIT=0  the supervisor does not wait         -D DRAIN=0  CLOSED without executing what was posted
 * -D EARLY=1 closed_epoch is published before the waiters are gone.  Each must be found wrong (run.sh).
 */
#ifndef WAIT
#define WAIT 1
#endif
#ifndef DRAIN
#define DRAIN 1
#endif
#ifndef EARLY
#define EARLY 0
#endif

#define WORKERS 2
#define EPOCHS 2       /* incarnations of the frontd; the last one lives */
#define REQUESTS 2     /* that each incarnation may post to each worker before it dies; each leaves a waiter */
#define WORKER_CRASHES 2

mtype = { STARTING, LIVE, DEAD };
mtype = { CLOSED, OPEN, CLOSING };

/* Registry. */
mtype slot_state = STARTING;
byte slot_epoch = 1;

byte region = 1;                  /* the epoch whose region exists */

/* Shared rings: what the frontd posted; per worker; belong to `region`. */
byte posted[WORKERS];
byte executed[WORKERS];           /* over this epoch, counted by the oracle */

/* Shard, committed words. */
mtype front[WORKERS] = CLOSED;
byte front_epoch[WORKERS];
byte request_head[WORKERS];
byte waiters[WORKERS];

/* Statistics region. */
byte closed_epoch[WORKERS];

byte crashes_left = WORKER_CRASHES;
bool is_over;

#define ALL_CLOSED(e) (closed_epoch[0] >= (e) && closed_epoch[1] >= (e))

proctype frontd(byte epoch)
{
	byte count;

	do
	:: posted[0] < REQUESTS -> posted[0]++
	:: posted[1] < REQUESTS -> posted[1]++
	:: break
	od;
	if
	:: epoch < EPOCHS -> slot_state = DEAD /* killed; the supervisor stores DEAD(E) */
	:: epoch == EPOCHS -> slot_state = LIVE
	fi
}

/* Between any two steps: forget everything private.  Nothing is private here but the place in the program. */
#define MAY_DIE \
	if \
	:: atomic { crashes_left > 0 -> crashes_left--; goto recovered } \
	:: true \
	fi

proctype worker(byte me)
{
recovered:
	/* recover: publish again what is committed */
	if
	:: front[me] == CLOSED && front_epoch[me] > closed_epoch[me] -> closed_epoch[me] = front_epoch[me]
	:: else
	fi;
end:
	do
	:: atomic { slot_state != DEAD && front_epoch[me] < slot_epoch && front[me] == CLOSED ->
		/* attach */
		assert(region == slot_epoch) };
		MAY_DIE;
		d_step {
			/* open: new cursors */
			front[me] = OPEN;
			front_epoch[me] = slot_epoch;
			request_head[me] = 0;
			executed[me] = 0;
			assert(waiters[me] == 0)
		}
	:: atomic { slot_state == DEAD && front_epoch[me] < slot_epoch && front[me] == CLOSED ->
		/* it died before we ever looked: what it posted is executed all the same, so open it first */
		assert(region == slot_epoch) };
		MAY_DIE;
		d_step {
			front[me] = OPEN;
			front_epoch[me] = slot_epoch;
			request_head[me] = 0;
			executed[me] = 0
		}
	:: atomic { front[me] == OPEN && request_head[me] < posted[me] && front_epoch[me] == slot_epoch ->
		assert(region == front_epoch[me]);
		/* one transaction: state, consumed request, parked waiter */
		request_head[me]++;
		executed[me]++;
		waiters[me]++ };
		MAY_DIE
#if DRAIN
	:: atomic { front[me] == OPEN && slot_state == DEAD && request_head[me] == posted[me] ->
#else
	:: atomic { front[me] == OPEN && slot_state == DEAD ->
#endif
		front[me] = CLOSING };
		MAY_DIE;
#if EARLY
		closed_epoch[me] = front_epoch[me];
		MAY_DIE
#endif
	:: atomic { front[me] == CLOSING && waiters[me] > 0 -> waiters[me]-- }; /* a slice of the job */
		MAY_DIE
	:: atomic { front[me] == CLOSING && waiters[me] == 0 -> front[me] = CLOSED };
		MAY_DIE;
		closed_epoch[me] = front_epoch[me]
	od
}

active proctype supervisor()
{
	atomic {
		run worker(0);
		run worker(1);
		run frontd(1)
	}
	do
	:: slot_state == DEAD ->
#if WAIT
		ALL_CLOSED(slot_epoch);
#endif
		/* unlink the old region, create the new one; then show it */
		atomic {
			assert(executed[0] == posted[0] && executed[1] == posted[1]);
			assert(waiters[0] == 0 && waiters[1] == 0);
			region = slot_epoch + 1;
			posted[0] = 0;
			posted[1] = 0;
			slot_epoch++;
			slot_state = STARTING;
			run frontd(slot_epoch)
		}
	:: slot_state == LIVE -> break
	od;
	/* The last incarnation's requests are executed too, and once. */
	front[0] == OPEN && front[1] == OPEN && request_head[0] == posted[0] && request_head[1] == posted[1];
	assert(front_epoch[0] == EPOCHS && front_epoch[1] == EPOCHS);
	assert(executed[0] == posted[0] && executed[1] == posted[1]);
	is_over = true
}

active proctype monitor()
{
end:
	timeout;
	assert(is_over)
}
