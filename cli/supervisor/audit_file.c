#include "cli/supervisor/audit_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "cli/supervisor/children.h"
#include "shm/diag.h"

#define RESERVE_BYTES (1u << 20) /* some three thousand lines */

/* A descriptor of the file at the path; -1 and a diag. */
static int
open_path(const char *path)
{
	/* Not O_NONBLOCK: io_uring would answer EAGAIN to a write that has to wait. */
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
	struct stat st;

	if (fd < 0) {
		diag_errno("cannot open the audit log %s; set audit.file", path);
		return -1;
	}
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		diag(DIAG_ERROR, "the audit log %s is no regular file; set audit.file", path);
		close(fd);
		errno = EINVAL;
		return -1;
	}
	if ((st.st_mode & 077) != 0)
		diag(DIAG_WARNING, "the audit log %s has mode %03o: others can read who does what; chmod 600", path, st.st_mode & 0777);
	return child_keep_fd(fd);
}

/* Does it end within a line?  By a descriptor of its own: the other one can only add. */
static bool
ends_torn(const struct audit_file *audit)
{
	int fd = open(audit->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
	struct stat open_file, named_file;
	char last = '\n';

	if (fd < 0)
		return false;
	if (fstat(fd, &named_file) == 0 && fstat(audit->fd, &open_file) == 0 && named_file.st_ino == open_file.st_ino &&
	    named_file.st_dev == open_file.st_dev && named_file.st_size > 0)
		(void)!pread(fd, &last, 1, named_file.st_size - 1); /* what cannot be read is left as it is */
	close(fd);
	return last != '\n';
}

void
audit_file_mend(const struct audit_file *audit)
{
	if (audit->fd >= 0 && ends_torn(audit) && write(audit->fd, "\n", 1) != 1)
		diag_errno("cannot end a line of the audit log %s that was cut", audit->path);
}

/* False: there is to be none. */
static bool
choose_path(struct audit_file *audit, const struct conf *conf)
{
	if (strcmp(conf->audit_file, "off") == 0 || (strcmp(conf->audit_file, "auto") == 0 && conf->auth_mode == CONF_AUTH_OFF))
		return false;
	if (strcmp(conf->audit_file, "auto") == 0)
		snprintf(audit->path, sizeof(audit->path), "%s/audit.log", conf->data_directory);
	else
		snprintf(audit->path, sizeof(audit->path), "%s", conf->audit_file);
	return true;
}

int
audit_file_open(struct audit_file *audit, const struct conf *conf)
{
	*audit = (struct audit_file){ .fd = -1 };
	if (!choose_path(audit, conf))
		return 0;
	audit->fd = open_path(audit->path);
	if (audit->fd < 0)
		return errno == EACCES || errno == EPERM ? EX_NOPERM : EX_CANTCREAT;
	audit_file_mend(audit);
	audit_file_reserve(audit);
	return 0;
}

int
audit_file_pair(struct audit_file *audit, uint32_t index)
{
	int ends[2];

	assert(index < FRONT_MAX);
	if (audit->fd < 0)
		return 0;
	/* New for each incarnation: what its predecessor did not take is older than the descriptor it is run with. */
	if (audit->ours[index] != 0)
		close(audit->ours[index]);
	audit->ours[index] = 0;
	audit_file_paired(audit, index); /* of a start that came to nothing */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
		diag_errno("cannot make a socket for frontd.%u", index);
		return -1;
	}
	ends[0] = child_keep_fd(ends[0]);
	ends[1] = child_keep_fd(ends[1]);
	if (ends[0] >= 0 && ends[1] >= 0) {
		audit->ours[index] = ends[0];
		audit->theirs[index] = ends[1];
		return 0;
	}
	if (ends[0] >= 0)
		close(ends[0]);
	if (ends[1] >= 0)
		close(ends[1]);
	return -1;
}

void
audit_file_paired(struct audit_file *audit, uint32_t index)
{
	if (audit->theirs[index] != 0)
		close(audit->theirs[index]);
	audit->theirs[index] = 0;
}

static int
send_descriptor(int socket, int fd)
{
	union {
		struct cmsghdr header; /* aligns */
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = { 0 } };
	char nothing = 0;
	struct iovec payload = { .iov_base = &nothing, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &payload, .msg_iovlen = 1, .msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -1 : 0;
}

bool
audit_file_reopen(struct audit_file *audit)
{
	if (audit->fd < 0)
		return false;
	int fd = open_path(audit->path);
	if (fd < 0)
		return false;
	close(audit->fd);
	audit->fd = fd;
	audit->reserved_bytes = 0;
	audit_file_mend(audit);
	audit_file_reserve(audit);
	for (uint32_t i = 0; i < FRONT_MAX; i++) {
		/* One that has just died: its successor is run with the new one. */
		if (audit->ours[i] != 0 && send_descriptor(audit->ours[i], fd) != 0 && errno != EPIPE && errno != ECONNRESET)
			diag_errno("cannot send the audit log to frontd.%u; it goes on with the old file", i);
	}
	diag(DIAG_INFO, "the audit log %s was opened again", audit->path);
	return true;
}

void
audit_file_reserve(struct audit_file *audit)
{
	struct stat st;

	if (audit->fd < 0 || fstat(audit->fd, &st) != 0 || (uint64_t)st.st_size + RESERVE_BYTES / 2 < audit->reserved_bytes)
		return;
	/* Where the file system cannot, or the disk is full already, there is no reserve. */
	if (fallocate(audit->fd, FALLOC_FL_KEEP_SIZE, st.st_size, RESERVE_BYTES) == 0)
		audit->reserved_bytes = (uint64_t)st.st_size + RESERVE_BYTES;
}

void
audit_file_write(const struct audit_file *audit, const char *verb, const char *object, uint64_t now_ms)
{
	time_t now_s = (time_t)(now_ms / 1000);
	char line[512], when[32];
	struct tm utc;

	if (audit->fd < 0)
		return;
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", gmtime_r(&now_s, &utc));
	/* Verb and object are words of ours: nothing to escape.  202: it is about to be done. */
	int bytes = snprintf(line, sizeof(line),
	    "{\"time\":\"%s.%03uZ\",\"request\":\"%llx.up.1\",\"user\":null,\"credential\":null,\"from\":\"uid %u\","
	    "\"verb\":\"%s\",\"object\":\"%s\",\"status\":202,\"code\":\"ok\"}\n",
	    when, (unsigned)(now_ms % 1000), (unsigned long long)now_ms, (unsigned)getuid(), verb, object);
	assert(bytes > 0 && (size_t)bytes < sizeof(line));
	if (write(audit->fd, line, (size_t)bytes) != bytes || fdatasync(audit->fd) != 0)
		diag_errno("cannot write to the audit log %s that %s was asked for", audit->path, verb);
}
