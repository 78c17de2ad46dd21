/*
 * stepper: every script of scripts/, every cell of matrix/, and mixtures, judged by the oracle (core/oracle.h), in as many
 * processes as there are processors.  Last line: N passed, N failed.
 *
 *   step_stepper [-s STRIDE] [-m STATES] [-1] [NAME...]
 *
 *   -s  try every STRIDE-th changed state (without it: each; the longest scripts have a stride of their own)
 *   -m  play mixtures (those that are chosen, in turns), seed after seed, until so many crash states have been tried in all (without names: half a million)
 *   -1  stop at the first failure
 *   NAME is a script, `matrix`, `matrix.ROW`, `tracer` (the tracer against single-stepping) or `announce` (what persistd tells
 *   of its position); without any: all of them.
 *
 * A soak run (CHASQUI_SOAK_SECONDS in the environment) tries every state of the largest scripts too, and plays mixtures
 * until its time is over.
 */
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/step/core/announcement.h"
#include "tests/step/core/built.h"
#include "tests/step/core/oracle.h"
#include "tests/step/matrix/matrix.h"
#include "tests/step/scripts/scripts.h"

#define PROCESSES_MAX 16
#define STATES_WANTED 1000000
/* How often the dearer questions are asked: of a script or a cell, and of mixtures, which ask them of more. */
#define RESUME_STRIDE 8
#define NESTED_STRIDE 8
#define MIXTURE_RESUME_STRIDE 64
#define MIXTURE_RECOVERY_STRIDE 4
#define MIXTURE_KINDS 2
static const struct script *const all_scripts[] = {
#define X(name) &name##_script,
#include "tests/step/scripts/scripts.def"
#undef X
};
#define SCRIPT_COUNT (sizeof(all_scripts) / sizeof(all_scripts[0]))

/* What one process does: a script, a row of the matrix, the tracer's check, or persistd's part. */
#define WORK_ROW SCRIPT_COUNT
#define WORK_TRACER (WORK_ROW + ROW_COUNT)
#define WORK_ANNOUNCE (WORK_TRACER + 1)
#define WORK_COUNT (WORK_ANNOUNCE + 1)

/* Shared with the processes. */
struct board {
	struct verdict verdicts[PROCESSES_MAX]; /* of what runs in each place; of a row the sum */
	uint32_t cells[ROW_COUNT][COLUMN_COUNT]; /* crash states tried */
};

struct running {
	pid_t pid;
	unsigned work;
	int stderr_fd;
	uint64_t seed; /* of a mixture */
};

static struct {
	struct board *board;
	uint64_t seed;            /* of the mixture played last */
	uint64_t states_wanted;
	time_t soak_ends;
	uint32_t stride;          /* 0: the script's own */
	bool ends_at_failure;
	bool is_chosen[WORK_COUNT];
	struct running running[PROCESSES_MAX];
	unsigned process_count;
	unsigned passed, failed;
	uint64_t mixtures, cells;
	struct verdict total;
} it;

/* One processor for each process. */
static void
stay_on_processor(unsigned number)
{
	cpu_set_t allowed, one;
	unsigned seen = 0;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
		return;
	CPU_ZERO(&one);
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &allowed) && seen++ == number)
			CPU_SET(cpu, &one);
	}
	(void)sched_setaffinity(0, sizeof(one), &one); /* slower without, not wrong */
}

static bool
is_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(undefined_behavior_sanitizer)
	return true;
#endif
#endif
	return false;
}

static bool
is_mixture(const struct script *script)
{
	return script == &mixture_script || script == &mixture_snapshots_script;
}

static struct oracle_plan
plan_of(const struct script *script)
{
	struct oracle_plan plan = { .stride = it.stride, .resume_stride = RESUME_STRIDE,
		.nested_stride = NESTED_STRIDE, .recovery_stride = 1, .is_native_only = is_sanitized() };

	if (plan.stride == 0)
		plan.stride = script->stride != 0 ? script->stride : 1;
	if (is_mixture(script)) {
		plan.resume_stride = MIXTURE_RESUME_STRIDE;
		plan.recovery_stride = MIXTURE_RECOVERY_STRIDE;
	}
	return plan;
}

/* --- in a process of its own --- */

static void
verdict_add(struct verdict *sum, const struct verdict *verdict)
{
	sum->steps += verdict->steps;
	sum->changes += verdict->changes;
	sum->states += verdict->states;
	sum->open_states += verdict->open_states;
	sum->cold_states += verdict->cold_states;
	sum->recoveries += verdict->recoveries;
	sum->recovery_states += verdict->recovery_states;
	sum->transactions += verdict->transactions;
	sum->nested += verdict->nested;
	sum->resumed += verdict->resumed;
	sum->seconds += verdict->seconds;
	if (verdict->undo_words_max > sum->undo_words_max)
		sum->undo_words_max = verdict->undo_words_max;
}

