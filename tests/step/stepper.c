/*
 * stepper: every script of scripts/, each judged by the oracle (core/oracle.h) in a process of its own, as many at a time as
 * there are processors.  Last line: N passed, N failed.
 *
 *   step_stepper [-s STRIDE] [-1] [SCRIPT...]     -s: try every STRIDE-th changed state   -1: stop at the first failure
 *
 * Without -s each script has its own stride, 1 for all but the longest; a soak run (SOAK or CHASQUI_SOAK_SECONDS in the
 * environment) tries every state of every script, and then plays `mixture` with one seed after the other until its time is
 * over.
 */
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

#include "tests/step/core/oracle.h"
#include "tests/step/scripts/scripts.h"

#define RESUME_STRIDE 8
#define PROCESSES_MAX 16

static const struct script *const all_scripts[] = {
#define X(name) &name##_script,
#include "tests/step/scripts/scripts.def"
#undef X
};
#define SCRIPT_COUNT (sizeof(all_scripts) / sizeof(all_scripts[0]))

struct running {
	pid_t pid;
	unsigned script;
	int stderr_fd;
	uint64_t seed; /* of a mixture */
};

static struct {
	struct verdict *verdicts; /* of what runs in each place; shared with the children */
	uint64_t seed;            /* of the mixture played last */
	time_t soak_ends;
	uint32_t stride;          /* 0: the script's own */
	bool ends_at_failure;
	bool is_chosen[SCRIPT_COUNT];
	struct running running[PROCESSES_MAX];
	unsigned process_count;
	unsigned passed, failed;
	struct verdict total;
} it;

/* One processor for the child and whom it steps: each step is a switch between the two, and none has to be woken elsewhere. */
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

static struct oracle_plan
plan_of(const struct script *script)
{
	struct oracle_plan plan = { .stride = it.stride, .resume_stride = RESUME_STRIDE, .nested_stride = 8, .recovery_stride = 1, .is_each = getenv("EACH") != NULL };

	if (plan.stride == 0) {
		plan.stride = script->stride != 0 ? script->stride : 1;
		plan.is_native_only = script->is_for_soak;
	}
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	plan.is_native_only = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(undefined_behavior_sanitizer)
	plan.is_native_only = true;
#endif
#endif
	return plan;
}

static void
script_begin(unsigned place, unsigned number)
{
	struct oracle_plan plan = plan_of(all_scripts[number]);

	fflush(stdout);
	/* Hostile frames are reported to the operator, in each of thousands of lives; only a failed assertion is of interest. */
	memset(&it.verdicts[place], 0, sizeof(it.verdicts[place]));
	it.running[place].stderr_fd = memfd_create("stderr", MFD_CLOEXEC);
	it.running[place].script = number;
	it.running[place].seed = it.seed;
	it.running[place].pid = fork();
	if (it.running[place].pid < 0) {
		perror("fork");
		exit(EXIT_FAILURE);
	}
	if (it.running[place].pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		stay_on_processor(place);
		dup2(it.running[place].stderr_fd, STDERR_FILENO);
		oracle_judge(all_scripts[number], &plan, &it.verdicts[place]);
		_exit(EXIT_SUCCESS);
	}
}

/* The last line that a script wrote to stderr. */
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

static void
script_report(const struct running *running, const struct verdict *verdict, int status)
{
	unsigned number = running->script;
	bool is_well = WIFEXITED(status) && WEXITSTATUS(status) == 0 && verdict->wrong[0] == '\0';

	printf("%s  %-22s %7lu steps  %6lu changes %6lu states  %6lu open  %4lu txn  %7lu nested  %5lu resumed %5lu rec %7lu recstates  %5lu words  %5.1f s %lx\n",
	    is_well ? "ok  " : "FAIL", all_scripts[number]->name, verdict->steps, verdict->changes, verdict->states, verdict->open_states,
	    verdict->transactions, verdict->nested, verdict->resumed, verdict->recoveries, verdict->recovery_states, verdict->undo_words_max, verdict->seconds, verdict->sequence);
	if (all_scripts[number] == &mixture_script)
		printf("      STEP_SEED=%lu\n", running->seed);
	if (verdict->wrong[0] != '\0')
		printf("      %s\n", verdict->wrong);
	if (WIFSIGNALED(status))
		printf("      an assertion or fault in the recovery of a crash state: signal %d\n", WTERMSIG(status));
	if (!is_well)
		print_last_line(running->stderr_fd);
	close(running->stderr_fd);
	it.passed += is_well;
	it.failed += !is_well;
	it.total.steps += verdict->steps;
	it.total.states += verdict->states;
	it.total.nested += verdict->nested;
	it.total.resumed += verdict->resumed;
}

