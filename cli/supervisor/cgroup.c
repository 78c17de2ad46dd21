/*
 * Happy path: cgroup_place_find(); make_v1() or make_v2(); cgroup_take() for each hasher;
 * cgroup_close().
 *
 * Failure modes: no cgroups, an old kernel (cpu.idle is of 5.15), no rights, not ours: text says
 * which, there is none.  We are killed: empty folders stay, and with v2 the controller stays
 * on.  Whoever starts the next broker may put it there all the same, for cpu is a threaded
 * controller and all below are dead; but out of there it cannot move before the controller is off
 * again (clear_v2()).
 *
 * Sources: Documentation/admin-guide/cgroup-v2.rst ("No Internal Process Constraint",
 * "Delegation"), CGROUP_DELEGATION.md of systemd; user.delegate is of systemd 251.
 */
#include "cli/supervisor/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/supervisor/cgroup_place.h"
#include "cli/supervisor/children.h"
#include "shm/diag.h"

/* Why there is none. */
static void __attribute__((format(printf, 2, 3)))
say_none(struct cgroup *cgroup, const char *format, ...)
{
	size_t used = strlen(strcpy(cgroup->text, "have no cgroup of their own: "));
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(cgroup->text + used, sizeof(cgroup->text) - used, format, arguments);
	va_end(arguments);
}

/* --- files --- */

/* Open FOLDER/NAME; -1 and errno. */
static int
open_in(const char *folder, const char *name, int flags)
{
	char path[CGROUP_FOLDER_BYTES + 32];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return open(path, flags | O_CLOEXEC);
}

static int
write_in(const char *folder, const char *name, const char *text)
{
	int fd = open_in(folder, name, O_WRONLY);
	ssize_t bytes = (ssize_t)strlen(text);

	if (fd < 0)
		return -1;
	int result = write(fd, text, (size_t)bytes) == bytes ? 0 : -1;
	int error = errno;
	close(fd);
	errno = error;
	return result;
}

static int
write_pid(int fd, pid_t pid)
{
	char text[16];
	int bytes = snprintf(text, sizeof(text), "%d", (int)pid);

	return write(fd, text, (size_t)bytes) == bytes ? 0 : -1;
}

static int
move_us(const char *folder)
{
	int fd = open_in(folder, "cgroup.procs", O_WRONLY);

	if (fd < 0)
		return -1;
	int result = write_pid(fd, getpid());
	int error = errno;
	close(fd);
	errno = error;
	return result;
}

/* Without it the kernel counts their CPU time like anybody's, and others wait for whole slices. */
static int
set_idle(const char *folder)
{
	char text[8];

	cgroup_read(folder, "cpu.idle", text, sizeof(text));
	return strcmp(text, "1") == 0 ? 0 : write_in(folder, "cpu.idle", "1");
}

/* --- making --- */

static void
remove_in(const char *own, const char *name)
{
	char path[CGROUP_FOLDER_BYTES];

	snprintf(path, sizeof(path), "%s/%s", own, name);
	(void)rmdir(path); /* not there, or somebody is in it: the next step fails and says so */
}

/* As it was before make_v2(), but for where we are. */
static void
clear_v2(const char *own)
{
	char enabled[256];

	remove_in(own, "hashers");
	cgroup_read(own, "cgroup.subtree_control", enabled, sizeof(enabled));
	if (cgroup_has_word(enabled, "cpu", " "))
		/* If it fails we cannot move, and say so. */
		(void)write_in(own, "cgroup.subtree_control", "-cpu");
}

static void
unmake_v2(struct cgroup *cgroup)
{
	clear_v2(cgroup->own);
	if (move_us(cgroup->own) != 0)
		diag_errno("cannot move back to %s", cgroup->own);
	remove_in(cgroup->own, "broker");
	cgroup->own[0] = '\0';
}

static int
make_folder(struct cgroup *cgroup, const char *own, const char *name)
{
	snprintf(cgroup->folder, sizeof(cgroup->folder), "%s/%s", own, name);
	return mkdir(cgroup->folder, 0755) == 0 || errno == EEXIST ? 0 : -1;
}

