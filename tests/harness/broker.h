#ifndef TESTS_HARNESS_BROKER_H
#define TESTS_HARNESS_BROKER_H

/*
 * broker: a whole Chasqui of real processes, on a free port, with its own instance name and its own temporary directory.
 * It leaves nothing behind, however the test ends: a reaper process of its own sees the test die, kills what still runs,
 * removes shared memory and files, and shows the end of the broker's log when the test did not say broker_free().
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "shm/registry.h"
#include "shm/stats.h"

enum {
	BROKER_OPTIONS_MAX = 24,
	BROKER_START_MS = 60000,        /* a cold start of much takes its time, and some disks stall for 20 s */
	BROKER_STOP_MS = 60000
};

struct broker {
	char instance[INSTANCE_MAX_BYTES + 1];
	char directory[128];            /* holds data/ and log */
	char data[160];
	char log[160];
	const char *options[BROKER_OPTIONS_MAX + 1];
	const char *conf_file;          /* NULL: none */
	const char *argument;           /* of the next start; NULL: none */
	bool is_probed;                 /* its processes try what their sandboxes refuse: no fault of theirs */
	pid_t pid;                      /* of the supervisor; 0: not running */
	uint16_t port;
	uint16_t tls_port;              /* 0: no TLS */
	int ready_fd;                   /* its stdout */
	int reaper_fd;
	pid_t reaper_pid;
};

/*
 * Choose name and directory; nothing runs yet.  options: "section.key=value", ended by NULL, borrowed for the life of the
 * broker; they win over the harness's own.  NULL: none.
 */
void broker_init(struct broker *broker, const char *const *options);

/* `-c path` at the next start; path is borrowed. */
void broker_conf(struct broker *broker, const char *path);

/* One more word for the next start, and no other; borrowed. */
void broker_argument(struct broker *broker, const char *argument);

/* Run `chasqui up` and wait for its ready line; fails the test when it does not come. */
void broker_start(struct broker *broker);

/* Run it and do not wait. */
void broker_launch(struct broker *broker);

/* As broker_start() for one that may refuse: false when it exited instead; then *exit_status is its. */
bool broker_try_start(struct broker *broker, int *exit_status);

/* Init and start. */
void broker_up(struct broker *broker, const char *const *options);

/* SIGTERM; fails the test unless it exits with 0 and has removed all its shared memory. */
void broker_stop(struct broker *broker);

/* The same, for where a test cannot fail any more: what was wrong, NULL when all was well. */
const char *broker_try_stop(struct broker *broker);

/* As broker_stop() for one that somebody else has told to stop. */
void broker_wait_stopped(struct broker *broker);

/* Stop if it runs, with the checks of broker_stop(); then remove everything.  A test ends with it. */
void broker_free(struct broker *broker);

/* kill -9 of all its processes at once; returns when the kernel has ended them.  Shared memory and data stay. */
void broker_kill_all(struct broker *broker);

/* The same by its process group alone, for one that may not have come far enough to have a registry. */
void broker_kill_group(struct broker *broker);

/* kill -9 of the supervisor alone; waits for its end. */
void broker_kill_supervisor(struct broker *broker);

/* Remove its shared memory, as a power cut does. */
void broker_wipe(struct broker *broker);

/* What the registry says about a process: SLOT_FRONT(i), SLOT_WORKER(w), SLOT_PERSIST, SLOT_SUPERVISOR, BROKER_HASHER(i). */
#define BROKER_HASHER(index) (SLOT_MAX + (index)) /* of frontd i: it has no slot */
struct broker_role {
	pid_t pid;
	uint64_t epoch;
	enum slot_state state;
};
struct broker_role broker_role(const struct broker *broker, uint32_t slot);
/* The hasher of frontd `index`; waits until there is one after `epoch`. */
struct broker_role broker_hasher(const struct broker *broker, uint32_t index, uint64_t epoch);
pid_t broker_pid(const struct broker *broker, uint32_t slot);

/* What a process has counted so far. */
void broker_stats(const struct broker *broker, uint32_t slot, struct stats_shared *copy);

/* How many frontds and workers it has. */
struct geometry broker_geometry(const struct broker *broker);

/* Kill one with -9; its epoch before. */
uint64_t broker_kill(const struct broker *broker, uint32_t slot);

/* Wait until an incarnation after `epoch` serves. */
void broker_wait_live(const struct broker *broker, uint32_t slot, uint64_t epoch);

/* SIGSTOP or SIGCONT to one. */
void broker_signal(const struct broker *broker, uint32_t slot, int signal);

/* Regions of the instance in /dev/shm. */
unsigned broker_regions(const struct broker *broker);

/* Everything it has logged so far, for looking into; the caller frees it. */
char *broker_log(const struct broker *broker);

/* Wait until the log holds this text. */
void broker_wait_log(const struct broker *broker, const char *text);

/*
 * Run `chasqui` with these arguments (ended by NULL) and wait for its end.  Its exit status; stdout and stderr together
 * in output, NUL-terminated.
 */
int broker_command(char *output, size_t capacity, const char *const *arguments);

/* The path of a program of this build: "chasqui". */
void broker_program(char path[512], const char *name);

#endif
