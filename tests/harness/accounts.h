#ifndef TESTS_HARNESS_ACCOUNTS_H
#define TESTS_HARNESS_ACCOUNTS_H

/*
 * accounts: users, tokens and who asks, on the one broker of session.h; it has to run with auth.mode
 * = required.
 */

#include "tests/harness/client.h"

enum { ACCOUNTS_TOKEN_BYTES = 64 };

/* The admin's token, from the broker's data directory. */
const char *accounts_admin(void);

/* Ask with this token, NULL: without any.  json: NULL for none; the request is a format. */
struct response *accounts_ask(const char *token, const char *json, const char *request, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with Basic. */
struct response *accounts_ask_basic(const char *user, const char *password, const char *json,
    const char *request);

/* Make a user with this password (8 characters or more); fails the test unless 201. */
void accounts_user(const char *user, const char *password);

/* A token of the user with these scopes ("\"publish:#\",\"consume:#\""), made by the admin. */
void accounts_token(const char *user, const char *scopes, char token[ACCOUNTS_TOKEN_BYTES]);

/* Make a user and a token that may all the user may. */
void accounts_new(const char *user, char token[ACCOUNTS_TOKEN_BYTES]);

/* Log in; the session's token. */
void accounts_login(const char *user, const char *password, char token[ACCOUNTS_TOKEN_BYTES]);

/* Wait until this token is answered 401, which has to be within a second. */
void accounts_expect_ended(const char *token);

#endif
