/*
 * held: a frontd sleeps while a reply of its worker waits for the disk.  The worker does not wake it for such a reply
 * (workerd/worker.c, wake_front): persistd does, when the records are durable.  Is it ever left asleep with an answer that may
 * leave?
 *
 *   worker    tail = k; reply = k (stores of its mirror); full fence; if durable >= k already: wake the frontd
 *   persistd  sees tail; writes; durable = tail; full fence; wakes the frontd if it is parked
 *   frontd    takes replies, lets go what is durable; park_begin(): word = 1; full fence; looks at both again; sleeps
 *
 * Each process has a FIFO store buffer (x86 TSO).  There is no cap on the sleep here, so a lost wake-up is a state in which
 * nothing can go on before all answers have left: an invalid end state.
 *
 * -D LOOK=0: the worker does not look at durable.  -D WORKER_FENCE=0 -D PERSIST_FENCE=0 -D FRONT_FENCE=0: no fence there.
 * Each must be found wrong (run.sh).
 */
#ifndef LOOK
#define LOOK 1
#endif
#ifndef WORKER_FENCE
#define WORKER_FENCE 1
#endif
#ifndef PERSIST_FENCE
#define PERSIST_FENCE 1
#endif
#ifndef FRONT_FENCE
#define FRONT_FENCE 1
#endif

#define REQUESTS 3

/* Memory: what is here is seen by all. */
byte tail, reply, durable, word;
byte event;

/* Store buffers, drained by the hardware in order; the worker's holds what and value. */
mtype = { TAIL, REPLY };
chan worker_buffer = [4] of { mtype, byte };
chan persist_buffer = [2] of { byte };
chan front_buffer = [2] of { byte };

active proctype hardware()
{
	byte value;
end:
	do
	:: atomic { worker_buffer ? TAIL, value -> tail = value }
	:: atomic { worker_buffer ? REPLY, value -> reply = value }
	:: atomic { persist_buffer ? value -> durable = value }
	:: atomic { front_buffer ? value -> word = value }
	od
}

active proctype worker()
{
	byte k = 0, seen;

	do
	:: k == REQUESTS -> break
	:: k < REQUESTS ->
		k++;
		worker_buffer ! TAIL, k;
		worker_buffer ! REPLY, k;
#if WORKER_FENCE
		empty(worker_buffer); /* park_fence() */
#endif
		seen = durable;
		if
#if LOOK
		:: seen >= k ->
			seen = word;
			if
			:: seen == 1 -> event++
			:: else
			fi
#endif
		:: else
		fi
	od
}

active proctype persistd()
{
	byte sealed = 0, seen;

	do
	:: sealed == REQUESTS -> break
	:: tail > sealed ->
		sealed = tail; /* gathered, written */
		persist_buffer ! sealed;
#if PERSIST_FENCE
		empty(persist_buffer);
#endif
		seen = word;
		if
		:: seen == 1 -> event++
		:: else
		fi
	od
}

active proctype frontd()
{
	byte taken = 0, released = 0, seen_reply, seen_durable;

	do
	:: released == REQUESTS -> break
	:: else ->
		taken = reply;
		seen_durable = durable;
		if
		:: taken < seen_durable -> released = taken
		:: else -> released = seen_durable
		fi;
		if
		:: released == REQUESTS -> break
		:: else
		fi;
		front_buffer ! 1; /* park_begin(): changes are asked for, so persistd is to wake us */
#if FRONT_FENCE
		empty(front_buffer);
#endif
		seen_reply = reply;
		seen_durable = durable;
		if
		:: seen_reply > taken || (taken > released && seen_durable > released) -> skip
		:: else ->
			event > 0; /* asleep */
			event = 0
		fi;
		front_buffer ! 0 /* park_end() */
	od
}
