/*
 * One old message does not keep the journal.  A few messages that nobody takes, and behind them many
 * times as much that is published and acknowledged, while persistd is killed and stopped: the disk
 * is not used for more than what is needed, and every old message is received whole after a cold
 * start, and out of a backup.
 */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>

#include "persistd/format.h"
#include "tests/harness/client.h"
#include "tests/harness/deadline.h"
#include "tests/harness/trial.h"
#include "tests/harness/unit.h"

enum { TEST_SECONDS = 400, OLD = 40, OLD_BYTES_MAX = 90000, SLICE_MS = 200, SETTLE_MS = 60000, SHARDS = 2, SPARES = 1,
	SPARES_RECYCLED = 4, SNAPSHOT_MIB = 8 };

#define STREAM_BYTES (soak_seconds() > 0 ? 4000ull << 20 : 400ull << 20)

static const char *const options[] = { "worker.shards=2", "data.snapshot_bytes=8MiB", "data.spare_segments=1", NULL };
/* On both shards.  What is in the others is deleted, so that there are gaps between the old ones. */
static const char *const queues[] = { "old", "older", "oldest" };
static const char *const gone[] = { "gone", "goner", "gone-too" };

/*
 * What the directory may take (docs/durability.md).  Below the snapshots: twice what is needed there
 * and four segments.  Behind: what grows between three beginnings of snapshots, one shard after the
 * other.  The segment of the first of them and the one being written; those that are ready.  What
 * the starts of persistd add is rounding: small first segments.
 */
static uint64_t
bound_bytes(uint64_t needed_bytes)
{
	uint64_t behind = 2ull * SHARDS * (SNAPSHOT_MIB << 20);

	return 2 * needed_bytes + (4 + 2 + 1 + SPARES + SPARES_RECYCLED) * SEGMENT_BYTES_MIN + behind;
}

static uint64_t
disk_bytes(const struct broker *broker)
{
	char path[200];
	uint64_t bytes = 0;
	struct dirent *entry;
	struct stat status;

	snprintf(path, sizeof(path), "%s/journal", broker->data);
	DIR *directory = opendir(path);
	ck_assert_ptr_nonnull(directory);
	while ((entry = readdir(directory)) != NULL) {
		if (fstatat(dirfd(directory), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode))
			bytes += (uint64_t)status.st_blocks * 512;
	}
	closedir(directory);
	return bytes;
}

/* --- the old ones --- */

/* The body of old message `i`: its number and what follows from it. */
static const char *
body_of(unsigned i)
{
	static char body[OLD_BYTES_MAX + 100];
	unsigned bytes = 100 + i * i * 2654435761u % (i % 4 == 0 ? OLD_BYTES_MAX : 2000);
	unsigned count = (unsigned)sprintf(body, "old %u ", i);

	for (; count < bytes; count++)
		body[count] = (char)('a' + (count * 13 + i * 7) % 26);
	body[count] = '\0';
	return body;
}

static uint64_t
publish_old(const struct broker *broker)
{
	struct client client;
	uint64_t bytes = 0;

	client_open(&client, broker->port);
	for (unsigned q = 0; q < 3; q++) {
		client_queue(&client, queues[q], "{\"lease\":\"60s\"}");
		client_queue(&client, gone[q], "{}");
	}
	for (unsigned i = 0; i < OLD; i++) {
		client_publish(&client, queues[i % 3], body_of(i));
		bytes += 64 + strlen(body_of(i)) + 100; /* and attributes */
		for (unsigned q = 0; q < 3; q++)
			client_publish(&client, gone[q], "soon gone");
	}
	for (unsigned q = 0; q < 3; q++)
		expect_status(client_do(&client, "DELETE /v1/queues/%s", gone[q]), 204);
	client_close(&client);
	return bytes;
}

static void
receive_old(const struct broker *broker)
{
	struct client client;
	char request[80];

	client_open(&client, broker->port);
	for (unsigned i = 0; i < OLD; i++) {
		snprintf(request, sizeof(request), "POST /v1/queues/%s/messages:receive", queues[i % 3]);
		struct response *answer = client_ask(&client, request, "Accept: application/octet-stream\r\n", NULL);

		ck_assert_msg(answer->status == 200, "old message %u: status %u, %.300s", i, answer->status, answer->body);
		ck_assert_msg(answer->body_bytes == strlen(body_of(i)) && memcmp(answer->body, body_of(i), answer->body_bytes) == 0,
		    "old message %u came as \"%.60s\"", i, answer->body);
	}
	client_close(&client);
}

/* --- what is done meanwhile --- */

/* Something that persistd has to live with. */
static void
disturb(struct trial *trial, unsigned round)
{
	if (round % 20 == 7) {
		trial_wait_live(trial, SLOT_PERSIST, broker_kill(&trial->broker, SLOT_PERSIST));
	} else if (round % 20 == 14) {
		broker_signal(&trial->broker, SLOT_PERSIST, SIGSTOP);
		load_run(trial->load, SLICE_MS);
		broker_signal(&trial->broker, SLOT_PERSIST, SIGCONT);
	}
}

