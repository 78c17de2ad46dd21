/*
 * Happy path: reference(), then the same script is played once more, and look_at_life() is called after each instruction
 * that stored something; at a commit judge_recovery() steps the recovery from the state just before, and
 * look_at_recovery() is called likewise.
 * Failure modes: the first thing that is wrong is written into the verdict, with the instruction after which it was seen.
 */
#include "tests/step/core/oracle.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "shm/atomic.h"
#include "shm/hash.h"
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
	struct world live;      /* the life that is stepped */
	struct world seen;      /* the live one's state as of the last change */
	struct world copy;      /* where it is recovered */
	struct world other;     /* where it is resumed */
	struct world dead;      /* as of just before a commit: whose recovery is stepped */
	struct world dead_seen;
	uint64_t at;            /* the instruction that comes next */
	uint64_t reference_digest;
	uint64_t before_digest; /* of the last commit */
	uint64_t dead_digest;   /* what the recovery under way has to come to */
	uint64_t cold_digest;   /* what the replay under way has to come to; 0: none is */
	uint64_t last_count;    /* of the undo log, in the state before */
	uint64_t recovery_changes;
	uint64_t replies_seen[WORLD_FRONTS]; /* as the frontds were shown them last */
	uint64_t stream_seen;   /* records below were compared with the reference's */
	struct worker living;   /* the one that is stepped */
	struct worker recovering; /* likewise, while a recovery is */
	struct worker worker;   /* ours, to recover and resume with */
	struct play play, resumed;
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
	if (it.at != 0 && used > 0 && used < (int)sizeof(verdict->wrong))
		snprintf(verdict->wrong + used, sizeof(verdict->wrong) - (size_t)used,
		    " [run %" PRIu64 ", store %" PRIu64 ", before the instruction at 0x%" PRIx64 "]", it.live.log->runs_begun,
		    verdict->steps, it.at - (uint64_t)(uintptr_t)&__executable_start);
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

/*
 * The records up to `tail` are those of the reference, as far as they cannot have been overwritten by what a transaction wrote
 * that did not come about.
 */
static bool
is_same_stream(const struct world *world, uint64_t tail)
{
	const uint64_t kept = WORLD_STREAM_BYTES / 4 * 3;
	uint64_t first = world->log->first_lsn, begin = tail - first > kept ? tail - kept : first;
	uint64_t at = begin & (WORLD_STREAM_BYTES - 1);

	return memcmp(world->stream_bytes + at, it.reference.stream_bytes + at, tail - begin) == 0;
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
	else if (tail != shard_of(&it.reference)->root.stream_tail || !is_same_stream(world, tail))
		wrong("%s: the records are not those of the reference", what);
}

static void
begin(struct worker *worker, struct world *world)
{
	const struct script *script = it.script;

	engine_begin(worker, world, script->start_ms != 0 ? script->start_ms : PLAY_START_MS,
	    script->first_lsn != 0 ? script->first_lsn : LSN_FIRST);
}

/* From the beginning, natively, or on from where a world stands. */
static const char *
perform(struct world *world)
{
	memset(&it.resumed, 0, sizeof(it.resumed));
	it.resumed.world = world;
	it.resumed.worker = &it.worker;
	play_perform(&it.resumed, it.script);
	return it.resumed.wrong;
}