/* All cells of a row; the verdict that is judged at the moment is the sum's own, so that a sudden death leaves its words. */
static void
judge_row(enum matrix_row row, struct verdict *verdict)
{
	struct verdict sum = { 0 };

	for (unsigned column = 0; column < COLUMN_COUNT && verdict->wrong[0] == '\0'; column++) {
		struct script cell = matrix_cell(row, (enum matrix_column)column);
		struct oracle_plan plan = plan_of(&cell);

		if (cell.perform == NULL)
			continue;
		memset(verdict, 0, sizeof(*verdict));
		snprintf(verdict->where, sizeof(verdict->where), "%s in state %s", matrix_row_names[row],
		    matrix_column_names[column]);
		oracle_judge(&cell, &plan, verdict);
		it.board->cells[row][column] = (uint32_t)(verdict->states + verdict->recovery_states);
		verdict_add(&sum, verdict);
		if (verdict->wrong[0] == '\0' && !plan.is_native_only && verdict->states == 0)
			snprintf(verdict->wrong, sizeof(verdict->wrong), "nothing was tried");
	}
	if (verdict->wrong[0] == '\0')
		*verdict = sum;
}

/* The same scripts, stopped at each store and at each instruction: the same states in the same order. */
static void
judge_tracer(struct verdict *verdict)
{
	static const struct script *const scripts[] = { &queue_put_script, &publish_script, &front_death_script };

	for (unsigned i = 0; i < sizeof(scripts) / sizeof(scripts[0]) && verdict->wrong[0] == '\0'; i++) {
		struct oracle_plan plan = { .stride = 1000, .resume_stride = 1000, .nested_stride = 1000,
			.recovery_stride = 1000, .is_native_only = is_sanitized(), .is_compared = true };
		struct verdict at_stores;

		memset(verdict, 0, sizeof(*verdict));
		oracle_judge(scripts[i], &plan, verdict);
		if (verdict->wrong[0] != '\0')
			return;
		at_stores = *verdict;
		memset(verdict, 0, sizeof(*verdict));
		plan.is_each = true;
		oracle_judge(scripts[i], &plan, verdict);
		if (verdict->wrong[0] == '\0' &&
		    (verdict->changes != at_stores.changes || verdict->sequence != at_stores.sequence))
			snprintf(verdict->wrong, sizeof(verdict->wrong),
			    "%s: %" PRIu64 " states at stores, %" PRIu64 " at %" PRIu64 " instructions, or others", scripts[i]->name,
			    at_stores.changes, verdict->changes, verdict->steps);
	}
}

