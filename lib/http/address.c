/* SPDX-License-Identifier: MIT */
#include "http/address.h"

#include <assert.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/number.h"

_Static_assert(ADDRESS_IP_BYTES == INET6_ADDRSTRLEN, "room for any address");

bool
address_ip(char out[static ADDRESS_IP_BYTES], struct bytes text)
{
	uint8_t address[sizeof(struct in6_addr)];
	char ip[ADDRESS_IP_BYTES];
	int family;

	if (text.n == 0 || text.n >= sizeof(ip) ||
	    memchr(text.p, '\0', text.n) != NULL)
		return false;
	memcpy(ip, text.p, text.n);
	ip[text.n] = '\0';
	family = strchr(ip, ':') != NULL ? AF_INET6 : AF_INET;
	return inet_pton(family, ip, address) == 1 &&
	    inet_ntop(family, address, out, ADDRESS_IP_BYTES) != NULL;
}

bool
address_is_loopback(const char *ip)
{
	return strncmp(ip, "127.", 4) == 0 || strcmp(ip, "::1") == 0;
}

static int
bad_form(struct error *err)
{
	return error_set(err, ERRC_CONFIG, "not of the form IP:PORT");
}

int
address_parse(char ip[static ADDRESS_IP_BYTES], uint16_t *port,
    struct bytes text, struct error *err)
{
	const uint8_t *colon = memrchr(text.p, ':', text.n);
	uint64_t number;
	size_t n;

	if (colon == NULL)
		return bad_form(err);
	n = (size_t)(colon - text.p);
	if (!number_parse(&number, (const char *)colon + 1, text.n - n - 1, 0,
		UINT16_MAX))
		return bad_form(err);
	if (n >= 2 && text.p[0] == '[' && text.p[n - 1] == ']') {
		text.p++;
		n -= 2;
	}
	if (n == 0 || n >= ADDRESS_IP_BYTES)
		return bad_form(err);
	if (!address_ip(ip, bytes_of(text.p, n)))
		return error_set(err, ERRC_CONFIG, "not an IP address");
	*port = (uint16_t)number;
	return 0;
}

void
address_print(char out[static ADDRESS_BYTES], const char *ip, uint16_t port)
{
	int n = snprintf(out, ADDRESS_BYTES,
	    strchr(ip, ':') != NULL ? "[%s]:%u" : "%s:%u", ip, (unsigned)port);

	assert(n > 0 && n < ADDRESS_BYTES);
}

socklen_t
address_to_socket(union address_socket *out, const char *ip, uint16_t port)
{
	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, ip, &out->v4.sin_addr) == 1) {
		out->v4.sin_family = AF_INET;
		out->v4.sin_port = htons(port);
		return sizeof(out->v4);
	}
	if (inet_pton(AF_INET6, ip, &out->v6.sin6_addr) == 1) {
		out->v6.sin6_family = AF_INET6;
		out->v6.sin6_port = htons(port);
		return sizeof(out->v6);
	}
	return 0;
}
