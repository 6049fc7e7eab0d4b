/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The states of a child. Each arrow is an entry of the table in child_steps.c;
 * what is not drawn changes nothing.
 *
 *                 its turn comes
 *      ABSENT ────────────────────────────┐   ┌─────────────────────┐
 *        │                                ▼   ▼                     │
 *        │                             STARTING ──── ended ────► WAITING
 *        │                              │  │  │                   ▲  │ ▲
 *        │                       READY  │  │  └─ silent too long  │  │ │
 *        │                              ▼  │            │         │  │ │
 *        │               ┌──────────► READY ──── ended ─│─────────┘  │ │
 *        │               │             │ │              ▼            │ │
 *        │  READY, ALIVE └─────────────┘ ├ silent ► ABORTING ─ ended ─ ┤
 *        │                               │              │ 2 s        │ │
 *        │                         drain │              ▼            │ │
 *        │                               │           KILLED ─ ended ─│─┘
 *        │ drain                         ▼              │            │
 *        │                           STOPPING ─ quit ─► │      drain │
 *        │                               │ ended        │ ended,     │
 *        ▼                               ▼              ▼ stopping   │
 *      FINISHED ◄────────────────────────┴──────────────┴────────────┘
 *
 * Why so:
 *
 * - Order of start. The survey makes the queues, so nothing can attach before
 *   it has ended well. Ingest comes last, when every worker is READY, so that
 *   no message is taken while there is nobody to send it.
 * - Order of stop. Ingest ends when every message it took is finished, and it
 *   is the workers who decide them; so they go on, and are even restarted,
 *   until ingest has ended.
 * - A worker that dies stops its own shards and nothing else. Its queue holds
 *   what it was sending; the first restart is at once, later ones wait longer
 *   and longer, and a minute of health forgives all.
 * - Damaged shared memory (exit statuses 80 and 81) is the survey's business,
 *   and nobody else may have the segments open then. So workers are told to
 *   LEAVE, which is to wait for the replies to what they have sent, ingest is
 *   killed, and all begins with the survey.
 * - Exit statuses 64 and 78 are final: the child would only say it again. All
 *   others, and signals, are worth another try, for ever: what is in NSQ is
 *   safe there, and giving up would help nobody.
 * - A child that is stuck is first sent SIGABRT, because the core it leaves is
 *   the only witness, and SIGKILL when that does not help.
 * - New queues for new shards take ingest and the workers away for a moment:
 *   ingest finishes all it took (supervise.h, EMPTYING), the workers leave, and
 *   all begins with the survey, which finds empty queues and replaces them.
 * - If the supervisor itself dies, the children see their lifelines close and
 *   go on for --orphan-timeout. The next supervisor finds their names in the
 *   roster (roster.h), watches each through a pidfd, and is found by them at
 *   the control socket, where they hand over lifeline and wake-ups. It waits
 *   for the first of them before it starts what is missing, because a child
 *   with wake-ups of its own would not wake the others.
 *
 * One turn: wait, take what the children said and how they ended, then look at
 * the deadlines. What they said comes first, so that a supervisor that slept
 * (a suspended machine) does not take its children for hung.
 */

#include "tools/supervisor/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/clock.h"
#include "common/consumer_options.h"
#include "common/crash_point.h"
#include "common/error.h"
#include "common/lifeline.h"
#include "common/log.h"
#include "common/random.h"
#include "common/shared_memory.h"
#include "shard/segment_name.h"
#include "tools/supervisor/bridge_lock.h"
#include "tools/supervisor/children.h"
#include "tools/supervisor/control_socket.h"
#include "tools/supervisor/supervise.h"
#include "tools/supervisor/supervisor_state.h"
#include "tools/supervisor/systemd_notify.h"

struct child_name supervisor_name_of(const struct supervisor *supervisor,
                                     size_t child)
{
    const struct supervised_child *supervised =
        &supervisor->supervise.children[child];
    struct child_name name;

    if (supervised->role == CHILD_EGRESS)
        (void)snprintf(name.text, sizeof(name.text), "egress[%u]",
                       supervised->worker);
    else
        (void)snprintf(name.text, sizeof(name.text), "%s",
                       supervised->role == CHILD_SURVEY ? "survey" : "ingest");
    return name;
}

/* A survey that has to be repeated says so once, not every few seconds. */
static enum log_level level_of(const struct supervisor *supervisor,
                               size_t child, enum log_level level)
{
    const struct supervised_child *supervised =
        &supervisor->supervise.children[child];

    if (supervised->role == CHILD_SURVEY && supervised->delay_count > 1)
        return LOG_DEBUG;
    return level;
}

