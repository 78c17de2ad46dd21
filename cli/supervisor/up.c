/*
 * chasqui up: makes everything a broker needs, in this order, then supervises it:
 *
 *   configuration -> locks (instance, data directory) -> placement -> DIR/store -> regions (warm or cold) -> descriptors
 *   -> supervise()
 *
 * Failure modes: each step says cause and cure in one line and gives its exit code (docs/operations.md); nothing that was made is
 * removed again, for the next start finds it and goes on.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/arguments.h"
#include "cli/supervisor/locks.h"
#include "cli/supervisor/placement.h"
#include "cli/supervisor/regions.h"
#include "cli/supervisor/supervise.h"
#include "cli/verbs.h"
#include "shm/diag.h"
#include "shm/store_file.h"

/* Everything that is handed on and our own, or we could not place descriptors. */
#define DESCRIPTORS_MIN 1024

static void
raise_limit(int resource, rlim_t floor, const char *what)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(resource, &limit) != 0 || limit.rlim_cur < floor)
		diag(DIAG_WARNING, "the limit of %s is %llu", what, (unsigned long long)limit.rlim_cur);
}

static int
load(const struct conf_source *source, struct conf *conf)
{
	struct conf_error error;

	if (conf_source_load(source, conf, &error) != 0) {
		diag(DIAG_ERROR, "%s", error.text);
		return EX_CONFIG;
	}
	return 0;
}

static int
make_directory(const char *directory)
{
	if (mkdir(directory, 0700) == 0 || errno == EEXIST)
		return 0;
	diag_errno("cannot make the data directory %s; make the folders above it, or set data.directory", directory);
	return errno == EACCES || errno == EPERM ? EX_NOPERM : EX_CANTCREAT;
}

/* Held until we end. */
static int
lock_directory(const struct conf *conf)
{
	int fd, code = make_directory(conf->data_directory);

	return code == 0 ? locks_directory(conf->data_directory, &fd) : code;
}

static int
identify_store(const struct store_file *store, struct region_identity *identity)
{
	*identity = (struct region_identity){ .epoch = 0 };
	memcpy(identity->store_uuid, store->uuid, sizeof(identity->store_uuid));
	return region_boot_id(identity->boot_id) == 0 ? 0 : EX_OSERR;
}

/* Of auto, what is there already decides: the directory about workers, memory that can be gone on with about frontds. */
static int
wish_as_before(struct supervisor *supervisor, struct placement_wish *wish)
{
	const struct conf *conf = &supervisor->conf;
	struct store_file store;
	uint32_t fronts;

	if (store_file_load(conf->data_directory, &store) != 0)
		return errno == ENOENT ? 0 : EX_CANTCREAT;
	if (identify_store(&store, &supervisor->store) != 0)
		return EX_OSERR;
	if (wish->workers == CONF_COUNT_AUTO) {
		wish->workers = store.shards;
		diag(DIAG_INFO, "worker.shards = auto: %u, as %s was made with", store.shards, conf->data_directory);
	}
	fronts = regions_fronts(conf->instance_name, &supervisor->store);
	if (wish->fronts == CONF_COUNT_AUTO && fronts != 0) {
		wish->fronts = fronts;
		diag(DIAG_INFO, "server.processes = auto: %u, as the shared memory from before was made for", fronts);
	}
	return 0;
}

static void
bind_supervisor(const struct placement *placement)
{
	/* The regions' memory is taken from the node that we run on. */
	if (CPU_COUNT(&placement->all) != 0 && sched_setaffinity(0, sizeof(placement->all), &placement->all) != 0)
		diag(DIAG_WARNING, "cannot bind the supervisor: %s; it runs where the kernel likes", strerror(errno));
}

static int
choose_placement(struct supervisor *supervisor)
{
	static struct topology topology; /* too large for a stack that others share */
	const struct conf *conf = &supervisor->conf;
	struct placement *placement = &supervisor->placement;
	struct placement_wish wish = { .fronts = (uint32_t)conf->server_processes, .workers = (uint32_t)conf->worker_shards,
		.sizes = regions_geometry(conf, 1, 1) };
	int code = wish_as_before(supervisor, &wish);

	if (code != 0)
		return code;
	bool is_valid = placement_lists_parse(conf->server_placement, &wish.lists);
	assert(is_valid);
	(void)is_valid;
	topology_of_machine(&topology);
	placement_choose(&topology, &wish, placement);
	supervisor->geometry = regions_geometry(conf, placement->fronts, placement->workers);
	diag(DIAG_INFO, "%s", placement->text);
	bind_supervisor(placement);
	return 0;
}

