/*
 * address: where a connection comes from, and how many there are from each place (server.max_connections_per_address).
 *
 * Listeners on IPv6 take no IPv4 clients (IPV6_V6ONLY), so none comes as a mapped address.
 *
 * Counted is by IPv4 address and by the /64 of an IPv6 address, for whoever has one address of a /64 has all of them.  The
 * table is as large as the connections of this process need and never grows; a client cannot choose which of its addresses
 * meet in one place of it, for the hash has a seed.
 */
#ifndef FRONTD_ADDRESS_H
#define FRONTD_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct frontd;

struct client_address {
	uint8_t bytes[16];         /* in the order of the network; of IPv4 the first four */
	uint16_t port;
	uint8_t family;            /* 4, 6, or 0: not known (a unix socket of a test, a client that has gone already) */
	uint8_t reserved;
};

/* Connections from one place. */
struct address_entry {
	uint64_t key;
	uint64_t count;            /* 0: the entry is free */
};

struct addresses {
	struct address_entry *entries;
	uint32_t capacity;         /* a power of two, at least twice the connections */
	uint32_t used;
	uint64_t seed;             /* odd */
};

/* Room for so many connections.  0, or -1 and a diag. */
int addresses_open(struct addresses *addresses, uint32_t connections_max);
void addresses_free(struct addresses *addresses);

/* Whose descriptor this is. */
void address_of_fd(int fd, struct client_address *address);

/* What is counted as one: IPv4 whole, IPv6 by its /64. */
uint64_t address_key(const struct client_address *address);

/* How many connections are counted from there. */
uint64_t addresses_count(const struct addresses *addresses, const struct client_address *address);

/* One more, one less.  Of family 0 nothing is counted. */
void addresses_add(struct addresses *addresses, const struct client_address *address);
void addresses_remove(struct addresses *addresses, const struct client_address *address);

/* "192.0.2.7:51234", "[2001:db8::7]:51234", "" when not known; with its NUL. */
#define ADDRESS_TEXT_BYTES 56
void address_format(const struct client_address *address, char text[ADDRESS_TEXT_BYTES]);

#endif
