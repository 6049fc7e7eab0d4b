/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * credentials - where the AWS keys come from.
 *
 * Providers are asked in this order, and the first that has keys wins:
 *
 *     environment    AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and perhaps
 *                    AWS_SESSION_TOKEN; passed over when the operator names a
 *                    profile, as in the AWS CLI
 *     web identity   not supported yet, and said so when it is asked for
 *     profile        static keys of AWS's two files (egress/aws_profile.h)
 *     container      not supported yet, and said so when it is asked for
 *
 * Refresh   credentials_load() may be called again at any time. It replaces
 *           key, secret and token together, or leaves all three as they are.
 * Secrets   are in `keys` and nowhere else; they are never part of a complaint
 *           or of the source, and wiped by credentials_deinit().
 */

#include "egress/aws_profile.h"

struct credentials {
    struct aws_keys keys;
    char source[PATH_MAX + AWS_PROFILE_NAME_CAPACITY + 16]; /* for the log */
    char complaint[2 * PATH_MAX + 512]; /* of the last load that failed */
};

enum credentials_condition {
    CREDENTIALS_NONE = 1,    /* nobody has any; complaint: what was asked */
    CREDENTIALS_UNUSABLE,    /* there are some, but broken; see complaint */
    CREDENTIALS_UNSUPPORTED, /* a provider is asked for that is not there yet */
};

/*
 * Load into *credentials, which is zeroed before the first time. `profile` is
 * the name the operator asked for, or NULL.
 *
 * Returns 0, a CREDENTIALS_* condition, or -ENOMEM.
 */
int credentials_load(environment_lookup *environment, const char *profile,
                     struct credentials *credentials);

/* "environment", "profile orders of /root/.aws/credentials". */
const char *credentials_source(const struct credentials *credentials);

/* Wipe everything. Legal on a zeroed struct. */
void credentials_deinit(struct credentials *credentials);
