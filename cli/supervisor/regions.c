/*
 * Happy path: regions_prepare() finds everything (warm), or nothing, and makes it (cold); regions_remove() after a clean stop.
 * Failure modes: something does not match: said in a line, then cold.  /dev/shm is too small: said with numbers before anything
 * is made.  We are killed while making: the registry is made last, so the next start finds no registry and is cold.
 */
#include "cli/supervisor/regions.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sysexits.h>

#include "shm/clock.h"
#include "shm/diag.h"
#include "shm/directory.h"
#include "shm/durable.h"
#include "shm/shard_region.h"
#include "shm/stats.h"
#include "shm/usage.h"

#define MIB (1024.0 * 1024.0)

struct geometry
regions_geometry(const struct conf *conf, uint32_t fronts, uint32_t workers)
{
	return (struct geometry){
		.fronts = fronts,
		.workers = workers,
		.shard = {
			.messages = (uint32_t)conf->worker_messages,
			.queues = (uint32_t)conf->worker_queues,
			.fronts = fronts,
			.waiters_per_front = (uint32_t)conf->worker_waiters,
			.grants = (uint32_t)conf->worker_grants,
			.users = (uint32_t)conf->auth_users,
			.credentials = (uint32_t)conf->auth_credentials,
		},
		.stream = { .stream_bytes = conf->worker_stream_ring, .replay_bytes = conf->worker_replay_ring },
		.front = {
			.workers = workers,
			.request_bytes = (uint32_t)conf->worker_request_ring,
			.reply_bytes = (uint32_t)conf->worker_reply_ring,
			.fetch_bytes = (uint32_t)conf->front_fetch_ring,
			.body_bytes = (uint32_t)conf->front_body_ring,
		},
	};
}

struct region_sizes
regions_sizes(const struct geometry *geometry)
{
	const struct shard_geometry others = shard_geometry_of(geometry, 1);
	size_t shard_bytes = shard_region_size_bytes(&geometry->shard),
	       other_bytes = shard_region_size_bytes(&others);
	size_t processes = geometry->fronts + geometry->workers + 1;
	size_t usages = processes - 1;

	return (struct region_sizes){
		.shard_bytes = shard_bytes,
		.count = 3 + 2 * geometry->workers + geometry->fronts + (unsigned)(processes + usages),
		.total_bytes = shard_bytes + (geometry->workers - 1) * other_bytes +
		    geometry->workers * stream_size_bytes(&geometry->stream) +
		    geometry->fronts * front_size_bytes(&geometry->front) +
		    processes * (REGION_HEADER_BYTES + sizeof(struct stats_shared)) + 3 * REGION_HEADER_BYTES +
		    usages * usage_size_bytes(geometry->shard.users) +
		    sizeof(struct registry_shared) + sizeof(struct durable_shared) + directory_size_bytes(&geometry->shard),
	};
}

/* --- is it warm? --- */

/* Member by member: padding may differ. */
static bool
geometry_is_equal(const struct geometry *one, const struct geometry *other)
{
	return one->fronts == other->fronts && one->workers == other->workers &&
	    memcmp(&one->shard, &other->shard, sizeof(one->shard)) == 0 &&
	    memcmp(&one->stream, &other->stream, sizeof(one->stream)) == 0 &&
	    memcmp(&one->front, &other->front, sizeof(one->front)) == 0;
}

static int
probe_registry(const char *instance, const struct geometry *geometry, const struct region_identity *store)
{
	struct registry registry;
	int result = 0;

	if (registry_attach(&registry, instance, store, REGION_READ_ONLY) != 0)
		return -1;
	if (!geometry_is_equal(&registry.shared->geometry, geometry)) {
		errno = ESTALE;
		result = -1;
	}
	registry_detach(&registry);
	return result;
}

uint32_t
regions_fronts(const char *instance, const struct region_identity *store)
{
	struct registry registry;
	uint32_t fronts;

	if (registry_attach(&registry, instance, store, REGION_READ_ONLY) != 0)
		return 0;
	fronts = registry.shared->geometry.fronts;
	registry_detach(&registry);
	return fronts <= FRONT_MAX ? fronts : 0;
}

static int
probe_durable(const char *instance, const struct geometry *geometry, const struct region_identity *store)
{
	struct durable durable;

	if (durable_attach(&durable, instance, geometry->workers, store, REGION_READ_ONLY) != 0)
		return -1;
	durable_detach(&durable);
	return 0;
}

