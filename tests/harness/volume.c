#include "tests/harness/volume.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tests/harness/deadline.h"

enum { UNMOUNT_MS = 5000 };

bool
volume_tmpfs(const struct broker *broker, size_t bytes)
{
	char options[64];

	snprintf(options, sizeof(options), "size=%zu,mode=0700", bytes);
	if (mount("chasqui-test", broker->data, "tmpfs", 0, options) == 0)
		return true;
	printf("skipped: cannot mount a tmpfs on %s: %s\n", broker->data, strerror(errno));
	return false;
}

bool
volume_ext4(const struct broker *broker, size_t bytes)
{
	char command[800];

	snprintf(command, sizeof(command), "image=%s/image && truncate -s %zu $image && /sbin/mkfs.ext4 -q $image && "
	    "mount -o loop,errors=remount-ro $image %s", broker->directory, bytes, broker->data);
	if (system(command) == 0)
		return true;
	printf("skipped: cannot mount an ext4 image on %s (root, a loop device and mkfs.ext4 are needed)\n", broker->data);
	return false;
}

static void
control(const struct broker *broker, unsigned long what)
{
	int fd = open(broker->data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_msg(ioctl(fd, what, 0) == 0, "freeze or thaw: %s", strerror(errno));
	close(fd);
}

void
volume_freeze(const struct broker *broker)
{
	control(broker, FIFREEZE);
}

void
volume_thaw(const struct broker *broker)
{
	control(broker, FITHAW);
}

bool
volume_break(const struct broker *broker)
{
	char link[64], target[300], path[400];
	struct stat status;
	ssize_t n;

	ck_assert_int_eq(stat(broker->data, &status), 0);
	snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major(status.st_dev), minor(status.st_dev));
	n = readlink(link, target, sizeof(target) - 1);
	ck_assert_int_gt(n, 0);
	target[n] = '\0';
	const char *device = strrchr(target, '/') + 1;
	/* Never that of the machine. */
	ck_assert_msg(strncmp(device, "loop", 4) == 0, "%s is on %s", broker->data, device);
	snprintf(path, sizeof(path), "/sys/fs/ext4/%s/trigger_fs_error", device);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "chasqui", 7) != 7) {
		printf("skipped: %s: %s\n", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	close(fd);
	return true;
}

void
volume_mend(const struct broker *broker)
{
	char command[800];

	volume_end(broker);
	/* e2fsck says with 1 that it corrected something: the error that was noted down. */
	snprintf(command, sizeof(command), "image=%s/image; /sbin/e2fsck -p $image > /dev/null; [ $? -le 1 ] && "
	    "mount -o loop,errors=remount-ro $image %s", broker->directory, broker->data);
	ck_assert_int_eq(system(command), 0);
}

size_t
volume_room(const struct broker *broker)
{
	struct statvfs st;

	ck_assert_int_eq(statvfs(broker->data, &st), 0);
	return (size_t)st.f_bavail * st.f_frsize;
}

static void
ballast_path(const struct broker *broker, char path[300])
{
	snprintf(path, 300, "%s/ballast", broker->data);
}

void
volume_take(const struct broker *broker, size_t bytes)
{
	char path[300];
	int fd;

	ballast_path(broker, path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(posix_fallocate(fd, 0, (off_t)bytes), 0);
	close(fd);
}

void
volume_release(const struct broker *broker)
{
	char path[300];

	ballast_path(broker, path);
	ck_assert_int_eq(unlink(path), 0);
}

void
volume_end(const struct broker *broker)
{
	uint64_t deadline_ms = deadline_in(UNMOUNT_MS);

	while (umount(broker->data) != 0)
		ck_assert_msg(deadline_pause(deadline_ms), "umount %s: %s", broker->data, strerror(errno));
}