int supervisor_watch(struct supervisor *supervisor, int descriptor,
                     uint64_t tag)
{
    struct epoll_event interest = { .events = EPOLLIN, .data.u64 = tag };

    if (epoll_ctl(supervisor->epoll, EPOLL_CTL_ADD, descriptor, &interest) < 0)
        return error_origin(-errno, "cannot watch a descriptor");
    return 0;
}

void supervisor_begin_turn(struct supervisor *supervisor)
{
    supervisor->turn.now = clock_monotonic();
    supervisor->turn.random = &supervisor->random;
    supervisor->turn.action_count = 0;
}

static void log_restart(const struct supervisor *supervisor, size_t child)
{
    int64_t delay = monotonic_between(
        supervisor->turn.now, supervisor->supervise.children[child].deadline);

    log_line(level_of(supervisor, child, LOG_WARNING), "child_restarts",
             "child=%s delay_ms=%lld",
             supervisor_name_of(supervisor, child).text,
             (long long)(delay / NS_PER_MS));
}

static void log_phase(const struct supervisor *supervisor,
                      enum supervise_phase before)
{
    enum supervise_phase now = supervisor->supervise.phase;

    if (before < SUPERVISE_DRAINING_INGEST &&
        now >= SUPERVISE_DRAINING_INGEST) {
        log_notice("draining", "timeout_ms=%lld",
                   (long long)(supervisor->options->drain_timeout / NS_PER_MS));
        systemd_notify("STOPPING=1");
    }
    if (before != SUPERVISE_CLEARING && now == SUPERVISE_CLEARING)
        log_error("shared_memory_damaged",
                  "then=\"all children end, and the survey looks at it\"");
}

/* Tells supervise the news and logs what it makes of them. */
void supervisor_tell(struct supervisor *supervisor, size_t child,
                     enum child_news news, int value)
{
    const struct supervised_child *supervised =
        &supervisor->supervise.children[child];
    enum child_state state = supervised->state;
    enum supervise_phase phase = supervisor->supervise.phase;

    supervise_tell(&supervisor->supervise, child, news, value,
                   &supervisor->turn);
    if (state != CHILD_WAITING && supervised->state == CHILD_WAITING)
        log_restart(supervisor, child);
    if (state == CHILD_STARTING && supervised->state == CHILD_READY)
        log_info("child_ready", "child=%s pid=%d",
                 supervisor_name_of(supervisor, child).text,
                 (int)supervisor->children.processes[child].pid);
    log_phase(supervisor, phase);
    if (supervised->role == CHILD_INGEST && supervised->state == CHILD_READY &&
        !supervisor->is_ready_told) {
        supervisor->is_ready_told = true;
        log_notice("bridge_ready", "name=%s queues=%u",
                   log_quoted(supervisor->options->name),
                   supervisor->supervise.queue_count);
        systemd_notify("READY=1");
    }
}

static void start_child(struct supervisor *supervisor, size_t child)
{
    const struct child_process *process =
        &supervisor->children.processes[child];
    int result;

    CRASH_POINT(child_starts);
    supervisor->children.worker_count =
        supervise_worker_count(&supervisor->supervise);
    supervisor->children.keeps_queues = supervisor->supervise.keeps_queues;
    result = children_start(&supervisor->children, child);
    if (result == 0) {
        result = supervisor_watch(supervisor, process->lifeline, child);
        if (result == 0)
            result = supervisor_watch(supervisor, process->pidfd, child);
        /* What cannot be watched must not run, and nobody tells of its end. */
        if (result < 0)
            children_kill(&supervisor->children, child);
    }
    supervisor_note_roster(supervisor);
    if (result == 0) {
        log_line(level_of(supervisor, child, LOG_INFO), "child_started",
                 "child=%s pid=%d", supervisor_name_of(supervisor, child).text,
                 (int)process->pid);
        CRASH_POINT(child_started);
        return;
    }
    log_error("child_not_started", "child=%s reason=%s",
              supervisor_name_of(supervisor, child).text,
              log_quoted(error_take(result)));
    if (process->pid == 0)
        supervisor_tell(supervisor, child, NEWS_ENDED, PROCESS_EXIT_TRY_AGAIN);
    else
        supervisor_attend(supervisor, child);
}