static int
probe_directory(
    const char *instance, const struct geometry *geometry, const struct region_identity *store)
{
	struct directory directory;

	if (directory_attach(&directory, instance, &geometry->shard, store, REGION_READ_ONLY) != 0)
		return -1;
	directory_detach(&directory);
	return 0;
}

static int
probe_stream(const char *instance, uint32_t shard, const struct geometry *geometry, const struct region_identity *store)
{
	struct stream stream;

	if (stream_attach(&stream, instance, shard, &geometry->stream, store, STREAM_FRONT) != 0)
		return -1;
	stream_detach(&stream);
	return 0;
}

/* 0, or -1, errno and the name of the first region that is missing or does not match. */
static int
probe_all(const char *instance, const struct geometry *geometry, const struct region_identity *store, char culprit[64])
{
	snprintf(culprit, 64, "registry");
	if (probe_registry(instance, geometry, store) != 0)
		return -1;
	snprintf(culprit, 64, "durable");
	if (probe_durable(instance, geometry, store) != 0)
		return -1;
	snprintf(culprit, 64, "directory");
	if (probe_directory(instance, geometry, store) != 0)
		return -1;
	for (uint32_t w = 0; w < geometry->workers; w++) {
		const struct shard_geometry shard = shard_geometry_of(geometry, w);

		snprintf(culprit, 64, "shard.%u", w);
		if (shard_region_probe(instance, w, &shard, store) != 0)
			return -1;
		snprintf(culprit, 64, "stream.%u", w);
		if (probe_stream(instance, w, geometry, store) != 0)
			return -1;
	}
	return 0;
}

/* --- making --- */

static const char *const region_prefixes[] = { "registry", "durable", "directory", "front.", "stats.", "usage.", "stream.",
	"shard." };

void
regions_remove(const char *instance)
{
	/* The registry first: without it the rest is worth nothing, should we be killed half way. */
	for (unsigned i = 0; i < sizeof(region_prefixes) / sizeof(region_prefixes[0]); i++)
		(void)region_unlink_all(instance, region_prefixes[i]); /* how many does not matter */
}

bool
regions_exist(const char *instance)
{
	struct registry registry;

	if (registry_attach(&registry, instance, NULL, REGION_READ_ONLY) != 0)
		return errno != ENOENT;
	registry_detach(&registry);
	return true;
}

static int
check_room(const struct region_sizes *sizes)
{
	struct statvfs fs;

	if (statvfs("/dev/shm", &fs) != 0) {
		diag_errno("there is no /dev/shm; mount a tmpfs there");
		return EX_OSERR;
	}
	uint64_t free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize, size_bytes = (uint64_t)fs.f_blocks * fs.f_frsize;
	if (size_bytes == 0 || sizes->total_bytes <= free_bytes) /* 0: a tmpfs without limit */
		return 0;
	diag(DIAG_ERROR, "%.0f MiB of shared memory are needed and /dev/shm has %.0f of %.0f MiB free; make it larger (docker: "
	                 "--shm-size=%.0fm, else: mount -o remount,size=... /dev/shm) or lower worker.messages, worker.shards or "
	                 "server.processes",
	    sizes->total_bytes / MIB, free_bytes / MIB, size_bytes / MIB,
	    (size_bytes - free_bytes + sizes->total_bytes) / MIB + 16);
	return EX_OSERR;
}

static int
create_stats(const char *instance, const struct geometry *geometry, const struct region_identity *store)
{
	for (uint32_t i = 0; i < geometry->fronts; i++) {
		if (stats_create(instance, SLOT_FRONT(i), store) != 0)
			return -1;
	}
	for (uint32_t w = 0; w < geometry->workers; w++) {
		if (stats_create(instance, SLOT_WORKER(w), store) != 0)
			return -1;
	}
	return stats_create(instance, SLOT_PERSIST, store);
}

static int
create_usages(const char *instance, const struct geometry *geometry, const struct region_identity *store)
{
	for (uint32_t i = 0; i < geometry->fronts; i++) {
		if (usage_create(instance, SLOT_FRONT(i), geometry->shard.users, store) != 0)
			return -1;
	}
	for (uint32_t w = 0; w < geometry->workers; w++) {
		if (usage_create(instance, SLOT_WORKER(w), geometry->shard.users, store) != 0)
			return -1;
	}
	return 0;
}

