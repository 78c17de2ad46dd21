/*
 * cgroup: machines that we do not have, made of files and of a kernel that knows what cgroups may
 * do.  It stands in the place of mkdir(), rmdir(), write() and getxattr() below `root`, and keeps
 * the rules of kernel/cgroup/cgroup.c: what is in a folder that is made, who may be written into
 * cgroup.procs, when a controller may be turned on, which folder can be removed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/harness/unit.h"

#include "cli/supervisor/cgroup.h"

enum { PATH_BYTES = 400, TASKS_MAX = 8, FOREIGNER = 4711, HASHER = 4712 };

int __real_mkdir(const char *path, mode_t mode);
int __real_rmdir(const char *path);
ssize_t __real_write(int fd, const void *bytes, size_t size);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_rmdir(const char *path);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_getxattr(const char *path, const char *name, void *value, size_t size);

static char root[] = "/tmp/chasqui-cgroup-XXXXXX";
static char own[PATH_BYTES];              /* where we were started */
static struct {
	bool is_v2, is_read_only, is_old, refuses_controllers;
	const char *delegation;           /* the attribute that says it; NULL: none does */
	struct task { int pid; char folder[PATH_BYTES]; } tasks[TASKS_MAX];
} kernel;
static struct cgroup cgroup;

/* ---- files ---- */

static bool
is_below_root(const char *path)
{
	return strncmp(path, root, strlen(root)) == 0;
}

