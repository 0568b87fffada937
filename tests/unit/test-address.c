/* SPDX-License-Identifier: MIT */
#include "http/address.h"

#include <string.h>

#include "base/compiler.h"
#include "base/error.h"
#include "tap.h"

static void
an_address_has_one_spelling(void)
{
	char ip[ADDRESS_IP_BYTES] = "untouched";

	CHECK(!address_ip(ip, bytes_str("")));
	CHECK(!address_ip(ip, bytes_str("localhost")));
	CHECK(!address_ip(ip, bytes_str("1.2.3")));
	CHECK(!address_ip(ip, bytes_str("01.2.3.4")));
	CHECK(!address_ip(ip, bytes_str("::1::")));
	CHECK(!address_ip(ip, bytes_of("127.0.0.1\0", 10)));
	CHECK(!address_ip(ip,
	    bytes_str("1111:2222:3333:4444:5555:6666:7777:"
		      "8888:9999:aaaa")));
	CHECK_STR(ip, "untouched");
	CHECK(address_ip(ip, bytes_of("10.0.0.12", 8)));
	CHECK_STR(ip, "10.0.0.1");
	CHECK(address_ip(ip, bytes_str("0:0:0:0:0:0:0:1")));
	CHECK_STR(ip, "::1");
	CHECK(address_ip(ip, bytes_str("FE80::A")));
	CHECK_STR(ip, "fe80::a");
}

static void
loopback_is_this_machine_alone(void)
{
	CHECK(address_is_loopback("127.0.0.1"));
	CHECK(address_is_loopback("127.255.0.9"));
	CHECK(address_is_loopback("::1"));
	CHECK(!address_is_loopback("0.0.0.0"));
	CHECK(!address_is_loopback("128.0.0.1"));
	CHECK(!address_is_loopback("::"));
	CHECK(!address_is_loopback("::ffff:127.0.0.1"));
}

static void
an_address_and_a_port_are_read_and_printed(void)
{
	static const struct {
		const char *text, *ip, *printed;
		uint16_t port;
	} good[] = {
		{ "127.0.0.1:0", "127.0.0.1", "127.0.0.1:0", 0 },
		{ "127.0.0.1:65535", "127.0.0.1", "127.0.0.1:65535", 65535 },
		{ "[::1]:9001", "::1", "[::1]:9001", 9001 },
		{ "::1:9001", "::1", "[::1]:9001", 9001 },
		{ "[127.0.0.1]:80", "127.0.0.1", "127.0.0.1:80", 80 },
	};

	for (size_t i = 0; i < nitems(good); i++) {
		char ip[ADDRESS_IP_BYTES] = "";
		char text[ADDRESS_BYTES];
		uint16_t port = 1;

		CHECK(address_parse(ip, &port, bytes_str(good[i].text), NULL) ==
		    0);
		CHECK_STR(ip, good[i].ip);
		CHECK(port == good[i].port);
		address_print(text, ip, port);
		CHECK_STR(text, good[i].printed);
	}
}

static void
the_longest_address_fits(void)
{
	const char *longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
	char text[ADDRESS_BYTES];
	char ip[ADDRESS_IP_BYTES];
	uint16_t port;

	address_print(text, longest, 65535);
	CHECK_STR(text, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
	CHECK(address_parse(ip, &port, bytes_str(text), NULL) == 0);
	CHECK_STR(ip, longest);
}

static void
what_is_no_address_is_refused_with_its_reason(void)
{
	static const char *const malformed[] = { "", ":", ":80", "[]:80",
		"nowhere", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536",
		"127.0.0.1:-1", "127.0.0.1: 1", "127.0.0.1:1 ", "[::1]" };
	static const char *const strange[] = { "localhost:80", "1.2.3:80",
		"[::1:80", "::g:80", "127.0.0.1 :80" };
	char ip[ADDRESS_IP_BYTES];
	struct error err;
	uint16_t port;

	for (size_t i = 0; i < nitems(malformed); i++) {
		CHECK(address_parse(ip, &port, bytes_str(malformed[i]), &err) ==
		    -ERRC_CONFIG);
		CHECK_STR(err.text, "not of the form IP:PORT");
	}
	for (size_t i = 0; i < nitems(strange); i++) {
		CHECK(address_parse(ip, &port, bytes_str(strange[i]), &err) ==
		    -ERRC_CONFIG);
		CHECK_STR(err.text, "not an IP address");
	}
}

static void
the_kernel_gets_its_form(void)
{
	union address_socket to;

	CHECK(address_to_socket(&to, "127.0.0.1", 80) == sizeof(to.v4));
	CHECK(to.any.sa_family == AF_INET && to.v4.sin_port == htons(80));
	CHECK(to.v4.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	CHECK(address_to_socket(&to, "::1", 80) == sizeof(to.v6));
	CHECK(to.any.sa_family == AF_INET6 && to.v6.sin6_port == htons(80));
	CHECK(IN6_IS_ADDR_LOOPBACK(&to.v6.sin6_addr));
	CHECK(address_to_socket(&to, "localhost", 80) == 0);
}

int
main(void)
{
	RUN(an_address_has_one_spelling);
	RUN(loopback_is_this_machine_alone);
	RUN(an_address_and_a_port_are_read_and_printed);
	RUN(the_longest_address_fits);
	RUN(what_is_no_address_is_refused_with_its_reason);
	RUN(the_kernel_gets_its_form);
	return tap_done();
}