/* The registry's constant part.  Nobody else is there yet. */
static int
create_registry(const char *instance, const struct geometry *geometry, const struct region_identity *store)
{
	struct registry registry;

	if (registry_create(instance, store) != 0)
		return -1;
	if (registry_attach(&registry, instance, store, REGION_READ_WRITE) != 0) {
		diag_errno("cannot map the registry");
		return -1;
	}
	snprintf(registry.shared->instance, sizeof(registry.shared->instance), "%s", instance);
	memcpy(registry.shared->store_uuid, store->store_uuid, sizeof(registry.shared->store_uuid));
	registry.shared->clock_offset_ns = clock_wall_offset_ns();
	registry.shared->geometry = *geometry;
	registry_detach(&registry);
	return 0;
}

static int
create_all(const char *instance, const struct geometry *geometry, const struct region_identity *store)
{
	for (uint32_t w = 0; w < geometry->workers; w++) {
		const struct shard_geometry shard = shard_geometry_of(geometry, w);

		if (shard_region_create(instance, w, &shard, store) != 0 ||
		    stream_create(instance, w, &geometry->stream, store) != 0)
			return -1;
	}
	if (directory_create(instance, &geometry->shard, store) != 0 || create_usages(instance, geometry, store) != 0)
		return -1;
	if (durable_create(instance, geometry->workers, store) != 0 || create_stats(instance, geometry, store) != 0)
		return -1;
	return create_registry(instance, geometry, store);
}

static int
refresh_usage(const char *instance, uint32_t slot, uint32_t users, const struct region_identity *store)
{
	struct usage usage;

	if (usage_attach(&usage, instance, slot, users, store, REGION_READ_ONLY) != 0)
		return usage_create(instance, slot, users, store);
	usage_detach(&usage);
	return 0;
}

/* Statistics and usage are not worth a cold start: what does not match is made anew. */
static int
refresh_stats(const char *instance, const struct geometry *geometry, const struct region_identity *store)
{
	for (uint32_t slot = 0; slot <= SLOT_PERSIST; slot++) {
		bool is_used = slot < SLOT_WORKER(0) ? slot < geometry->fronts
		    : slot < SLOT_PERSIST            ? slot - SLOT_WORKER(0) < geometry->workers
		                                     : true;
		struct stats stats;

		if (!is_used)
			continue;
		if (stats_attach(&stats, instance, slot, store, REGION_READ_ONLY) == 0)
			stats_detach(&stats);
		else if (stats_create(instance, slot, store) != 0)
			return EX_OSERR;
		if (slot != SLOT_PERSIST && refresh_usage(instance, slot, geometry->shard.users, store) != 0)
			return EX_OSERR;
	}
	return 0;
}

static void
report_taken(const struct geometry *geometry, const struct region_sizes *sizes, bool is_warm)
{
	diag(DIAG_INFO, "shared memory: %.1f MiB in %u regions%s; worker.messages = %u takes %.1f MiB of it for each of %u shard%s",
	    sizes->total_bytes / MIB, sizes->count, is_warm ? ", warm from before" : "", geometry->shard.messages,
	    sizes->shard_bytes / MIB, geometry->workers, geometry->workers == 1 ? "" : "s");
}

int
regions_prepare(const char *instance, const struct geometry *geometry, const struct region_identity *store, bool *is_warm)
{
	struct region_sizes sizes = regions_sizes(geometry);
	char culprit[64];
	int code;

	*is_warm = probe_all(instance, geometry, store, culprit) == 0;
	if (*is_warm) {
		report_taken(geometry, &sizes, true);
		return refresh_stats(instance, geometry, store);
	}
	if (errno == ESTALE)
		diag(DIAG_WARNING, "shared memory %s is of another build, configuration, store or boot: starting from the journal",
		    culprit);
	else if (errno == EACCES) {
		diag_errno("cannot open shared memory %s of instance %s; it is another user's: choose another instance.name",
		    culprit, instance);
		return EX_NOPERM;
	}
	regions_remove(instance);
	code = check_room(&sizes);
	if (code != 0)
		return code;
	if (create_all(instance, geometry, store) != 0) {
		regions_remove(instance);
		return EX_OSERR;
	}
	report_taken(geometry, &sizes, false);
	return 0;
}