static void
put(const char *folder, const char *name, const char *text)
{
	char path[3 * PATH_BYTES];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *file = fopen(path, "we");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

static const char *
get(const char *folder, const char *name)
{
	static char text[200];

	cgroup_read(folder, name, text, sizeof(text));
	return text;
}

static bool
is_there(const char *folder, const char *name)
{
	char path[3 * PATH_BYTES];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return access(path, F_OK) == 0;
}

static void
shell(const char *command, char *output, size_t capacity)
{
	FILE *pipe = popen(command, "re");

	ck_assert_ptr_nonnull(pipe);
	size_t n = fread(output, 1, capacity - 1, pipe);
	output[n] = '\0';
	ck_assert_int_eq(pclose(pipe), 0);
}

/* All folders and files with what is in them. */
static void
look(char picture[8192])
{
	char command[200];

	snprintf(command, sizeof(command),
	    "cd %s && find . | sort && find . -type f | sort | xargs grep -H ''", root);
	shell(command, picture, 8192);
}

/* ---- the kernel ---- */

static bool
is_in(const struct task *task, const char *folder, bool or_below)
{
	size_t bytes = strlen(folder);

	if (task->pid == 0 || strncmp(task->folder, folder, bytes) != 0)
		return false;
	return task->folder[bytes] == '\0' || (or_below && task->folder[bytes] == '/');
}

static unsigned
count(const char *folder, bool or_below)
{
	unsigned found = 0;

	for (unsigned i = 0; i < TASKS_MAX; i++)
		found += is_in(&kernel.tasks[i], folder, or_below);
	return found;
}

static void
show_tasks(const char *folder)
{
	char text[TASKS_MAX * 12] = "";

	for (unsigned i = 0; i < TASKS_MAX; i++) {
		if (is_in(&kernel.tasks[i], folder, false))
			sprintf(text + strlen(text), "%d\n", kernel.tasks[i].pid);
	}
	put(folder, "cgroup.procs", text);
}

static void
put_task(int pid, const char *folder)
{
	struct task *at = NULL;
	char before[PATH_BYTES] = "";

	for (unsigned i = 0; i < TASKS_MAX; i++) {
		if (kernel.tasks[i].pid == pid || (at == NULL && kernel.tasks[i].pid == 0))
			at = &kernel.tasks[i];
	}
	ck_assert_ptr_nonnull(at);
	if (at->pid != 0)
		strcpy(before, at->folder);
	at->pid = pid;
	snprintf(at->folder, sizeof(at->folder), "%s", folder);
	show_tasks(folder);
	if (before[0] != '\0')
		show_tasks(before);
}

static void
end_task(int pid)
{
	for (unsigned i = 0; i < TASKS_MAX; i++) {
		if (kernel.tasks[i].pid == pid) {
			kernel.tasks[i].pid = 0;
			show_tasks(kernel.tasks[i].folder);
		}
	}
}

static bool
has_controller(const char *folder)
{
	return strcmp(get(folder, "cgroup.subtree_control"), "cpu") == 0;
}

static void
parent_of(const char *folder, char parent[PATH_BYTES])
{
	snprintf(parent, PATH_BYTES, "%s", folder);
	*strrchr(parent, '/') = '\0';
}

static bool
is_cgroup(const char *folder)
{
	return is_below_root(folder) && is_there(folder, "cgroup.procs");
}

static void
fill(const char *folder, bool has_cpu)
{
	if (kernel.is_v2) {
		put(folder, "cgroup.controllers", has_cpu ? "cpu\n" : "\n");
		if (!is_there(folder, "cgroup.subtree_control"))
			put(folder, "cgroup.subtree_control", "\n");
		put(folder, "cgroup.type", "domain\n");
	}
	if (has_cpu && !kernel.is_old)
		put(folder, "cpu.idle", "0\n");
	show_tasks(folder);
}

static void
unfill(const char *folder, const char *name)
{
	char path[3 * PATH_BYTES];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	(void)unlink(path); /* not all have all */
}

int
__wrap_mkdir(const char *path, mode_t mode)
{
	char parent[PATH_BYTES];

	if (!is_below_root(path))
		return __real_mkdir(path, mode);
	parent_of(path, parent);
	if (kernel.is_read_only || !is_cgroup(parent)) {
		errno = kernel.is_read_only ? EROFS : ENOENT;
		return -1;
	}
	if (__real_mkdir(path, mode) != 0)
		return -1;
	fill(path, !kernel.is_v2 || has_controller(parent));
	return 0;
}

int
__wrap_rmdir(const char *path)
{
	static const char *const names[] = { "cgroup.procs", "cgroup.controllers",
		"cgroup.subtree_control", "cgroup.type", "cpu.idle" };

	if (is_cgroup(path) && count(path, true) != 0) {
		errno = EBUSY;
		return -1;
	}
	for (unsigned i = 0; is_cgroup(path) && i < 5; i++)
		unfill(path, names[(i + 1) % 5]); /* cgroup.procs last */
	return __real_rmdir(path);
}

/* Folders below this one get the controller, or lose it. */
static void
hand_down(const char *folder, bool has_cpu)
{
	DIR *directory = opendir(folder);
	char path[2 * PATH_BYTES];

	for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
		snprintf(path, sizeof(path), "%.*s/%s", PATH_BYTES, folder, entry->d_name);
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		fill(path, has_cpu);
		if (!has_cpu)
			unfill(path, "cpu.idle");
	}
	closedir(directory);
}

/* cgroup_vet_subtree_control_enable() */
static int
control(const char *folder, const char *text)
{
	bool is_on = text[0] == '+';

	ck_assert_str_eq(text + 1, "cpu");
	if (is_on && (kernel.refuses_controllers ||
			 strcmp(get(folder, "cgroup.controllers"), "cpu") != 0))
		return ENOENT;
	if (is_on && count(folder, false) != 0 && count(folder, true) != count(folder, false))
		return EBUSY;
	put(folder, "cgroup.subtree_control", is_on ? "cpu\n" : "\n");
	hand_down(folder, is_on);
	return 0;
}

/* cgroup_migrate_vet_dst() */
static int
migrate(const char *folder, int pid)
{
	char parent[PATH_BYTES];

	parent_of(folder, parent);
	if (kernel.is_v2 && is_cgroup(parent) && count(parent, false) != 0 &&
	    has_controller(parent))
		return EOPNOTSUPP;
	if (kernel.is_v2 && has_controller(folder) && count(folder, true) != count(folder, false))
		return EBUSY;
	put_task(pid, folder);
	return 0;
}