/* Expectations hold, natively; twice the same. */
static void
reference(void)
{
	for (unsigned round = 0; round < 2 && !is_wrong(); round++) {
		struct world *world = round == 0 ? &it.reference : &it.other;

		begin(&it.worker, world);
		if (perform(world) != NULL) {
			wrong("natively: %s", it.resumed.wrong);
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

/* The directory shows the people of this world's shard, as they are. */
static bool
directory_is_true(const struct world *world)
{
	struct directory directory;
	struct shard shard;

	directory_view(&directory, world->directory, &world->geometry);
	shard_view(&shard, world->shard, &world->geometry);
	if (directory.shared->sequence % 2 != 0 || directory_check(&directory) != NULL ||
	    directory.shared->user_count != table_used(&shard.root->users) ||
	    directory.shared->credential_count != table_used(&shard.root->credentials))
		return false;
	for (uint32_t i = 0; i < shard.root->users.high; i++) {
		if (shard.users[i].is_used &&
		    (!directory.users[i].is_used ||
		        memcmp(&shard.users[i].entry, &directory.users[i].entry,
		            sizeof(struct user_entry)) != 0))
			return false;
	}
	for (uint32_t i = 0; i < shard.root->credentials.high; i++) {
		if (shard.credentials[i].is_used &&
		    (!directory.credentials[i].is_used ||
		        memcmp(&shard.credentials[i].entry, &directory.credentials[i].entry,
		            sizeof(struct credential_entry)) != 0))
			return false;
	}
	return true;
}

/*
 * What the directory had shown when it died was committed; once it is recovered everything is shown, and whoever remembers
 * what he saw before knows that he has to look again.
 */
static void
judge_directory(const struct world *crashed)
{
	const struct directory_shared *before = crashed->directory, *after = it.copy.directory;

	if (before->sequence % 2 == 0 && before->lsn > shard_of(&it.copy)->root.stream_tail)
		wrong("the directory shows what is not committed: up to %" PRIu64 " of %" PRIu64,
		    before->lsn, shard_of(&it.copy)->root.stream_tail);
	if (!directory_is_true(&it.copy))
		wrong("recovery does not show in the directory what is committed");
	if (after->generation <= before->generation)
		wrong("the generation did not grow with a recovery");
}

/* A frontd that was shown an answer finds in the directory what it tells of. */
static void
judge_answers(void)
{
	bool is_shown = false;

	for (unsigned i = 0; i < WORLD_FRONTS; i++) {
		uint64_t tail = it.seen.front[i]->worker[0].reply.tail;

		is_shown |= tail > it.replies_seen[i];
		it.replies_seen[i] = tail;
	}
	if (is_shown && shard_of(&it.seen)->undo.count == 0 && it.cold_digest == 0 &&
	    !directory_is_true(&it.seen))
		wrong("an answer was shown before the directory was brought up to date");
}

/* Records below the shown tail are whole and for ever. */
static void
judge_stream(void)
{
	uint64_t tail = it.seen.stream->tail, at = it.stream_seen & (WORLD_STREAM_BYTES - 1);

	if (tail <= it.stream_seen)
		return;
	if (tail > shard_of(&it.reference)->root.stream_tail || tail - it.stream_seen > WORLD_STREAM_BYTES)
		wrong("the stream's tail is shown at %" PRIu64 ", beyond the reference's", tail);
	else if (shard_of(&it.reference)->root.stream_tail - it.stream_seen <= WORLD_STREAM_BYTES / 4 * 3 &&
	    memcmp(it.live.stream_bytes + at, it.reference.stream_bytes + at, tail - it.stream_seen) != 0)
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

	snprintf(what, sizeof(what), "resumed after a crash at store %" PRIu64, it.verdict->steps);
	world_copy(&it.other, &it.live);
	engine_attach(&it.worker, &it.other);
	const char *trouble = engine_recover(&it.worker);
	if (trouble != NULL) {
		wrong("%s: %s", what, trouble);
		return;
	}
	world_soil(&it.other);
	if (perform(&it.other) != NULL)
		wrong("%s: %s", what, it.resumed.wrong);
	else
		compare_ends(what, &it.other);
	it.verdict->resumed++;
}

/* The copy will be built anew from records, which are not part of a state. */
static void
take_journal(void)
{
	uint64_t first = it.live.log->first_lsn, at = first & (WORLD_STREAM_BYTES - 1);

	memcpy(it.copy.stream_bytes + at, it.live.stream_bytes + at, it.live.durable->shard[0].lsn - first);
	it.copy.log->first_lsn = first;
	it.copy.log->generation = it.live.log->generation;
	it.copy.log->is_clean = it.live.log->is_clean;
}

/* A restarted worker on `seen`: NULL, or what is wrong.  It ends up on the copy. */
static const char *
recover_copy(const struct world *seen)
{
	bool was_cold = shard_of(seen)->state != SHARD_READY;
	struct shard shard;

	world_copy_state(&it.copy, seen);
	if (was_cold || it.cold_digest != 0)
		take_journal();
	engine_attach(&it.worker, &it.copy);
	it.verdict->is_judging = true;
	const char *trouble = engine_recover(&it.worker);
	/* A warm recovery asks shard_check() itself and reports no more than that it failed. */
	if (trouble != NULL || was_cold || it.cold_digest != 0) {
		shard_view(&shard, it.copy.shard, &it.copy.geometry);
		const char *damage = shard_check(&shard, NULL);
		trouble = damage != NULL ? damage : trouble;
	}
	it.verdict->is_judging = false;
	return trouble;
}

static void
judge_state(void)
{
	uint64_t count = shard_of(&it.seen)->undo.count;
	bool is_cold = shard_of(&it.seen)->state != SHARD_READY;

	if (count > 0 && it.verdict->open_states % it.plan->nested_stride == 0) {
		world_copy_state(&it.copy, &it.seen);
		judge_nested();
	}
	const char *trouble = recover_copy(&it.seen);
	if (trouble != NULL) {
		/* Nothing else can be asked of a damaged shard: its lists may have no end. */
		wrong("a crash with %" PRIu64 " words logged is not recovered: %s", count, trouble);
		return;
	}
	if (shard_of(&it.copy)->guard.position != 0)
		wrong("after recovery a request is still named as being executed");
	judge_mirrors();
	judge_directory(&it.seen);
	judge_digest(count);
	judge_stream();
	it.verdict->states++;
	it.verdict->open_states += count > 0;
	it.verdict->cold_states += is_cold;
	if (count > it.verdict->undo_words_max)
		it.verdict->undo_words_max = count;
	if (!is_wrong() && !it.script->is_not_resumed && it.verdict->states % it.plan->resume_stride == 0)
		judge_resumed();
}

/* --- recovery itself, stepped --- */

/* True if it was changed by this instruction. */
static bool
follow(struct world *seen, struct world *live, const struct tracer_stop *stop)
{
	bool is_changed = stop->page_count == 0 && world_copy_state(seen, live);

	for (unsigned i = 0; i < stop->page_count; i++) {
		enum world_change change = world_follow(seen, live, stop->pages[i]);

		if (change == WORLD_OLD_ENTRY)
			wrong("an entry of the undo log changed that is not the newest");
		is_changed |= change != WORLD_SAME;
	}
	return is_changed;
}

/* The first thing that is wrong ends it: what comes after it says nothing. */
static void
end_if_wrong(void)
{
	if (is_wrong())
		_exit(EXIT_SUCCESS);
}

static void
look_at_recovery(const struct tracer_stop *stop)
{
	bool is_changed = follow(&it.dead_seen, &it.dead, stop);

	end_if_wrong();
	if (!is_changed || it.recovery_changes++ % it.plan->stride != 0)
		return;
	it.at = stop->at;
	const char *trouble = recover_copy(&it.dead_seen);
	if (trouble != NULL)
		wrong("a crash inside recovery is not recovered: %s", trouble);
	else if (digest_of(&it.copy) != it.dead_digest)
		wrong("a crash inside recovery does not lead to the state before the transaction");
	else
		judge_directory(&it.dead_seen);
	it.verdict->recovery_states++;
	end_if_wrong();
}

static unsigned
written_of(const struct world *world, struct tracer_memory memory[WORLD_PARTS])
{
	struct world_part parts[WORLD_PARTS];

	world_written(world, parts);
	for (unsigned i = 0; i < WORLD_PARTS; i++)
		memory[i] = (struct tracer_memory){ parts[i].base, parts[i].bytes };
	return WORLD_PARTS;
}

/*
 * The worker died with all of a transaction's `count` words logged, just before its commit: its recovery dies after each of its
 * own stores.
 */
static void
judge_recovery(uint64_t count)
{
	struct undo_log *log = &shard_of(&it.seen)->undo;
	struct tracer_memory memory[WORLD_PARTS];
	struct tracer outer;

	log->count = count;
	world_copy_state(&it.dead, &it.seen);
	world_copy_state(&it.dead_seen, &it.seen);
	log->count = 0;
	engine_attach(&it.recovering, &it.dead);
	tracer_push(&outer, memory, written_of(&it.dead, memory), look_at_recovery);
	tracer_begin();
	const char *trouble = engine_recover(&it.recovering);
	tracer_end();
	tracer_pop(&outer);
	if (trouble != NULL)
		wrong("recovery from just before a commit: %s", trouble);
	else if (world_copy_state(&it.dead_seen, &it.dead))
		wrong("recovery changed memory without being seen: the tracer is at fault");
	else if (digest_of(&it.dead) != it.dead_digest)
		wrong("recovery from just before a commit does not lead to the state before the transaction");
	it.verdict->recoveries++;
}

/* --- stepping --- */

static bool
is_tried(uint64_t count)
{
	/* The commits are never left out: they are what the states between are compared with. */
	bool is_commit = (count == 0) != (it.last_count == 0);

	return is_commit || it.verdict->changes % it.plan->stride == 0;
}

static void
look_at_life(const struct tracer_stop *stop)
{
	uint64_t before_digest = it.before_digest, count;

	it.verdict->steps++;
	it.at = stop->at;
	if (!follow(&it.seen, &it.live, stop)) {
		end_if_wrong();
		return;
	}
	it.verdict->changes++;
	if (it.plan->is_compared)
		it.verdict->sequence = it.verdict->sequence * 31 +
		    hash_bytes(it.seen.shard, offsetof(struct shard_shared, undo.entries));
	count = shard_of(&it.seen)->undo.count;
	judge_answers();
	bool is_commit = count == 0 && it.last_count > 0, was_cold = it.cold_digest != 0;
	if (is_tried(count))
		judge_state();
	if (is_commit && !was_cold && !is_wrong() && it.verdict->transactions % it.plan->recovery_stride == 0) {
		it.dead_digest = before_digest;
		judge_recovery(it.last_count);
	}
	it.last_count = count;
	end_if_wrong();
}

/* What the others did meanwhile is no store of the worker's. */
static void
step_begin(void)
{
	world_copy_state(&it.seen, &it.live);
	it.before_digest = digest_of(&it.live);
	it.last_count = 0;
	it.stream_seen = it.live.stream->tail;
	for (unsigned i = 0; i < WORLD_FRONTS; i++)
		it.replies_seen[i] = it.live.front[i]->worker[0].reply.tail;
	tracer_begin();
}

static void
step_end(void)
{
	tracer_end();
	it.at = 0;
	if (shard_of(&it.live)->guard.position != 0)
		wrong("between two turns a request is named as being executed");
	if (world_copy_state(&it.seen, &it.live))
		wrong("the worker changed memory without being seen: the tracer is at fault");
}

static void
judge_stepped(void)
{
	struct tracer_memory memory[WORLD_PARTS];

	begin(&it.living, &it.live);
	tracer_open(memory, written_of(&it.live, memory), look_at_life, it.plan->is_each);
	it.play = (struct play){ .world = &it.live, .worker = &it.living, .begin = step_begin, .end = step_end };
	play_perform(&it.play, it.script);
	if (it.play.wrong != NULL)
		wrong("stepped: %s", it.play.wrong);
	else if (!is_wrong())
		compare_ends("stepped", &it.live);
}

void
oracle_judge(const struct script *script, const struct oracle_plan *plan, struct verdict *verdict)
{
	struct shard_geometry geometry = { .messages = script->messages != 0 ? script->messages
		                                                             : SCRIPT_MESSAGES,
		.queues = 6,
		.fronts = WORLD_FRONTS,
		.waiters_per_front = 8,
		.grants = 4,
		.users = 4,
		.credentials = 6 };
	struct world *worlds[] = { &it.reference, &it.live, &it.seen, &it.copy, &it.other, &it.dead, &it.dead_seen };
	struct timespec began, ended;

	clock_gettime(CLOCK_MONOTONIC, &began);
	memset(&it, 0, sizeof(it));
	it.script = script;
	it.plan = plan;
	it.verdict = verdict;
	for (unsigned i = 0; i < sizeof(worlds) / sizeof(worlds[0]); i++)
		world_open(worlds[i], &geometry);
	reference();
	if (!is_wrong() && !plan->is_native_only)
		judge_stepped();
	for (unsigned i = 0; i < sizeof(worlds) / sizeof(worlds[0]); i++)
		world_close(worlds[i]);
	clock_gettime(CLOCK_MONOTONIC, &ended);
	verdict->seconds = (double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec) * 1e-9;
}
