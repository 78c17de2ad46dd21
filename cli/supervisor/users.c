#include "cli/supervisor/users.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "shm/diag.h"

int
users_find(const struct conf *conf, struct users *users)
{
	const char *const names[] = { [ROLE_FRONT] = conf->sandbox_front_user,
		[ROLE_WORKER] = conf->sandbox_worker_user,
		[ROLE_PERSIST] = conf->sandbox_persist_user };
	char missing[3 * (CONF_TEXT_BYTES + 2)] = "";

	*users = (struct users){ 0 };
	if (geteuid() != 0 || conf->sandbox_mode == CONF_SANDBOX_OFF)
		return 0;
	for (enum role_kind kind = ROLE_FRONT; kind <= ROLE_PERSIST; kind++) {
		const struct passwd *entry = getpwnam(names[kind]);
		size_t used = strlen(missing);

		if (entry != NULL)
			users->of[kind] = (struct user){
				.is_set = true, .uid = entry->pw_uid, .gid = entry->pw_gid
			};
		else
			snprintf(missing + used, sizeof(missing) - used, "%s%s",
			    used == 0 ? "" : ", ", names[kind]);
	}
	if (missing[0] == '\0')
		return 0;
	diag(conf->sandbox_mode == CONF_SANDBOX_REQUIRED ? DIAG_ERROR : DIAG_WARNING,
	    "sandbox: no user %s (`make install` makes "
	    "them): those processes stay root, without capabilities",
	    missing);
	return conf->sandbox_mode == CONF_SANDBOX_REQUIRED ? EX_CONFIG : 0;
}

/* --- the data directory --- */

enum kind { A_FILE, A_DIRECTORY };

/*
 * By a descriptor of what it is now, so that nothing can be put in its place meanwhile.  -1: not
 * there, or not ours to give.
 */
static int
open_own(int dir_fd, const char *name, enum kind kind, struct stat *status)
{
	int fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (fstat(fd, status) == 0 &&
	    (kind == A_DIRECTORY ? S_ISDIR(status->st_mode)
	                         : S_ISREG(status->st_mode) && status->st_nlink == 1))
		return fd;
	close(fd);
	return -1;
}

/* 0, or -1 and a diag. */
static int
give(int dir_fd, const char *name, enum kind kind, const struct user *user)
{
	struct stat status;
	int fd = open_own(dir_fd, name, kind, &status), result = 0;

	if (fd < 0)
		return 0;
	if ((status.st_uid != user->uid || status.st_gid != user->gid) &&
	    fchownat(fd, "", user->uid, user->gid, AT_EMPTY_PATH) != 0) {
		diag_errno(
		    "cannot give %s in the data directory to user %u; set sandbox.mode = off", name,
		    (unsigned)user->uid);
		result = -1;
	}
	close(fd);
	return result;
}

static int
give_journal(int dir_fd, const struct user *user)
{
	int fd = openat(dir_fd, "journal", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
	    result = 0;
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (directory == NULL) {
		diag_errno("cannot read journal in the data directory");
		return -1;
	}
	while (result == 0 && (entry = readdir(directory)) != NULL)
		result = give(fd, entry->d_name, A_FILE, user);
	closedir(directory);
	return result;
}

/* Others may not look into it: it is ours alone.  A directory that is shared stays its owner's. */
static bool
is_private(int dir_fd)
{
	struct stat status;

	return fstat(dir_fd, &status) == 0 && (status.st_mode & S_IXOTH) == 0;
}

int
users_give_directory(const struct conf *conf, const struct users *users)
{
	struct user user = users->of[ROLE_PERSIST];
	int result = 0, dir_fd;

	if (geteuid() != 0 || conf->sandbox_mode == CONF_SANDBOX_OFF)
		return 0;
	/* It stays root, who without capabilities may not touch what is another's. */
	if (!user.is_set)
		user = (struct user){ .uid = 0, .gid = getegid() };
	dir_fd = open(conf->data_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0) {
		diag_errno("cannot open the data directory %s", conf->data_directory);
		return EX_CANTCREAT;
	}
	/* persistd makes sure of it once more before it acknowledges anything in it. */
	if (mkdirat(dir_fd, "journal", 0700) == 0)
		(void)fsync(dir_fd);
	if (give_journal(dir_fd, &user) != 0 || give(dir_fd, "journal", A_DIRECTORY, &user) != 0 ||
	    give(dir_fd, "store", A_FILE, &user) != 0 || give(dir_fd, "lock", A_FILE, &user) != 0 ||
	    (is_private(dir_fd) && give(dir_fd, ".", A_DIRECTORY, &user) != 0))
		result = EX_NOPERM;
	close(dir_fd);
	return result;
}