ssize_t
__wrap_write(int fd, const void *bytes, size_t size)
{
	char link[64], path[PATH_BYTES], text[32], *name;
	int error = 0;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	if (!is_below_root(path) || size >= sizeof(text))
		return __real_write(fd, bytes, size);
	memcpy(text, bytes, size);
	text[size] = '\0';
	name = strrchr(path, '/');
	*name++ = '\0';
	if (strcmp(name, "cgroup.procs") == 0)
		error = migrate(path, atoi(text));
	else if (strcmp(name, "cgroup.subtree_control") == 0)
		error = control(path, text);
	else
		put(path, name, text);
	errno = error;
	return error == 0 ? (ssize_t)size : -1;
}

ssize_t
__wrap_getxattr(const char *path, const char *name, void *value, size_t size)
{
	if (kernel.delegation == NULL || strcmp(name, kernel.delegation) != 0 ||
	    strcmp(path, own) != 0) {
		errno = ENODATA;
		return -1;
	}
	ck_assert_uint_ge(size, 1);
	memcpy(value, "1", 1);
	return 1;
}

/* ---- machines ---- */

static void
make_folders(const char *path)
{
	char so_far[PATH_BYTES];

	for (const char *at = path + strlen(root) + 1; at != NULL; at = strchr(at + 1, '/')) {
		const char *end = strchr(at + 1, '/');

		snprintf(so_far, sizeof(so_far), "%.*s",
		    (int)(end != NULL ? end - path : (long)strlen(path)), path);
		(void)__real_mkdir(so_far, 0700); /* another made it */
	}
}

static void
machine(const char *cgroups, const char *mounts, const char *where)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof(path), "%s/proc/self", root);
	make_folders(path);
	put(path, "cgroup", cgroups);
	put(path, "mountinfo", mounts);
	snprintf(own, sizeof(own), "%s%s", root, where);
	make_folders(own);
	fill(own, true);
	put_task(getpid(), own);
}

#define V1_MOUNT \
	"33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
#define V2_MOUNT "24 19 0:21 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
#define V2_HYBRID_MOUNT "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"

static void
machine_v1(void)
{
	machine("9:name=systemd:/x\n4:cpu,cpuacct:/a/b\n3:cpuset:/\n0::/x\n",
	    V2_HYBRID_MOUNT V1_MOUNT, "/sys/fs/cgroup/cpu,cpuacct/a/b");
}

static void
machine_v2(void)
{
	kernel.is_v2 = true;
	kernel.delegation = "user.delegate";
	machine("0::/system.slice/chasqui.service\n", V2_MOUNT,
	    "/sys/fs/cgroup/system.slice/chasqui.service");
}

static void
setup(void)
{
	memset(&kernel, 0, sizeof(kernel));
	memcpy(root + sizeof(root) - 7, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(root));
	leftovers_watch(root);
}

static void
teardown(void)
{
	char command[64], output[8];

	snprintf(command, sizeof(command), "rm -r %s", root);
	shell(command, output, sizeof(output));
}

/* There is none, everything is as it was, and the text says why. */
static void
expect_none(const char *why)
{
	char before[8192], after[8192];

	look(before);
	cgroup_open(&cgroup, "auto", "test", root);
	ck_assert_int_eq(cgroup.procs_fd, -1);
	ck_assert_msg(strstr(cgroup.text, why) != NULL, "%s", cgroup.text);
	look(after);
	ck_assert_str_eq(before, after);
	ck_assert_int_eq(cgroup_take(&cgroup, HASHER), 0);
	cgroup_close(&cgroup);
	look(after);
	ck_assert_str_eq(before, after);
}

static const char *
below(const char *name)
{
	static char path[3 * PATH_BYTES];

	snprintf(path, sizeof(path), "%s/%s", own, name);
	return path;
}

/* ---- v1 ---- */

START_TEST(with_v1_it_is_made_below_our_own_and_removed_in_the_end)
{
	char before[8192], after[8192];

	machine_v1();
	look(before);
	cgroup_open(&cgroup, "auto", "test", root);
	ck_assert_str_eq(cgroup.folder, below("chasqui-test-hashers"));
	ck_assert_str_eq(get(cgroup.folder, "cpu.idle"), "1");
	ck_assert_ptr_nonnull(strstr(cgroup.text, cgroup.folder));
	ck_assert_int_eq(cgroup_take(&cgroup, HASHER), 0);
	ck_assert_str_eq(get(cgroup.folder, "cgroup.procs"), "4712");
	ck_assert_uint_eq(count(own, false), 1); /* we stay */
	end_task(HASHER);
	cgroup_close(&cgroup);
	look(after);
	ck_assert_str_eq(before, after);
}
END_TEST

