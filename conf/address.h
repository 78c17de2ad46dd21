/*
 * address: `127.0.0.1:4000` and `[::1]:4000`.  Numeric only: a broker that waits for a name server at start, or listens
 * where a name happens to point today, helps nobody.
 */
#ifndef CONF_ADDRESS_H
#define CONF_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/* The address' length, or 0 if the text is none. */
socklen_t address_parse(const char *text, struct sockaddr_storage *address);

/* Reachable from this machine only: 127.0.0.0/8 or ::1. */
bool address_is_loopback(const struct sockaddr_storage *address);

#endif
