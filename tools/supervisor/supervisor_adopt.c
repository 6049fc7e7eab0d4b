/* SPDX-License-Identifier: Apache-2.0 */

/*
 * supervisor_adopt - taking over from a supervisor that died.
 *
 * The roster in the lock's file names the children, so each can be watched at
 * once; the lifelines and wake-ups come from the children themselves, who look
 * for the control socket ten times a second. The other way round, a socket in
 * every child, would be one more thing to have in two programs, and a way in.
 */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/error.h"
#include "common/lifeline.h"
#include "common/log.h"
#include "common/shared_memory.h"
#include "tools/supervisor/bridge_lock.h"
#include "tools/supervisor/control_socket.h"
#include "tools/supervisor/supervisor.h"
#include "tools/supervisor/supervisor_state.h"

/* Longest wait for an orphan to find us, before the missing are started. */
#define GATHERING_NS (2 * NS_PER_SECOND)

/* Whenever a child was started or has ended. */
void supervisor_note_roster(const struct supervisor *supervisor)
{
    static struct roster roster; /* large */

    roster = (struct roster){
        .supervisor = (int)getpid(),
        .worker_count = (uint32_t)(supervisor->supervise.child_count -
                                   SUPERVISE_FIRST_WORKER),
        .queue_count = supervisor->supervise.queue_count,
    };
    for (size_t i = 0; i < supervisor->supervise.child_count; i++) {
        const struct child_process *process =
            &supervisor->children.processes[i];

        if (process->pid > 0)
            roster.children[roster.child_count++] = (struct roster_child){
                .role = supervisor->supervise.children[i].role,
                .worker = supervisor->supervise.children[i].worker,
                .pid = (int)process->pid,
                .start = process_start_time((int)process->pid),
            };
    }
    bridge_lock_note(supervisor->lock, &roster);
}

/* Place of the child that a request for adoption names, and that we expect. */
static bool find_orphan(const struct supervisor *supervisor,
                        const struct control_request *request, size_t *child)
{
    unsigned worker = 0;
    const struct child_process *process;

    if (strcmp(request->words, "adopt ingest") == 0)
        *child = SUPERVISE_INGEST;
    else if (sscanf(request->words, "adopt egress %u", &worker) == 1 &&
             worker < SUPERVISE_WORKERS_MOST)
        *child = SUPERVISE_FIRST_WORKER + worker;
    else
        return false;
    process = &supervisor->children.processes[*child];
    return request->descriptor_count > 0 && process->is_adopted &&
           process->pid == request->peer;
}

/*
 * One that is not in the roster, or whose place is taken, is told to drain: it
 * holds queues that its successor waits for.
 */
static void take_orphan(struct supervisor *supervisor, int connection,
                        const struct control_request *request)
{
    size_t child;

    if (!find_orphan(supervisor, request, &child)) {
        log_warning("orphan_unknown", "pid=%d said=%s", request->peer,
                    log_quoted(request->words));
        (void)lifeline_send(connection, LIFELINE_DRAIN, 0);
        (void)kill(request->peer, SIGTERM);
        for (size_t i = 0; i < request->descriptor_count; i++)
            (void)close(request->descriptors[i]);
        (void)close(connection);
        return;
    }
    children_rejoin(&supervisor->children, child, connection,
                    request->descriptors);
    if (supervisor_watch(supervisor, connection, child) < 0)
        (void)error_take(-EIO); /* its silence is noticed */
    log_notice("child_adopted", "child=%s pid=%d",
               supervisor_name_of(supervisor, child).text, request->peer);
    supervisor_tell(supervisor, child, NEWS_ALIVE, 0);
    /* What it was told by the one before us, it may not have heard. */
    if (supervisor->supervise.children[child].state == CHILD_STOPPING)
        supervisor_drain_child(supervisor, child);
}

/* A visitor becomes an orphan that was found, or leaves. */
void supervisor_hear_visitor(struct supervisor *supervisor, size_t place)
{
    struct control_request request;
    int connection = supervisor->visitors[place];
    int result;

    if (connection < 0)
        return;
    result = control_socket_receive(connection, &request);
    if (result == CONTROL_EMPTY)
        return;
    supervisor->visitors[place] = -1;
    (void)epoll_ctl(supervisor->epoll, EPOLL_CTL_DEL, connection, NULL);
    if (result == 0 && strncmp(request.words, "scale ", 6) == 0 &&
        request.descriptor_count == 0)
        supervisor_scale(supervisor, connection, request.words);
    else if (result == 0)
        take_orphan(supervisor, connection, &request);
    else
        (void)close(connection);
}

