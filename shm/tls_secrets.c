#include "shm/tls_secrets.h"

#include <errno.h>
#include <stddef.h>
#include <sys/types.h>
#include <unistd.h>

static off_t
half_of(uint64_t generation)
{
	return (off_t)(generation % 2 * sizeof(struct tls_secrets));
}

/* Of all texts, or SIZE_MAX where they cannot be. */
static size_t
texts_bytes(const struct tls_secrets *secrets)
{
	size_t sum = 0;

	for (int i = 0; i < TLS_TEXT_COUNT; i++) {
		if (secrets->bytes[i] > TLS_TEXT_BYTES_MAX - sum)
			return SIZE_MAX;
		sum += secrets->bytes[i];
	}
	return sum;
}

const char *
tls_secrets_text(const struct tls_secrets *secrets, enum tls_text which, uint32_t *bytes)
{
	const char *text = secrets->text;

	for (enum tls_text i = 0; i < which; i++)
		text += secrets->bytes[i];
	*bytes = secrets->bytes[which];
	return text;
}

int
tls_secrets_write(int fd, const struct tls_secrets *secrets)
{
	size_t bytes = texts_bytes(secrets);

	if (bytes == SIZE_MAX) {
		errno = EFBIG;
		return -1;
	}
	bytes += offsetof(struct tls_secrets, text);
	ssize_t written = pwrite(fd, secrets, bytes, half_of(secrets->generation));
	if (written >= 0 && (size_t)written != bytes)
		errno = ENOSPC;
	return written >= 0 && (size_t)written == bytes ? 0 : -1;
}

int
tls_secrets_read(int fd, uint64_t generation, struct tls_secrets *secrets)
{
	const size_t head = offsetof(struct tls_secrets, text);
	ssize_t got = pread(fd, secrets, head, half_of(generation));

	if (got < 0)
		return -1;
	if ((size_t)got != head || secrets->generation != generation ||
	    texts_bytes(secrets) == SIZE_MAX) {
		errno = EAGAIN;
		return -1;
	}
	size_t bytes = texts_bytes(secrets);
	got = pread(fd, secrets->text, bytes, half_of(generation) + (off_t)head);
	if (got < 0)
		return -1;
	/* Written to meanwhile?  Then the generation in the file is another one. */
	uint64_t now;
	if ((size_t)got != bytes ||
	    pread(fd, &now, sizeof(now), half_of(generation)) != sizeof(now) || now != generation) {
		errno = EAGAIN;
		return -1;
	}
	return 0;
}
