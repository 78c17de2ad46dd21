/*
 * secret: passwords and tokens on their way in and out of this program.  Never from or to a command
 * line, which every user of the machine can read.
 */
#ifndef CLI_SECRET_H
#define CLI_SECRET_H

#include <stdbool.h>

#define SECRET_BYTES 512 /* of a password or token, its NUL included */

/*
 * One password: from the terminal without echo while stdin is one, else (or with from_stdin) the
 * next line of stdin.  A password that is_new is asked for twice at a terminal.  False after a line
 * on stderr.  Wipe it when done.
 */
bool secret_password(const char *prompt, bool is_new, bool from_stdin, char password[SECRET_BYTES]);

/* Would a password be read from stdin as a line? */
bool secret_is_piped(bool from_stdin);

/*
 * The token that a file holds, blanks around it cut off.  False: errno says why (EINVAL: this is no
 * token); nothing was said.
 */
bool secret_load(const char *path, char token[SECRET_BYTES]);

/* Is this what a token can look like: one word of printable ASCII? */
bool secret_is_word(const char *token);

/*
 * Write it to a file that only its owner can read; what was there is replaced whole.  False after a
 * line on stderr.
 */
bool secret_save(const char *path, const char *token);

void secret_wipe(char secret[SECRET_BYTES]);

#endif
