/*
 * Happy path: the supervisor's handed_send() fills the socket; handed_take() empties it into the
 * process's table.
 * Failure modes: no descriptor is free in the process: EMFILE, and what came in that message is
 * closed again.  The socket is full: EAGAIN at the supervisor's; it holds some hundred messages and
 * never more than one for each frontd are waiting.
 */
#include "shm/handed.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shm/limits.h"

/* Descriptors in one message; the kernel takes up to 253. */
#define MESSAGE_MAX 32
/*
 * Every region there is: registry, durable, directory; statistics and usage; streams and shards;
 * fronts.
 */
#define REGIONS_MAX (3 + 2 * SLOT_MAX + 2 * WORKER_MAX + FRONT_MAX)

/* Part of the process's one context: descriptors belong to the process, not to a role. */
static struct {
	bool is_all;
	unsigned count;
	struct handed_region regions[REGIONS_MAX];
} handed;

union control {
	struct cmsghdr header; /* aligns */
	char bytes[CMSG_SPACE(MESSAGE_MAX * sizeof(int))];
};

static int
send_some(int socket, const struct handed_region *regions, unsigned count)
{
	char names[MESSAGE_MAX][HANDED_NAME_BYTES] = { { 0 } };
	union control control = { .bytes = { 0 } };
	struct iovec payload = { .iov_base = names, .iov_len = count * sizeof(names[0]) };
	struct msghdr message = { .msg_iov = &payload,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = CMSG_SPACE(count * sizeof(int)) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	int *fds = (int *)CMSG_DATA(header);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(count * sizeof(int));
	for (unsigned i = 0; i < count; i++) {
		memcpy(names[i], regions[i].name, sizeof(names[i]));
		memcpy(&fds[i], &regions[i].fd, sizeof(int));
	}
	return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -1 : 0;
}

int
handed_send(int socket, const struct handed_region *regions, unsigned count)
{
	for (unsigned at = 0; at < count; at += MESSAGE_MAX) {
		unsigned some = count - at < MESSAGE_MAX ? count - at : MESSAGE_MAX;

		if (send_some(socket, regions + at, some) != 0)
			return -1;
	}
	return 0;
}

/* "front.3.7": what begins with "front.3." is an incarnation of the same. */
static void
forget_incarnation_before(const char *name)
{
	char prefix[HANDED_NAME_BYTES];

	if (strncmp(name, "front.", 6) != 0)
		return;
	snprintf(prefix, sizeof(prefix), "%.*s", (int)(strrchr(name, '.') + 1 - name), name);
	handed_forget(prefix);
}

static void
keep(const char *name, int fd)
{
	struct handed_region *region;

	forget_incarnation_before(name);
	assert(handed.count < REGIONS_MAX);
	region = &handed.regions[handed.count++];
	memcpy(region->name, name, sizeof(region->name));
	region->fd = fd;
}

/* 1: a message was taken; 0: there is none, or the supervisor is gone; -1 and errno. */
static int
take_some(int socket)
{
	char names[MESSAGE_MAX][HANDED_NAME_BYTES];
	union control control;
	struct iovec payload = { .iov_base = names, .iov_len = sizeof(names) };
	struct msghdr message = { .msg_iov = &payload,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	ssize_t bytes = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int fds[MESSAGE_MAX];

	if (bytes <= 0)
		return bytes == 0 || errno == EAGAIN ? 0 : -1;
	const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	unsigned count =
	    header == NULL ? 0 : (unsigned)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));

	if (count > 0)
		memcpy(fds, CMSG_DATA(header), count * sizeof(int));
	if ((message.msg_flags & MSG_CTRUNC) != 0 || count != (size_t)bytes / sizeof(names[0])) {
		while (count > 0)
			close(fds[--count]);
		errno = EMFILE;
		return -1;
	}
	for (unsigned i = 0; i < count; i++) {
		names[i][HANDED_NAME_BYTES - 1] = '\0';
		keep(names[i], fds[i]);
	}
	return 1;
}

int
handed_take(int socket)
{
	int taken;

	handed.is_all = true;
	do
		taken = take_some(socket);
	while (taken > 0);
	return taken;
}

bool
handed_is_all(void)
{
	return handed.is_all;
}

int
handed_find(const char *name)
{
	for (unsigned i = 0; i < handed.count; i++) {
		if (strcmp(handed.regions[i].name, name) == 0)
			return handed.regions[i].fd;
	}
	errno = ENOENT;
	return -1;
}

bool
handed_is_ours(int fd)
{
	for (unsigned i = 0; i < handed.count; i++) {
		if (handed.regions[i].fd == fd)
			return true;
	}
	return false;
}

void
handed_forget(const char *prefix)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < handed.count; i++) {
		if (strncmp(handed.regions[i].name, prefix, strlen(prefix)) == 0)
			close(handed.regions[i].fd);
		else
			handed.regions[kept++] = handed.regions[i];
	}
	handed.count = kept;
}
