#include "frontd/address.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "shm/diag.h"

/* Accepting may go beyond the limit of connections by what has completed before the cancel (listen.c). */
#define BEYOND_MAX 16384u

int
addresses_open(struct addresses *addresses, uint32_t connections_max)
{
	uint32_t capacity = 1024;

	while (capacity < 2 * (uint64_t)(connections_max + BEYOND_MAX))
		capacity *= 2;
	*addresses = (struct addresses){ .capacity = capacity };
	addresses->entries = calloc(capacity, sizeof(*addresses->entries)); /* touched as addresses come */
	if (addresses->entries == NULL || getrandom(&addresses->seed, sizeof(addresses->seed), 0) != sizeof(addresses->seed)) {
		diag_errno("cannot make the table of addresses");
		addresses_free(addresses);
		return -1;
	}
	addresses->seed |= 1;
	return 0;
}

void
addresses_free(struct addresses *addresses)
{
	free(addresses->entries);
	addresses->entries = NULL;
}

void
address_of_fd(int fd, struct client_address *address)
{
	struct sockaddr_storage name;
	socklen_t bytes = sizeof(name);

	*address = (struct client_address){ .family = 0 };
	if (getpeername(fd, (struct sockaddr *)&name, &bytes) != 0)
		return; /* it has gone; the first RECEIVE will say so */
	if (name.ss_family == AF_INET) {
		const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)&name;

		memcpy(address->bytes, &ipv4->sin_addr, 4);
		address->port = ntohs(ipv4->sin_port);
		address->family = 4;
	} else if (name.ss_family == AF_INET6) {
		const struct sockaddr_in6 *ipv6 = (const struct sockaddr_in6 *)&name;

		memcpy(address->bytes, &ipv6->sin6_addr, 16);
		address->port = ntohs(ipv6->sin6_port);
		address->family = 6;
	}
}

uint64_t
address_key(const struct client_address *address)
{
	uint64_t prefix = 0;

	for (unsigned i = 0; i < (address->family == 4 ? 4u : 8u); i++)
		prefix = prefix << 8 | address->bytes[i];
	/* ff00::/8 is multicast: nobody comes from there, so IPv4 has it to itself. */
	return address->family == 4 ? UINT64_C(0xff) << 56 | prefix : prefix;
}

static uint32_t
home_of(const struct addresses *addresses, uint64_t key)
{
	uint64_t mixed = (key ^ key >> 32) * addresses->seed;

	return (uint32_t)(mixed >> 32) & (addresses->capacity - 1);
}

/* Its entry, or the free one where it would stand. */
static struct address_entry *
entry_find(const struct addresses *addresses, uint64_t key)
{
	uint32_t at = home_of(addresses, key);

	while (addresses->entries[at].count != 0 && addresses->entries[at].key != key)
		at = (at + 1) & (addresses->capacity - 1);
	return &addresses->entries[at];
}

uint64_t
addresses_count(const struct addresses *addresses, const struct client_address *address)
{
	return address->family == 0 ? 0 : entry_find(addresses, address_key(address))->count;
}

void
addresses_add(struct addresses *addresses, const struct client_address *address)
{
	if (address->family == 0)
		return;
	struct address_entry *entry = entry_find(addresses, address_key(address));
	if (entry->count++ != 0)
		return;
	entry->key = address_key(address);
	addresses->used++;
	assert(addresses->used <= addresses->capacity / 2); /* a search ends soon, and at all */
}

/* What stands behind a hole moves into it if it may, so that no search ends too early (Knuth, 6.4, algorithm R). */
static void
close_hole(struct addresses *addresses, uint32_t hole)
{
	uint32_t mask = addresses->capacity - 1;

	for (uint32_t at = (hole + 1) & mask; addresses->entries[at].count != 0; at = (at + 1) & mask) {
		uint32_t home = home_of(addresses, addresses->entries[at].key);

		if (((at - home) & mask) < ((at - hole) & mask))
			continue; /* it stands between its home and the hole's far side: it would not be found there */
		addresses->entries[hole] = addresses->entries[at];
		addresses->entries[at].count = 0;
		hole = at;
	}
}

void
addresses_remove(struct addresses *addresses, const struct client_address *address)
{
	if (address->family == 0)
		return;
	struct address_entry *entry = entry_find(addresses, address_key(address));
	assert(entry->count != 0);
	if (--entry->count != 0)
		return;
	addresses->used--;
	close_hole(addresses, (uint32_t)(entry - addresses->entries));
}

void
address_format(const struct client_address *address, char text[ADDRESS_TEXT_BYTES])
{
	char host[INET6_ADDRSTRLEN] = "";

	text[0] = '\0';
	if (address->family == 0)
		return;
	(void)inet_ntop(address->family == 4 ? AF_INET : AF_INET6, address->bytes, host, sizeof(host)); /* room enough */
	snprintf(text, ADDRESS_TEXT_BYTES, address->family == 4 ? "%s:%u" : "[%s]:%u", host, address->port);
}
