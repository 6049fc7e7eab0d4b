/* SPDX-License-Identifier: Apache-2.0 */

#include "tools/supervisor/children.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/error.h"
#include "common/lifeline.h"
#include "common/log.h"
#include "common/process_exit.h"
#include "common/shared_memory.h"

#define INGEST_PROGRAM "nsq_to_kinesis-ingest"
#define EGRESS_PROGRAM "nsq_to_kinesis-egress"

/* Below it lie the fixed descriptors, wherever they come from above it. */
#define FIRST_FREE_DESCRIPTOR 128

/* What SIGKILL may take before its child is one that nobody can wait for. */
#define KILL_TIME_MS 1000

static_assert(WAKEUP_DESCRIPTOR_INGEST + WAKEUP_DESCRIPTOR_COUNT <
                  FIRST_FREE_DESCRIPTOR,
              "descriptors are moved out of the way first");
static_assert(WAKEUP_DESCRIPTOR_COUNT == 1 + SUPERVISE_WORKERS_MOST,
              "one for ingest and one for each worker");

/* What exec needs, made before the fork: after it little is allowed. */
struct command {
    char program[PATH_MAX + 32];
    char memory[64 * 1024];
    char *arguments[1024];
};

/* glibc has no pidfd_open() before 2.36. */
static int open_pidfd(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

static int find_folder(struct children *children)
{
    ssize_t length = readlink("/proc/self/exe", children->folder,
                              sizeof(children->folder) - 1);
    char *slash;

    if (length < 0)
        return error_origin(-errno, "cannot find where this program is");
    children->folder[length] = '\0';
    slash = strrchr(children->folder, '/');
    if (slash)
        *slash = '\0';
    return 0;
}

static const char *program_of(size_t child)
{
    return child == SUPERVISE_INGEST ? INGEST_PROGRAM : EGRESS_PROGRAM;
}

static int check_program(const struct children *children, const char *program)
{
    char path[PATH_MAX + 32];

    (void)snprintf(path, sizeof(path), "%s/%s", children->folder, program);
    if (access(path, X_OK) < 0)
        return error_origin(-errno, "cannot run %s, which belongs beside %s",
                            path, "nsq_to_kinesis");
    return 0;
}

/* For as many workers as there can be: scaling gives nobody new descriptors. */
static int make_wakeups(struct children *children)
{
    while (children->wakeup_count < WAKEUP_DESCRIPTOR_COUNT) {
        int wakeup = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

        if (wakeup < 0)
            return error_origin(-errno, "cannot make a wake-up");
        children->wakeups[children->wakeup_count++] = wakeup;
    }
    return 0;
}

int children_init(struct children *children, const struct options *options)
{
    int result;

    *children = (struct children){
        .options = options,
        .worker_count = (unsigned)options->egress_workers,
    };
    for (size_t i = 0; i < SUPERVISE_CHILDREN_MOST; i++)
        children->processes[i] = (struct child_process){ .pidfd = -1,
                                                         .lifeline = -1,
                                                         .last_words = -1 };
    result = find_folder(children);
    if (result == 0)
        result = check_program(children, INGEST_PROGRAM);
    if (result == 0)
        result = check_program(children, EGRESS_PROGRAM);
    if (result == 0)
        result = make_wakeups(children);
    if (result < 0)
        children_deinit(children);
    return result;
}

static void forget(struct child_process *process)
{
    if (process->pidfd >= 0)
        (void)close(process->pidfd);
    if (process->lifeline >= 0)
        (void)close(process->lifeline);
    *process =
        (struct child_process){ .pidfd = -1, .lifeline = -1, .last_words = -1 };
}

void children_deinit(struct children *children)
{
    for (size_t i = 0; i < SUPERVISE_CHILDREN_MOST; i++)
        forget(&children->processes[i]);
    for (size_t i = 0; i < children->wakeup_count; i++)
        (void)close(children->wakeups[i]);
    children->wakeup_count = 0;
}

static int make_command(const struct children *children, size_t child,
                        struct command *command)
{
    static struct options options; /* large; only its copy is changed */
    int result;

    options = *children->options;
    options.survey = child == SUPERVISE_SURVEY;
    options.keep_queues = options.survey && children->keeps_queues;
    options.egress_workers = children->worker_count;
    options.worker_index =
        child >= SUPERVISE_FIRST_WORKER ? child - SUPERVISE_FIRST_WORKER : 0;
    (void)snprintf(command->program, sizeof(command->program), "%s/%s",
                   children->folder, program_of(child));
    result = options_to_arguments(&options, command->program, command->memory,
                                  sizeof(command->memory), command->arguments,
                                  ARRAY_LENGTH(command->arguments));
    if (result < 0)
        return error_sentence(result, "the options are too long for a child");
    return 0;
}

/* In the child, which is a copy of us still: the log is ours. */
__attribute__((noreturn)) static void give_up(const char *what, int status)
{
    int result = error_origin(-errno, "%s", what);

    log_error("child_not_begun", "reason=%s", log_quoted(error_take(result)));
    _exit(status);
}

/* Moves a descriptor out of the way of the fixed ones; ends the child if not.*/
static int moved_up(int descriptor)
{
    int moved = fcntl(descriptor, F_DUPFD_CLOEXEC, FIRST_FREE_DESCRIPTOR);

    if (moved < 0)
        give_up("cannot move a descriptor", PROCESS_EXIT_TRY_AGAIN);
    return moved;
}

static int open_nothing(void)
{
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (nothing < 0)
        give_up("cannot open /dev/null", PROCESS_EXIT_TRY_AGAIN);
    return moved_up(nothing);
}

static void put_at(int descriptor, int place)
{
    if (dup2(descriptor, place) < 0)
        give_up("cannot put a descriptor in its place", PROCESS_EXIT_TRY_AGAIN);
}

/*
 * In the child, between fork and exec. First everything moves up, so that no
 * descriptor is overwritten before it is in its place; dup2() then also takes
 * away close-on-exec.
 */
static void arrange_descriptors(const struct children *children, int lifeline)
{
    int wakeups[WAKEUP_DESCRIPTOR_COUNT];
    int nothing = open_nothing();
    int end = WAKEUP_DESCRIPTOR_INGEST + (int)children->wakeup_count;

    lifeline = moved_up(lifeline);
    for (size_t i = 0; i < children->wakeup_count; i++)
        wakeups[i] = moved_up(children->wakeups[i]);
    put_at(nothing, STDIN_FILENO);
    put_at(lifeline, LIFELINE_DESCRIPTOR);
    for (size_t i = 0; i < children->wakeup_count; i++)
        put_at(wakeups[i], WAKEUP_DESCRIPTOR_INGEST + (int)i);
    (void)close_range((unsigned)end, ~0U, 0);
}

/*
 * Ctrl-C in a terminal and a hang-up go to the whole process group, but it is
 * the supervisor that stops the children, in their order.
 */
static void arrange_signals(void)
{
    sigset_t none;

    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Ingest must not know AWS credentials, not even by inheritance. */
static void forget_credentials(void)
{
    for (char **variable = environ; *variable;) {
        char name[256];
        size_t length = strcspn(*variable, "=");

        (void)snprintf(name, sizeof(name), "%.*s", (int)length, *variable);
        if (strncmp(name, "AWS_", 4) == 0 && length < sizeof(name) &&
            unsetenv(name) == 0)
            variable = environ; /* the others have moved */
        else
            variable++;
    }
}

static void become(const struct children *children, size_t child,
                   const struct command *command, int lifeline)
{
    if (child == SUPERVISE_INGEST)
        forget_credentials();
    (void)unsetenv("NOTIFY_SOCKET"); /* systemd hears the supervisor only */
    arrange_signals();
    arrange_descriptors(children, lifeline);
    (void)execv(command->program, command->arguments);
    give_up(command->program, errno == ENOMEM || errno == EAGAIN
                                  ? PROCESS_EXIT_TRY_AGAIN
                                  : PROCESS_EXIT_CONFIGURATION);
}

int children_start(struct children *children, size_t child)
{
    static struct command command; /* large */
    struct child_process *process = &children->processes[child];
    int ends[2];
    int result = make_command(children, child, &command);

    assert(process->pid == 0);
    if (result < 0)
        return result;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
                   ends) < 0)
        return error_origin(-errno, "cannot make a lifeline");
    process->pid = fork();
    if (process->pid == 0)
        become(children, child, &command, ends[1]);
    if (process->pid < 0)
        result = error_origin(-errno, "cannot start %s", program_of(child));
    (void)close(ends[1]);
    process->lifeline = ends[0];
    if (result == 0) {
        process->pidfd = open_pidfd(process->pid);
        if (process->pidfd < 0) {
            result = error_origin(-errno, "cannot watch %s", program_of(child));
            (void)kill(process->pid, SIGKILL);
            (void)waitpid(process->pid, NULL, 0);
        }
    }
    if (result < 0)
        forget(process);
    return result;
}

