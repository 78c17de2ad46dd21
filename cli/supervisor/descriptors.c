/*
 * Happy path: descriptors_make() before a start, descriptors_close() after it;
 * descriptors_hand_front() for each frontd that is started while others run.
 * Failure modes: no descriptor is free: said, and the start fails as any other.  A peer takes
 * nothing from its socket (it is stopped): it holds one region for each frontd at most, so there is
 * room; what cannot be sent is said, and that peer gives the frontd up as if its region were gone.
 */
#include "cli/supervisor/descriptors.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/supervisor/locks.h"
#include "cli/supervisor/supervise.h"
#include "shm/diag.h"
#include "shm/handed.h"

/* --- which regions, with which right --- */

enum granted {
	NO,
	READ,
	WRITE,
	WRITE_OWN,     /* its own, and no other */
	OWN_ELSE_READ,
};

enum many { ONE, PER_SLOT, PER_SHARD, PER_FRONT };

/* shm/front.h, shm/stream.h and so on say why; docs/security.md prints it. */
static const struct {
	const char *name;
	enum many many;
	enum granted right[ROLE_PERSIST + 1];
} regions[] = {
	/*                         frontd         workerd        persistd */
	{ "registry",  ONE,       { READ,          READ,          READ } },
	{ "durable",   ONE,       { READ,          READ,          WRITE } },
	{ "stats.",    PER_SLOT,  { OWN_ELSE_READ, OWN_ELSE_READ, OWN_ELSE_READ } },
	{ "stream.",   PER_SHARD, { READ,          WRITE_OWN,     WRITE } },
	{ "shard.",    PER_SHARD, { NO,            WRITE_OWN,     NO } },
	{ "directory", ONE,       { READ,          OWN_ELSE_READ, NO } }, /* worker 0's */
	{ "usage.",    PER_SLOT,  { OWN_ELSE_READ, OWN_ELSE_READ, NO } },
	{ "front.",    PER_FRONT, { WRITE_OWN,     WRITE,         WRITE } },
};

/* --- numbered descriptors --- */

/* What wakes whom: a frontd neither wakes nor reads another frontd. */
static bool
needs_event_fd(const struct supervised *process, uint32_t slot)
{
	if (slot == process->slot)
		return true;
	if (slot == SLOT_SUPERVISOR)
		return process->kind == ROLE_PERSIST;
	return process->kind != ROLE_FRONT || slot >= SLOT_WORKER(0);
}

void
descriptors_add(struct descriptors *descriptors, int from, int to)
{
	assert(descriptors->count < DESCRIPTORS_MAX);
	descriptors->list[descriptors->count++] = (struct descriptor){ from, to };
}

/* One that is made for this start alone.  -1 if it could not be made. */
static int
add_made(struct descriptors *descriptors, int fd, int to)
{
	if (fd < 0 || (fd = child_keep_fd(fd)) < 0)
		return -1;
	assert(descriptors->made_count < sizeof(descriptors->made) / sizeof(descriptors->made[0]));
	descriptors->made[descriptors->made_count++] = fd;
	descriptors_add(descriptors, fd, to);
	return 0;
}

static int
add_numbered(struct supervisor *supervisor, const struct supervised *process,
    struct descriptors *descriptors)
{
	const char *directory = supervisor->conf.data_directory;

	descriptors_add(descriptors, supervisor->conf_read_fd, CONF_FD);
	if (add_made(descriptors, locks_slot(supervisor->conf.instance_name, process->slot),
	        RUN_LOCK_FD) != 0)
		return -1;
	if (process->kind == ROLE_FRONT && supervisor->bound[0] != '\0')
		descriptors_add(descriptors, supervisor->listen_fd[process->index], LISTEN_FD);
	if (process->kind == ROLE_FRONT && supervisor->bound_tls[0] != '\0') {
		descriptors_add(descriptors, supervisor->tls_listen_fd[process->index], TLS_LISTEN_FD);
		descriptors_add(descriptors, supervisor->tls.reading_fd, TLS_SECRETS_FD);
	}
	if (process->kind == ROLE_FRONT && supervisor->audit.fd >= 0) {
		descriptors_add(descriptors, supervisor->audit.fd, AUDIT_FD);
		descriptors_add(descriptors, supervisor->audit.theirs[process->index], AUDIT_CONTROL_FD);
	}
	if (process->kind == ROLE_FRONT && hashers_make(supervisor, process->index, descriptors) != 0)
		return -1;
	if (process->kind == ROLE_WORKER &&
	    add_made(descriptors, locks_open_directory(directory), DATA_LOCK_FD) != 0)
		return -1;
	if (process->kind == ROLE_PERSIST) {
		int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd < 0)
			diag_errno("cannot open the data directory %s", directory);
		if (add_made(descriptors, fd, DATA_DIR_FD) != 0)
			return -1;
	}
	for (uint32_t slot = 0; slot < SLOT_MAX; slot++) {
		if (needs_event_fd(process, slot))
			descriptors_add(descriptors, supervisor->event_fd[slot], EVENT_FD(slot));
	}
	return 0;
}

/* --- regions --- */

struct parcel {
	struct handed_region regions[2 * SLOT_MAX + 4 * WORKER_MAX + 8];
	unsigned count;
};

/*
 * Open it with that right and put it in.  What is not there is left out: its user says what is
 * missing.
 */
static void
pack(const struct supervisor *supervisor, struct parcel *parcel, const char *name,
    enum granted right, bool is_own)
{
	bool writes = right == WRITE || (is_own && right != READ);
	struct handed_region *region = &parcel->regions[parcel->count];

