/*
 * Happy path: reference(), then a child plays the same script while judge_states() steps it; then judge_recovery() steps
 * a recovery itself, from the state with the longest undo log.
 * Failure modes: the first thing that is wrong is written into the verdict, with the instruction after which it was seen.
 */
#include "tests/step/core/oracle.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "shm/atomic.h"
#include "shm/state/check.h"
#include "shm/state/digest.h"
#include "tests/step/core/engine.h"
#include "tests/step/core/tracer.h"

/* Places inside one rollback at which it is interrupted again: all of a usual one, some of the largest. */
#define NESTED_MAX 64
#define NESTED_WORDS_MAX 65536

static struct {
	const struct script *script;
	const struct oracle_plan *plan;
	struct verdict *verdict;
	struct world reference; /* at the end of the native performance */
	struct world live;      /* the child's */
	struct world seen;      /* the live one's state as of the last change */
	struct world copy;      /* where it is recovered */
	struct world other;     /* where it is resumed */
	struct world longest;   /* as of the longest undo log */
	struct tracer tracer;
	uint64_t reference_digest;
	uint64_t before_digest; /* of the last commit */
	uint64_t longest_digest;
	uint64_t cold_digest;   /* what the replay under way has to come to; 0: none is */
	uint64_t longest_count;
	uint64_t last_count;    /* of the undo log, in the state before */
	uint64_t changes;
	uint64_t stream_seen;   /* records below were compared with the reference's */
	struct worker worker;   /* ours, to recover and resume with */
	struct play play;
} it;

static void __attribute__((format(printf, 1, 2)))
wrong(const char *format, ...)
{
	extern const char __executable_start;
	struct verdict *verdict = it.verdict;
	va_list args;
	int used;

	if (verdict->wrong[0] != '\0')
		return;
	va_start(args, format);
	used = vsnprintf(verdict->wrong, sizeof(verdict->wrong), format, args);
	va_end(args);
	if (it.tracer.pid != 0 && used > 0 && used < (int)sizeof(verdict->wrong))
		snprintf(verdict->wrong + used, sizeof(verdict->wrong) - (size_t)used,
		    " [run %" PRIu64 ", step %" PRIu64 ", before the instruction at 0x%" PRIx64 "]", it.live.log->runs_begun,
		    it.tracer.steps, tracer_at(&it.tracer) - (uint64_t)(uintptr_t)&__executable_start);
}

static bool
is_wrong(void)
{
	return it.verdict->wrong[0] != '\0';
}

static uint64_t
digest_of(const struct world *world)
{
	struct shard shard;

	shard_view(&shard, world->shard, &world->geometry);
	return shard_digest_all(&shard);
}

static struct shard_shared *
shard_of(const struct world *world)
{
	return world->shard;
}

/* --- the end of a performance --- */

/* Names the first answer that is another. */
static void
wrong_answers(const char *what, const struct world_log *log)
{
	const struct world_log *reference = it.reference.log;
	uint64_t at = 0;

	while (at < log->used_bytes && at < reference->used_bytes) {
		const struct reply *ours = (const struct reply *)(log->replies + at);
		const struct reply *other = (const struct reply *)(reference->replies + at);

		if (ours->header.bytes != other->header.bytes || memcmp(ours, other, ours->header.bytes) != 0) {
			wrong("%s: request %" PRIu64 " was answered %s in %u bytes where the reference has request %" PRIu64
			      " answered %s in %u bytes",
			    what, ours->header.id, outcome_text(ours->header.op)->slug, ours->header.bytes, other->header.id,
			    outcome_text(other->header.op)->slug, other->header.bytes);
			return;
		}
		at += ours->header.bytes;
	}
	wrong("%s: %" PRIu64 " bytes of answers where the reference has %" PRIu64, what, log->used_bytes,
	    reference->used_bytes);
}