void children_signal(const struct children *children, size_t child,
                     int signal_number)
{
    const struct child_process *process = &children->processes[child];

    /* Through the pidfd, which never means anybody else. */
    if (process->pidfd >= 0)
        (void)syscall(SYS_pidfd_send_signal, process->pidfd, signal_number,
                      NULL, 0);
}

void children_kill(const struct children *children, size_t child)
{
    struct pollfd end = { .fd = children->processes[child].pidfd,
                          .events = POLLIN };

    children_signal(children, child, SIGKILL);
    (void)poll(&end, 1, KILL_TIME_MS);
}

static bool has_ended(const struct child_process *process)
{
    struct pollfd end = { .fd = process->pidfd, .events = POLLIN };

    return poll(&end, 1, 0) == 1;
}

/* Its status went to whoever inherited it; what is left are its last words. */
static int reap_adopted(struct child_process *process, struct child_end *end)
{
    if (!has_ended(process))
        return CHILDREN_RUNNING;
    *end = (struct child_end){ .status = process->last_words < 0
                                             ? CHILD_SIGNALLED
                                             : process->last_words };
    forget(process);
    return 0;
}

int children_reap(struct children *children, size_t child,
                  struct child_end *end)
{
    struct child_process *process = &children->processes[child];
    siginfo_t how = { 0 };

