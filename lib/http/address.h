/* SPDX-License-Identifier: MIT */
#ifndef KOOP_HTTP_ADDRESS_H
#define KOOP_HTTP_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/compiler.h"

/*
 * Where to listen and where to connect: an IP address and a port, as text and
 * as the kernel wants them.  Names are never resolved.
 */

#define ADDRESS_IP_BYTES 46 /* the longest IP address and a NUL */
#define ADDRESS_BYTES 56    /* "[IP]:PORT" and a NUL */

struct error;

union address_socket {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* The one spelling that inet_ntop(3) gives an IP address, so that comparing
 * text is enough.  False, and out untouched, when the text is none. */
KOOP_MUST bool address_ip(char out[static ADDRESS_IP_BYTES], struct bytes text);
/* Is it this machine's alone?  ip as address_ip() writes it. */
bool address_is_loopback(const char *ip);

/* "IP:PORT" or "[IP]:PORT", the port 0 to 65535; ip as address_ip() writes
 * it.  ERRC_CONFIG says what is wrong but not with which text: wrap it. */
KOOP_MUST int address_parse(char ip[static ADDRESS_IP_BYTES], uint16_t *port,
    struct bytes text, struct error *err);
/* "1.2.3.4:8001" or "[::1]:8001". */
void address_print(char out[static ADDRESS_BYTES], const char *ip,
    uint16_t port);

/* For bind(2) and connect(2): the length of what is in out, or 0 when ip is
 * no IP address. */
KOOP_MUST socklen_t address_to_socket(union address_socket *out, const char *ip,
    uint16_t port);

#endif