static void
compare_ends(const char *what, const struct world *world)
{
	const struct world_log *log = world->log, *reference = it.reference.log;
	uint64_t tail = shard_of(world)->root.stream_tail;

	if (digest_of(world) != it.reference_digest)
		wrong("%s: the shard does not end as in the reference", what);
	else if (log->used_bytes != reference->used_bytes || memcmp(log->replies, reference->replies, log->used_bytes) != 0)
		wrong_answers(what, log);
	else if (tail != shard_of(&it.reference)->root.stream_tail || tail > WORLD_STREAM_BYTES ||
	    memcmp(world->stream_bytes + LSN_FIRST, it.reference.stream_bytes + LSN_FIRST, tail - LSN_FIRST) != 0)
		wrong("%s: the records are not those of the reference", what);
}

static int
perform(struct world *world, bool is_stepped)
{
	memset(&it.play, 0, sizeof(it.play));
	it.play.world = world;
	it.play.worker = &it.worker;
	it.play.is_stepped = is_stepped;
	play_perform(&it.play, it.script);
	return it.play.wrong == NULL ? 0 : 1;
}

/* Expectations hold, natively; twice the same. */
static void
reference(void)
{
	for (unsigned round = 0; round < 2 && !is_wrong(); round++) {
		struct world *world = round == 0 ? &it.reference : &it.other;

		engine_begin(&it.worker, world, PLAY_START_MS);
		if (perform(world, false) != 0) {
			wrong("natively: %s", it.play.wrong);
			return;
		}
		if (round == 0)
			it.reference_digest = digest_of(world);
		else
			compare_ends("a second time", world);
	}
}

/* --- one crash state --- */

static void
word_get(const struct shard *shard, const struct undo_entry *entry, uint64_t *word)
{
	*word = 0;
	memcpy(word, (const char *)shard->shared + (entry->where >> 8), entry->where & 0xff);
}

static void
word_put(const struct shard *shard, const struct undo_entry *entry, uint64_t word)
{
	memcpy((char *)shard->shared + (entry->where >> 8), &word, entry->where & 0xff);
}

static uint64_t words_open[UNDO_MAX], words_undone[UNDO_MAX];

/* A rollback that was interrupted when `left` entries were left, of which the first is put back but not yet given up. */
static void
interrupt_rollback(struct shard *shard, uint64_t count, uint64_t left, bool is_given_up)
{
	struct undo_log *log = &shard->shared->undo;

	for (uint64_t i = 0; i < count; i++)
		word_put(shard, &log->entries[i], words_open[i]);
	for (uint64_t i = count; i > left; i--)
		word_put(shard, &log->entries[i - 1], log->entries[i - 1].old);
	log->count = is_given_up ? left : left + 1;
	compiler_barrier();
	txn_rollback(&shard->txn);
	compiler_barrier();
	for (uint64_t i = 0; i < count; i++) {
		uint64_t word;

		word_get(shard, &log->entries[i], &word);
		if (word != words_undone[i]) {
			wrong("a rollback interrupted at entry %" PRIu64 " of %" PRIu64 " is not finished by the next", left, count);
			return;
		}
	}
	it.verdict->nested++;
}

/* The recovery of this state dies too, after each entry; the copy is left as it was. */
static void
judge_nested(void)
{
	struct shard shard;

	shard_view(&shard, it.copy.shard, &it.copy.geometry);
	struct undo_log *log = &shard.shared->undo;
	uint64_t count = log->count;
	if (count == 0 || count > UNDO_MAX)
		return;
	uint64_t places = count <= NESTED_WORDS_MAX / NESTED_MAX ? NESTED_MAX : NESTED_WORDS_MAX / count + 1;
	uint64_t step = count / places + 1;
	for (uint64_t i = 0; i < count; i++) {
		if (log->entries[i].where >> 8 >= shard.size_bytes || (log->entries[i].where & 0xff) > 8) {
			wrong("undo entry %" PRIu64 " of %" PRIu64 " is not whole", i, count);
			return;
		}
		word_get(&shard, &log->entries[i], &words_open[i]);
	}
	txn_rollback(&shard.txn);
	compiler_barrier();
	for (uint64_t i = 0; i < count; i++)
		word_get(&shard, &log->entries[i], &words_undone[i]);
	for (uint64_t left = 0; left < count && !is_wrong(); left += step) {
		interrupt_rollback(&shard, count, left, false);
		interrupt_rollback(&shard, count, left, true);
	}
	for (uint64_t i = 0; i < count; i++)
		word_put(&shard, &log->entries[i], words_open[i]);
	log->count = count;
}