/* It is made; now what makes it good for something. */
static int
open_folder(struct cgroup *cgroup)
{
	if (set_idle(cgroup->folder) != 0)
		return -1;
	int fd = open_in(cgroup->folder, "cgroup.procs", O_WRONLY);
	cgroup->procs_fd = fd < 0 ? -1 : child_keep_fd(fd);
	snprintf(cgroup->text, sizeof(cgroup->text), "give way to everybody, in cgroup %s",
	    cgroup->folder);
	return cgroup->procs_fd < 0 ? -1 : 0;
}

static void
make_v1(struct cgroup *cgroup, const char *own, const char *instance)
{
	char name[128];

	snprintf(name, sizeof(name), "chasqui-%s-hashers", instance);
	remove_in(own, name);
	if (make_folder(cgroup, own, name) != 0) {
		say_none(cgroup, "cannot make %s: %s", cgroup->folder, strerror(errno));
		return;
	}
	if (open_folder(cgroup) != 0) {
		say_none(cgroup, "cannot set cpu.idle in %s: %s", cgroup->folder, strerror(errno));
		(void)rmdir(cgroup->folder); /* ours, and empty */
		return;
	}
	cgroup->is_made = true;
}

static void
make_v2(struct cgroup *cgroup, const struct cgroup_place *place)
{
	const char *why = cgroup_place_why_not_ours(place);
	const char *own = place->folder, *step = "make broker";

	if (why != NULL) {
		say_none(cgroup, "cgroup %s %s", own, why);
		return;
	}
	clear_v2(own);
	if (make_folder(cgroup, own, "broker") == 0 &&
	    (step = "move to broker", move_us(cgroup->folder)) == 0) {
		strcpy(cgroup->own, own);
		if ((step = "turn cpu on", write_in(own, "cgroup.subtree_control", "+cpu")) == 0 &&
		    (step = "make hashers", make_folder(cgroup, own, "hashers")) == 0 &&
		    (step = "set cpu.idle of hashers", open_folder(cgroup)) == 0) {
			return;
		}
	}
	say_none(cgroup, "cannot %s in %s: %s", step, own, strerror(errno));
	if (cgroup->own[0] != '\0')
		unmake_v2(cgroup);
	else
		remove_in(own, "broker");
}

static void
make(struct cgroup *cgroup, const char *instance, const char *root)
{
	struct cgroup_place place;

	if (!cgroup_place_find(&place, root))
		say_none(cgroup, "no cgroups are mounted");
	else if (place.is_v2)
		make_v2(cgroup, &place);
	else
		make_v1(cgroup, place.folder, instance);
}

/* One that somebody made for us, and keeps. */
static void
use(struct cgroup *cgroup, const char *folder)
{
	snprintf(cgroup->folder, sizeof(cgroup->folder), "%s", folder);
	if (open_folder(cgroup) != 0) {
		diag_errno("cannot use auth.hasher_cgroup %s (cpu.idle is of Linux 5.15 "
			   "and of the cpu controller)", folder);
		say_none(cgroup, "%s cannot be used", folder);
	}
}

void
cgroup_open(struct cgroup *cgroup, const char *wish, const char *instance, const char *root)
{
	*cgroup = (struct cgroup){ .procs_fd = -1 };
	if (strcmp(wish, "off") == 0) {
		say_none(cgroup, "auth.hasher_cgroup is off");
		return;
	}
	if (strcmp(wish, "auto") == 0)
		make(cgroup, instance, root);
	else
		use(cgroup, wish);
	if (cgroup->procs_fd >= 0)
		diag(DIAG_INFO, "hashers %s", cgroup->text);
	else
		diag(DIAG_INFO, "hashers %s; logins may be felt by others", cgroup->text);
}

int
cgroup_take(const struct cgroup *cgroup, pid_t pid)
{
	if (cgroup->procs_fd < 0 || write_pid(cgroup->procs_fd, pid) == 0)
		return 0;
	diag_errno("cannot put pid %d into cgroup %s: logins may be felt by others", (int)pid,
	    cgroup->folder);
	return -1;
}

void
cgroup_close(struct cgroup *cgroup)
{
	if (cgroup->procs_fd >= 0)
		close(cgroup->procs_fd);
	cgroup->procs_fd = -1;
	if (cgroup->own[0] != '\0')
		unmake_v2(cgroup);
	else if (cgroup->is_made && rmdir(cgroup->folder) != 0)
		diag_errno("cannot remove cgroup %s", cgroup->folder);
	cgroup->is_made = false;
}
