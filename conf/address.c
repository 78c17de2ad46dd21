#include "conf/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

#include "conf/value.h"

static socklen_t
parse_ipv4(const char *host, uint16_t port, struct sockaddr_storage *address)
{
	struct sockaddr_in ipv4 = { .sin_family = AF_INET, .sin_port = htons(port) };

	if (inet_pton(AF_INET, host, &ipv4.sin_addr) != 1)
		return 0;
	memcpy(address, &ipv4, sizeof(ipv4));
	return sizeof(ipv4);
}

/* host with its brackets */
static socklen_t
parse_ipv6(char *host, uint16_t port, struct sockaddr_storage *address)
{
	struct sockaddr_in6 ipv6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	size_t host_bytes = strlen(host);

	if (host_bytes < 2 || host[host_bytes - 1] != ']')
		return 0;
	host[host_bytes - 1] = '\0';
	if (inet_pton(AF_INET6, host + 1, &ipv6.sin6_addr) != 1)
		return 0;
	memcpy(address, &ipv6, sizeof(ipv6));
	return sizeof(ipv6);
}

socklen_t
address_parse(const char *text, struct sockaddr_storage *address)
{
	const char *colon = strrchr(text, ':');
	char host[64];
	uint64_t port;

	if (colon == NULL || (size_t)(colon - text) >= sizeof(host))
		return 0;
	if (!value_parse_count(colon + 1, &port) || port > UINT16_MAX)
		return 0;
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';

	memset(address, 0, sizeof(*address));
	if (host[0] == '[')
		return parse_ipv6(host, (uint16_t)port, address);
	return parse_ipv4(host, (uint16_t)port, address);
}

bool
address_is_loopback(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET) {
		struct sockaddr_in ipv4;

		memcpy(&ipv4, address, sizeof(ipv4));
		return ntohl(ipv4.sin_addr.s_addr) >> 24 == 127;
	}
	if (address->ss_family == AF_INET6) {
		struct sockaddr_in6 ipv6;

		memcpy(&ipv6, address, sizeof(ipv6));
		return IN6_IS_ADDR_LOOPBACK(&ipv6.sin6_addr);
	}
	return false;
}
