/*
 * Damage on disk: a torn tail is cut, a flipped bit before it is found and reported with file and offset, and never, cold
 * or hot, is a wrong body delivered.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/harness/broker.h"
#include "tests/harness/client.h"
#include "tests/harness/deadline.h"
#include "tests/harness/unit.h"

enum { TEST_SECONDS = 120, OUTPUT_BYTES = 64 * 1024, MESSAGES = 20, BLOCK_BYTES = 4096, MIB = 1 << 20 };

/* Where a text stands in the journal. */
struct place {
	char file[64];          /* name of the segment */
	char path[600];
	off_t offset;
};

static bool
find_in_file(struct place *place, const char *text)
{
	int fd = open(place->path, O_RDONLY | O_CLOEXEC);
	const char *bytes, *found;
	struct stat st;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	ck_assert_ptr_ne(bytes, MAP_FAILED);
	found = memmem(bytes, (size_t)st.st_size, text, strlen(text));
	if (found != NULL)
		place->offset = found - bytes;
	munmap((void *)bytes, (size_t)st.st_size);
	close(fd);
	return found != NULL;
}

static struct place
find(const struct broker *broker, const char *text)
{
	struct place place;
	char directory[300];
	struct dirent *entry;
	bool is_found = false;
	DIR *journal;

	snprintf(directory, sizeof(directory), "%s/journal", broker->data);
	journal = opendir(directory);
	ck_assert_ptr_nonnull(journal);
	while (!is_found && (entry = readdir(journal)) != NULL) {
		size_t name_bytes = strlen(entry->d_name);

		if (name_bytes < 4 || name_bytes >= sizeof(place.file) || strcmp(entry->d_name + name_bytes - 4, ".seg") != 0)
			continue;
		strcpy(place.file, entry->d_name);
		snprintf(place.path, sizeof(place.path), "%s/%s", directory, entry->d_name);
		is_found = find_in_file(&place, text);
	}
	closedir(journal);
	ck_assert_msg(is_found, "\"%s\" is in no segment", text);
	return place;
}

static void
overwrite(const struct place *place, off_t offset, const char *bytes, size_t count)
{
	int fd = open(place->path, O_WRONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, bytes, count, offset), (ssize_t)count);
	ck_assert_int_eq(fsync(fd), 0);
	close(fd);
}

/* One byte of the text becomes another. */
static void
flip(const struct place *place)
{
	overwrite(place, place->offset, "#", 1);
}

static void
publish_numbered(struct broker *broker)
{
	struct client client;

	client_open(&client, broker->port);
	client_queue(&client, "q", "{}");
	for (unsigned i = 0; i < MESSAGES; i++) {
		char body[40];

		snprintf(body, sizeof(body), "needle number %02u", i);
		client_publish(&client, "q", body);
	}
	client_close(&client);
}

static int
check(const struct broker *broker, const char *extra, char output[OUTPUT_BYTES])
{
	const char *const arguments[] = { "check", "-i", broker->instance, broker->data, extra, NULL };

	return broker_command(output, OUTPUT_BYTES, arguments);
}

/* How many of the numbered messages are there, which must be the first ones, in order. */
static unsigned
receive_numbered(struct broker *broker)
{
	struct response *answer;
	struct client client;
	unsigned count = 0;

	client_open(&client, broker->port);
	while ((answer = client_receive(&client, "q", "{}"))->status == 200) {
		char body[40];

		snprintf(body, sizeof(body), "needle number %02u", count++);
		ck_assert_str_eq(response_text(answer, "messages.0.body"), body);
	}
	expect_status(answer, 204);
	client_close(&client);
	return count;
}

/* Undo what was written at and behind a place, from a block boundary on: it never came to the disk. */
static void
unwrite(const struct place *place, off_t from)
{
	static const char zeros[8 * BLOCK_BYTES];

	overwrite(place, from / BLOCK_BYTES * BLOCK_BYTES, zeros, sizeof(zeros));
}

START_TEST(a_torn_tail_is_cut_and_what_stands_before_it_is_there)
{
	static char output[OUTPUT_BYTES];
	struct broker broker;
	struct place place;

	broker_up(&broker, NULL);
	publish_numbered(&broker);
	broker_kill_all(&broker);
	broker_wipe(&broker);
	/* Each publish was a batch of one block; the last one never came to the disk. */
	place = find(&broker, "needle number 19");
	unwrite(&place, place.offset);
	ck_assert_msg(check(&broker, NULL, output) == 0, "%s", output);
	broker_start(&broker);
	ck_assert_uint_eq(receive_numbered(&broker), MESSAGES - 1);
	broker_free(&broker);
}
END_TEST

START_TEST(a_half_written_last_batch_is_cut_too)
{
	struct broker broker;
	struct place place;

	broker_up(&broker, NULL);
	publish_numbered(&broker);
	broker_kill_all(&broker);
	broker_wipe(&broker);
	place = find(&broker, "needle number 19");
	flip(&place);
	unwrite(&place, place.offset + BLOCK_BYTES);
	broker_start(&broker);
	ck_assert_uint_eq(receive_numbered(&broker), MESSAGES - 1);
	broker_free(&broker);
}
END_TEST

/* Wait until the block behind the one of `place` was written. */
static void
await_witness(const struct place *place)
{
	uint64_t deadline_ms = deadline_in(CLIENT_TIMEOUT_MS);
	int fd = open(place->path, O_RDONLY | O_CLOEXEC);
	uint64_t word = 0;

	ck_assert_int_ge(fd, 0);
	while (pread(fd, &word, sizeof(word), (place->offset / BLOCK_BYTES + 1) * BLOCK_BYTES) == sizeof(word) && word == 0)
		ck_assert_msg(deadline_pause(deadline_ms), "nothing is written behind the last batch");
	close(fd);
}

