/* SPDX-License-Identifier: Apache-2.0 */

#include "egress/endpoint.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#define HTTPS_PORT 443
#define HTTP_PORT  80

__attribute__((format(printf, 2, 3))) static int
complain(struct endpoint *endpoint, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(endpoint->complaint, sizeof(endpoint->complaint), format,
                    arguments);
    va_end(arguments);
    return ENDPOINT_WRONG;
}

/* A region becomes a part of a host name and of the signature's scope. */
static bool is_region(const char *text)
{
    size_t length = strlen(text);

    if (length == 0 || length >= ENDPOINT_REGION_CAPACITY || text[0] == '-' ||
        text[length - 1] == '-')
        return false;
    for (size_t i = 0; i < length; i++)
        if (!(text[i] >= 'a' && text[i] <= 'z') &&
            !(text[i] >= '0' && text[i] <= '9') && text[i] != '-')
            return false;
    return true;
}

/* Where a setting was found, so that a complaint can name it. */
struct setting {
    const char *text; /* NULL: nowhere */
    const char *from;
};

static struct setting setting_of(environment_lookup *environment,
                                 const char *option, const char *option_name,
                                 const char *const variables[2])
{
    if (option && option[0])
        return (struct setting){ option, option_name };
    for (size_t i = 0; i < 2; i++) {
        const char *text = environment_text(environment, variables[i]);

        if (text)
            return (struct setting){ text, variables[i] };
    }
    return (struct setting){ NULL, NULL };
}

static int resolve_region(const struct endpoint_settings *settings,
                          struct endpoint *endpoint)
{
    static const char *const variables[] = { "AWS_REGION",
                                             "AWS_DEFAULT_REGION" };
    struct setting region = setting_of(settings->environment, settings->region,
                                       "--region", variables);

    if (!region.text && settings->profile_region && settings->profile_region[0])
        region = (struct setting){ settings->profile_region, "the profile" };
    if (!region.text)
        return complain(endpoint,
                        "no AWS region: give --region, set AWS_REGION or put "
                        "a region into the AWS profile");
    if (!is_region(region.text))
        return complain(endpoint,
                        "the AWS region of %s is no region name: \"%.64s\"",
                        region.from, region.text);
    memcpy(endpoint->region, region.text, strlen(region.text) + 1);
    return 0;
}

/*
 * The DNS suffix by partition (botocore's partitions.json). The isolated
 * partitions have private ones, so their endpoint has to be given.
 */
static const char *region_suffix(const char *region)
{
    if (strncmp(region, "cn-", 3) == 0)
        return "amazonaws.com.cn";
    if (strncmp(region, "eusc-", 5) == 0)
        return "amazonaws.eu";
    if (strstr(region, "-iso"))
        return NULL;
    return "amazonaws.com";
}

static int use_standard_host(struct endpoint *endpoint)
{
    const char *suffix = region_suffix(endpoint->region);

    if (!suffix)
        return complain(endpoint,
                        "the endpoint of region %s is not known: give "
                        "--endpoint-url",
                        endpoint->region);
    (void)snprintf(endpoint->host, sizeof(endpoint->host), "kinesis.%s.%s",
                   endpoint->region, suffix);
    (void)snprintf(endpoint->url, sizeof(endpoint->url), "https://%s/",
                   endpoint->host);
    endpoint->is_tls = true;
    endpoint->is_loopback = false;
    return 0;
}

/* The whole of 127.0.0.0/8 (RFC 1122), ::1, and the name libcurl never asks
 * anybody about. */
static bool is_loopback(const struct address *address)
{
    struct socket_address numeric;

    if (strcasecmp(address->host, "localhost") == 0)
        return true;
    if (address_numeric(address, &numeric) != 0)
        return false;
    if (numeric.any.sa_family == AF_INET)
        return ntohl(numeric.v4.sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&numeric.v6.sin6_addr);
}

/* The Host header names the port only if it is not the scheme's own. */
static void write_host(struct endpoint *endpoint, const struct address *address)
{
    uint16_t own_port = endpoint->is_tls ? HTTPS_PORT : HTTP_PORT;

    address_format(address, endpoint->host, sizeof(endpoint->host));
    if (address->port == own_port)
        *strrchr(endpoint->host, ':') = '\0';
    (void)snprintf(endpoint->url, sizeof(endpoint->url), "%s://%s/",
                   endpoint->is_tls ? "https" : "http", endpoint->host);
}

/* What follows "https://" or "http://", or NULL if there is neither. */
static const char *skip_scheme(const char *url, bool *is_tls)
{
    *is_tls = strncasecmp(url, "https://", 8) == 0;
    if (*is_tls)
        return url + 8;
    return strncasecmp(url, "http://", 7) == 0 ? url + 7 : NULL;
}

static int use_url(struct endpoint *endpoint, struct setting url)
{
    const char *rest = skip_scheme(url.text, &endpoint->is_tls);
    struct address address;
    int condition;

    if (!rest)
        return complain(endpoint,
                        "%s \"%.128s\" does not begin with https:// (or, for "
                        "a loopback address, http://)",
                        url.from, url.text);
    if (rest[strcspn(rest, "/?#@%")] != '\0' &&
        strcmp(rest + strcspn(rest, "/?#@%"), "/") != 0)
        return complain(endpoint,
                        "%s \"%.128s\" has more than a host and a port",
                        url.from, url.text);
    condition =
        address_parse(bytes_of(rest, strcspn(rest, "/")),
                      endpoint->is_tls ? HTTPS_PORT : HTTP_PORT, &address);
    if (condition != 0)
        return complain(endpoint, "%s \"%.128s\" %s", url.from, url.text,
                        address_complaint(condition));
    endpoint->is_loopback = is_loopback(&address);
    if (!endpoint->is_tls && !endpoint->is_loopback)
        return complain(endpoint,
                        "%s \"%.128s\" is http://, which is for loopback "
                        "addresses only: nothing would protect the messages",
                        url.from, url.text);
    write_host(endpoint, &address);
    return 0;
}

int endpoint_resolve(const struct endpoint_settings *settings,
                     struct endpoint *endpoint)
{
    static const char *const variables[] = { "AWS_ENDPOINT_URL_KINESIS",
                                             "AWS_ENDPOINT_URL" };
    struct setting url =
        setting_of(settings->environment, settings->endpoint_url,
                   "--endpoint-url", variables);

    endpoint->complaint[0] = '\0';
    if (resolve_region(settings, endpoint) != 0)
        return ENDPOINT_WRONG;
    return url.text ? use_url(endpoint, url) : use_standard_host(endpoint);
}

const char *endpoint_ca_file(environment_lookup *environment,
                             const char *ca_file)
{
    if (ca_file && ca_file[0])
        return ca_file;
    return environment_text(environment, "AWS_CA_BUNDLE");
}
