#include "cli/credentials.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/secret.h"
#include "cli/verbs.h"

/* RFC 7617: the user's name and password, with a colon between, in base64. */
static void
basic_format(const char *user, const char *password, char header[CREDENTIALS_HEADER_BYTES])
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char pair[128 + SECRET_BYTES];
	size_t count = (size_t)snprintf(pair, sizeof(pair), "%.100s:%s", user, password);
	char *at = stpcpy(header, "Authorization: Basic ");

	memset(pair + count, 0, 2);
	for (size_t i = 0; i < count; i += 3) {
		uint32_t bits = (uint32_t)(uint8_t)pair[i] << 16 |
		    (uint32_t)(uint8_t)pair[i + 1] << 8 | (uint8_t)pair[i + 2];

		*at++ = digits[bits >> 18];
		*at++ = digits[bits >> 12 & 63];
		*at++ = i + 1 < count ? digits[bits >> 6 & 63] : '=';
		*at++ = i + 2 < count ? digits[bits & 63] : '=';
	}
	*at = '\0';
	explicit_bzero(pair, sizeof(pair));
}

static int
take_password(struct credentials *credentials, const struct arguments *arguments)
{
	char password[SECRET_BYTES], prompt[128];

	if (strlen(arguments->user) > 80 || strchr(arguments->user, ':') != NULL) {
		fprintf(stderr, "chasqui: --user %s is no user's name\n", arguments->user);
		return CLI_USAGE;
	}
	snprintf(prompt, sizeof(prompt), "password of %s", arguments->user);
	if (!secret_password(prompt, false, arguments->reads_password, password))
		return CLI_FAILED;
	basic_format(arguments->user, password, credentials->header);
	secret_wipe(password);
	return 0;
}

static void
bearer_format(struct credentials *credentials, const char *token)
{
	snprintf(credentials->header, sizeof(credentials->header), "Authorization: Bearer %s",
	    token);
}

static int
take_file(struct credentials *credentials, const char *path)
{
	char token[SECRET_BYTES];

	if (!secret_load(path, token)) {
		fprintf(stderr, "chasqui: cannot take a token from %s: %s\n", path, errno == EINVAL ?
		    "it does not hold a token and nothing else" : strerror(errno));
		return CLI_FAILED;
	}
	bearer_format(credentials, token);
	secret_wipe(token);
	return 0;
}

static int
take_word(struct credentials *credentials, const char *token)
{
	if (strlen(token) >= SECRET_BYTES || !secret_is_word(token)) {
		fprintf(stderr, "chasqui: CHASQUI_TOKEN does not hold a token\n");
		return CLI_FAILED;
	}
	bearer_format(credentials, token);
	return 0;
}

/*
 * That there is none, or that it is not for our eyes, is no trouble: the broker may want no
 * credentials.
 */
static void
take_admin(struct credentials *credentials, const char *data_directory)
{
	char path[sizeof(credentials->origin)], token[SECRET_BYTES];
	int bytes = snprintf(path, sizeof(path), "%s/admin-token", data_directory);

	if (*data_directory == '\0' || bytes >= (int)sizeof(path) || !secret_load(path, token))
		return;
	credentials->source = CREDENTIALS_ADMIN;
	strcpy(credentials->origin, path);
	bearer_format(credentials, token);
	secret_wipe(token);
}

static const char *
choose(struct credentials *credentials, const struct arguments *arguments)
{
	const struct {
		enum credentials_source source;
		const char *value;
	} sources[] = {
		{ CREDENTIALS_PASSWORD, arguments->user },
		{ CREDENTIALS_FILE, arguments->token_file },
		{ CREDENTIALS_ENVIRONMENT, getenv("CHASQUI_TOKEN") },
		{ CREDENTIALS_ENVIRONMENT_FILE, getenv("CHASQUI_TOKEN_FILE") },
	};

	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		/* A variable that is set to nothing is as one that is not set. */
		if (sources[i].value == NULL ||
		    (sources[i].value[0] == '\0' && sources[i].source >= CREDENTIALS_ENVIRONMENT))
			continue;
		credentials->source = sources[i].source;
		return sources[i].value;
	}
	return NULL;
}

int
credentials_find(struct credentials *credentials, const struct arguments *arguments,
    const char *data_directory)
{
	const char *value;

	memset(credentials, 0, sizeof(*credentials));
	if (arguments->user != NULL && arguments->token_file != NULL) {
		fprintf(stderr,
		    "chasqui: --user and --token-file are two answers to one question\n");
		return CLI_USAGE;
	}
	value = choose(credentials, arguments);
	if (value != NULL)
		snprintf(credentials->origin, sizeof(credentials->origin), "%s",
		    credentials->source == CREDENTIALS_ENVIRONMENT ? "CHASQUI_TOKEN" : value);
	switch (credentials->source) {
	case CREDENTIALS_PASSWORD:
		return take_password(credentials, arguments);
	case CREDENTIALS_FILE:
	case CREDENTIALS_ENVIRONMENT_FILE:
		return take_file(credentials, value);
	case CREDENTIALS_ENVIRONMENT:
		return take_word(credentials, value);
	case CREDENTIALS_NONE:
	case CREDENTIALS_ADMIN:
		take_admin(credentials, data_directory);
	}
	return 0;
}

void
credentials_wipe(struct credentials *credentials)
{
	explicit_bzero(credentials, sizeof(*credentials));
}

void
credentials_advise(const struct credentials *credentials, long status, char *text,
    unsigned text_bytes)
{
	const char *origin = credentials->origin;

	if (status == 403) {
		snprintf(text, text_bytes, "asked with %s: use others (--user, --token-file), or "
		    "have the right given (chasqui help grant)",
		    *origin != '\0' ? origin : "no credentials");
		return;
	}
	switch (credentials->source) {
	case CREDENTIALS_NONE:
		snprintf(text, text_bytes,
		    "say who you are: --user NAME, --token-file FILE or CHASQUI_TOKEN");
		break;
	case CREDENTIALS_PASSWORD:
		snprintf(text, text_bytes,
		    "name or password of %s is wrong, or the user is disabled", origin);
		break;
	case CREDENTIALS_ADMIN:
		snprintf(text, text_bytes, "the token in %s is no longer taken; "
		    "`chasqui up --new-admin-token` makes a new one", origin);
		break;
	default:
		snprintf(text, text_bytes, "the token of %s is wrong, has expired or was revoked",
		    origin);
	}
}