static struct shard_mirrors
mirrors_of(const struct world *world)
{
	struct shard_mirrors mirrors = { .stream_tail = world->stream->tail };

	for (unsigned i = 0; i < WORLD_FRONTS; i++) {
		mirrors.request_head[i] = world->front[i]->worker[0].request.head;
		mirrors.reply_tail[i] = world->front[i]->worker[0].reply.tail;
	}
	return mirrors;
}

/* The incarnation of a frontd whose region it is. */
static uint64_t
epoch_of(unsigned front, bool *is_dead)
{
	uint64_t word = it.live.registry->slot[SLOT_FRONT(front)].state_epoch;

	*is_dead = (word & 0xff) == SLOT_DEAD;
	return word >> 8;
}

/* What the others had been shown when it died was committed; and once it is recovered they are shown all that is. */
static void
judge_mirrors(void)
{
	const struct shard_root *root = &shard_of(&it.copy)->root;
	struct shard_mirrors crashed = mirrors_of(&it.seen), recovered = mirrors_of(&it.copy);

	if (crashed.stream_tail > root->stream_tail)
		wrong("records were shown that are not committed: tail %" PRIu64 ", shown %" PRIu64, root->stream_tail,
		    crashed.stream_tail);
	else if (recovered.stream_tail != root->stream_tail)
		wrong("recovery does not show all records");
	for (unsigned i = 0; i < WORLD_FRONTS; i++) {
		const struct shard_front *front = &root->fronts[i];
		bool is_dead;

		if (it.seen.stats->closed_epoch[i] >= front->epoch && front->epoch != 0 && front->state != FRONT_CLOSED)
			wrong("the supervisor was told that frontd %u is closed, which is not committed", i);
		if (front->state == FRONT_CLOSED || front->epoch != epoch_of(i, &is_dead))
			continue;
		if (crashed.request_head[i] > front->request_head)
			wrong("frontd %u was shown that a request is consumed whose transaction is not committed", i);
		if (crashed.reply_tail[i] > front->reply_tail)
			wrong("frontd %u was shown a reply that is not committed", i);
		/* One that is being closed will never look again. */
		if (!is_dead && front->state == FRONT_OPEN &&
		    (recovered.request_head[i] != front->request_head || recovered.reply_tail[i] != front->reply_tail))
			wrong("recovery does not show frontd %u all that is committed", i);
	}
}

/* Records below the shown tail are whole and for ever. */
static void
judge_stream(void)
{
	uint64_t tail = it.seen.stream->tail;

	if (tail <= it.stream_seen)
		return;
	if (tail > WORLD_STREAM_BYTES || tail > shard_of(&it.reference)->root.stream_tail)
		wrong("the stream's tail is shown at %" PRIu64 ", beyond the reference's", tail);
	else if (memcmp(it.live.stream_bytes + it.stream_seen, it.reference.stream_bytes + it.stream_seen,
	             tail - it.stream_seen) != 0)
		wrong("records were shown that are not those of the reference");
	it.stream_seen = tail;
}

/* A shard that is being built anew: wherever that is cut off, the next replay comes to the same. */
static void
judge_cold_digest(uint64_t digest)
{
	if (it.cold_digest == 0)
		it.cold_digest = digest;
	if (digest != it.cold_digest)
		wrong("a crash inside a replay does not lead to what the replay comes to");
	it.before_digest = digest;
}