START_TEST(with_v1_what_a_killed_supervisor_left_is_used)
{
	machine_v1();
	cgroup_open(&cgroup, "auto", "test", root);
	ck_assert_int_eq(cgroup_take(&cgroup, HASHER), 0);
	cgroup_open(&cgroup, "auto", "test", root);
	ck_assert_int_eq(cgroup_take(&cgroup, HASHER + 1), 0);
	end_task(HASHER);
	end_task(HASHER + 1);
	cgroup_close(&cgroup);
	ck_assert(!is_there(own, "chasqui-test-hashers"));
}
END_TEST

START_TEST(with_v1_another_instance_has_its_own)
{
	struct cgroup other;

	machine_v1();
	cgroup_open(&cgroup, "auto", "test", root);
	cgroup_open(&other, "auto", "test2", root);
	ck_assert_int_ge(other.procs_fd, 0);
	cgroup_close(&cgroup);
	ck_assert(is_there(own, "chasqui-test2-hashers"));
	cgroup_close(&other);
}
END_TEST

START_TEST(with_v1_nothing_stays_where_it_cannot_be_had)
{
	machine_v1();
	kernel.is_old = true;
	unfill(own, "cpu.idle");
	expect_none("cannot set cpu.idle in");
	kernel.is_old = false;
	kernel.is_read_only = true;
	expect_none("Read-only file system");
}
END_TEST

START_TEST(in_a_container_the_path_is_below_what_is_mounted)
{
	machine("4:cpu:/docker/1234\n",
	    "33 31 0:30 /docker/1234 /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n",
	    "/sys/fs/cgroup/cpu");
	cgroup_open(&cgroup, "auto", "test", root);
	ck_assert_str_eq(cgroup.folder, below("chasqui-test-hashers"));
	cgroup_close(&cgroup);
	put(root, "proc/self/cgroup", "4:cpu:/docker/12345\n");
	expect_none("no cgroups are mounted");
	put(root, "proc/self/cgroup", "");
	expect_none("no cgroups are mounted");
}
END_TEST

/* ---- v2 ---- */

static void
expect_v2(void)
{
	char broker[3 * PATH_BYTES];

	cgroup_open(&cgroup, "auto", "test", root);
	ck_assert_msg(cgroup.procs_fd >= 0, "%s", cgroup.text);
	ck_assert_str_eq(cgroup.folder, below("hashers"));
	ck_assert_str_eq(get(cgroup.folder, "cpu.idle"), "1");
	ck_assert_str_eq(get(own, "cgroup.procs"), "");
	ck_assert_str_eq(get(own, "cgroup.subtree_control"), "cpu");
	strcpy(broker, below("broker"));
	ck_assert_uint_eq(count(broker, false), 1);
	ck_assert_str_eq(get(broker, "cpu.idle"), "0");
	ck_assert_int_eq(cgroup_take(&cgroup, HASHER), 0);
	ck_assert_str_eq(get(cgroup.folder, "cgroup.procs"), "4712");
}

START_TEST(with_v2_we_move_aside_and_back_in_the_end)
{
	char before[8192], after[8192];

	machine_v2();
	kernel.delegation = _i == 0 ? "user.delegate" : "trusted.delegate";
	look(before);
	expect_v2();
	end_task(HASHER);
	cgroup_close(&cgroup);
	look(after);
	ck_assert_str_eq(before, after);
}
END_TEST

START_TEST(with_v2_what_a_killed_supervisor_left_is_cleared_away)
{
	char before[8192], after[8192];

	machine_v2();
	look(before);
	expect_v2();
	/* All die, and the next is put where the first was. */
	end_task(HASHER);
	end_task(getpid());
	ck_assert_int_eq(migrate(own, getpid()), 0);
	expect_v2();
	end_task(HASHER);
	cgroup_close(&cgroup);
	look(after);
	ck_assert_str_eq(before, after);
}
END_TEST

