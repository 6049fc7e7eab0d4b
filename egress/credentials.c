/* SPDX-License-Identifier: Apache-2.0 */

#include "egress/credentials.h"

#include <stdarg.h>
#include <stdio.h>

struct search {
    environment_lookup *environment;
    const char *profile_asked; /* by the operator; NULL */
    struct credentials *found; /* a fresh one, copied out on success */
};

/* Returns 0, CREDENTIALS_NONE to ask the next one, or what ends the search. */
typedef int credentials_provider(const struct search *search);

__attribute__((format(printf, 3, 4))) static int
complain(const struct search *search, int condition, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(search->found->complaint, sizeof(search->found->complaint),
                    format, arguments);
    va_end(arguments);
    return condition;
}

/* Keys go into header lines: nothing that could end one may be in them. */
static bool is_graphic(const char *text)
{
    for (; *text; text++)
        if (*text <= ' ' || *text > '~')
            return false;
    return true;
}

static int check_keys(const struct search *search)
{
    const struct aws_keys *keys = &search->found->keys;

    if (keys->secret_access_key[0] == '\0')
        return complain(search, CREDENTIALS_UNUSABLE,
                        "the AWS credentials of the %s have an access key id, "
                        "but no secret access key",
                        search->found->source);
    if (!is_graphic(keys->access_key_id) ||
        !is_graphic(keys->secret_access_key) ||
        !is_graphic(keys->session_token))
        return complain(search, CREDENTIALS_UNUSABLE,
                        "the AWS credentials of the %s contain a character "
                        "that no key has",
                        search->found->source);
    return 0;
}

/* Copy a variable, which may be unset. False if it is too long. */
static bool copy_variable(const struct search *search, const char *name,
                          char *to, size_t capacity)
{
    const char *text = environment_text(search->environment, name);
    size_t length = text ? strlen(text) : 0;

    if (length >= capacity)
        return false;
    if (length > 0)
        memcpy(to, text, length);
    to[length] = '\0';
    return true;
}

static int from_environment(const struct search *search)
{
    struct aws_keys *keys = &search->found->keys;

    if (search->profile_asked ||
        !environment_text(search->environment, "AWS_ACCESS_KEY_ID"))
        return CREDENTIALS_NONE;
    (void)snprintf(search->found->source, sizeof(search->found->source),
                   "environment");
    if (!copy_variable(search, "AWS_ACCESS_KEY_ID", keys->access_key_id,
                       sizeof(keys->access_key_id)) ||
        !copy_variable(search, "AWS_SECRET_ACCESS_KEY", keys->secret_access_key,
                       sizeof(keys->secret_access_key)) ||
        !copy_variable(search, "AWS_SESSION_TOKEN", keys->session_token,
                       sizeof(keys->session_token)))
        return complain(search, CREDENTIALS_UNUSABLE,
                        "the AWS credentials of the environment are too long");
    return check_keys(search);
}

static int refuse_variable(const struct search *search, const char *name,
                           const char *meaning)
{
    if (search->profile_asked || !environment_text(search->environment, name))
        return CREDENTIALS_NONE;
    return complain(search, CREDENTIALS_UNSUPPORTED,
                    "%s is set, but credentials of a %s are not supported yet",
                    name, meaning);
}

static int from_web_identity(const struct search *search)
{
    return refuse_variable(search, "AWS_WEB_IDENTITY_TOKEN_FILE",
                           "web identity");
}

/*
 * Roles, web identities and single sign-on win over static keys of the same
 * profile, as in AWS's SDKs: those keys may be somebody else's.
 */
static const char *unsupported_wish(const struct aws_profile *profile)
{
    const struct aws_profile_wishes *wishes = &profile->wishes;

    if (wishes->web_identity)
        return "web_identity_token_file";
    if (wishes->role_arn)
        return "role_arn";
    if (wishes->sso)
        return "single sign-on";
    if (wishes->credential_process && !profile->keys_path)
        return "credential_process";
    return NULL;
}

static int complain_of_missing(const struct search *search,
                               const struct aws_profile *profile)
{
    const char *variable =
        search->profile_asked ? "" : "AWS_ACCESS_KEY_ID is not set, and ";

    if (profile->credentials_path[0] == '\0' && profile->config_path[0] == '\0')
        return complain(search, CREDENTIALS_NONE,
                        "no AWS credentials: %sthere is no HOME to look for "
                        ".aws/credentials in",
                        variable);
    return complain(search, CREDENTIALS_NONE,
                    "no AWS credentials: %sneither %s nor %s has %s%s",
                    variable, profile->credentials_path, profile->config_path,
                    profile->exists ? "keys for the profile " : "the profile ",
                    profile->name);
}

static int take_profile(const struct search *search,
                        const struct aws_profile *profile)
{
    const char *wish = unsupported_wish(profile);

    if (wish)
        return complain(search, CREDENTIALS_UNSUPPORTED,
                        "the AWS profile %s uses %s, which is not supported "
                        "yet",
                        profile->name, wish);
    if (!profile->keys_path)
        return complain_of_missing(search, profile);
    search->found->keys = profile->keys;
    (void)snprintf(search->found->source, sizeof(search->found->source),
                   "profile %s of %s", profile->name, profile->keys_path);
    return check_keys(search);
}

static int from_profile(const struct search *search)
{
    struct aws_profile profile;
    int result =
        aws_profile_load(search->environment, search->profile_asked, &profile);

    if (result == AWS_PROFILE_UNUSABLE)
        result =
            complain(search, CREDENTIALS_UNUSABLE, "%s", profile.complaint);
    else if (result == 0)
        result = take_profile(search, &profile);
    aws_profile_deinit(&profile);
    return result;
}

static int from_container(const struct search *search)
{
    int result = refuse_variable(
        search, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "container");

    if (result == CREDENTIALS_NONE)
        result = refuse_variable(search, "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                                 "container");
    return result;
}

static credentials_provider *const providers[] = {
    from_environment,
    from_web_identity,
    from_profile,
    from_container,
};

int credentials_load(environment_lookup *environment, const char *profile,
                     struct credentials *credentials)
{
    struct credentials found = { 0 };
    const struct search search = { .environment = environment,
                                   .profile_asked = profile,
                                   .found = &found };
    int result = CREDENTIALS_NONE;

    for (size_t i = 0;
         result == CREDENTIALS_NONE && i < ARRAY_LENGTH(providers); i++)
        result = providers[i](&search);
    if (result == 0)
        *credentials = found;
    else
        memcpy(credentials->complaint, found.complaint,
               sizeof(credentials->complaint));
    explicit_bzero(&found, sizeof(found));
    return result;
}

const char *credentials_source(const struct credentials *credentials)
{
    return credentials->source;
}

void credentials_deinit(struct credentials *credentials)
{
    explicit_bzero(credentials, sizeof(*credentials));
}
