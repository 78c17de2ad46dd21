/*
 * Happy path: tls_keeper_open() at the start; tls_keeper_read() and tls_keeper_take() on SIGHUP;
 * tls_keeper_rotate() every second.
 *
 * Failure modes: a file that is missing, unreadable, encrypted, broken, or a key of another
 * certificate: at the start an error and exit 78, on SIGHUP an error and what is in use stays.
 * Reading is separate from taking, so that a reload is all or nothing.
 */
#include "cli/supervisor/tls.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "cli/supervisor/children.h"
#include "conf/certificate.h"
#include "shm/atomic.h"
#include "shm/clock.h"
#include "shm/diag.h"

#define EXPIRY_WARNING_DAYS 14
#define NAME_BYTES 256

/* --- reading --- */

static int
refuse_file(struct conf_error *error, const char *name, const char *cure)
{
	snprintf(error->text, sizeof(error->text), "%s: cannot be read: %s%s", name,
	    strerror(errno), cure);
	return -1;
}

static void
warn_of_readers(const char *name, int fd)
{
	struct stat status;

	if (fstat(fd, &status) == 0 && (status.st_mode & (S_IROTH | S_IWOTH)) != 0)
		diag(DIAG_WARNING,
		    "%s: every user of this machine can read or change this key (mode %04o); chmod "
		    "600",
		    name, status.st_mode & 07777u);
}

/* One file behind the texts that are there. */
static int
read_text(struct tls_secrets *secrets, enum tls_text which, const char *name, const char *path,
    struct conf_error *error)
{
	uint32_t unused;
	char *text = (char *)tls_secrets_text(secrets, which, &unused);
	size_t room = sizeof(secrets->text) - (size_t)(text - secrets->text), count = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = 0;

	if (fd < 0)
		return refuse_file(error, name,
		    errno == EACCES ? "; the user that runs chasqui up must be able to read it"
				    : "");
	while (count < room && (got = read(fd, text + count, room - count)) > 0)
		count += (size_t)got;
	if (which == TLS_TEXT_KEY)
		warn_of_readers(name, fd);
	if (got < 0) {
		(void)refuse_file(error, name, "");
		close(fd);
		return -1;
	}
	close(fd);
	if (count == room) {
		snprintf(error->text, sizeof(error->text),
		    "%s: the files of [tls] have more than %u KiB together", name,
		    TLS_TEXT_BYTES_MAX >> 10);
		return -1;
	}
	secrets->bytes[which] = (uint32_t)count;
	return 0;
}

/* What an operator wants to see: whose, and for how long. */
static void
describe(const char *name, X509 *certificate)
{
	char subject[NAME_BYTES] = "?", until[64] = "?";
	const ASN1_TIME *end = X509_get0_notAfter(certificate);
	BIO *bio = BIO_new(BIO_s_mem());
	int days = 0, seconds = 0;

	if (bio != NULL && ASN1_TIME_print(bio, end) == 1) {
		int count = BIO_read(bio, until, sizeof(until) - 1);

		until[count > 0 ? count : 0] = '\0';
	}
	BIO_free(bio);
	(void)X509_NAME_oneline(X509_get_subject_name(certificate), subject, sizeof(subject));
	(void)ASN1_TIME_diff(&days, &seconds, NULL, end); /* 0 when it cannot tell: then it warns */
	diag(days < EXPIRY_WARNING_DAYS ? DIAG_WARNING : DIAG_INFO, "%s: %s, good until %s%s", name,
	    subject, until, days < 0 || seconds < 0 ? ": it has EXPIRED" : "");
}

/* Can a frontd use them?  It will do the same. */
static int
check_texts(const struct tls_secrets *secrets, const char names[TLS_TEXT_COUNT][NAME_BYTES],
    struct conf_error *error)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	struct certificate_text texts[TLS_TEXT_COUNT];
	int result;

	if (context == NULL) {
		snprintf(error->text, sizeof(error->text),
		    "OpenSSL cannot start: out of memory, or its configuration is broken");
		return -1;
	}
	for (enum tls_text i = 0; i < TLS_TEXT_COUNT; i++) {
		uint32_t bytes;

		texts[i].name = names[i];
		texts[i].text = tls_secrets_text(secrets, i, &bytes);
		texts[i].bytes = bytes;
	}
	result = certificate_use(context, &texts[TLS_TEXT_CHAIN], &texts[TLS_TEXT_KEY], error);
	if (result == 0 && secrets->client_auth != CONF_CLIENT_AUTH_OFF)
		result = certificate_ask_clients(context, &texts[TLS_TEXT_CLIENT_CA], true, error);
	if (result == 0)
		describe(names[TLS_TEXT_CHAIN], SSL_CTX_get0_certificate(context));
	SSL_CTX_free(context);
	return result;
}

static int
read_all(struct tls_secrets *secrets, const struct conf *conf, struct conf_error *error)
{
	char names[TLS_TEXT_COUNT][NAME_BYTES];

	snprintf(names[TLS_TEXT_CHAIN], NAME_BYTES, "tls.certificate = %s", conf->tls_certificate);
	snprintf(names[TLS_TEXT_KEY], NAME_BYTES, "tls.key = %s", conf->tls_key);
	snprintf(names[TLS_TEXT_CLIENT_CA], NAME_BYTES, "tls.client_ca = %s", conf->tls_client_ca);
	secrets->client_auth = (uint32_t)conf->tls_client_auth;
	secrets->min_version = (uint32_t)conf->tls_min_version;
	memset(secrets->bytes, 0, sizeof(secrets->bytes));
	if (read_text(secrets, TLS_TEXT_CHAIN, names[TLS_TEXT_CHAIN], conf->tls_certificate,
		error) != 0 ||
	    read_text(secrets, TLS_TEXT_KEY, names[TLS_TEXT_KEY], conf->tls_key, error) != 0)
		return -1;
	if (secrets->client_auth != CONF_CLIENT_AUTH_OFF &&
	    read_text(secrets, TLS_TEXT_CLIENT_CA, names[TLS_TEXT_CLIENT_CA], conf->tls_client_ca,
		error) != 0)
		return -1;
	return check_texts(secrets, names, error);
}