	if (right == NO || (right == WRITE_OWN && !is_own))
		return;
	assert(parcel->count < sizeof(parcel->regions) / sizeof(parcel->regions[0]));
	region->fd = region_open(
	    supervisor->conf.instance_name, name, writes ? REGION_READ_WRITE : REGION_READ_ONLY);
	if (region->fd < 0)
		return;
	snprintf(region->name, sizeof(region->name), "%s", name);
	parcel->count++;
}

static void
pack_slots(const struct supervisor *supervisor, const struct supervised *process, unsigned row,
    struct parcel *parcel)
{
	char name[HANDED_NAME_BYTES];

	for (unsigned i = 0; i < supervisor->process_count; i++) {
		uint32_t slot = supervisor->processes[i].slot;

		snprintf(name, sizeof(name), "%s%u", regions[row].name, slot);
		pack(supervisor, parcel, name, regions[row].right[process->kind],
		    slot == process->slot);
	}
}

static void
pack_shards(const struct supervisor *supervisor, const struct supervised *process, unsigned row,
    struct parcel *parcel)
{
	char name[HANDED_NAME_BYTES];

	for (uint32_t w = 0; w < supervisor->geometry.workers; w++) {
		snprintf(name, sizeof(name), "%s%u", regions[row].name, w);
		pack(supervisor, parcel, name, regions[row].right[process->kind],
		    process->kind == ROLE_WORKER && w == process->index);
	}
}

/*
 * Also of dead frontds: what they posted is executed.  One whose region does not exist any more is
 * left out.
 */
static void
pack_fronts(const struct supervisor *supervisor, const struct supervised *process, unsigned row,
    struct parcel *parcel)
{
	char name[64];

	for (unsigned i = 0; i < supervisor->process_count; i++) {
		const struct supervised *front = &supervisor->processes[i];

		if (front->kind != ROLE_FRONT)
			continue;
		front_name(name, front->index, front->epoch);
		pack(supervisor, parcel, name, regions[row].right[process->kind], front == process);
	}
}

static void
pack_all(
    const struct supervisor *supervisor, const struct supervised *process, struct parcel *parcel)
{
	for (unsigned row = 0; row < sizeof(regions) / sizeof(regions[0]); row++) {
		switch (regions[row].many) {
		case ONE:
			pack(supervisor, parcel, regions[row].name,
			    regions[row].right[process->kind], process->index == 0);
			break;
		case PER_SLOT:
			pack_slots(supervisor, process, row, parcel);
			break;
		case PER_SHARD:
			pack_shards(supervisor, process, row, parcel);
			break;
		case PER_FRONT:
			pack_fronts(supervisor, process, row, parcel);
			break;
		}
	}
}

static void
unpack(struct parcel *parcel)
{
	while (parcel->count > 0)
		close(parcel->regions[--parcel->count].fd);
}

/* A socket of which the child gets one end, with its regions in it already. */
static int
add_regions(const struct supervisor *supervisor, struct supervised *process,
    struct descriptors *descriptors)
{
	struct parcel parcel = { .count = 0 };
	int ends[2], result;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
		diag_errno("cannot make a socket for %s", process->name);
		return -1;
	}
	process->hand_fd = child_keep_fd(ends[0]);
	if (add_made(descriptors, ends[1], HAND_FD) != 0 || process->hand_fd < 0)
		return -1;
	pack_all(supervisor, process, &parcel);
	result = handed_send(process->hand_fd, parcel.regions, parcel.count);
	if (result != 0)
		diag_errno("cannot hand the regions to %s", process->name);
	unpack(&parcel);
	return result;
}

int
descriptors_make(
    struct supervisor *supervisor, struct supervised *process, struct descriptors *descriptors)
{
	descriptors->count = 0;
	descriptors->made_count = 0;
	descriptors_forget(process);
	if (add_numbered(supervisor, process, descriptors) == 0 &&
	    add_regions(supervisor, process, descriptors) == 0)
		return 0;
	descriptors_close(descriptors);
	descriptors_forget(process);
	return -1;
}

void
descriptors_close(struct descriptors *descriptors)
{
	while (descriptors->made_count > 0)
		close(descriptors->made[--descriptors->made_count]);
}

void
descriptors_hand_front(struct supervisor *supervisor, const struct supervised *front)
{
	struct handed_region region;
	char name[64];

	front_name(name, front->index, front->epoch);
	snprintf(region.name, sizeof(region.name), "%.*s", HANDED_NAME_BYTES - 1, name);
	region.fd = region_open(supervisor->conf.instance_name, name, REGION_READ_WRITE);
	if (region.fd < 0) {
		diag_errno("cannot open %s to hand it on", name);
		return;
	}
	for (unsigned i = 0; i < supervisor->process_count; i++) {
		struct supervised *peer = &supervisor->processes[i];

		if (peer->kind == ROLE_FRONT || peer->child.pid == 0 || peer->hand_fd < 0)
			continue;
		/* EPIPE: it has just died; its successor gets all. */
		if (handed_send(peer->hand_fd, &region, 1) != 0 && errno != EPIPE &&
		    errno != ECONNRESET)
			diag_errno("cannot hand %s to %s", name, peer->name);
	}
	close(region.fd);
}

void
descriptors_forget(struct supervised *process)
{
	if (process->hand_fd >= 0)
		close(process->hand_fd);
	process->hand_fd = -1;
}