struct usage {
	uint64_t written_bytes, cleaned, copied_bytes;
	struct stats_shared last;
};

/* Counters of a persistd go on in its successor, or begin again. */
static uint64_t
more(uint64_t last, uint64_t now)
{
	return now >= last ? now - last : now;
}

static void
look(struct usage *usage, const struct broker *broker)
{
	struct stats_shared now;

	broker_stats(broker, SLOT_PERSIST, &now);
	usage->written_bytes += more(usage->last.journal_bytes, now.journal_bytes);
	usage->cleaned += more(usage->last.segments_cleaned, now.segments_cleaned);
	usage->copied_bytes += more(usage->last.copied_bytes, now.copied_bytes);
	usage->last = now;
}

/* Publish and acknowledge until so much was written. */
static void
stream(struct trial *trial, struct usage *usage, bool is_disturbed)
{
	uint64_t end = usage->written_bytes + STREAM_BYTES, largest = 0, began_ms = clock_ms();

	for (unsigned round = 0; usage->written_bytes < end; round++) {
		load_run(trial->load, SLICE_MS);
		look(usage, &trial->broker);
		uint64_t bytes = disk_bytes(&trial->broker);
		largest = bytes > largest ? bytes : largest;
		if (is_disturbed)
			disturb(trial, round);
	}
	printf("cleaning: %" PRIu64 " MiB written in %" PRIu64 " ms, at most %" PRIu64 " MiB on disk meanwhile; %" PRIu64
	    " segments cleaned, %" PRIu64 " KiB copied\n", usage->written_bytes >> 20, clock_ms() - began_ms, largest >> 20,
	    usage->cleaned, usage->copied_bytes >> 10);
	fflush(stdout);
	/* A persistd that is killed again before a snapshot has ended drops nothing. */
	ck_assert_msg(is_disturbed || largest < STREAM_BYTES / 2, "the journal took %" PRIu64 " MiB",
	    largest >> 20);
}

/* --- copies in a backup --- */

static void
command(const char *const *arguments)
{
	static char said[8192];

	ck_assert_msg(broker_command(said, sizeof(said), arguments) == 0, "%s: %s", arguments[0], said);
}

static void
receive_old_from_backup(const char *backup)
{
	struct broker restored;

	broker_init(&restored, options);
	command((const char *[]){ "check", backup, NULL });
	command((const char *[]){ "restore", backup, "--data", restored.data, NULL });
	broker_start(&restored);
	receive_old(&restored);
	broker_stop(&restored);
	command((const char *[]){ "check", "-i", restored.instance, restored.data, NULL });
	broker_free(&restored);
}

/* _i: what happens to persistd meanwhile: nothing, or it is killed and stopped. */
START_TEST(one_old_message_does_not_keep_the_journal)
{
	struct trial_options trial_options = { .broker = options, .oracle = { .messages_max = 2000000, .body_bytes_min = 500,
		.body_bytes_max = 4000 }, .load = { .publishers = 4, .consumers = 4, .batch = 50, .receive_max = 100, .lease = "30s" } };
	struct usage usage = { 0 };
	struct trial trial;
	char backup[200];

	trial_begin(&trial, &trial_options);
	uint64_t needed = publish_old(&trial.broker), bound = bound_bytes(needed), bytes;
	stream(&trial, &usage, _i == 1);
	ck_assert_uint_gt(usage.cleaned, 0);
	ck_assert_uint_gt(usage.copied_bytes, 0);
	/* What the stream has left is taken, and what was on its way to be dropped goes. */
	ck_assert(load_drain(trial.load, TRIAL_DRAIN_MS));
	for (uint64_t end_ms = clock_ms() + SETTLE_MS; (bytes = disk_bytes(&trial.broker)) > bound;) {
		ck_assert_msg(clock_ms() < end_ms, "%" PRIu64 " MiB on disk, for %" PRIu64 " KiB that are needed", bytes >> 20, needed >> 10);
		load_run(trial.load, 10);
	}
	printf("cleaning: %" PRIu64 " MiB on disk, of %" PRIu64 " allowed, for %" PRIu64 " KiB that are needed\n", bytes >> 20,
	    bound >> 20, needed >> 10);
	snprintf(backup, sizeof(backup), "%s/backup", trial.broker.directory);
	command((const char *[]){ "backup", backup, "-i", trial.broker.instance, NULL });
	broker_kill_all(&trial.broker);
	broker_wipe(&trial.broker);
	trial_restart(&trial);
	receive_old(&trial.broker);
	receive_old_from_backup(backup);
	trial_end(&trial);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("fault/cleaning");
	TCase *tcase = tcase_create("cleaning");

	tcase_set_timeout(tcase, TEST_SECONDS);
	tcase_add_loop_test(tcase, one_old_message_does_not_keep_the_journal, 0, 2);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