START_TEST(damage_to_the_last_batch_of_an_idle_broker_is_no_torn_tail)
{
	static char output[OUTPUT_BYTES];
	struct broker broker;
	struct place place;
	int exit_status = 0;

	broker_up(&broker, NULL);
	publish_numbered(&broker);
	place = find(&broker, "needle number 19");
	await_witness(&place);
	broker_kill_all(&broker);
	broker_wipe(&broker);
	flip(&place);
	ck_assert_int_eq(check(&broker, NULL, output), 1);
	ck_assert_msg(strstr(output, place.file) != NULL && strstr(output, "offset") != NULL, "%s", output);
	ck_assert_msg(!broker_try_start(&broker, &exit_status), "it dropped an acknowledged message");
	ck_assert_int_eq(exit_status, 65);
	broker_free(&broker);
}
END_TEST

START_TEST(a_flipped_bit_before_the_tail_is_reported_and_nothing_starts)
{
	static char output[OUTPUT_BYTES];
	struct broker broker;
	struct place place;
	int exit_status = 0;
	char *log;

	broker_up(&broker, NULL);
	publish_numbered(&broker);
	broker_kill_all(&broker);
	broker_wipe(&broker);
	place = find(&broker, "needle number 05");
	flip(&place);
	ck_assert_int_eq(check(&broker, NULL, output), 1);
	ck_assert_msg(strstr(output, place.file) != NULL && strstr(output, "offset") != NULL, "%s", output);

	ck_assert_msg(!broker_try_start(&broker, &exit_status), "it started on a damaged journal");
	ck_assert_int_ne(exit_status, 0);
	log = broker_log(&broker);
	ck_assert_msg(strstr(log, place.file) != NULL, "%s", log);
	ck_assert_msg(strstr(log, "check --repair") != NULL, "the log names no cure: %s", log);
	free(log);
	broker_free(&broker);
}
END_TEST

START_TEST(repair_says_what_it_drops_and_keeps_the_rest)
{
	static char output[OUTPUT_BYTES];
	struct broker broker;
	struct place place;

	broker_up(&broker, NULL);
	publish_numbered(&broker);
	broker_kill_all(&broker);
	broker_wipe(&broker);
	place = find(&broker, "needle number 05");
	flip(&place);
	ck_assert_msg(check(&broker, "--repair", output) == 0, "%s", output);
	ck_assert_msg(strstr(output, place.file) != NULL, "%s", output);
	ck_assert_msg(check(&broker, NULL, output) == 0, "%s", output);
	broker_start(&broker);
	ck_assert_uint_eq(receive_numbered(&broker), 5);
	broker_free(&broker);
}
END_TEST

START_TEST(a_missing_last_segment_is_noticed)
{
	static char output[OUTPUT_BYTES];
	struct broker broker;
	struct place place;
	int exit_status = 0;

	broker_up(&broker, NULL);
	publish_numbered(&broker);
	broker_kill_all(&broker);
	broker_wipe(&broker);
	place = find(&broker, "needle number 05");
	ck_assert_int_eq(unlink(place.path), 0);
	ck_assert_int_eq(check(&broker, NULL, output), 1);
	ck_assert_msg(!broker_try_start(&broker, &exit_status), "it started without its last segment");
	ck_assert_int_ne(exit_status, 0);
	broker_free(&broker);
}
END_TEST

START_TEST(a_body_that_rots_on_disk_is_never_delivered)
{
	static const char *const options[] = { "worker.stream_ring=8MiB", NULL };
	char *filler = malloc(MIB + 1);
	struct response *answer;
	struct broker broker;
	struct client client;
	struct place place;

	ck_assert_ptr_nonnull(filler);
	memset(filler, 'f', MIB);
	filler[MIB] = '\0';
	broker_up(&broker, options);
	client_open(&client, broker.port);
	client_queue(&client, "q", "{}");
	client_queue(&client, "filler", "{}");
	client_publish(&client, "q", "a needle that will rot");
	client_publish(&client, "q", "a needle that will not");
	for (unsigned i = 0; i < 12; i++)
		client_publish(&client, "filler", filler);
	place = find(&broker, "a needle that will rot");
	flip(&place);
	answer = client_receive(&client, "q", "{}");
	expect_problem(answer, 500, "message-corrupt");
	answer = client_receive(&client, "q", "{}");
	expect_status(answer, 200);
	ck_assert_str_eq(response_text(answer, "messages.0.body"), "a needle that will not");
	client_close(&client);
	free(filler);
	broker_free(&broker);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("fault/damage");
	TCase *tcase = tcase_create("damage");

	tcase_set_timeout(tcase, TEST_SECONDS);
	tcase_add_test(tcase, a_torn_tail_is_cut_and_what_stands_before_it_is_there);
	tcase_add_test(tcase, a_half_written_last_batch_is_cut_too);
	tcase_add_test(tcase, damage_to_the_last_batch_of_an_idle_broker_is_no_torn_tail);
	tcase_add_test(tcase, a_flipped_bit_before_the_tail_is_reported_and_nothing_starts);
	tcase_add_test(tcase, repair_says_what_it_drops_and_keeps_the_rest);
	tcase_add_test(tcase, a_missing_last_segment_is_noticed);
	tcase_add_test(tcase, a_body_that_rots_on_disk_is_never_delivered);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
