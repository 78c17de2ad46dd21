/*
 * credentials: who we say we are, to a broker over HTTP.  The first of these that there is:
 *
 *   --user NAME           with a password that is asked for
 *   --token-file FILE     a token or the token of a session
 *   CHASQUI_TOKEN         the same, from the environment
 *   CHASQUI_TOKEN_FILE    the same, a file that the environment names
 *   DIR/admin-token       of the broker on this machine, if we may read it; not with --url, which
 *                         may lead anywhere
 */
#ifndef CLI_CREDENTIALS_H
#define CLI_CREDENTIALS_H

#include "cli/arguments.h"

enum credentials_source {
	CREDENTIALS_NONE,
	CREDENTIALS_PASSWORD,
	CREDENTIALS_FILE,
	CREDENTIALS_ENVIRONMENT,
	CREDENTIALS_ENVIRONMENT_FILE,
	CREDENTIALS_ADMIN,
};

#define CREDENTIALS_HEADER_BYTES 1024

struct credentials {
	enum credentials_source source;
	char header[CREDENTIALS_HEADER_BYTES]; /* "Authorization: Bearer mq_..."; "" without any */
	char origin[256]; /* what the user knows them by: a file, a variable, a user */
};

/*
 * data_directory: of the broker on this machine; "" with --url.  0, or an exit code after a line on
 * stderr.  Wipe them when done.
 */
int credentials_find(struct credentials *credentials, const struct arguments *arguments,
    const char *data_directory);
void credentials_wipe(struct credentials *credentials);

/* What to do about a 401 or 403 that they brought: the end of a sentence. */
void credentials_advise(const struct credentials *credentials, long status, char *text,
    unsigned text_bytes);

#endif
