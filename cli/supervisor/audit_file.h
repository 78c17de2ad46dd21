/*
 * audit_file: the file behind the audit log.  The supervisor alone knows its name: it opens it to be appended to, hands the
 * descriptor to each frontd, and on SIGHUP opens it anew and sends the new descriptor through a socket that each frontd
 * inherits.  So a frontd, which talks to the network, can add lines and neither read nor change what is there.
 */
#ifndef CLI_AUDIT_FILE_H
#define CLI_AUDIT_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"
#include "shm/limits.h"

struct audit_file {
	char path[PATH_MAX];
	int fd;                    /* at KEPT_FD_MIN or above; -1: there is no audit log */
	int ours[FRONT_MAX];       /* our end of the socket of each frontd's last incarnation; 0: none */
	int theirs[FRONT_MAX];     /* the other end, until it has been handed on; 0: none */
	uint64_t reserved_bytes;   /* disk space is taken up to here */
};

/* Open it, or make it with mode 0600, as audit.file says.  0, or an exit code and a diag. */
int audit_file_open(struct audit_file *audit, const struct conf *conf);

/* A socket for the next incarnation of frontd `index`.  0, or -1 and a diag.  Nothing to do without an audit log. */
int audit_file_pair(struct audit_file *audit, uint32_t index);
/* It runs, or could not be run: its end is its own. */
void audit_file_paired(struct audit_file *audit, uint32_t index);

/*
 * Open the name again, for the old file may have been moved away, and send the new descriptor to each frontd.  When it cannot be
 * opened that is said and all go on with the old one.  True if it was opened: the frontds are to be told.
 */
bool audit_file_reopen(struct audit_file *audit);

/*
 * A line of the supervisor's own: what it was asked to do by who started it, on stable storage before it
 * is done.  That it cannot be written is said, and no reason not to do it.
 */
void audit_file_write(const struct audit_file *audit, const char *verb, const char *object, uint64_t now_ms);

/*
 * A frontd that is killed while it writes may leave a piece of a line at the end: end it, so that only that is no JSON.  When
 * the file is opened, and when a frontd has died.
 */
void audit_file_mend(const struct audit_file *audit);

/* Take disk space ahead of the end, so that admin actions can still be written down for a while when the disk is full. */
void audit_file_reserve(struct audit_file *audit);

#endif