/* Until a script has ended; false if none is running. */
static bool
script_wait(void)
{
	int status;
	pid_t pid = wait(&status);

	for (unsigned place = 0; pid > 0 && place < it.process_count; place++) {
		if (it.running[place].pid == pid) {
			it.running[place].pid = 0;
			script_report(&it.running[place], &it.verdicts[place], status);
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
		(void)script_wait();
	}
}

static void
run_all(void)
{
	for (unsigned number = 0; number < SCRIPT_COUNT; number++) {
		if (!it.is_chosen[number])
			continue;
		unsigned place = place_wait();
		if (it.failed > 0 && it.ends_at_failure)
			break;
		script_begin(place, number);
	}
}

/* More mixtures, until the soak run's time is over or something was found. */
static void
run_mixtures(void)
{
	unsigned number = 0;
	char seed[24];

	while (all_scripts[number] != &mixture_script)
		number++;
	while (it.is_chosen[number] && it.failed == 0 && time(NULL) < it.soak_ends) {
		snprintf(seed, sizeof(seed), "%lu", ++it.seed);
		unsigned place = place_wait();
		setenv("STEP_SEED", seed, 1);
		script_begin(place, number);
	}
}

static int
choose(int argc, char **argv)
{
	const char *soak = getenv("SOAK"), *seconds = getenv("CHASQUI_SOAK_SECONDS"), *seed = getenv("STEP_SEED");
	int option;

	if ((soak != NULL && *soak != '\0') || (seconds != NULL && *seconds != '\0'))
		it.stride = 1;
	if (seconds != NULL)
		it.soak_ends = time(NULL) + (time_t)strtoul(seconds, NULL, 10);
	it.seed = seed != NULL ? strtoul(seed, NULL, 10) : 1;
	while ((option = getopt(argc, argv, "1s:")) != -1) {
		if (option == '1')
			it.ends_at_failure = true;
		else if (option == 's')
			it.stride = (uint32_t)strtoul(optarg, NULL, 10);
		else
			return -1;
	}
	for (unsigned number = 0; number < SCRIPT_COUNT; number++)
		it.is_chosen[number] = optind == argc;
	for (int arg = optind; arg < argc; arg++) {
		bool is_known = false;

		for (unsigned number = 0; number < SCRIPT_COUNT; number++) {
			if (strcmp(argv[arg], all_scripts[number]->name) == 0)
				it.is_chosen[number] = is_known = true;
		}
		if (!is_known) {
			fprintf(stderr, "there is no script %s\n", argv[arg]);
			return -1;
		}
	}
	return 0;
}

int
main(int argc, char **argv)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	if (choose(argc, argv) != 0)
		return EXIT_FAILURE;
	it.process_count = processors < 1 ? 1 : processors > PROCESSES_MAX ? PROCESSES_MAX : (unsigned)processors;
	it.verdicts = mmap(NULL, PROCESSES_MAX * sizeof(*it.verdicts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (it.verdicts == MAP_FAILED) {
		perror("mmap");
		return EXIT_FAILURE;
	}
	run_all();
	run_mixtures();
	while (script_wait())
		;
	printf("%lu instructions, %lu crash states recovered, %lu crashes inside recovery, %lu resumed to the end\n",
	    it.total.steps, it.total.states, it.total.nested, it.total.resumed);
	printf("%u passed, %u failed\n", it.passed, it.failed);
	return it.failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