static void
work_begin(unsigned place, unsigned work)
{
	struct running *running = &it.running[place];
	struct verdict *verdict = &it.board->verdicts[place];

	fflush(stdout);
	/* Hostile frames are reported to the operator, in each of thousands of lives; only a failed assertion is of interest. */
	memset(verdict, 0, sizeof(*verdict));
	*running = (struct running){ .stderr_fd = memfd_create("stderr", MFD_CLOEXEC), .work = work, .seed = it.seed };
	running->pid = fork();
	if (running->pid < 0) {
		perror("fork");
		exit(EXIT_FAILURE);
	}
	if (running->pid != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	stay_on_processor(place);
	dup2(running->stderr_fd, STDERR_FILENO);
	if (work == WORK_TRACER) {
		judge_tracer(verdict);
	} else if (work == WORK_ANNOUNCE) {
		if (!is_sanitized())
			announcement_judge(verdict);
	} else if (work >= WORK_ROW) {
		judge_row((enum matrix_row)(work - WORK_ROW), verdict);
	} else {
		struct oracle_plan plan = plan_of(all_scripts[work]);

		oracle_judge(all_scripts[work], &plan, verdict);
	}
	_exit(EXIT_SUCCESS);
}

/* --- reports --- */

/* The last line that a process wrote to stderr. */
static void
print_last_line(int fd)
{
	char text[1024];
	off_t end = lseek(fd, 0, SEEK_END), at = end > (off_t)sizeof(text) ? end - (off_t)sizeof(text) : 0;
	ssize_t count = pread(fd, text, (size_t)(end - at), at);

	while (count > 0 && text[count - 1] == '\n')
		count--;
	ssize_t begin = count;
	while (begin > 0 && text[begin - 1] != '\n')
		begin--;
	if (count > 0)
		printf("      %.*s\n", (int)(count - begin), text + begin);
}

static const char *
work_name(const struct running *running, char *text, size_t bytes)
{
	if (running->work >= WORK_TRACER)
		return running->work == WORK_TRACER ? "tracer" : "announce";
	if (running->work >= WORK_ROW)
		snprintf(text, bytes, "matrix.%s", matrix_row_names[running->work - WORK_ROW]);
	else if (is_mixture(all_scripts[running->work]))
		snprintf(text, bytes, "%s %" PRIu64, all_scripts[running->work]->name, running->seed);
	else
		snprintf(text, bytes, "%s", all_scripts[running->work]->name);
	return text;
}

static void
work_report(const struct running *running, const struct verdict *verdict, int status)
{
	bool is_well = WIFEXITED(status) && WEXITSTATUS(status) == 0 && verdict->wrong[0] == '\0';
	bool is_of_seed = running->work < SCRIPT_COUNT && is_mixture(all_scripts[running->work]);
	char name[64];

	/* Of hundreds of mixtures only the first ones say how they went. */
	if (!is_well || !is_of_seed || it.mixtures < MIXTURE_KINDS)
		printf("%s  %-22s %6" PRIu64 " stores  %6" PRIu64 " states  %6" PRIu64 " open  %4" PRIu64 " txn  %6" PRIu64
		       " in recovery  %6" PRIu64 " nested  %5" PRIu64 " resumed  %5" PRIu64 " words  %5.1f s\n",
		    is_well ? "ok  " : "FAIL", work_name(running, name, sizeof(name)), verdict->steps, verdict->states,
		    verdict->open_states, verdict->transactions, verdict->recovery_states, verdict->nested, verdict->resumed,
		    verdict->undo_words_max, verdict->seconds);
	if (!is_well && is_of_seed)
		printf("      STEP_SEED=%" PRIu64 "\n", running->seed);
	if (!is_well && verdict->where[0] != '\0')
		printf("      %s\n", verdict->where);
	if (verdict->wrong[0] != '\0')
		printf("      %s\n", verdict->wrong);
	if (WIFSIGNALED(status))
		printf("      an assertion or fault in the %s: signal %d\n",
		    verdict->is_judging ? "recovery of a crash state" : "life that was stepped or resumed", WTERMSIG(status));
	if (!is_well)
		print_last_line(running->stderr_fd);
	close(running->stderr_fd);
	it.passed += is_well;
	it.failed += !is_well;
	it.mixtures += is_of_seed;
	verdict_add(&it.total, verdict);
}

/* Crash states of each cell, those inside recovery among them: two tables, operations first. */
static void
print_cells(unsigned first, unsigned end)
{
	printf("%-16s", "");
	for (unsigned row = first; row < end; row++)
		printf(" %6.6s", matrix_row_names[row]);
	printf("\n");
	for (unsigned column = 0; column < COLUMN_COUNT; column++) {
		printf("%-16s", matrix_column_names[column]);
		for (unsigned row = first; row < end; row++) {
			if (it.board->cells[row][column] == 0)
				printf(" %6s", "-");
			else
				printf(" %6u", it.board->cells[row][column]);
		}
		printf("\n");
	}
}

static void
print_matrix(void)
{
	bool is_whole = true;

	for (unsigned row = 0; row < ROW_COUNT; row++) {
		is_whole &= it.is_chosen[WORK_ROW + row];
		for (unsigned column = 0; column < COLUMN_COUNT; column++)
			it.cells += it.board->cells[row][column] != 0;
	}
	if (!is_whole || is_sanitized())
		return;
	printf("crash states of each operation (first six letters) in each state of the tables:\n");
	print_cells(0, ROW_queue_new);
	printf("the same for batches, time, frontds and starts:\n");
	print_cells(ROW_queue_new, ROW_COUNT);
	printf("%" PRIu64 " of %u cells; message groups are no part of this broker, so no cell has one\n", it.cells,
	    (unsigned)ROW_COUNT * COLUMN_COUNT);
}

/* --- who runs when --- */

/* Until a process has ended; false if none is running. */
static bool
work_wait(void)
{
	int status;
	pid_t pid = wait(&status);

	for (unsigned place = 0; pid > 0 && place < it.process_count; place++) {
		if (it.running[place].pid == pid) {
			it.running[place].pid = 0;
			work_report(&it.running[place], &it.board->verdicts[place], status);
		}
	}
	return pid > 0;
}

/* A place where nothing runs; waits for one. */
static unsigned
place_wait(void)
{
	for (;;) {
		for (unsigned place = 0; place < it.process_count; place++) {
			if (it.running[place].pid == 0)
				return place;
		}
		(void)work_wait();
	}
}

static void
run_all(void)
{
	for (unsigned work = 0; work < WORK_COUNT; work++) {
		if (!it.is_chosen[work])
			continue;
		unsigned place = place_wait();
		if (it.failed > 0 && it.ends_at_failure)
			break;
		work_begin(place, work);
	}
}

static uint64_t
states_tried(void)
{
	return it.total.states + it.total.recovery_states;
}

/* More mixtures, until enough states were tried, a soak run's time is over, or something was found. */
static void
run_mixtures(void)
{
	unsigned kinds[MIXTURE_KINDS], kind_count = 0;
	char seed[24];

	for (unsigned number = 0; number < SCRIPT_COUNT; number++) {
		if (is_mixture(all_scripts[number]) && it.is_chosen[number])
			kinds[kind_count++] = number;
	}
	if (kind_count == 0 || is_sanitized())
		return;
	for (;;) {
		unsigned place = place_wait();

		if (it.failed > 0 || (states_tried() >= it.states_wanted && time(NULL) >= it.soak_ends))
			return;
		snprintf(seed, sizeof(seed), "%" PRIu64, ++it.seed);
		setenv("STEP_SEED", seed, 1);
		work_begin(place, kinds[it.seed % kind_count]);
	}
}

static bool
choose_by_name(const char *name)
{
	bool is_known = false;

	for (unsigned work = 0; work < WORK_COUNT; work++) {
		bool is_row = work >= WORK_ROW && work < WORK_TRACER;
		const char *own = work < WORK_ROW ? all_scripts[work]->name : is_row ? matrix_row_names[work - WORK_ROW]
		    : work == WORK_TRACER ? "tracer" : "announce";
		bool is_meant = is_row ? strcmp(name, "matrix") == 0 || (strncmp(name, "matrix.", 7) == 0 && strcmp(name + 7, own) == 0)
		                       : strcmp(name, own) == 0;

		if (is_meant)
			it.is_chosen[work] = is_known = true;
	}
	return is_known;
}

static int
choose(int argc, char **argv)
{
	const char *seconds = getenv("CHASQUI_SOAK_SECONDS"), *seed = getenv("STEP_SEED");
	int option;

	if (seconds != NULL && *seconds != '\0') {
		it.stride = 1;
		it.soak_ends = time(NULL) + (time_t)strtoul(seconds, NULL, 10);
	}
	it.seed = seed != NULL ? strtoul(seed, NULL, 10) : 1;
	while ((option = getopt(argc, argv, "1m:s:")) != -1) {
		if (option == '1')
			it.ends_at_failure = true;
		else if (option == 'm')
			it.states_wanted = strtoul(optarg, NULL, 10);
		else if (option == 's')
			it.stride = (uint32_t)strtoul(optarg, NULL, 10);
		else
			return -1;
	}
	for (unsigned work = 0; work < WORK_COUNT; work++)
		it.is_chosen[work] = optind == argc;
	if (optind == argc && it.states_wanted == 0)
		it.states_wanted = STATES_WANTED;
	for (int arg = optind; arg < argc; arg++) {
		if (!choose_by_name(argv[arg])) {
			fprintf(stderr, "there is no script or row %s\n", argv[arg]);
			return -1;
		}
	}
	return 0;
}

int
main(int argc, char **argv)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	time_t began = time(NULL);

	if (choose(argc, argv) != 0)
		return EXIT_FAILURE;
	it.process_count = processors < 1 ? 1 : processors > PROCESSES_MAX ? PROCESSES_MAX : (unsigned)processors;
	it.board = mmap(NULL, sizeof(*it.board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (it.board == MAP_FAILED) {
		perror("mmap");
		return EXIT_FAILURE;
	}
	run_all();
	run_mixtures();
	while (work_wait())
		;
	print_matrix();
	printf("%s: %" PRIu64 " crash states recovered and judged in %ld s, %u bad: %" PRIu64 " in a life (%" PRIu64
	       " with a transaction open, %" PRIu64 " while the shard was built anew), %" PRIu64 " inside %" PRIu64
	       " recoveries; %" PRIu64 " mixtures; %" PRIu64 " rollbacks broken off, %" PRIu64 " lives resumed to their end\n",
	    built_by, states_tried(), (long)(time(NULL) - began), it.failed, it.total.states, it.total.open_states,
	    it.total.cold_states, it.total.recovery_states, it.total.recoveries, it.mixtures, it.total.nested, it.total.resumed);
	printf("%u passed, %u failed\n", it.passed, it.failed);
	return it.failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
