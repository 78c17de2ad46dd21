#include "cli/instance.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/verbs.h"
#include "shm/limits.h"

bool
instance_attach(struct registry *registry, const char *name)
{
	struct region_header *header;

	if (strlen(name) == 0 || strlen(name) > INSTANCE_MAX_BYTES || strchr(name, '/') != NULL) {
		fprintf(stderr, "chasqui: `%s` is no name of an instance\n", name);
		return false;
	}
	if (registry_attach(registry, name, NULL, REGION_READ_ONLY) != 0) {
		if (errno == ENOENT)
			fprintf(stderr, "chasqui: there is no broker `%s` on this machine; -i NAME names another\n", name);
		else
			fprintf(stderr, "chasqui: cannot read /dev/shm/chasqui.%s.registry: %s\n", name, strerror(errno));
		return false;
	}
	header = registry->region.base;
	if (header->identity.layout_hash != registry_layout_hash()) {
		fprintf(stderr, "chasqui: broker `%s` is of another version than this program (%s); use the one it was "
			"started with\n", name, CHASQUI_VERSION);
		registry_detach(registry);
		return false;
	}
	return true;
}

bool
instance_pid_is_alive(pid_t pid)
{
	struct pollfd ended = { .events = POLLIN };
	bool is_alive;

	if (pid <= 0)
		return false;
	/* Not kill(pid, 0): a zombie would count as alive, and in a container nobody may ever wait for it. */
	ended.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (ended.fd < 0)
		return false;
	is_alive = poll(&ended, 1, 0) == 0;
	close(ended.fd);
	return is_alive;
}

pid_t
instance_supervisor(const struct registry *registry)
{
	pid_t pid = registry->shared->slot[SLOT_SUPERVISOR].pid;

	return instance_pid_is_alive(pid) ? pid : 0;
}

const char *
instance_role(uint32_t slot, uint32_t *index)
{
	if (slot < SLOT_WORKER(0)) {
		*index = slot;
		return "frontd";
	}
	if (slot < SLOT_PERSIST) {
		*index = slot - SLOT_WORKER(0);
		return "workerd";
	}
	*index = 0;
	return slot == SLOT_PERSIST ? "persistd" : "supervisor";
}