static int
name_store(struct supervisor *supervisor)
{
	const char *directory = supervisor->conf.data_directory;
	uint32_t workers = supervisor->placement.workers;
	struct store_file store;

	if (store_file_load_or_create(directory, workers, &store) != 0)
		return EX_CANTCREAT;
	if (store.shards != workers) {
		diag(DIAG_ERROR, "worker.shards = %u, but %s was made with %u and cannot change; set worker.shards = %u or auto",
		    workers, directory, store.shards, store.shards);
		return EX_CONFIG;
	}
	return identify_store(&store, &supervisor->store);
}

/* Eventfds block: io_uring answers EAGAIN at once to a read of a non-blocking one instead of waiting. */
static int
make_event_fds(int event_fd[SLOT_MAX])
{
	for (uint32_t slot = 0; slot < SLOT_MAX; slot++) {
		int fd = eventfd(0, EFD_CLOEXEC);

		if (fd < 0) {
			diag_errno("cannot make an eventfd; raise the limit of open files (ulimit -n)");
			return EX_OSERR;
		}
		event_fd[slot] = child_keep_fd(fd);
		if (event_fd[slot] < 0)
			return EX_OSERR;
	}
	return 0;
}

static int
make_conf_fd(const struct conf *conf, int *conf_fd, int *conf_read_fd)
{
	int fd = memfd_create("chasqui.conf", MFD_CLOEXEC);
	char path[32];

	if (fd < 0) {
		diag_errno("cannot make the configuration's memory file");
		return EX_OSERR;
	}
	*conf_fd = child_keep_fd(fd);
	if (*conf_fd < 0 || reload_write(conf, *conf_fd) != 0)
		return EX_OSERR;
	/* By /proc anybody who holds it for reading could open it for writing, if he might write to the file. */
	(void)fchmod(*conf_fd, 0400); /* of a memory file of ours */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", *conf_fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		diag_errno("cannot open %s; is /proc mounted?", path);
		return EX_OSERR;
	}
	*conf_read_fd = child_keep_fd(fd);
	return *conf_read_fd >= 0 ? 0 : EX_OSERR;
}

/* bound stays "" where the wish names no address. */
static int
open_listeners(const struct listen_wish *wish, int fds[FRONT_MAX], char bound[BOUND_TEXT_BYTES])
{
	int code = wish->address_bytes != 0 ? listeners_open(wish, fds, bound) : 0;

	for (uint32_t i = 0; code == 0 && bound[0] != '\0' && i < wish->count; i++) {
		fds[i] = child_keep_fd(fds[i]);
		if (fds[i] < 0)
			code = EX_OSERR;
	}
	return code;
}

static int
make_listeners(struct supervisor *supervisor)
{
	struct listen_wish plain = { .option = "server.listen", .count = supervisor->geometry.fronts };
	struct listen_wish tls = { .option = "tls.listen", .count = supervisor->geometry.fronts };

	plain.address_bytes = conf_listen_address(&supervisor->conf, &plain.address);
	tls.address_bytes = conf_tls_address(&supervisor->conf, &tls.address);
	int code = open_listeners(&plain, supervisor->listen_fd, supervisor->bound);
	return code != 0 ? code : open_listeners(&tls, supervisor->tls_listen_fd, supervisor->bound_tls);
}

static int
find_programs(struct supervisor *supervisor)
{
	if (child_program(supervisor->program[ROLE_FRONT], "chasqui-frontd") != 0 ||
	    child_program(supervisor->hashers.program, "chasqui-hasher") != 0 ||
	    child_program(supervisor->program[ROLE_WORKER], "chasqui-workerd") != 0 ||
	    child_program(supervisor->program[ROLE_PERSIST], "chasqui-persistd") != 0)
		return EX_UNAVAILABLE;
	return 0;
}

