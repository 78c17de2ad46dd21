/*
 * users: who the processes are when the broker is started by root: a user for each role, so that
 * none can signal, trace or read another, nor open what is another's (section `sandbox`).  Started
 * by anybody else all are that user.
 */
#ifndef CLI_USERS_H
#define CLI_USERS_H

#include <stdbool.h>
#include <sys/types.h>

#include "conf/conf.h"
#include "shm/role.h"

struct users {
	struct user {
		bool is_set; /* to be changed to */
		uid_t uid;
		gid_t gid;
	} of[ROLE_PERSIST + 1];
};

/*
 * Look them up.  Who does not exist is said in a line, and the role stays root, without
 * capabilities. 0, or after a diag an exit code (sandbox.mode = required).
 */
int users_find(const struct conf *conf, struct users *users);

/*
 * Give persistd's user what it works on: DIR/journal, which is made if there is none, and its
 * files, DIR/store, DIR/lock; and DIR, if it is private.  Nothing else in DIR, no links, nothing
 * that has a second name.  Only root does it. 0, or after a diag an exit code.
 */
int users_give_directory(const struct conf *conf, const struct users *users);

#endif
