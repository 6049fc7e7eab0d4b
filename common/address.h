/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * address - "host:port" as people write it, and numeric addresses. Pure.
 *
 * A host is a name (letters, digits, '.', '-', '_'; at most 253 characters,
 * RFC 1035), an IPv4 address, or an IPv6 address in brackets, as in RFC 3986:
 * "[::1]:4150". An IPv6 address without brackets is refused, because its last
 * group cannot be told from a port. A zone ("[fe80::1%eth0]:4150") is kept in
 * the host and left to the resolver.
 */

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/bytes.h"

#define ADDRESS_HOST_MOST 253                     /* characters */
#define ADDRESS_TEXT_MOST (ADDRESS_HOST_MOST + 9) /* "[]:65535" and the NUL */

struct address {
    char host[ADDRESS_HOST_MOST + 1]; /* without brackets, NUL at its end */
    uint16_t port;                    /* host byte order, never 0 */
};

/* Where a socket connects to: one result of the resolver. */
struct socket_address {
    socklen_t length;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    };
};

enum address_condition {
    ADDRESS_NO_PORT = 1, /* no ":port" at the end, and no default */
    ADDRESS_WRONG_PORT,  /* not a number from 1 to 65535 */
    ADDRESS_WRONG_HOST,  /* empty, too long, or characters no host has */
    ADDRESS_IS_NAME,     /* address_numeric() only: this must be looked up */
};

/*
 * Parse the whole of `text`. `default_port` is taken when `text` has none; 0
 * means that the port is required. *address is untouched on failure.
 *
 * Returns 0, ADDRESS_NO_PORT, ADDRESS_WRONG_PORT or ADDRESS_WRONG_HOST.
 */
int address_parse(struct bytes text, uint16_t default_port,
                  struct address *address);

/* What a condition of address_parse() means, as the end of a sentence. */
const char *address_complaint(int condition);

/* Format as address_parse() reads it; ADDRESS_TEXT_MOST always suffices. */
void address_format(const struct address *address, char *text, size_t length);

/*
 * Turn a numeric host into the bytes that a socket takes, without asking
 * anybody. Returns 0 or ADDRESS_IS_NAME.
 */
int address_numeric(const struct address *address,
                    struct socket_address *socket_address);

/* "127.0.0.1:4150" or "[::1]:4150"; ADDRESS_TEXT_MOST always suffices. */
void socket_address_format(const struct socket_address *socket_address,
                           char *text, size_t length);