/* For the CLI, which may run in another folder than we do. */
static void
note_directory(const struct conf *conf, char noted[REGISTRY_PATH_BYTES])
{
	char path[PATH_MAX];

	if (realpath(conf->data_directory, path) == NULL || strlen(path) >= REGISTRY_PATH_BYTES)
		path[0] = '\0';
	strcpy(noted, path);
}

static int
attach_registry(struct supervisor *supervisor)
{
	if (registry_attach(&supervisor->registry, supervisor->conf.instance_name, &supervisor->store, REGION_READ_WRITE) != 0) {
		diag_errno("cannot map the registry");
		return EX_OSERR;
	}
	snprintf(supervisor->registry.shared->listen, sizeof(supervisor->registry.shared->listen), "%s", supervisor->bound);
	snprintf(supervisor->registry.shared->listen_tls, sizeof(supervisor->registry.shared->listen_tls), "%s",
	    supervisor->bound_tls);
	tls_keeper_publish(&supervisor->tls, &supervisor->registry);
	snprintf(supervisor->registry.shared->placement, sizeof(supervisor->registry.shared->placement), "%s",
	    supervisor->placement.text);
	note_directory(&supervisor->conf, supervisor->registry.shared->data_directory);
	return 0;
}

/* Everything before the first process, once the instance is ours.  0 or an exit code. */
static int
make_ready(struct supervisor *supervisor)
{
	int code;

	if ((code = lock_directory(&supervisor->conf)) != 0 ||
	    (code = choose_placement(supervisor)) != 0 ||
	    (code = name_store(supervisor)) != 0 ||
	    (code = users_find(&supervisor->conf, &supervisor->users)) != 0 ||
	    (code = users_give_directory(&supervisor->conf, &supervisor->users)) != 0 ||
	    (code = tls_keeper_open(&supervisor->tls, &supervisor->conf)) != 0 ||
	    (code = make_listeners(supervisor)) != 0 ||
	    (code = make_event_fds(supervisor->event_fd)) != 0 ||
	    (code = make_conf_fd(&supervisor->conf, &supervisor->conf_fd, &supervisor->conf_read_fd)) != 0 ||
	    (code = audit_file_open(&supervisor->audit, &supervisor->conf)) != 0)
		return code;
	code = regions_prepare(supervisor->conf.instance_name, &supervisor->geometry, &supervisor->store,
	    &supervisor->is_warm);
	return code != 0 ? code : attach_registry(supervisor);
}

static int
run(const struct conf_source *source, bool wants_admin_token)
{
	struct supervisor supervisor = { .source = source, .wants_admin_token = wants_admin_token };
	const char *instance = supervisor.conf.instance_name;
	int code, lock_fd;
	bool is_clean;

	code = load(source, &supervisor.conf);
	if (code != 0)
		return code;
	diag_init(instance, "supervisor", 0, (enum diag_level)supervisor.conf.log_level);
	raise_limit(RLIMIT_NOFILE, DESCRIPTORS_MIN, "open files");
	raise_limit(RLIMIT_MEMLOCK, 0, "locked memory");
	if ((code = find_programs(&supervisor)) != 0 || (code = locks_instance(instance, &lock_fd)) != 0)
		return code;
	code = make_ready(&supervisor);
	if (code != 0) {
		tls_keeper_close(&supervisor.tls);
		if (!regions_exist(instance))
			locks_remove(instance);
		return code;
	}
	code = supervise(&supervisor, &is_clean);
	tls_keeper_close(&supervisor.tls);
	if (!is_clean) {
		diag(DIAG_INFO, "stopped; shared memory is kept, the next start goes on from it");
		return code;
	}
	regions_remove(instance);
	locks_remove(instance);
	diag(DIAG_INFO, "stopped; everything is on disk and the shared memory is freed");
	return code;
}

int
verb_up(int argc, char **argv)
{
	struct arguments arguments;

	if (!arguments_parse(&arguments, "coA", argc, argv) || arguments.word_count != 0)
		return verb_usage("up");
	(void)umask(077);
	(void)signal(SIGPIPE, SIG_IGN); /* stdout may be a pipe that nobody reads any more */
	return run(&(struct conf_source){ .file = arguments.conf_file, .assignments = arguments.assignments,
	    .assignment_count = arguments.assignment_count }, arguments.makes_admin_token);
}
