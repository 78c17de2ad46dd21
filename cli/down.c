/* chasqui down: SIGTERM to the supervisor, which drains and stops the others; done when it is gone. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/arguments.h"
#include "cli/instance.h"
#include "cli/verbs.h"
#include "shm/limits.h"

#define TIMEOUT_S_DEFAULT 60
#define TIMEOUT_S_MAX 86400

/*
 * A descriptor of the supervisor, so that a pid which is given to a stranger meanwhile is not signalled; -1 if it is gone.
 * The pid is read again after: if the registry still names it and it is a chasqui, the descriptor is the supervisor's.
 */
static int
open_supervisor(const struct registry *registry)
{
	pid_t pid = registry->shared->slot[SLOT_SUPERVISOR].pid;
	char name[32] = "";
	char path[64];
	FILE *file;
	int fd;

	if (!instance_pid_is_alive(pid))
		return -1;
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	file = fopen(path, "r");
	if (file == NULL || fgets(name, sizeof(name), file) == NULL || strncmp(name, "chasqui", 7) != 0) {
		close(fd);
		fd = -1;
	}
	if (file != NULL)
		fclose(file);
	return fd;
}

static int
wait_until_gone(int fd, const char *instance, unsigned timeout_s)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	int result;

	do
		result = poll(&poll_fd, 1, (int)timeout_s * 1000);
	while (result < 0 && errno == EINTR);
	if (result == 0) {
		fprintf(stderr, "chasqui: broker `%s` is still stopping after %u s; "
			"chasqui status -i %s shows what it waits for\n", instance, timeout_s, instance);
		return CLI_FAILED;
	}
	return result > 0 ? CLI_OK : CLI_FAILED;
}

int
verb_down(int argc, char **argv)
{
	unsigned long timeout_s = TIMEOUT_S_DEFAULT;
	struct arguments arguments;
	struct registry registry;
	char *end = NULL;
	int code;
	int fd;

	if (!arguments_parse(&arguments, "iT", argc, argv) || arguments.word_count != 0)
		return verb_usage("down");
	if (arguments.timeout != NULL) {
		timeout_s = strtoul(arguments.timeout, &end, 10);
		if (*arguments.timeout == '\0' || *end != '\0' || timeout_s > TIMEOUT_S_MAX) {
			fprintf(stderr, "chasqui: --timeout is 0 to %d seconds\n", TIMEOUT_S_MAX);
			return CLI_USAGE;
		}
	}
	if (!instance_attach(&registry, arguments.instance))
		return CLI_NOT_RUNNING;
	fd = open_supervisor(&registry);
	if (fd < 0) {
		fprintf(stderr, "chasqui: broker `%s` is not running; its shared memory is kept for a warm start\n",
		    arguments.instance);
		registry_detach(&registry);
		return CLI_NOT_RUNNING;
	}
	if (syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0) != 0) {
		fprintf(stderr, "chasqui: cannot stop process %d: %s\n", registry.shared->slot[SLOT_SUPERVISOR].pid,
		    strerror(errno));
		code = CLI_FAILED;
	} else {
		code = wait_until_gone(fd, arguments.instance, (unsigned)timeout_s);
	}
	close(fd);
	registry_detach(&registry);
	return code;
}
