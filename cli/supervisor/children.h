/*
 * children: running a program with exactly the descriptors it is promised (shm/limits.h), tied to our life, and learning of its
 * death from the kernel.
 */
#ifndef CLI_CHILDREN_H
#define CLI_CHILDREN_H

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Descriptors that are handed on lie at or above this number, so that none stands where a child needs another one, and
 * placing them is a plain dup2() for each.
 */
#define KEPT_FD_MIN 256

/* Moves a descriptor up to KEPT_FD_MIN or above, close-on-exec; the old one is closed.  -1 and a diag. */
int child_keep_fd(int fd);

struct descriptor {
	int from; /* >= KEPT_FD_MIN */
	int to;
};

struct child {
	pid_t pid;  /* 0: none runs */
	int pidfd;  /* readable when it has ended */
};

struct child_command {
	const char *program;
	char *const *argv;
	const struct descriptor *descriptors;
	unsigned descriptor_count;
	const cpu_set_t *cpus; /* NULL or empty: where its parent may */
	bool ends_on_term; /* else SIGTERM is ignored too: such a process ends when the registry says so */
};

/*
 * Run it.  It finds /dev/null as stdin, our stderr as stdout and stderr, the listed descriptors, and no other; SIGINT and SIGHUP
 * are ignored until it says otherwise (a terminal sends them to the whole group); it is killed when we die.
 * 0, or -1 and a diag.
 */
int child_start(struct child *child, const struct child_command *command);

/* True when it has ended: *wait_status as from waitpid(), and the child is none. */
bool child_reap(struct child *child, int *wait_status);

/*
 * Where a program of ours is: beside this one (build/bin) or in ../lib/chasqui (installed), never in PATH: a broker runs the
 * daemons it was built with.  0, or -1 and a diag.
 */
int child_program(char path[PATH_MAX], const char *name);

#endif
