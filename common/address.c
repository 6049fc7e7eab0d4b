/* SPDX-License-Identifier: Apache-2.0 */

#include "common/address.h"

#include <arpa/inet.h>
#include <stdio.h>

static bool is_letter_or_digit(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
           (byte >= 'A' && byte <= 'Z');
}

static bool holds_only(struct bytes text, const char *others)
{
    for (size_t i = 0; i < text.length; i++) {
        uint8_t byte = text.data[i];

        if (!is_letter_or_digit(byte) && (!byte || !strchr(others, byte)))
            return false;
    }
    return true;
}

static struct bytes bytes_first(struct bytes text, size_t count)
{
    return bytes_of(text.data, count);
}

static size_t index_of(struct bytes text, uint8_t byte)
{
    const uint8_t *found =
        text.length ? memchr(text.data, byte, text.length) : NULL;

    return found ? (size_t)(found - text.data) : text.length;
}

/* Cut `text` into host and the rest, which is empty or begins with ':'. */
static int cut_host(struct bytes text, struct bytes *host, struct bytes *rest)
{
    if (text.length > 0 && text.data[0] == '[') {
        size_t end = index_of(text, ']');

        if (end == text.length)
            return ADDRESS_WRONG_HOST;
        *host = bytes_of(text.data + 1, end - 1);
        *rest = bytes_skip(text, end + 1);
        if (index_of(*host, ':') == host->length || !holds_only(*host, ":.%-_"))
            return ADDRESS_WRONG_HOST;
    } else {
        size_t end = index_of(text, ':');

        *host = bytes_first(text, end);
        *rest = bytes_skip(text, end);
        if (!holds_only(*host, ".-_"))
            return ADDRESS_WRONG_HOST;
    }
    if (host->length == 0 || host->length > ADDRESS_HOST_MOST)
        return ADDRESS_WRONG_HOST;
    if (rest->length > 0 && rest->data[0] != ':')
        return ADDRESS_WRONG_HOST;
    return 0;
}

int address_parse(struct bytes text, uint16_t default_port,
                  struct address *address)
{
    struct bytes host;
    struct bytes rest;
    uint64_t port = default_port;
    int result = cut_host(text, &host, &rest);

    if (result)
        return result;
    if (rest.length == 0 && default_port == 0)
        return ADDRESS_NO_PORT;
    if (rest.length > 0) {
        struct bytes digits = bytes_skip(rest, 1);

        /* "a:1:2" is an IPv6 address whose brackets were forgotten. */
        if (index_of(digits, ':') < digits.length)
            return ADDRESS_WRONG_HOST;
        if (!bytes_parse_u64(digits, &port) || port == 0 || port > UINT16_MAX)
            return ADDRESS_WRONG_PORT;
    }
    *address = (struct address){ .port = (uint16_t)port };
    memcpy(address->host, host.data, host.length);
    return 0;
}

const char *address_complaint(int condition)
{
    switch (condition) {
    case ADDRESS_NO_PORT:
        return "has no port; write host:port";
    case ADDRESS_WRONG_PORT:
        return "has a port that is not a number from 1 to 65535";
    case ADDRESS_WRONG_HOST:
        return "has no legal host; write name:port, 192.0.2.1:port or "
               "[2001:db8::1]:port";
    default:
        return "is not a numeric address";
    }
}

void address_format(const struct address *address, char *text, size_t length)
{
    bool is_v6 = strchr(address->host, ':') != NULL;

    (void)snprintf(text, length, "%s%s%s:%u", is_v6 ? "[" : "", address->host,
                   is_v6 ? "]" : "", (unsigned)address->port);
}

int address_numeric(const struct address *address,
                    struct socket_address *socket_address)
{
    struct socket_address made = { 0 };

    if (inet_pton(AF_INET, address->host, &made.v4.sin_addr) == 1) {
        made.v4.sin_family = AF_INET;
        made.v4.sin_port = htons(address->port);
        made.length = sizeof(made.v4);
        *socket_address = made;
        return 0;
    }
    if (inet_pton(AF_INET6, address->host, &made.v6.sin6_addr) == 1) {
        made.v6.sin6_family = AF_INET6;
        made.v6.sin6_port = htons(address->port);
        made.length = sizeof(made.v6);
        *socket_address = made;
        return 0;
    }
    return ADDRESS_IS_NAME;
}

void socket_address_format(const struct socket_address *socket_address,
                           char *text, size_t length)
{
    struct address address = { .host = "?" };

    if (socket_address->any.sa_family == AF_INET) {
        (void)inet_ntop(AF_INET, &socket_address->v4.sin_addr, address.host,
                        sizeof(address.host));
        address.port = ntohs(socket_address->v4.sin_port);
    } else if (socket_address->any.sa_family == AF_INET6) {
        (void)inet_ntop(AF_INET6, &socket_address->v6.sin6_addr, address.host,
                        sizeof(address.host));
        address.port = ntohs(socket_address->v6.sin6_port);
    }
    address_format(&address, text, length);
}
