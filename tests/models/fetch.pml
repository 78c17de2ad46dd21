/*
 * fetch: a frontd asks persistd for bodies, and persistd is killed again and again.  Is each body brought in the end?
 *
 *   frontd      asks while the request ring has room; takes bodies; asks again for all that is missing when it sees that a
 *               persistd lives which it had not asked for all of it (frontd/fetch.c, persistd_is_another)
 *   persistd    takes a request (from then on it is in its memory alone), later puts the body into the body ring; dies at
 *               any step, what it had taken is gone
 *   supervisor  writes DEAD, then STARTING with the next epoch; and LIVE some time after it was said to be ready, when it
 *               may be serving for long, or be dead again
 *
 * Nobody sleeps here with a cap, so a body that nobody will bring is a state in which nothing goes on: an invalid end state.
 * Wake-ups are wake.pml's: a frontd is poked by the supervisor after each change of a slot.
 *
 * -D FIRST=0: the first persistd that frontd sees live is no reason to ask again.  -D AGAIN=0: none is.  -D UNASKED=0: what
 * found no room is not asked later.  -D TWICE=0: a body that comes twice is counted twice.  Each must be found wrong (run.sh).
 */
#ifndef FIRST
#define FIRST 1
#endif
#ifndef AGAIN
#define AGAIN 1
#endif
#ifndef UNASKED
#define UNASKED 1
#endif
#ifndef TWICE
#define TWICE 1
#endif
#ifndef KILLS
#define KILLS 3
#endif

#define BODIES 3
#define ROOM 2      /* less than there are bodies: the ring fills up */

mtype = { UNWANTED, TO_ASK, ASKED, DONE };
mtype = { NONE, STARTING, LIVE, DEAD };

chan request = [ROOM] of { byte };
chan body = [1] of { byte };
mtype slot_state = NONE;
byte slot_epoch = 0;
bool runs = false;  /* the kernel's view of the process */
bool is_ready = false;

active proctype persistd()
{
	bool taken[BODIES];
	byte kills = 0, i;
end:
	do
	:: atomic { runs && request ? [i] -> request ? i; taken[i] = true }
	:: atomic { runs && taken[0] && nfull(body) -> body ! 0; taken[0] = false }
	:: atomic { runs && taken[1] && nfull(body) -> body ! 1; taken[1] = false }
	:: atomic { runs && taken[2] && nfull(body) -> body ! 2; taken[2] = false }
	:: atomic { runs && !is_ready -> is_ready = true }
	:: atomic { runs && kills < KILLS ->
			kills++;
			runs = false;
			taken[0] = false; taken[1] = false; taken[2] = false }
	od
}

active proctype supervisor()
{
end:
	do
	:: atomic { !runs && slot_state != DEAD && slot_state != NONE -> slot_state = DEAD }
	:: atomic { !runs && (slot_state == DEAD || slot_state == NONE) ->
			slot_epoch++;
			slot_state = STARTING;
			is_ready = false };
		runs = true
	:: slot_state == STARTING && is_ready -> /* looked, and then wrote: it may have died between */
		slot_state = LIVE
	od
}

mtype states[BODIES] = UNWANTED;
byte missing = 0, unwanted = BODIES, seen = 0;
bool has_unasked = false;

inline ask(i)
{
	if
	:: states[i] == TO_ASK && len(request) < ROOM -> request ! i; states[i] = ASKED
	:: states[i] == TO_ASK && len(request) == ROOM -> has_unasked = true
	:: else
	fi
}

inline ask_all()
{
	has_unasked = false;
	ask(0); ask(1); ask(2)
}

inline forget(i)
{
	if
	:: states[i] == ASKED -> states[i] = TO_ASK
	:: else
	fi
}

#define IS_ANOTHER (slot_state == LIVE && slot_epoch != seen)

active proctype frontd()
{
	byte i;
	bool again;

	do
	:: missing == 0 && unwanted == 0 -> break
	:: unwanted > 0 -> /* a receive: of the last body first, which is as good as any */
		atomic {
			if
			:: missing == 0 && IS_ANOTHER -> seen = slot_epoch
			:: else
			fi
		};
		unwanted--;
		missing++;
		states[unwanted] = TO_ASK;
		atomic { ask(unwanted) }
	:: body ? i ->
		if
#if TWICE
		:: states[i] == DONE
#endif
		:: else ->
			assert(missing > 0);
			states[i] = DONE;
			missing--
		fi
#if AGAIN
	:: atomic { missing > 0 && IS_ANOTHER ->
#if FIRST
			again = true;
#else
			again = seen != 0;
#endif
			seen = slot_epoch };
		if
		:: again -> forget(0); forget(1); forget(2); ask_all()
		:: else
		fi
#endif
#if UNASKED
	:: has_unasked && nfull(request) -> ask_all()
#endif
	od
}
