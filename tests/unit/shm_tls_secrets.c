/*
 * tls_secrets: what the supervisor writes is what a frontd reads, and never half of two.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/harness/unit.h"

#include "shm/tls_secrets.h"

static struct tls_secrets written, seen;

static void
fill(uint64_t generation, const char *chain, const char *key, const char *authorities)
{
	const char *texts[] = { chain, key, authorities };
	char *at = written.text;

	memset(&written, 0, sizeof(written));
	written.generation = generation;
	memset(&written.current, (int)generation, sizeof(written.current));
	for (int i = 0; i < TLS_TEXT_COUNT; i++) {
		written.bytes[i] = (uint32_t)strlen(texts[i]);
		memcpy(at, texts[i], strlen(texts[i]));
		at += strlen(texts[i]);
	}
}

START_TEST(what_is_written_is_read)
{
	int fd = memfd_create("secrets", 0);
	uint32_t bytes;

	fill(1, "chain", "key", "");
	ck_assert_int_eq(tls_secrets_write(fd, &written), 0);
	ck_assert_int_eq(tls_secrets_read(fd, 1, &seen), 0);
	ck_assert_mem_eq(&seen, &written, sizeof(seen));
	ck_assert_mem_eq(tls_secrets_text(&seen, TLS_TEXT_KEY, &bytes), "key", 3);
	ck_assert_uint_eq(bytes, 3);
	(void)tls_secrets_text(&seen, TLS_TEXT_CLIENT_CA, &bytes);
	ck_assert_uint_eq(bytes, 0);
	close(fd);
}
END_TEST

START_TEST(the_one_before_can_still_be_read_and_the_one_before_that_is_told_to_be_gone)
{
	int fd = memfd_create("secrets", 0);

	for (uint64_t generation = 1; generation <= 3; generation++) {
		fill(generation, "chain", generation % 2 != 0 ? "a longer key" : "key",
		    "authorities");
		ck_assert_int_eq(tls_secrets_write(fd, &written), 0);
	}
	ck_assert_int_eq(tls_secrets_read(fd, 3, &seen), 0);
	ck_assert_uint_eq(seen.current.name[0], 3);
	ck_assert_int_eq(tls_secrets_read(fd, 2, &seen), 0);
	ck_assert_uint_eq(seen.current.name[0], 2);
	ck_assert_uint_eq(seen.bytes[TLS_TEXT_KEY], 3);
	ck_assert_int_eq(tls_secrets_read(fd, 1, &seen), -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(tls_secrets_read(fd, 4, &seen), -1);
	ck_assert_int_eq(errno, EAGAIN);
	close(fd);
}
END_TEST

START_TEST(lengths_that_cannot_be_are_not_believed)
{
	int fd = memfd_create("secrets", 0);

	fill(1, "chain", "key", "");
	written.bytes[TLS_TEXT_KEY] = UINT32_MAX;
	ck_assert_int_eq(tls_secrets_write(fd, &written), -1);
	ck_assert_int_eq(errno, EFBIG);
	/* As somebody else could have written it. */
	off_t half = (off_t)sizeof(written);
	ck_assert_int_eq(pwrite(fd, &written, sizeof(written), half), (ssize_t)sizeof(written));
	ck_assert_int_eq(tls_secrets_read(fd, 1, &seen), -1);
	ck_assert_int_eq(tls_secrets_read(fd, 2, &seen), -1);
	close(fd);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("shm/tls_secrets");
	TCase *secrets = tcase_create("secrets");

	tcase_add_test(secrets, what_is_written_is_read);
	tcase_add_test(
	    secrets, the_one_before_can_still_be_read_and_the_one_before_that_is_told_to_be_gone);
	tcase_add_test(secrets, lengths_that_cannot_be_are_not_believed);
	suite_add_tcase(suite, secrets);
	return suite;
}

UNIT_MAIN(suite)
