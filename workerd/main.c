/*
 * chasqui-workerd: one shard's process.  Run by `chasqui up`; by hand only as
 *
 *   chasqui-workerd --check-segment INSTANCE SHARD      or      --check-segment /dev/shm/chasqui.INSTANCE.shard.SHARD
 *
 * which checks the shard that a stopped broker left behind, on a copy.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <unistd.h>

#include "conf/conf.h"
#include "shm/diag.h"
#include "shm/state/check.h"
#include "workerd/worker.h"

/* Byte 16 + w of DIR/lock: two workers on one shard cannot be, whoever started them. */
#define RUN_LOCK_FIRST 16

static int
run_lock(const char *directory, uint32_t shard)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = RUN_LOCK_FIRST + shard, .l_len = 1 };

	if (fcntl(DATA_LOCK_FD, F_OFD_SETLKW, &lock) == 0)
		return 0; /* held until the process ends */
	diag_errno("cannot lock byte %d of %s/lock", RUN_LOCK_FIRST + (int)shard, directory);
	return -1;
}

static int
run(int argc, char **argv)
{
	static struct worker worker; /* the process's one context */
	struct conf_error error;
	struct role role;
	struct conf conf;

	if (role_start(&role, ROLE_WORKER, argc, argv) != 0)
		return EX_CONFIG;
	if (conf_load_fd(CONF_FD, "configuration", &conf, &error) != 0) {
		diag(DIAG_ERROR, "%s", error.text);
		return EX_CONFIG;
	}
	diag_set_level((enum diag_level)conf.log_level);
	if (run_lock(conf.data_directory, role.index) != 0)
		return EX_CONFIG;
	role_step_over(&role, "configuration");
	return worker_main(&worker, &role);
}

/* --- --check-segment --- */

/* INSTANCE and SHARD out of "/dev/shm/chasqui.INSTANCE.shard.SHARD". */
static bool
segment_of_path(const char *path, char instance[INSTANCE_MAX_BYTES + 1], uint32_t *shard)
{
	static const char prefix[] = "/dev/shm/chasqui.", middle[] = ".shard.";
	const char *name = path + strlen(prefix), *at;

	if (strncmp(path, prefix, strlen(prefix)) != 0 || (at = strstr(name, middle)) == NULL)
		return false;
	if ((size_t)(at - name) > INSTANCE_MAX_BYTES)
		return false;
	memcpy(instance, name, (size_t)(at - name));
	instance[at - name] = '\0';
	*shard = (uint32_t)strtoul(at + strlen(middle), NULL, 10);
	return *shard < WORKER_MAX;
}

/* A private copy of an attached shard, its open transaction undone.  NULL without memory. */
static void *
segment_copy(const struct shard *shard, struct shard *copy)
{
	void *memory = mmap(NULL, shard->size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	memcpy(memory, shard->shared, shard->size_bytes);
	shard_view(copy, memory, &shard->geometry);
	if (copy->shared->undo.count <= UNDO_MAX)
		txn_rollback(&copy->txn); /* else shard_check says S1 */
	return memory;
}

static int
segment_check(const struct shard *shard, const char *instance, uint32_t index)
{
	static const char *const states[] = { "fresh", "replaying", "ready", "corrupt" };
	uint64_t state = shard->shared->state;
	struct shard copy;
	void *memory;

	if (state != SHARD_READY) {
		printf("shard.%u of %s: %s; it will be loaded from the journal\n", index, instance,
		    state <= SHARD_CORRUPT ? states[state] : "in no known state");
		return state <= SHARD_CORRUPT ? EX_OK : EX_DATAERR;
	}
	memory = segment_copy(shard, &copy);
	if (memory == NULL) {
		diag_errno("no memory for a copy of shard.%u (%zu bytes)", index, shard->size_bytes);
		return EX_OSERR;
	}
	const struct shard_root *root = copy.root;
	const char *wrong = copy.shared->state == SHARD_READY ? shard_check(&copy, NULL) : NULL;
	printf("shard.%u of %s: %s; %u messages, %u queues\n", index, instance, wrong != NULL ? wrong : "whole",
	    root->messages_high - root->messages_free.count, root->queues_high - root->queues_free.count);
	munmap(memory, shard->size_bytes);
	return wrong == NULL ? EX_OK : EX_DATAERR;
}

static int
check_segment(int argc, char **argv)
{
	char instance[INSTANCE_MAX_BYTES + 1] = "";
	struct registry registry;
	struct shard shard;
	uint32_t index = 0;
	int code;

	if (argc == 4 && strlen(argv[2]) <= INSTANCE_MAX_BYTES) {
		memcpy(instance, argv[2], strlen(argv[2]) + 1);
		index = (uint32_t)strtoul(argv[3], NULL, 10);
	} else if (argc != 3 || !segment_of_path(argv[2], instance, &index)) {
		fprintf(stderr, "usage: chasqui-workerd --check-segment INSTANCE SHARD\n");
		return EX_USAGE;
	}
	if (registry_attach(&registry, instance, NULL, REGION_READ_ONLY) != 0) {
		diag_errno("there is no registry of instance %s", instance);
		return EX_NOINPUT;
	}
	struct region_identity store = registry_identity(&registry);
	const struct shard_geometry geometry = shard_geometry_of(&registry.shared->geometry, index);
	if (shard_attach(&shard, instance, index, &geometry, &store, REGION_READ_ONLY) != 0) {
		diag_errno("cannot attach shard.%u of instance %s", index, instance);
		registry_detach(&registry);
		return EX_NOINPUT;
	}
	code = segment_check(&shard, instance, index);
	shard_detach(&shard);
	registry_detach(&registry);
	return code;
}

int
main(int argc, char **argv)
{
	if (argc >= 2 && strcmp(argv[1], "--check-segment") == 0)
		return check_segment(argc, argv);
	return run(argc, argv);
}