START_TEST(with_v2_what_is_not_surely_ours_is_left_alone)
{
	machine_v2();
	kernel.delegation = NULL;
	expect_none("is not delegated");
	kernel.delegation = "user.delegate";
	put_task(FOREIGNER, own);
	expect_none("has other processes");
	end_task(FOREIGNER);
	ck_assert_int_eq(mkdir(below("somebody"), 0700), 0);
	expect_none("has other cgroups");
	ck_assert_int_eq(rmdir(below("somebody")), 0);
	put(own, "cgroup.controllers", "memory pids\n");
	expect_none("does not have the cpu controller");
	put(own, "cgroup.controllers", "memory cpu pids\n");
	kernel.is_read_only = true;
	expect_none("Read-only file system");
}
END_TEST

START_TEST(with_v2_a_step_that_fails_undoes_those_before)
{
	machine_v2();
	kernel.refuses_controllers = true;
	expect_none("cannot turn cpu on");
	kernel.refuses_controllers = false;
	kernel.is_old = true;
	unfill(own, "cpu.idle");
	expect_none("cannot set cpu.idle");
}
END_TEST

START_TEST(the_root_of_a_container_is_ours_and_that_of_the_machine_is_not)
{
	kernel.is_v2 = true;
	machine("0::/\n", V2_MOUNT, "/sys/fs/cgroup");
	expect_v2();
	end_task(HASHER);
	cgroup_close(&cgroup);
	unfill(own, "cgroup.type");
	expect_none("is not delegated");
}
END_TEST

/* ---- one that is named ---- */

START_TEST(one_that_is_named_is_used_and_stays)
{
	char named[2 * PATH_BYTES];

	machine_v1();
	snprintf(named, sizeof(named), "%s/mine", own);
	ck_assert_int_eq(mkdir(named, 0700), 0);
	cgroup_open(&cgroup, named, "test", root);
	ck_assert_str_eq(cgroup.folder, named);
	ck_assert_str_eq(get(named, "cpu.idle"), "1");
	ck_assert_int_eq(cgroup_take(&cgroup, HASHER), 0);
	ck_assert_str_eq(get(named, "cgroup.procs"), "4712");
	end_task(HASHER);
	cgroup_close(&cgroup);
	ck_assert(is_there(named, "cgroup.procs"));
	/* One without cpu.idle is no help, and would look like one. */
	unfill(named, "cpu.idle");
	cgroup_open(&cgroup, named, "test", root);
	ck_assert_int_eq(cgroup.procs_fd, -1);
	ck_assert_ptr_nonnull(strstr(cgroup.text, "cannot be used"));
	cgroup_open(&cgroup, "off", "test", root);
	ck_assert_int_eq(cgroup.procs_fd, -1);
	cgroup_close(&cgroup);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("cli_cgroup");
	TCase *tcase = tcase_create("cgroup");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, with_v1_it_is_made_below_our_own_and_removed_in_the_end);
	tcase_add_test(tcase, with_v1_what_a_killed_supervisor_left_is_used);
	tcase_add_test(tcase, with_v1_another_instance_has_its_own);
	tcase_add_test(tcase, with_v1_nothing_stays_where_it_cannot_be_had);
	tcase_add_test(tcase, in_a_container_the_path_is_below_what_is_mounted);
	tcase_add_loop_test(tcase, with_v2_we_move_aside_and_back_in_the_end, 0, 2);
	tcase_add_test(tcase, with_v2_what_a_killed_supervisor_left_is_cleared_away);
	tcase_add_test(tcase, with_v2_what_is_not_surely_ours_is_left_alone);
	tcase_add_test(tcase, with_v2_a_step_that_fails_undoes_those_before);
	tcase_add_test(tcase, the_root_of_a_container_is_ours_and_that_of_the_machine_is_not);
	tcase_add_test(tcase, one_that_is_named_is_used_and_stays);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
