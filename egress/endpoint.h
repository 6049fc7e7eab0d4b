/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * endpoint - where to send: region, URL and Host of Kinesis. Pure.
 *
 *     region     --region, AWS_REGION, AWS_DEFAULT_REGION, the profile's
 *     endpoint   --endpoint-url, AWS_ENDPOINT_URL_KINESIS, AWS_ENDPOINT_URL,
 *                else https://kinesis.REGION.SUFFIX
 *     CA file    --ca-file, AWS_CA_BUNDLE, else the system's
 *
 * The region is needed with every endpoint, because signatures name it. The
 * regional host is used for everything, with one pool of connections.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/address.h"
#include "egress/environment.h"

/* A label of a host name (RFC 1035), with its NUL. */
#define ENDPOINT_REGION_CAPACITY 64

struct endpoint_settings {
    environment_lookup *environment;
    const char *region;         /* --region; NULL */
    const char *endpoint_url;   /* --endpoint-url; NULL */
    const char *profile_region; /* NULL or "": the profile has none */
};

struct endpoint {
    char region[ENDPOINT_REGION_CAPACITY];
    char url[ADDRESS_TEXT_MOST + 16]; /* scheme://host[:port]/ */
    char host[ADDRESS_TEXT_MOST];     /* as the Host header has it */
    bool is_tls;
    bool is_loopback;    /* no proxy, and http:// is allowed */
    char complaint[768]; /* what is wrong, for the operator */
};

enum endpoint_condition {
    ENDPOINT_WRONG = 1, /* see complaint */
};

/* Returns 0 or ENDPOINT_WRONG. */
int endpoint_resolve(const struct endpoint_settings *settings,
                     struct endpoint *endpoint);

/* The file of trusted certificates; NULL: the system's. `ca_file` is --ca-file
 * or NULL. */
const char *endpoint_ca_file(environment_lookup *environment,
                             const char *ca_file);
