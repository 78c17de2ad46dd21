#include "cli/supervisor/admin_token.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/sha.h>

#include "cli/supervisor/audit_file.h"
#include "shm/clock.h"
#include "shm/diag.h"

#define FILE_NAME "admin-token"
#define SECRET_BYTES 32

static bool
is_token(const char *text)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	return strlen(text) == ADMIN_TOKEN_BYTES && strncmp(text, "mq_", 3) == 0 &&
	    strspn(text + 3, alphabet) == ADMIN_TOKEN_BYTES - 3;
}

static int
draw(char text[ADMIN_TOKEN_BYTES + 1])
{
	unsigned char secret[SECRET_BYTES];
	char base64[4 * ((SECRET_BYTES + 2) / 3) + 1];

	if (getrandom(secret, sizeof(secret), 0) != sizeof(secret)) {
		diag_errno("no random bytes for the admin token");
		return EX_OSERR;
	}
	EVP_EncodeBlock((unsigned char *)base64, secret, sizeof(secret));
	memcpy(text, "mq_", 3);
	for (unsigned i = 3; i < ADMIN_TOKEN_BYTES; i++) /* base64url, without the padding */
		text[i] = base64[i - 3] == '+' ? '-' : base64[i - 3] == '/' ? '_' : base64[i - 3];
	text[ADMIN_TOKEN_BYTES] = '\0';
	explicit_bzero(secret, sizeof(secret));
	explicit_bzero(base64, sizeof(base64));
	return 0;
}

/* The token of the file; text "": there is no file. */
static int
load(int directory_fd, char text[ADMIN_TOKEN_BYTES + 1], const char *directory)
{
	char bytes[ADMIN_TOKEN_BYTES + 3] = "";
	int fd = openat(directory_fd, FILE_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	text[0] = '\0';
	if (fd < 0 && errno == ENOENT)
		return 0;
	ssize_t count = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes) - 1);
	if (fd >= 0)
		close(fd);
	if (count < 0) {
		diag_errno("cannot read %s/" FILE_NAME, directory);
		return EX_NOPERM;
	}
	bytes[strcspn(bytes, "\n")] = '\0';
	if (!is_token(bytes)) {
		diag(DIAG_ERROR, "%s/" FILE_NAME " is there and holds no token, so the first one would overwrite it; move it away",
		    directory);
		return EX_CONFIG;
	}
	memcpy(text, bytes, ADMIN_TOKEN_BYTES + 1);
	explicit_bzero(bytes, sizeof(bytes));
	return 0;
}

/* Whole or not at all, and on disk. */
static int
store(int directory_fd, const char *text, const char *directory)
{
	static const char fresh[] = FILE_NAME ".new";
	char line[ADMIN_TOKEN_BYTES + 1];
	int fd;

	(void)unlinkat(directory_fd, fresh, 0); /* of a start that died */
	fd = openat(directory_fd, fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		goto fail;
	memcpy(line, text, ADMIN_TOKEN_BYTES);
	line[ADMIN_TOKEN_BYTES] = '\n';
	bool is_written = write(fd, line, sizeof(line)) == sizeof(line) && fsync(fd) == 0;
	explicit_bzero(line, sizeof(line));
	if (close(fd) == 0 && is_written && renameat(directory_fd, fresh, directory_fd, FILE_NAME) == 0 && fsync(directory_fd) == 0)
		return 0;
fail:
	diag_errno("cannot write %s/" FILE_NAME "; free space in the data directory, or see that it may be written", directory);
	return EX_CANTCREAT;
}

int
admin_token_begin(struct admin_token *token, const struct admin_token_where *where, bool is_wanted)
{
	*token = (struct admin_token){ .state = ADMIN_TOKEN_NEEDED, .is_wanted = is_wanted,
		.data_directory = where->data_directory, .audit = where->audit };
	if (directory_attach(&token->directory, where->instance, &where->geometry->shard, where->store, REGION_READ_ONLY) == 0)
		return 0;
	diag_errno("cannot map shared memory directory");
	return EX_OSERR;
}

static void
end(struct admin_token *token)
{
	directory_detach(&token->directory);
	token->state = ADMIN_TOKEN_DONE;
}

static int
choose(struct admin_token *token, int directory_fd)
{
	int code = load(directory_fd, token->text, token->data_directory);

	if (code != 0)
		return code;
	if (token->text[0] != '\0' && !token->is_wanted) {
		diag(DIAG_INFO, "nobody is there yet: the token in %s/" FILE_NAME " becomes the admin's", token->data_directory);
		return 0;
	}
	if (token->text[0] != '\0')
		diag(DIAG_WARNING, "the token in %s/" FILE_NAME " is replaced by a new one; the old one stays good until it is revoked",
		    token->data_directory);
	code = draw(token->text);
	return code != 0 ? code : store(directory_fd, token->text, token->data_directory);
}

static int
ask(struct admin_token *token, struct registry *registry)
{
	uint8_t hash[SHA256_DIGEST_LENGTH];
	int directory_fd = open(token->data_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC), code;

	if (directory_fd < 0) {
		diag_errno("cannot open %s", token->data_directory);
		return EX_CANTCREAT;
	}
	code = choose(token, directory_fd);
	close(directory_fd);
	if (code != 0)
		return code;
	SHA256((const unsigned char *)token->text, ADMIN_TOKEN_BYTES, hash);
	/* The first one of a store is nobody's action: it has no line. */
	if (token->is_wanted)
		audit_file_write(token->audit, "chasqui up --new-admin-token", "admin",
		    clock_ms(now_ns(), registry->shared->clock_offset_ns));
	registry_ask_admin(registry, token->is_wanted ? BOOTSTRAP_ALWAYS : BOOTSTRAP_IF_NONE, hash);
	token->state = ADMIN_TOKEN_ASKED;
	return 0;
}

/* What was asked for is there. */
static bool
counts(const struct admin_token *token)
{
	uint8_t hash[SHA256_DIGEST_LENGTH];
	struct credential_entry credential;
	struct user_entry user;

	SHA256((const unsigned char *)token->text, ADMIN_TOKEN_BYTES, hash);
	return directory_credential_by_hash(&token->directory, hash, &credential, &user) == DIRECTORY_FOUND;
}

int
admin_token_step(struct admin_token *token, struct registry *registry, bool *pokes_worker)
{
	*pokes_worker = false;
	switch (token->state) {
	case ADMIN_TOKEN_DONE:
		return 0;
	case ADMIN_TOKEN_NEEDED:
		if (directory_generation(&token->directory) == 0)
			return 0; /* worker 0 has not shown who is there */
		if (directory_user_count(&token->directory) != 0 && !token->is_wanted) {
			end(token);
			return 0;
		}
		*pokes_worker = true;
		return ask(token, registry);
	case ADMIN_TOKEN_ASKED:
		break;
	}
	if (counts(token))
		end(token);
	return 0;
}

void
admin_token_print(struct admin_token *token)
{
	if (token->text[0] == '\0')
		return;
	printf("chasqui: the admin's token, shown this once: %s (also in %s/" FILE_NAME ", for you alone)\n", token->text,
	    token->data_directory);
	fflush(stdout);
	explicit_bzero(token->text, sizeof(token->text));
}