/* A child whose lifeline is gone still understands SIGTERM. */
static void tell_child(struct supervisor *supervisor, size_t child,
                       enum lifeline_kind kind)
{
    int lifeline = supervisor->children.processes[child].lifeline;

    if (lifeline < 0 || lifeline_send(lifeline, kind, 0) != 0)
        children_signal(&supervisor->children, child, SIGTERM);
}

void supervisor_drain_child(struct supervisor *supervisor, size_t child)
{
    tell_child(supervisor, child, LIFELINE_DRAIN);
}

static void perform(struct supervisor *supervisor)
{
    struct supervise_turn *turn = &supervisor->turn;

    for (size_t i = 0; i < turn->action_count; i++) {
        size_t child = turn->actions[i].child;
        struct child_name name = supervisor_name_of(supervisor, child);

        switch (turn->actions[i].kind) {
        case ACTION_START:
            start_child(supervisor, child);
            break;
        case ACTION_DRAIN:
            log_info("child_drains", "child=%s", name.text);
            CRASH_POINT(child_drains);
            supervisor_drain_child(supervisor, child);
            break;
        case ACTION_LEAVE:
            log_info("child_leaves", "child=%s", name.text);
            tell_child(supervisor, child, LIFELINE_LEAVE);
            break;
        case ACTION_PAUSE:
            CRASH_POINT(queues_switch);
            tell_child(supervisor, child, LIFELINE_PAUSE);
            break;
        case ACTION_RESUME: /* one that is alone resumes by itself */
            if (supervisor->children.processes[child].lifeline >= 0)
                tell_child(supervisor, child, LIFELINE_RESUME);
            break;
        case ACTION_ABORT:
            log_error(
                "child_hung", "child=%s silent_s=%lld", name.text,
                (long long)(supervisor->options->hung_timeout / NS_PER_SECOND));
            children_signal(&supervisor->children, child, SIGABRT);
            break;
        case ACTION_KILL:
            log_warning("child_killed", "child=%s", name.text);
            children_signal(&supervisor->children, child, SIGKILL);
            break;
        }
    }
    turn->action_count = 0;
}

static void hear(struct supervisor *supervisor, size_t child)
{
    struct child_process *process = &supervisor->children.processes[child];
    struct lifeline_message message;
    int result = LIFELINE_EMPTY;

    while (process->lifeline >= 0 &&
           (result = lifeline_receive(process->lifeline, &message)) == 0) {
        switch (message.kind) {
        case LIFELINE_READY:
            supervisor_tell(supervisor, child, NEWS_READY, 0);
            break;
        case LIFELINE_ALIVE:
            supervisor_tell(supervisor, child, NEWS_ALIVE, 0);
            break;
        case LIFELINE_SURVEYED:
            supervisor_tell(supervisor, child, NEWS_SURVEYED,
                            message.value > INT32_MAX ? 0 : (int)message.value);
            break;
        case LIFELINE_SHARDS:
            supervisor_tell(supervisor, child, NEWS_SHARDS,
                            (int)(message.value & INT32_MAX));
            break;
        case LIFELINE_ENDING:
            process->last_words = message.value > UINT8_MAX
                                      ? CHILD_SIGNALLED
                                      : (int)message.value;
            break;
        default: /* of another version */
            break;
        }
    }
    if (result < 0)
        log_error("lifeline_broken", "child=%s reason=%s",
                  supervisor_name_of(supervisor, child).text,
                  log_quoted(error_take(result)));
    if (result != LIFELINE_EMPTY)
        children_drop_lifeline(&supervisor->children, child);
}

/* The bridge ends with it; once is enough to say so. */
static void log_final(const struct supervisor *supervisor, size_t child,
                      int status)
{
    if (supervisor->supervise.child_status == 0)
        log_error("bridge_cannot_go_on",
                  "child=%s status=%d reason=\"it would only end so again; "
                  "what was not sent stays in NSQ\"",
                  supervisor_name_of(supervisor, child).text, status);
}

static void log_end(const struct supervisor *supervisor, size_t child, int pid,
                    const struct child_end *end)
{
    bool is_wanted = end->status == PROCESS_EXIT_STOPPED;
    enum log_level level =
        level_of(supervisor, child, is_wanted ? LOG_INFO : LOG_WARNING);
    struct child_name name = supervisor_name_of(supervisor, child);

    if (end->signal)
        log_line(level, "child_ended", "child=%s pid=%d signal=%s", name.text,
                 pid, sigabbrev_np(end->signal));
    else
        log_line(level, "child_ended", "child=%s pid=%d status=%d", name.text,
                 pid, end->status);
}

