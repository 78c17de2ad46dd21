/*
 * tls: the supervisor's part of TLS.  It reads certificate and key (frontds may open no file),
 * makes and changes the keys of session tickets, and hands all of it over in a memory file
 * (shm/tls_secrets.h).
 */
#ifndef CLI_TLS_H
#define CLI_TLS_H

#include <stdint.h>

#include "conf/conf.h"
#include "shm/registry.h"
#include "shm/tls_secrets.h"

struct tls_keeper {
	struct tls_secrets *secrets; /* as written last; NULL: no TLS */
	int fd;
	int reading_fd;              /* the same, to be read by frontds; at KEPT_FD_MIN or above */
	uint64_t rotated_ns;
};

/*
 * Reads, checks and makes the memory file, if tls.listen is on.  0, or an exit code after a diag.
 */
int tls_keeper_open(struct tls_keeper *keeper, const struct conf *conf);

/* Also of one that was never opened, if it is zeroed. */
void tls_keeper_close(struct tls_keeper *keeper);

/* What it has may be read from now on.  Once the registry is there. */
void tls_keeper_publish(const struct tls_keeper *keeper, struct registry *registry);

/*
 * Read the files again.  0: *secrets, to be given to tls_keeper_take() or free(), NULL if there is
 * no TLS.  -1 and the error: something is wrong with them.
 */
int tls_keeper_read(const struct tls_keeper *keeper, const struct conf *conf,
    struct tls_secrets **secrets, struct conf_error *error);

/* Takes secrets; frontds use them within a quarter of a second. */
void tls_keeper_take(struct tls_keeper *keeper, struct tls_secrets *secrets,
    struct registry *registry);

/* Change the keys of session tickets if it is time. */
void tls_keeper_rotate(struct tls_keeper *keeper, const struct conf *conf,
    struct registry *registry);

#endif
