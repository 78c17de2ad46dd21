/*
 * wake: nobody sleeps while there is work (shm/park.h).  Two producers post to one sleeper; each process has a FIFO store
 * buffer as x86 has (TSO): a store is seen by others when it leaves the buffer, which may be any time later.
 *
 *   sleeper   park_begin(): word = next odd value; full fence; look at every ring again; sleep until the eventfd is not 0
 *   producer  post; full fence (park_fence); park_wake(): if the word is odd and not the value signalled last: write eventfd
 *   supervisor  after each death: write the eventfd (park_poke)
 *
 * There is no cap on the sleep here, so a lost wake-up is a state in which nothing can go on while something was posted:
 * the monitor's assertion.  A killed producer's executed stores drain before its death is known (the kernel's notice).
 *
 * -D WAKER_FENCE=0  -D SLEEPER_FENCE=0  -D SEQUENCE=0  -D POKE=0: leave that out; each must be found wrong (run.sh).
 * -D CRASHES=n -D SLEEPER_CRASHES=n: so many producers, sleepers die at any step; a successor goes on.
 */
#ifndef WAKER_FENCE
#define WAKER_FENCE 1
#endif
#ifndef SLEEPER_FENCE
#define SLEEPER_FENCE 1
#endif
#ifndef SEQUENCE
#define SEQUENCE 1
#endif
#ifndef POKE
#define POKE 1
#endif
#ifndef CRASHES
#define CRASHES 0
#endif
#ifndef SLEEPER_CRASHES
#define SLEEPER_CRASHES 0
#endif

#define PRODUCERS 2
#define FRAMES(me) (2 - (me)) /* posted by each producer */

#define IS_PARKED(word) ((word) % 2 == 1)

/* Memory: what is here is seen by all. */
byte tail[PRODUCERS];
byte word;
byte event;

/* Store buffers, drained by the hardware in order. */
chan tail_buffer[PRODUCERS] = [2] of { byte };
chan word_buffer = [2] of { byte };

byte head[PRODUCERS];   /* consumed; the sleeper's transaction, so it outlives it */
byte crashes_left = CRASHES;
byte sleeper_crashes_left = SLEEPER_CRASHES;

/* One sleep costs a producer one signal: counted where no producer dies and forgets whom it has signalled. */
#define COUNTS (CRASHES == 0)
byte signals[PRODUCERS];
byte sleeps;

#define WORK (head[0] != tail[0] || head[1] != tail[1])

active proctype hardware()
{
	byte value;
end:
	do
	:: atomic { tail_buffer[0] ? value -> tail[0] = value }
	:: atomic { tail_buffer[1] ? value -> tail[1] = value }
	:: atomic { word_buffer ? value -> word = value }
	od
}

proctype producer(byte me)
{
	byte posted = 0;    /* its own view of its tail, store-forwarded */
	byte signalled = 0; /* struct waker: private, so a successor has 0 */
	byte seen;

	do
	:: posted == FRAMES(me) -> break
	:: atomic { posted < FRAMES(me) -> posted++; tail_buffer[me] ! posted }; /* ring_post() */
		if
		:: atomic { crashes_left > 0 -> crashes_left--; goto dead }
		:: true
		fi;
#if WAKER_FENCE
		empty(tail_buffer[me]); /* park_fence() */
#endif
		seen = word; /* park_wake() */
		if
		:: IS_PARKED(seen) && seen != signalled ->
			if
			:: atomic { crashes_left > 0 -> crashes_left--; goto dead }
			:: true
			fi;
			atomic {
				event++;
#if COUNTS
				signals[me]++;
				assert(signals[me] <= sleeps);
#endif
#if SEQUENCE
				signalled = seen
#else
				signalled = 1
#endif
			}
		:: else
		fi
	od;
	goto done;

dead:
	/* Its executed stores drain, then the kernel tells the supervisor. */
	atomic { empty(tail_buffer[me]) -> signalled = 0 }
#if POKE
	event++;
#endif
	/* The successor finds the tail as committed and has nothing more to post: the hardest case. */
done:
	skip
}

active proctype sleeper()
{
	byte own = 0; /* its own view of its word, store-forwarded */

	do
	:: atomic { WORK -> head[0] = tail[0]; head[1] = tail[1] }
	:: atomic { !WORK -> /* park_begin(): the next odd value */
#if SEQUENCE
			own = (own - own % 2) + 3;
#else
			own = 1;
#endif
#if COUNTS
			sleeps++;
#endif
			word_buffer ! own };
#if SLEEPER_FENCE
		empty(word_buffer);
#endif
		if
		:: WORK
		:: !WORK ->
			if
			:: atomic { sleeper_crashes_left > 0 ->
				/* It dies parked; its successor starts with what memory holds, once that is known. */
				sleeper_crashes_left-- };
				atomic { empty(word_buffer) -> own = word }
			:: true ->
end:				atomic { event > 0 -> event = 0 } /* sleep */
			fi
		fi;
		atomic { own = own - own % 2; word_buffer ! own } /* park_end() */
	od
}

active proctype monitor()
{
end:
	timeout;
	assert(!WORK)
}

init
{
	atomic {
		run producer(0);
		run producer(1)
	}
}
