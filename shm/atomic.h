/*
 * atomic: the only place that knows how memory is ordered.  Everything here works on a word (1, 2, 4 or 8 bytes) that one
 * process writes and others read; there is no compare-and-swap, because no word of Chasqui has two writers.
 *
 * Each use says in a comment what it orders and which function is its partner.
 */
#ifndef SHM_ATOMIC_H
#define SHM_ATOMIC_H

/* What was written before the partner's store_release() is visible after this. */
#define load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
/* What this process wrote before is visible to whoever sees the value. */
#define store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
/* Not torn, not cached by the compiler, orders nothing. */
#define load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
/* Full fence: stores before it are visible before loads after it (Dekker: post; fence; is he parked?). */
#define fence_full() __atomic_thread_fence(__ATOMIC_SEQ_CST)
/* Loads before it happen before loads and stores after it. */
#define fence_acquire() __atomic_thread_fence(__ATOMIC_ACQUIRE)
/* Stores before it happen before stores after it. */
#define fence_release() __atomic_thread_fence(__ATOMIC_RELEASE)
#define exchange(p, v) __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
/*
 * The compiler moves nothing across.  Enough for crash atomicity: a SIGKILL leaves a prefix of the program order of one
 * thread's stores, so only the compiler can reorder what a successor sees.
 */
#define compiler_barrier() __asm__ volatile("" ::: "memory")

#endif