static void
judge_digest(uint64_t count)
{
	uint64_t digest = digest_of(&it.copy);

	if (shard_of(&it.seen)->state != SHARD_READY || it.cold_digest != 0) {
		judge_cold_digest(digest);
		if (shard_of(&it.seen)->state == SHARD_READY && count == 0)
			it.cold_digest = 0; /* that was its last store */
	} else if (count == 0 && it.last_count > 0) {
		/* The store that ends a transaction: from here on it has happened. */
		it.before_digest = digest;
		it.verdict->transactions++;
	} else if (digest != it.before_digest) {
		wrong(count > 0 ? "a crash with %" PRIu64 " words logged is not rolled back to the state before the transaction"
		                : "the shard changed outside a transaction (%" PRIu64 " words logged)",
		    count);
	}
}

/* Play on from here, in another life, to the end. */
static void
judge_resumed(void)
{
	char what[64];

	snprintf(what, sizeof(what), "resumed after a crash at step %" PRIu64, it.tracer.steps);
	world_copy(&it.other, &it.live);
	it.other.log->is_stepped = 0;
	engine_attach(&it.worker, &it.other);
	const char *trouble = engine_recover(&it.worker);
	if (trouble != NULL) {
		wrong("%s: %s", what, trouble);
		return;
	}
	if (perform(&it.other, false) != 0)
		wrong("%s: %s", what, it.play.wrong);
	else
		compare_ends(what, &it.other);
	it.verdict->resumed++;
}

/* The copy will be built anew from records, which are not part of a state. */
static void
take_journal(void)
{
	memcpy(it.copy.stream_bytes, it.live.stream_bytes, it.live.durable->shard[0].lsn);
	it.copy.log->generation = it.live.log->generation;
	it.copy.log->is_clean = it.live.log->is_clean;
}

static void
judge_state(void)
{
	uint64_t count = shard_of(&it.seen)->undo.count;
	struct shard shard;

	if (world_copy_state(&it.seen, &it.live))
		wrong("an old entry of the undo log changed");
	world_copy_state(&it.copy, &it.seen);
	if (shard_of(&it.seen)->state != SHARD_READY || it.cold_digest != 0)
		take_journal();
	judge_nested();
	engine_attach(&it.worker, &it.copy);
	const char *trouble = engine_recover(&it.worker);
	shard_view(&shard, it.copy.shard, &it.copy.geometry);
	if (trouble == NULL)
		trouble = shard_check(&shard, NULL);
	if (trouble != NULL) {
		/* Nothing else can be asked of a damaged shard: its lists may have no end. */
		wrong("a crash with %" PRIu64 " words logged is not recovered: %s", count, trouble);
		return;
	}
	judge_mirrors();
	judge_digest(count);
	judge_stream();
	it.verdict->states++;
	it.verdict->open_states += count > 0;
	if (count > it.verdict->undo_words_max)
		it.verdict->undo_words_max = count;
}

static void
keep_longest(void)
{
	uint64_t count = shard_of(&it.seen)->undo.count;

	if (count <= it.longest_count)
		return;
	it.longest_count = count;
	it.longest_digest = it.before_digest;
	world_copy(&it.longest, &it.live);
}

/* --- stepping --- */

static int
child_performs(void *arg)
{
	(void)arg;
	if (perform(&it.live, true) != 0)
		wrong("stepped: %s", it.play.wrong);
	return 0;
}

static bool
child_is_well(const char *what)
{
	if (is_wrong())
		return false;
	if (WIFSIGNALED(it.tracer.status))
		wrong("%s died by signal %d", what, WTERMSIG(it.tracer.status));
	else if (WEXITSTATUS(it.tracer.status) != 0)
		wrong("%s ended with exit code %d", what, WEXITSTATUS(it.tracer.status));
	return !is_wrong();
}

static bool
is_tried(uint64_t count)
{
	/* The commits are never left out: they are what the states between are compared with. */
	bool is_commit = (count == 0) != (it.last_count == 0);

	return is_commit || it.changes % it.plan->stride == 0;
}