/* Its last words are heard before its end. */
void supervisor_attend(struct supervisor *supervisor, size_t child)
{
    int pid = (int)supervisor->children.processes[child].pid;
    struct child_end end;
    int result;

    hear(supervisor, child);
    result = children_reap(&supervisor->children, child, &end);
    if (result < 0)
        log_error("child_lost", "child=%s reason=%s",
                  supervisor_name_of(supervisor, child).text,
                  log_quoted(error_take(result)));
    if (result != 0)
        return;
    supervisor_note_roster(supervisor);
    log_end(supervisor, child, pid, &end);
    if (end.status == PROCESS_EXIT_USAGE ||
        end.status == PROCESS_EXIT_CONFIGURATION)
        log_final(supervisor, child, end.status);
    supervisor_tell(supervisor, child, NEWS_ENDED, end.status);
}

static void take_signals(struct supervisor *supervisor)
{
    struct signalfd_siginfo taken;
    enum supervise_phase phase = supervisor->supervise.phase;

    while (read(supervisor->signals, &taken, sizeof(taken)) ==
           (ssize_t)sizeof(taken)) {
        if (taken.ssi_signo == SIGHUP) {
            log_notice("hangup_ignored",
                       "reason=\"there is no configuration file to read\"");
            continue;
        }
        log_notice("asked_to_stop", "signal=%s from_pid=%u",
                   sigabbrev_np((int)taken.ssi_signo), taken.ssi_pid);
        supervise_stop(&supervisor->supervise, &supervisor->turn);
        perform(supervisor);
    }
    log_phase(supervisor, phase);
}

static int wait_ms(const struct supervisor *supervisor)
{
    int64_t left = monotonic_between(clock_monotonic(),
                                     supervise_next(&supervisor->supervise));

    if (left <= 0)
        return 0;
    /* Rounded up, so that the deadline is reached then. */
    if (left > 60 * NS_PER_SECOND)
        return 60 * 1000;
    return (int)((left + NS_PER_MS - 1) / NS_PER_MS);
}

static void check_deadlines(struct supervisor *supervisor)
{
    enum supervise_phase phase = supervisor->supervise.phase;

    if (!monotonic_reached(supervise_next(&supervisor->supervise),
                           supervisor->turn.now))
        return;
    for (size_t i = 0; i < supervisor->supervise.child_count; i++) {
        supervisor_attend(supervisor, i);
        perform(supervisor);
    }
    supervise_tick(&supervisor->supervise, &supervisor->turn);
    log_phase(supervisor, phase);
    perform(supervisor);
}

static int turn(struct supervisor *supervisor)
{
    struct epoll_event seen[32];
    int count = epoll_wait(supervisor->epoll, seen, ARRAY_LENGTH(seen),
                           wait_ms(supervisor));

    if (count < 0 && errno != EINTR)
        return error_origin(-errno, "cannot wait for the children");
    supervisor_begin_turn(supervisor);
    for (int i = 0; i < count; i++) {
        if (seen[i].data.u64 == SUPERVISOR_SIGNALS)
            take_signals(supervisor);
        else if (seen[i].data.u64 == SUPERVISOR_LISTENER)
            supervisor_take_visitors(supervisor);
        else if (seen[i].data.u64 >= SUPERVISOR_VISITOR)
            supervisor_hear_visitor(
                supervisor, (size_t)(seen[i].data.u64 - SUPERVISOR_VISITOR));
        else
            supervisor_attend(supervisor, (size_t)seen[i].data.u64);
        perform(supervisor);
    }
    check_deadlines(supervisor);
    supervisor_follow_scaling(supervisor);
    supervisor_follow_switch(supervisor);
    return 0;
}

void supervisor_remove_segment(struct segment_name name)
{
    int result = shared_memory_remove(name.text);

    if (result < 0)
        log_warning("segment_kept", "reason=%s",
                    log_quoted(error_take(result)));
}

/*
 * Everything is finished, so the segments hold nothing that is worth their
 * memory. By their names one by one: a pattern could catch those of a bridge
 * whose name begins with ours.
 */
