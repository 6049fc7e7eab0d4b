/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * aws_profile - the settings of one profile in AWS's two files.
 *
 *     AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials    [NAME]
 *     AWS_CONFIG_FILE             or ~/.aws/config         [profile NAME]
 *
 * Which profile: the one asked for, else AWS_PROFILE, else "default". A file
 * that is not there is no error. What stands in both files is taken from the
 * credentials file. (AWS SDKs and Tools Reference Guide, "Shared config and
 * credentials files".)
 */

#include <limits.h>
#include <stdbool.h>

#include "egress/environment.h"
#include "egress/ini_file.h"

/* "AccessKeyId: Maximum length of 128" (IAM API reference). */
#define AWS_KEY_CAPACITY 129 /* with the NUL */

/* AWS names no longest session token; what it hands out is below 4 KiB. */
#define AWS_TOKEN_CAPACITY 16384

#define AWS_PROFILE_NAME_CAPACITY 129
#define AWS_REGION_CAPACITY       64

/* Keys and token: one unit, read, used and swapped together. */
struct aws_keys {
    char access_key_id[AWS_KEY_CAPACITY];
    char secret_access_key[AWS_KEY_CAPACITY];
    char session_token[AWS_TOKEN_CAPACITY]; /* "" if they are for good */
};

/* Ways to get keys that a profile asks for and this program does not know. */
struct aws_profile_wishes {
    bool role_arn;
    bool credential_process;
    bool sso;
    bool web_identity;
};

struct aws_profile {
    char name[AWS_PROFILE_NAME_CAPACITY];
    char credentials_path[PATH_MAX]; /* "" if there is no home to look in */
    char config_path[PATH_MAX];
    bool exists;           /* one of the files has it */
    const char *keys_path; /* where access_key_id comes from, or NULL */
    struct aws_keys keys;  /* "" where the profile has none */
    char region[AWS_REGION_CAPACITY];
    struct aws_profile_wishes wishes;
    char complaint[PATH_MAX + 256]; /* what is wrong, for the operator */
};

enum aws_profile_condition {
    AWS_PROFILE_UNUSABLE = 1, /* see complaint */
};

/* The two files as the parser sees them. */
enum aws_profile_file {
    AWS_PROFILE_CREDENTIALS,
    AWS_PROFILE_CONFIG,
};

/*
 * Find out name and paths, read both files. `name` is what the operator asked
 * for, or NULL.
 *
 * Returns 0, AWS_PROFILE_UNUSABLE or -ENOMEM.
 */
int aws_profile_load(environment_lookup *environment, const char *name,
                     struct aws_profile *profile);

/*
 * The pure part of it: take what the text of one file says about
 * profile->name. Files are taken in the order of enum aws_profile_file; the
 * first that has a setting wins.
 *
 * Returns 0 or AWS_PROFILE_UNUSABLE.
 */
int aws_profile_take(struct aws_profile *profile, enum aws_profile_file file,
                     struct bytes text);

/* Wipe the keys. */
void aws_profile_deinit(struct aws_profile *profile);
