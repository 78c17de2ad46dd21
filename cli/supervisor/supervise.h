/*
 * supervise: `chasqui up` once everything is made: runs the processes, runs again what dies, drains on SIGTERM, reloads on
 * SIGHUP.  It writes the registry and nothing else in shared memory, and never looks at queue state.
 */
#ifndef CLI_SUPERVISE_H
#define CLI_SUPERVISE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/supervisor/admin_token.h"
#include "cli/supervisor/audit_file.h"
#include "cli/supervisor/children.h"
#include "cli/supervisor/descriptors.h"
#include "cli/supervisor/drain.h"
#include "cli/supervisor/hashers.h"
#include "cli/supervisor/listeners.h"
#include "cli/supervisor/placement.h"
#include "cli/supervisor/process.h"
#include "cli/supervisor/reload.h"
#include "cli/supervisor/tls.h"
#include "cli/supervisor/users.h"
#include "shm/registry.h"
#include "shm/role.h"
#include "shm/stats.h"

/* One process that we run. */
struct supervised {
	enum role_kind kind;
	uint32_t index;
	uint32_t slot;
	char name[32];             /* "workerd.0" */
	enum process_state state;
	uint64_t epoch;            /* of the running, or else the last, incarnation */
	bool rings_are_made;       /* a frontd's, of the incarnation after `epoch` */
	struct child child;
	int hand_fd;               /* of its living incarnation: more regions go through it; -1: none */
	struct stats stats;        /* read-only: is it ready, does it live, did it close, is it drained */
	unsigned quick_deaths;
	uint64_t due_ns;           /* BACKOFF: when it is over */
	uint64_t wait_ns;          /* CLOSING: the back-off that follows */
	uint64_t died_ns;          /* 0: it has not died under our eyes */
	uint64_t live_ns;
	uint64_t heartbeat_ns;     /* as last seen */
	unsigned stuck_seconds;    /* how long it has not changed */
};

struct supervisor {
	/* Set by up.c. */
	const struct conf_source *source;
	struct conf conf;          /* running */
	struct placement placement;
	struct geometry geometry;
	struct region_identity store;
	struct users users;        /* whom the processes become */
	bool is_warm;              /* the regions are from an earlier run */
	bool wants_admin_token;    /* --new-admin-token */
	struct registry registry;  /* writable */
	char program[ROLE_PERSIST + 1][PATH_MAX];
	char bound[BOUND_TEXT_BYTES];     /* "": off */
	char bound_tls[BOUND_TEXT_BYTES]; /* "": off */
	struct tls_keeper tls;
	int conf_fd;               /* these lie at KEPT_FD_MIN or above, as all that is handed on */
	int conf_read_fd;          /* the same for reading: what one process could write all would read */
	int listen_fd[FRONT_MAX];
	int tls_listen_fd[FRONT_MAX];
	int event_fd[SLOT_MAX];
	struct audit_file audit;
	struct hashers hashers;

	/* supervise.c's own. */
	struct supervised processes[SLOT_MAX];
	unsigned process_count;
	int epoll_fd;
	int signal_fd;
	struct admin_token admin_token;
	bool a_front_served;       /* some client may have been answered */
	bool has_served;           /* every process was LIVE at once, somebody can come in: the ready line is printed */
	bool reload_is_wanted;
	bool stop_is_forced;
	bool journal_is_clean;     /* persistd said so by exiting with 0 */
	enum drain drain;
	uint64_t drain_ns;         /* when it began */
	uint64_t busy_ns;          /* since when something is under way; 0: all is quiet */
	uint64_t watched_ns;       /* heartbeats were looked at */
	int exit_code;
};

/*
 * Run until stopped.  0 after a clean stop, EX_TEMPFAIL if processes had to be killed, else the code of what made us stop.
 * *is_clean: everything is on disk and the shared memory can go.
 */
int supervise(struct supervisor *supervisor, bool *is_clean);

/* What an event of epoll_fd is about: EPOLL_SIGNAL, EPOLL_POKE, a hasher, or else the index of a process. */
#define EPOLL_SIGNAL UINT32_MAX
#define EPOLL_POKE (UINT32_MAX - 1)
#define EPOLL_HASHER(index) (UINT32_MAX / 2 + (index))

/* Begin the stop, for this reason; the first one counts. */
void supervise_stop(struct supervisor *supervisor, int exit_code);

/* Who a child is, and what it hears about itself (shm/role.h). */
struct role_identity {
	const char *program;
	const struct user *user;
	uint32_t index;
	uint64_t epoch;
};

#define ROLE_ARGUMENTS_MAX 16

struct role_arguments {
	char index[16], epoch[24], uid[16], gid[16];
	char *argv[ROLE_ARGUMENTS_MAX];
};

void role_arguments_write(const struct supervisor *supervisor, const struct role_identity *identity,
    struct role_arguments *arguments);

#endif
