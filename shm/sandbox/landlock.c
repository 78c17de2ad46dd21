/*
 * The calls have no wrappers in glibc, and <linux/landlock.h> of Debian 12 ends at version 3: the
 * numbers below are those of the kernel's interface (Documentation/userspace-api/landlock.rst),
 * which never change.
 */
#include "shm/sandbox/landlock.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CREATE_RULESET_VERSION 1u
#define RULE_PATH_BENEATH 1

/* Rights on files, by the version that brought them. */
#define FS_WRITE_FILE (1ull << 1)
#define FS_READ_FILE (1ull << 2)
#define FS_READ_DIR (1ull << 3)
#define FS_REMOVE_FILE (1ull << 5)
#define FS_MAKE_DIR (1ull << 7)
#define FS_MAKE_REG (1ull << 8)
#define FS_VERSION_1 ((1ull << 13) - 1)
#define FS_REFER (1ull << 13)     /* 2 */
#define FS_TRUNCATE (1ull << 14)  /* 3 */
#define FS_IOCTL_DEV (1ull << 15) /* 5 */

#define NET_BIND_AND_CONNECT_TCP 3ull    /* 4 */
#define SCOPE_ABSTRACT_UNIX_AND_SIGNAL 3ull /* 6 */

/*
 * All that is done in a data directory: no executing, no links, no devices, no sockets, no
 * directories removed.
 */
#define FS_BELOW (FS_WRITE_FILE | FS_READ_FILE | FS_READ_DIR | FS_REMOVE_FILE | FS_MAKE_DIR | \
	FS_MAKE_REG | FS_TRUNCATE)

struct ruleset {
	uint64_t handled_fs;
	uint64_t handled_net; /* version 4 */
	uint64_t scoped;      /* version 6 */
};

struct path_beneath {
	uint64_t allowed;
	int32_t parent_fd;
} __attribute__((packed));

static size_t
ruleset_of(int version, struct ruleset *ruleset)
{
	*ruleset = (struct ruleset){ .handled_fs = FS_VERSION_1 };
	if (version >= 2)
		ruleset->handled_fs |= FS_REFER;
	if (version >= 3)
		ruleset->handled_fs |= FS_TRUNCATE;
	if (version >= 5)
		ruleset->handled_fs |= FS_IOCTL_DEV;
	if (version < 4)
		return offsetof(struct ruleset, handled_net);
	ruleset->handled_net = NET_BIND_AND_CONNECT_TCP;
	if (version < 6)
		return offsetof(struct ruleset, scoped);
	ruleset->scoped = SCOPE_ABSTRACT_UNIX_AND_SIGNAL;
	return sizeof(*ruleset);
}

int
landlock_enter(int directory_fd)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
	struct ruleset ruleset;
	int fd, error = 0;

	if (version < 0)
		return -errno;
	size_t bytes = ruleset_of((int)version, &ruleset);
	fd = (int)syscall(SYS_landlock_create_ruleset, &ruleset, bytes, 0);
	if (fd < 0)
		return -errno;
	if (directory_fd >= 0) {
		struct path_beneath below = { .allowed = FS_BELOW & ruleset.handled_fs,
			.parent_fd = directory_fd };

		if (syscall(SYS_landlock_add_rule, fd, RULE_PATH_BENEATH, &below, 0) != 0)
			error = errno;
	}
	if (error == 0 && syscall(SYS_landlock_restrict_self, fd, 0) != 0)
		error = errno;
	close(fd);
	return error == 0 ? (int)version : -error;
}