static void remove_segments(const struct supervisor *supervisor)
{
    const struct options *options = supervisor->options;

    for (uint32_t i = 0; i < supervisor->supervise.queue_count; i++)
        supervisor_remove_segment(segment_name_of_queue(
            options->name, (uint32_t)options->generation, i));
    for (unsigned i = 0; i < supervise_worker_count(&supervisor->supervise);
         i++)
        supervisor_remove_worker_counters(options->name, i);
    supervisor_remove_segment(
        segment_name_of_counters(options->name, "survey"));
    supervisor_remove_segment(
        segment_name_of_counters(options->name, "ingest"));
    supervisor_remove_segment(segment_name_of(options->name, "acknowledged"));
    supervisor_remove_segment(segment_name_of(options->name, "sources"));
    supervisor_remove_segment(segment_name_of(options->name, "wakeup"));
    supervisor_remove_segment(segment_name_of(options->name, "layout"));
}

static int open_loop(struct supervisor *supervisor)
{
    sigset_t taken;

    (void)sigemptyset(&taken);
    (void)sigaddset(&taken, SIGINT);
    (void)sigaddset(&taken, SIGTERM);
    (void)sigaddset(&taken, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &taken, NULL);
    supervisor->signals = signalfd(-1, &taken, SFD_NONBLOCK | SFD_CLOEXEC);
    supervisor->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (supervisor->signals < 0 || supervisor->epoll < 0)
        return error_origin(-errno, "cannot make the supervisor's loop");
    return supervisor_watch(supervisor, supervisor->signals,
                            SUPERVISOR_SIGNALS);
}

static void log_start(const struct options *options)
{
    struct consumer_options consumer;
    char complaint[256];

    log_notice("bridge_started",
               "version=%s name=%s topic=%s channel=%s "
               "stream=%s egress_workers=%llu",
               N2K_VERSION, log_quoted(options->name), options->topic,
               options->channel, options->stream,
               (unsigned long long)options->egress_workers);
    if (consumer_options_parse(options, &consumer, complaint,
                               sizeof(complaint)) != 0)
        return;
    for (size_t i = 0; i < consumer.ignored_count; i++)
        log_notice("consumer_opt_ignored", "option=%s reason=%s",
                   log_quoted(consumer.ignored[i]),
                   log_quoted(consumer_options_reason(consumer.ignored[i])));
}

void supervisor_init(struct supervisor *supervisor, unsigned worker_count)
{
    const struct supervise_times times = {
        .drain_timeout = supervisor->options->drain_timeout,
        .hung_timeout = supervisor->options->hung_timeout,
        .settle_time = supervisor->options->settle_time,
    };

    supervise_init(&supervisor->supervise, worker_count, &times);
}

static int run(struct supervisor *supervisor, const struct roster *left)
{
    int result = open_loop(supervisor);

    if (result == 0)
        result = supervisor_adopt(supervisor, left);
    if (result == 0)
        result = supervisor_open_listener(supervisor);
    if (result != 0)
        return result;
    if (supervisor_has_adopted(supervisor))
        supervisor_gather(supervisor);
    else
        supervisor_init(supervisor,
                        (unsigned)supervisor->options->egress_workers);
    supervisor_note_roster(supervisor);
    supervisor_begin_turn(supervisor);
    supervise_begin(&supervisor->supervise, &supervisor->turn);
    perform(supervisor);
    while (supervisor->supervise.phase != SUPERVISE_FINISHED) {
        result = turn(supervisor);
        if (result < 0)
            return result;
    }
    return supervise_exit_status(&supervisor->supervise);
}

int supervisor_run(const struct options *options, int lock,
                   const struct roster *left)
{
    static struct supervisor supervisor = {
        .epoll = -1, .signals = -1, .scaling = { .visitor = -1 }, .listener = -1
    };
    int result;

    for (size_t i = 0; i < VISITORS_MOST; i++)
        supervisor.visitors[i] = -1;
    supervisor.lock = lock;
    supervisor.options = options;
    random_seed_from_kernel(&supervisor.random);
    supervisor_init(&supervisor, (unsigned)options->egress_workers);
    result = children_init(&supervisor.children, options);
    if (result < 0)
        return result;
    log_start(options);
    result = run(&supervisor, left);
    CRASH_POINT(bridge_drained);
    if (supervise_is_drained(&supervisor.supervise))
        remove_segments(&supervisor);
    if (result >= 0 && result != SUPERVISOR_REFUSES)
        log_notice("stopped", "status=%d", result);
    control_socket_close(options->name, supervisor.listener);
    children_deinit(&supervisor.children);
    if (supervisor.signals >= 0)
        (void)close(supervisor.signals);
    if (supervisor.epoll >= 0)
        (void)close(supervisor.epoll);
    return result;
}