static void
judge_states(void)
{
	while (!is_wrong() && tracer_step(&it.tracer) == TRACE_STEPPED) {
		if (!world_follow(&it.seen, &it.live))
			continue;
		uint64_t count = shard_of(&it.seen)->undo.count;

		it.changes++;
		if (is_tried(count)) {
			judge_state();
			keep_longest();
			if (!is_wrong() && it.verdict->states % it.plan->resume_stride == 0)
				judge_resumed();
		}
		it.last_count = count;
	}
	it.verdict->steps = it.tracer.steps;
}

static void
judge_stepped(void)
{
	engine_begin(&it.worker, &it.live, PLAY_START_MS);
	world_copy(&it.seen, &it.live);
	world_copy(&it.copy, &it.live);
	it.before_digest = digest_of(&it.live);
	it.stream_seen = LSN_FIRST;
	if (tracer_start(&it.tracer, &it.live.log->is_stepped, child_performs, NULL) != 0) {
		wrong("cannot single-step a child: %s; ptrace has to be allowed here", strerror(errno));
		return;
	}
	judge_states();
	if (!is_wrong() && child_is_well("the stepped performance"))
		compare_ends("stepped", &it.live);
	tracer_stop(&it.tracer);
}

/* --- recovery itself, stepped --- */

static int
child_recovers(void *arg)
{
	struct world *world = arg;

	engine_attach(&it.worker, world);
	store_relaxed(&world->log->is_stepped, 1);
	tracer_mark();
	const char *trouble = engine_recover(&it.worker);
	store_relaxed(&world->log->is_stepped, 0);
	return trouble == NULL ? 0 : 1;
}

static void
judge_recovery(void)
{
	uint64_t changes = 0;

	if (it.longest_count == 0)
		return;
	world_copy(&it.seen, &it.longest);
	it.longest.log->is_stepped = 0;
	if (tracer_start(&it.tracer, &it.longest.log->is_stepped, child_recovers, &it.longest) != 0)
		return;
	while (!is_wrong() && tracer_step(&it.tracer) == TRACE_STEPPED) {
		if (!world_copy_state(&it.seen, &it.longest) || changes++ % it.plan->stride != 0)
			continue;
		world_copy_state(&it.copy, &it.seen);
		engine_attach(&it.worker, &it.copy);
		const char *trouble = engine_recover(&it.worker);
		if (trouble != NULL)
			wrong("a crash inside recovery is not recovered: %s", trouble);
		else if (digest_of(&it.copy) != it.longest_digest)
			wrong("a crash inside recovery does not lead to the state before the transaction");
		it.verdict->nested++;
	}
	it.verdict->steps += it.tracer.steps;
	if (!is_wrong())
		(void)child_is_well("the stepped recovery");
	tracer_stop(&it.tracer);
}

void
oracle_judge(const struct script *script, const struct oracle_plan *plan, struct verdict *verdict)
{
	struct shard_geometry geometry = { .messages = script->messages != 0 ? script->messages : SCRIPT_MESSAGES,
		.queues = 6, .fronts = WORLD_FRONTS, .waiters_per_front = 8 };
	struct world *worlds[] = { &it.reference, &it.live, &it.seen, &it.copy, &it.other, &it.longest };
	struct timespec began, ended;

	clock_gettime(CLOCK_MONOTONIC, &began);
	it.script = script;
	it.plan = plan;
	it.verdict = verdict;
	for (unsigned i = 0; i < sizeof(worlds) / sizeof(worlds[0]); i++)
		world_open(worlds[i], &geometry);
	reference();
	if (!is_wrong() && !plan->is_native_only) {
		judge_stepped();
		if (!is_wrong())
			judge_recovery();
	}
	for (unsigned i = 0; i < sizeof(worlds) / sizeof(worlds[0]); i++)
		world_close(worlds[i]);
	clock_gettime(CLOCK_MONOTONIC, &ended);
	verdict->seconds = (double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec) * 1e-9;
}
