/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/program_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A runner that fails is not a result of the test: stop it here. */
static void require(int is_fine, const char *what)
{
    if (is_fine)
        return;
    perror(what);
    abort();
}

static char *read_all(int descriptor)
{
    struct stat file;
    char *text;

    require(fstat(descriptor, &file) == 0, "program_run: fstat");
    text = calloc(1, (size_t)file.st_size + 1);
    require(text != NULL, "program_run: calloc");
    require(pread(descriptor, text, (size_t)file.st_size, 0) == file.st_size,
            "program_run: pread");
    (void)close(descriptor);
    return text;
}

void program_run_wait(const char *path, char *const *arguments,
                      struct program_run *run)
{
    int output = memfd_create("output", MFD_CLOEXEC);
    int sentence = memfd_create("sentence", MFD_CLOEXEC);
    int status;
    pid_t child;

    require(output >= 0 && sentence >= 0, "program_run: memfd_create");
    child = fork();
    require(child >= 0, "program_run: fork");
    if (child == 0) {
        if (dup2(output, STDOUT_FILENO) >= 0 &&
            dup2(sentence, STDERR_FILENO) >= 0)
            (void)execv(path, arguments);
        _exit(127);
    }
    require(waitpid(child, &status, 0) == child, "program_run: waitpid");
    run->status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    run->output = read_all(output);
    run->sentence = read_all(sentence);
    require(run->status != 127, path);
}

void program_run_deinit(struct program_run *run)
{
    free(run->output);
    free(run->sentence);
    *run = (struct program_run){ 0 };
}
