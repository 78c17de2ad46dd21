/*
 * listeners: one TCP listener for each frontd, all on the same address (SO_REUSEPORT), so that the kernel spreads connections.
 * The supervisor keeps them for ever and every incarnation of a frontd inherits its own: a restart refuses no connection.
 */
#ifndef CLI_LISTENERS_H
#define CLI_LISTENERS_H

#include <stdint.h>
#include <sys/socket.h>

#define BOUND_TEXT_BYTES 64

/* What is to be listened on. */
struct listen_wish {
	const char *option;        /* that says so, for errors: "server.listen" */
	struct sockaddr_storage address;
	socklen_t address_bytes;
	uint32_t count;
};

/*
 * Open wish->count listeners; port 0 takes a free one.  `bound` gets the address as text: "127.0.0.1:4000".  0, or after a diag an
 * exit code: EX_UNAVAILABLE where another program has the address.
 */
int listeners_open(const struct listen_wish *wish, int fds[], char bound[BOUND_TEXT_BYTES]);

#endif
