#ifndef TESTS_HARNESS_PROBE_H
#define TESTS_HARNESS_PROBE_H

/*
 * probe: what a process tries from inside its sandbox, and how each try ended.  The daemons of
 * $BUILD/inside (tests/fault/rules.mk) are the release's libraries with sandbox_enter() wrapped by
 * tests/fault/inside/probe.c; the report is a file that they and the test map.
 */

#include <stdint.h>

#include "shm/limits.h"

/* Whether a role may: it is refused, it is killed for it, or it works and has to. */
enum probe_end { PROBE_UNTRIED, PROBE_REFUSED, PROBE_KILLED, PROBE_WORKS };

/* X(name, end in frontd, in workerd, in persistd, in a hasher) */
#define PROBES(X) \
	X(open_passwd, REFUSED, REFUSED, REFUSED, REFUSED) \
	X(open_data_directory, REFUSED, REFUSED, WORKS, REFUSED) \
	X(open_beside_data, REFUSED, REFUSED, REFUSED, REFUSED) \
	X(make_file_elsewhere, REFUSED, REFUSED, REFUSED, REFUSED) \
	X(shard_by_name, REFUSED, REFUSED, REFUSED, REFUSED) \
	X(durable_by_name, REFUSED, REFUSED, REFUSED, REFUSED) \
	X(memory_of_worker, REFUSED, REFUSED, REFUSED, REFUSED) \
	X(descriptor_again, REFUSED, REFUSED, REFUSED, REFUSED) \
	X(registry_writable, REFUSED, REFUSED, REFUSED, UNTRIED) \
	X(jobs_writable, REFUSED, UNTRIED, UNTRIED, REFUSED) \
	X(executable_memory, REFUSED, REFUSED, REFUSED, REFUSED) \
	X(executable_data, REFUSED, REFUSED, REFUSED, REFUSED) \
	X(new_process, REFUSED, REFUSED, REFUSED, REFUSED) \
	X(signal_a_thread_elsewhere, REFUSED, REFUSED, REFUSED, REFUSED) \
	X(link_file, REFUSED, REFUSED, REFUSED, REFUSED) \
	X(eventfd_new, REFUSED, REFUSED, REFUSED, REFUSED) \
	X(ring_register_probe, REFUSED, KILLED, REFUSED, KILLED) \
	X(ring_openat, REFUSED, UNTRIED, REFUSED, UNTRIED) \
	X(ring_socket, REFUSED, UNTRIED, REFUSED, UNTRIED) \
	X(ring_connect, REFUSED, UNTRIED, REFUSED, UNTRIED) \
	X(ring_sendmsg, UNTRIED, UNTRIED, REFUSED, UNTRIED) \
	X(ring_unlink_elsewhere, REFUSED, UNTRIED, REFUSED, UNTRIED) \
	X(ring_rename_elsewhere, REFUSED, UNTRIED, REFUSED, UNTRIED) \
	X(new_thread, WORKS, WORKS, WORKS, KILLED) \
	X(clock, WORKS, WORKS, WORKS, WORKS) \
	X(random_bytes, WORKS, WORKS, WORKS, WORKS) \
	X(exec, KILLED, KILLED, KILLED, KILLED) \
	X(socket_new, KILLED, KILLED, KILLED, KILLED) \
	X(connect_tcp, KILLED, KILLED, KILLED, KILLED) \
	X(bind_tcp, KILLED, KILLED, KILLED, KILLED) \
	X(ring_new, KILLED, KILLED, KILLED, KILLED) \
	X(trace_worker, KILLED, KILLED, KILLED, KILLED) \
	X(read_worker, KILLED, KILLED, KILLED, KILLED) \
	X(write_worker, KILLED, KILLED, KILLED, KILLED) \
	X(kill_worker, KILLED, KILLED, KILLED, KILLED) \
	X(kill_supervisor, KILLED, KILLED, KILLED, KILLED) \
	X(pidfd_of_worker, KILLED, KILLED, KILLED, KILLED) \
	X(become_root, KILLED, KILLED, KILLED, KILLED) \
	X(mount_something, KILLED, KILLED, KILLED, KILLED) \
	X(new_root, KILLED, KILLED, KILLED, KILLED) \
	X(new_namespace, KILLED, KILLED, KILLED, KILLED) \
	X(load_bpf, KILLED, KILLED, KILLED, KILLED) \
	X(load_module, KILLED, KILLED, KILLED, KILLED) \
	X(watch_kernel, KILLED, KILLED, KILLED, KILLED) \
	X(handle_faults, KILLED, KILLED, KILLED, KILLED) \
	X(keyring, KILLED, KILLED, KILLED, KILLED) \
	X(memory_file, KILLED, KILLED, KILLED, KILLED)

enum probe {
#define X(name, front, worker, persist, REFUSED) PROBE_##name,
	PROBES(X)
#undef X
	PROBE_COUNT
};

struct probe_report {
	uint64_t is_done;             /* store-release */
	struct {
		uint32_t end;         /* enum probe_end */
		int32_t error;        /* REFUSED: errno.  KILLED: the signal */
	} tries[PROBE_COUNT];
};

/* Where a hasher, which has no slot, reports. */
#define PROBE_HASHER SLOT_MAX

/* The file. */
struct probe_file {
	char data[200];               /* the data directory */
	char outside[200];            /* a file that nobody may make */
	uint32_t hostile_front; /* index + 1 of a frontd that does not serve but attacks; 0: none */
	uint32_t hostile_begins;      /* the broker is there: it may */
	uint64_t hostile_seed;
	uint64_t hostile_calls;       /* system calls by chance that came back */
	uint64_t hostile_frames;
	struct probe_report report[PROBE_HASHER + 1];
};

/* Environment variable with the file's name. */
#define PROBE_FILE "CHASQUI_TEST_PROBE"

#endif
