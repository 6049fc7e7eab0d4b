/* SPDX-License-Identifier: Apache-2.0 */

#include "common/bus_error.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/log.h"
#include "common/process_exit.h"

#define STACK_SIZE (64 * 1024)
#define PATH_SIZE  512

static uint8_t stack[STACK_SIZE];

/* A line of /proc/self/maps: "from-to rights offset device inode path". */
struct mapping {
    uintptr_t from;
    uintptr_t to;
    char path[PATH_SIZE];
    size_t length; /* of the path */
    int field;     /* 0: from; 1: to; 2: until the path; 3: the path */
};

static unsigned digit_value(char letter)
{
    return (unsigned)(letter <= '9' ? letter - '0' : letter - 'a' + 10);
}

/* Takes one letter; true at the end of a line. */
static bool take(struct mapping *mapping, char letter)
{
    if (letter == '\n') {
        mapping->path[mapping->length] = '\0';
        return true;
    }
    if (letter == '/' && mapping->field == 2)
        mapping->field = 3;
    if (mapping->field == 3 && mapping->length < PATH_SIZE - 1)
        mapping->path[mapping->length++] = letter;
    else if (mapping->field < 2 && (letter == '-' || letter == ' '))
        mapping->field++;
    else if (mapping->field == 0)
        mapping->from = mapping->from << 4 | digit_value(letter);
    else if (mapping->field == 1)
        mapping->to = mapping->to << 4 | digit_value(letter);
    return false;
}

/* What is mapped at `address`: an empty path if that is no file. */
static void find_mapping(uintptr_t address, struct mapping *found)
{
    int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    struct mapping mapping = { .field = 0 };
    char letters[1024];
    ssize_t count;

    *found = mapping;
    while (maps >= 0 && (count = read(maps, letters, sizeof(letters))) > 0) {
        for (ssize_t i = 0; i < count; i++) {
            if (!take(&mapping, letters[i]))
                continue;
            if (address >= mapping.from && address < mapping.to)
                *found = mapping;
            mapping = (struct mapping){ .field = 0 };
        }
    }
    if (maps >= 0)
        (void)close(maps);
}

/* Nothing here may allocate or wait for a lock: signal-safety(7). */
static void on_bus_error(int number, siginfo_t *what, void *context)
{
    char text[PATH_SIZE + 200];
    struct bytes_writer writer = bytes_writer_on(text, sizeof(text) - 1);
    struct mapping mapping;

    (void)number;
    (void)context;
    find_mapping((uintptr_t)what->si_addr, &mapping);
    bytes_put_text(&writer, "segment=");
    bytes_put_text(&writer, mapping.length > 0 ? mapping.path : "unknown");
    bytes_put_text(&writer,
                   " why=\"its memory is gone: somebody made the file shorter, "
                   "or the file system has no room for it\"");
    text[writer.length] = '\0';
    log_text(LOG_FATAL, "segment_gone", text);
    _exit(PROCESS_EXIT_SEGMENT_GONE);
}

void bus_error_watch(void)
{
    const stack_t own = { .ss_sp = stack, .ss_size = sizeof(stack) };
    struct sigaction action = {
        .sa_sigaction = on_bus_error,
        .sa_flags = SA_SIGINFO | SA_ONSTACK | (int)SA_RESETHAND,
    };

    (void)sigaltstack(&own, NULL);
    (void)sigaction(SIGBUS, &action, NULL);
}
