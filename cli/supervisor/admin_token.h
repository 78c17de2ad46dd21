/*
 * admin_token: how the first admin gets in.  When nobody is there yet (auth.mode = required, no user in region directory), or with
 * `chasqui up --new-admin-token`: a token is drawn, written to DIR/admin-token (0600, on disk before it counts), and its hash
 * given to worker 0 through the registry, which makes user `admin` and the token (workerd/bootstrap.c).  Then it is printed, once.
 *
 *   NEEDED --directory shows users, none was asked for--> DONE
 *   NEEDED --file written, worker 0 asked--> ASKED --directory shows the token--> DONE
 *
 * We may die at any point: a file that is there when there are still no users holds the token that is meant.
 */
#ifndef CLI_ADMIN_TOKEN_H
#define CLI_ADMIN_TOKEN_H

#include <stdbool.h>

#include "shm/directory.h"
#include "shm/registry.h"

#define ADMIN_TOKEN_BYTES 46u /* "mq_" and 32 bytes in base64url */

enum admin_token_state { ADMIN_TOKEN_DONE, ADMIN_TOKEN_NEEDED, ADMIN_TOKEN_ASKED };

struct admin_token {
	enum admin_token_state state;
	bool is_wanted;            /* --new-admin-token: also where there are users */
	const char *data_directory; /* borrowed */
	const struct audit_file *audit; /* borrowed */
	struct directory directory; /* read-only; attached unless DONE at the start */
	char text[ADMIN_TOKEN_BYTES + 1]; /* ASKED, and DONE when it is to be printed; else "" */
};

struct admin_token_where {
	const char *instance;
	const char *data_directory;
	const struct audit_file *audit;
	const struct geometry *geometry;
	const struct region_identity *store;
};

/* With auth.mode = required.  0 or an exit code, and a diag. */
int admin_token_begin(struct admin_token *token, const struct admin_token_where *where, bool is_wanted);

/*
 * The next step, if it can be made: workers run.  0, or an exit code and a diag.  *pokes_worker: worker 0 has to look at the
 * registry.
 */
int admin_token_step(struct admin_token *token, struct registry *registry, bool *pokes_worker);

/* DONE: to stdout, if one was made; then forget it. */
void admin_token_print(struct admin_token *token);

#endif