    if (process->pid == 0)
        return CHILDREN_RUNNING;
    if (process->is_adopted)
        return reap_adopted(process, end);
    if (waitid(P_PID, (id_t)process->pid, &how, WEXITED | WNOHANG) < 0)
        return error_origin(-errno, "cannot wait for a child");
    if (how.si_pid == 0)
        return CHILDREN_RUNNING;
    *end = (struct child_end){ .status = how.si_status };
    if (how.si_code != CLD_EXITED)
        *end = (struct child_end){ .status = CHILD_SIGNALLED,
                                   .signal = how.si_status };
    forget(process);
    return 0;
}

/* What may differ between a child's command line and the one we would give. */
static bool is_own_affair(const char *argument)
{
    return strncmp(argument, "--worker-index", 14) == 0 ||
           strncmp(argument, "--egress-workers", 16) == 0;
}

static const char *next_option(const char *text, const char *end)
{
    do
        text += strlen(text) + 1;
    while (text < end && is_own_affair(text));
    return text;
}

/*
 * Compare the command line of a living process with the one it would get from
 * us, but for the path of the program.
 */
static int compare_command(const struct children *children, size_t child,
                           pid_t pid)
{
    static struct command command;    /* large */
    static char given[64 * 1024 + 1]; /* too; stays NUL-terminated */
    char path[64];
    const char *word = given;
    ssize_t length;
    int file;
    int result = make_command(children, child, &command);

    (void)snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
    file = open(path, O_RDONLY | O_CLOEXEC);
    length = file < 0 ? 0 : read(file, given, sizeof(given) - 1);
    if (file >= 0)
        (void)close(file);
    if (result < 0 || length <= 0)
        return result < 0 ? result : CHILDREN_ABSENT;
    given[length] = '\0';
    for (size_t i = 1; command.arguments[i]; i++) {
        if (is_own_affair(command.arguments[i]))
            continue;
        word = next_option(word, given + length);
        if (word >= given + length || strcmp(word, command.arguments[i]) != 0)
            return CHILDREN_DIFFERENT;
    }
    return next_option(word, given + length) < given + length
               ? CHILDREN_DIFFERENT
               : 0;
}

int children_adopt(struct children *children, size_t child, pid_t pid,
                   uint64_t start)
{
    struct child_process *process = &children->processes[child];
    int result;

    process->pidfd = open_pidfd(pid);
    if (process->pidfd < 0 && errno != ESRCH && errno != EINVAL)
        return error_origin(-errno, "cannot watch process %d", (int)pid);
    /* The start time is compared after the pidfd has pinned the process. */
    if (process->pidfd < 0 || process_start_time(pid) != start ||
        has_ended(process)) {
        forget(process);
        return CHILDREN_ABSENT;
    }
    process->pid = pid;
    process->is_adopted = true;
    process->last_words = -1;
    result = compare_command(children, child, pid);
    if (result != 0)
        forget(process);
    return result;
}

void children_rejoin(struct children *children, size_t child, int lifeline,
                     const int *wakeups)
{
    children_drop_lifeline(children, child);
    children->processes[child].lifeline = lifeline;
    for (size_t i = 0; i < children->wakeup_count; i++) {
        bool is_news = !children->has_their_wakeups;

        (void)close(is_news ? children->wakeups[i] : wakeups[i]);
        if (is_news)
            children->wakeups[i] = wakeups[i];
    }
    children->has_their_wakeups = true;
}

void children_drop_lifeline(struct children *children, size_t child)
{
    struct child_process *process = &children->processes[child];

    if (process->lifeline >= 0)
        (void)close(process->lifeline);
    process->lifeline = -1;
}