/* The oldest visitor has to go when there are too many. */
void supervisor_take_visitors(struct supervisor *supervisor)
{
    int connection;
    int result;

    while ((result = control_socket_accept(supervisor->listener,
                                           &connection)) == 0) {
        size_t place = supervisor->next_visitor++ % VISITORS_MOST;

        if (supervisor->visitors[place] >= 0)
            (void)close(supervisor->visitors[place]);
        supervisor->visitors[place] = connection;
        if (supervisor_watch(supervisor, connection,
                             SUPERVISOR_VISITOR + place) < 0)
            (void)error_take(-EIO);
        supervisor_hear_visitor(supervisor, place);
    }
    if (result < 0)
        log_error("visitor_lost", "reason=%s", log_quoted(error_take(result)));
}

int supervisor_open_listener(struct supervisor *supervisor)
{
    int result =
        control_socket_open(supervisor->options->name, &supervisor->listener);

    return result < 0 ? result
                      : supervisor_watch(supervisor, supervisor->listener,
                                         SUPERVISOR_LISTENER);
}

/* One orphan, or the end of each of them: so that wake-ups are shared. */
void supervisor_gather(struct supervisor *supervisor)
{
    struct monotonic deadline =
        monotonic_after(clock_monotonic(), GATHERING_NS);
    bool is_expected = true;

    while (is_expected && !supervisor->children.has_their_wakeups &&
           !monotonic_reached(deadline, clock_monotonic())) {
        struct epoll_event seen;

        (void)epoll_wait(supervisor->epoll, &seen, 1, 20);
        supervisor_begin_turn(supervisor);
        supervisor_take_visitors(supervisor);
        for (size_t i = 0; i < VISITORS_MOST; i++)
            supervisor_hear_visitor(supervisor, i);
        is_expected = false;
        for (size_t i = 0; i < supervisor->supervise.child_count; i++) {
            supervisor_attend(supervisor, i);
            is_expected |= supervisor->children.processes[i].pid > 0;
        }
    }
}

/* A survey makes its segments whole or not at all, and can be repeated. */
static void end_survey(const struct roster_child *child)
{
    int pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
    struct pollfd end = { .fd = pidfd, .events = POLLIN };

    if (pidfd < 0)
        return;
    if (process_start_time(child->pid) == child->start) {
        (void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
        (void)poll(&end, 1, 5000);
    }
    (void)close(pidfd);
}

static int adopt_child(struct supervisor *supervisor,
                       const struct roster_child *left, uint32_t queue_count)
{
    size_t child = left->role == CHILD_INGEST
                       ? SUPERVISE_INGEST
                       : SUPERVISE_FIRST_WORKER + left->worker;
    int result;

    if (child >= supervisor->supervise.child_count ||
        supervisor->children.processes[child].pid > 0)
        return 0;
    result =
        children_adopt(&supervisor->children, child, left->pid, left->start);
    if (result == CHILDREN_DIFFERENT) {
        (void)error_sentence(
            -EBUSY,
            "%s of bridge \"%s\" (process %d) works on with other options, "
            "left by a supervisor that is gone: start this one with the same "
            "options, or stop the bridge first",
            supervisor_name_of(supervisor, child).text,
            supervisor->options->name, left->pid);
        return SUPERVISOR_REFUSES;
    }
    if (result != 0)
        return result < 0 ? result : 0;
    supervise_adopt(&supervisor->supervise, child, queue_count,
                    clock_monotonic());
    result = supervisor_watch(
        supervisor, supervisor->children.processes[child].pidfd, child);
    return result < 0 ? result : 0;
}

/*
 * Take over what a former supervisor left. The number of workers is that of
 * the roster, because they have the queues divided among themselves.
 */
int supervisor_adopt(struct supervisor *supervisor, const struct roster *left)
{
    int result = 0;

    if (left->queue_count > 0 && left->child_count > 0)
        supervisor_init(supervisor, left->worker_count);
    for (size_t i = 0; result == 0 && i < left->child_count; i++) {
        if (left->children[i].role == CHILD_SURVEY)
            end_survey(&left->children[i]);
        else if (left->queue_count > 0)
            result =
                adopt_child(supervisor, &left->children[i], left->queue_count);
    }
    return result;
}

bool supervisor_has_adopted(const struct supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->supervise.child_count; i++)
        if (supervisor->children.processes[i].is_adopted)
            return true;
    return false;
}