static void
discard(struct tls_secrets *secrets)
{
	if (secrets != NULL)
		explicit_bzero(secrets, sizeof(*secrets));
	free(secrets);
}

int
tls_keeper_read(const struct tls_keeper *keeper, const struct conf *conf,
    struct tls_secrets **secrets, struct conf_error *error)
{
	*secrets = NULL;
	if (keeper->secrets == NULL)
		return 0;
	struct tls_secrets *fresh = calloc(1, sizeof(*fresh));
	if (fresh == NULL) {
		snprintf(error->text, sizeof(error->text), "out of memory");
		return -1;
	}
	if (read_all(fresh, conf, error) != 0) {
		discard(fresh);
		return -1;
	}
	*secrets = fresh;
	return 0;
}

/* --- handing over --- */

static int
make_ticket_key(struct ticket_key *key)
{
	return getrandom(key, sizeof(*key), 0) == sizeof(*key) ? 0 : -1;
}

static int
make_file(struct tls_keeper *keeper)
{
	char path[32];

	keeper->fd = memfd_create("chasqui.tls", MFD_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", keeper->fd);
	keeper->reading_fd = keeper->fd >= 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (keeper->reading_fd < 0) {
		diag_errno("cannot make the memory file of certificate and key");
		return EX_OSERR;
	}
	keeper->reading_fd = child_keep_fd(keeper->reading_fd);
	return keeper->reading_fd >= 0 ? 0 : EX_OSERR;
}

/* The next generation of what keeper->secrets says. */
static int
write_next(struct tls_keeper *keeper)
{
	keeper->secrets->generation++;
	if (tls_secrets_write(keeper->fd, keeper->secrets) == 0)
		return 0;
	diag_errno("cannot hand certificate and ticket keys over to the frontds");
	return -1;
}

int
tls_keeper_open(struct tls_keeper *keeper, const struct conf *conf)
{
	struct sockaddr_storage address;
	struct conf_error error;

	*keeper = (struct tls_keeper){ .fd = -1, .reading_fd = -1, .rotated_ns = now_ns() };
	if (conf_tls_address(conf, &address) == 0)
		return 0;
	keeper->secrets = calloc(1, sizeof(*keeper->secrets));
	if (keeper->secrets == NULL) {
		diag_errno("cannot read certificate and key");
		return EX_OSERR;
	}
	if (read_all(keeper->secrets, conf, &error) != 0) {
		diag(DIAG_ERROR, "%s", error.text);
		return EX_CONFIG;
	}
	keeper->secrets->material = 1;
	/* The previous key is one that nobody has a ticket of. */
	if (make_ticket_key(&keeper->secrets->current) != 0 ||
	    make_ticket_key(&keeper->secrets->previous) != 0) {
		diag_errno("cannot make the keys of session tickets");
		return EX_OSERR;
	}
	int code = make_file(keeper);
	if (code != 0)
		return code;
	return write_next(keeper) == 0 ? 0 : EX_OSERR;
}

void
tls_keeper_close(struct tls_keeper *keeper)
{
	if (keeper->secrets == NULL)
		return;
	discard(keeper->secrets);
	keeper->secrets = NULL;
	close(keeper->fd);
	close(keeper->reading_fd);
}

void
tls_keeper_publish(const struct tls_keeper *keeper, struct registry *registry)
{
	/* This generation is whole in the memory file.  Pairs with frontd's load_acquire. */
	store_release(&registry->shared->tls_generation,
	    keeper->secrets != NULL ? keeper->secrets->generation : 0);
}

void
tls_keeper_take(struct tls_keeper *keeper, struct tls_secrets *secrets, struct registry *registry)
{
	if (secrets == NULL)
		return;
	assert(keeper->secrets != NULL);
	secrets->generation = keeper->secrets->generation;
	secrets->material = keeper->secrets->material + 1;
	secrets->current = keeper->secrets->current;
	secrets->previous = keeper->secrets->previous;
	discard(keeper->secrets);
	keeper->secrets = secrets;
	if (write_next(keeper) == 0)
		tls_keeper_publish(keeper, registry);
}

void
tls_keeper_rotate(struct tls_keeper *keeper, const struct conf *conf, struct registry *registry)
{
	uint64_t time_ns = now_ns();
	struct ticket_key fresh;

	if (keeper->secrets == NULL ||
	    time_ns - keeper->rotated_ns < conf->tls_ticket_rotation_ms * 1000000)
		return;
	if (make_ticket_key(&fresh) != 0)
		return; /* the next look tries again */
	keeper->rotated_ns = time_ns;
	keeper->secrets->previous = keeper->secrets->current;
	keeper->secrets->current = fresh;
	explicit_bzero(&fresh, sizeof(fresh));
	if (write_next(keeper) == 0)
		tls_keeper_publish(keeper, registry);
	diag(DIAG_DEBUG, "the keys of TLS session tickets have changed");
}
