/* SPDX-License-Identifier: Apache-2.0 */

#include "egress/aws_profile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/error.h"

/* A file of profiles is some kilobytes; a longer one is something else. */
#define FILE_MOST ((size_t)1024 * 1024)

__attribute__((format(printf, 2, 3))) static int
complain(struct aws_profile *profile, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(profile->complaint, sizeof(profile->complaint), format,
                    arguments);
    va_end(arguments);
    return AWS_PROFILE_UNUSABLE;
}

static const char *path_of(const struct aws_profile *profile,
                           enum aws_profile_file file)
{
    return file == AWS_PROFILE_CREDENTIALS ? profile->credentials_path
                                           : profile->config_path;
}

/*
 * In the config file a section is "profile NAME", and "default" may stand
 * alone; in the credentials file it is the name itself.
 */
static bool is_section(const struct aws_profile *profile,
                       enum aws_profile_file file, struct bytes section)
{
    if (file == AWS_PROFILE_CREDENTIALS || bytes_equal_text(section, "default"))
        return bytes_equal_text(section, profile->name);
    if (!bytes_start_with(section, "profile "))
        return false;
    section = bytes_skip(section, strlen("profile "));
    while (section.length > 0 && section.data[0] == ' ')
        section = bytes_skip(section, 1);
    return bytes_equal_text(section, profile->name);
}

struct place {
    const char *key;
    char *text; /* in the profile */
    size_t capacity;
};

/* True if it fits; a value that is there already stays. */
static bool place_value(const struct place *place, struct bytes value)
{
    if (place->text[0] != '\0')
        return true;
    if (value.length >= place->capacity)
        return false;
    if (value.length > 0)
        memcpy(place->text, value.data, value.length);
    place->text[value.length] = '\0';
    return true;
}

static void note_wish(struct aws_profile_wishes *wishes,
                      const struct ini_entry *entry)
{
    if (ini_key_is(entry, "role_arn"))
        wishes->role_arn = true;
    if (ini_key_is(entry, "credential_process"))
        wishes->credential_process = true;
    if (ini_key_is(entry, "sso_session") || ini_key_is(entry, "sso_start_url"))
        wishes->sso = true;
    if (ini_key_is(entry, "web_identity_token_file"))
        wishes->web_identity = true;
}

static int take_entry(struct aws_profile *profile, enum aws_profile_file file,
                      const struct ini_entry *entry, unsigned line)
{
    struct aws_keys *keys = &profile->keys;
    const struct place places[] = {
        { "aws_access_key_id", keys->access_key_id, AWS_KEY_CAPACITY },
        { "aws_secret_access_key", keys->secret_access_key, AWS_KEY_CAPACITY },
        { "aws_session_token", keys->session_token, AWS_TOKEN_CAPACITY },
        { "region", profile->region, AWS_REGION_CAPACITY },
    };

    /*
     * Keys come from one file. Half a pair here and half there would be the
     * secret of one key with the name of another.
     */
    size_t first = profile->keys_path ? ARRAY_LENGTH(places) - 1 : 0;

    note_wish(&profile->wishes, entry);
    for (size_t i = first; i < ARRAY_LENGTH(places); i++)
        if (ini_key_is(entry, places[i].key) &&
            !place_value(&places[i], entry->value))
            return complain(profile, "%s line %u: %s is too long",
                            path_of(profile, file), line, places[i].key);
    return 0;
}

int aws_profile_take(struct aws_profile *profile, enum aws_profile_file file,
                     struct bytes text)
{
    struct ini_reader reader = ini_reader_on(text);
    struct ini_entry entry;
    int result;

    while ((result = ini_next(&reader, &entry)) == 0) {
        if (!is_section(profile, file, entry.section))
            continue;
        profile->exists = true;
        result = take_entry(profile, file, &entry, reader.line);
        if (result != 0)
            return result;
    }
    if (result == INI_WRONG)
        return complain(profile,
                        "%s line %u is neither [section] nor key = value",
                        path_of(profile, file), reader.line);
    if (!profile->keys_path && profile->keys.access_key_id[0])
        profile->keys_path = path_of(profile, file);
    if (!profile->keys_path)
        explicit_bzero(&profile->keys, sizeof(profile->keys));
    return 0;
}

/* Read up to FILE_MOST bytes; *text is NULL if there is no file. */
static int read_file(const char *path, char **text, size_t *length)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    size_t count = 0;
    char *memory;

    if (descriptor < 0)
        return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
    memory = malloc(FILE_MOST + 1);
    while (memory && count <= FILE_MOST) {
        ssize_t got = read(descriptor, memory + count, FILE_MOST + 1 - count);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            int result = -errno;

            explicit_bzero(memory, count);
            free(memory);
            close(descriptor);
            return result;
        }
        if (got == 0)
            break;
        count += (size_t)got;
    }
    close(descriptor);
    *text = memory;
    *length = count;
    return memory ? 0 : -ENOMEM;
}

static int load_file(struct aws_profile *profile, enum aws_profile_file file)
{
    const char *path = path_of(profile, file);
    char *text = NULL;
    size_t length = 0;
    int result;

    if (path[0] == '\0')
        return 0;
    result = read_file(path, &text, &length);
    if (result == -ENOMEM)
        return error_origin(result, "cannot read %s", path);
    if (result < 0)
        return complain(profile, "cannot read %s: %s", path, strerror(-result));
    if (!text)
        return 0;
    result = length > FILE_MOST
                 ? complain(profile, "%s is longer than 1 MiB", path)
                 : aws_profile_take(profile, file, bytes_of(text, length));
    explicit_bzero(text, length);
    free(text);
    return result;
}

/* `named`, with "~/" meaning the home; else `standard` in the home, if any. */
static int make_path(struct aws_profile *profile, const char *home,
                     const char *named, const char *standard, char *path)
{
    bool in_home = !named || strncmp(named, "~/", 2) == 0;
    int length;

    if (in_home && !home)
        return 0;
    length = snprintf(path, PATH_MAX, "%s%s%s", in_home ? home : "",
                      in_home ? "/" : "",
                      !named    ? standard
                      : in_home ? named + 2
                                : named);
    if (length >= PATH_MAX)
        return complain(profile, "the path %.64s... is too long", path);
    return 0;
}

int aws_profile_load(environment_lookup *environment, const char *name,
                     struct aws_profile *profile)
{
    const char *home = environment_text(environment, "HOME");
    int result;

    memset(profile, 0, sizeof(*profile));
    if (!name)
        name = environment_text(environment, "AWS_PROFILE");
    if (!name)
        name = "default";
    if (strlen(name) >= sizeof(profile->name))
        return complain(profile, "the profile name %.64s... is too long", name);
    memcpy(profile->name, name, strlen(name) + 1);
    result =
        make_path(profile, home,
                  environment_text(environment, "AWS_SHARED_CREDENTIALS_FILE"),
                  ".aws/credentials", profile->credentials_path);
    if (result == 0)
        result = make_path(profile, home,
                           environment_text(environment, "AWS_CONFIG_FILE"),
                           ".aws/config", profile->config_path);
    if (result == 0)
        result = load_file(profile, AWS_PROFILE_CREDENTIALS);
    if (result == 0)
        result = load_file(profile, AWS_PROFILE_CONFIG);
    return result;
}

void aws_profile_deinit(struct aws_profile *profile)
{
    explicit_bzero(&profile->keys, sizeof(profile->keys));
}
