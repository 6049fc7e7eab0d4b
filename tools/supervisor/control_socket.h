/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * control_socket - where orphans and operators reach the supervisor.
 *
 *     /dev/shm/nsq_to_kinesis.<name>.control     0600, SOCK_SEQPACKET
 *
 * One message is one request, a line of words without its end; the answer is
 * one, too:
 *
 *     adopt ingest            an orphan; its wake-ups come with the words
 *     adopt egress INDEX      (SCM_RIGHTS), and the connection is its lifeline
 *                             from then on
 *     scale N                 an operator; the answer comes when it is done:
 *                             "ok" or "no", and a sentence
 *
 * Who may connect is decided twice: by the mode of the file, and by the user
 * of the other side, as the kernel names it (SO_PEERCRED).
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/lifeline.h"

struct control_request {
    char words[64];
    int peer; /* process number, as the kernel says */
    int descriptors[WAKEUP_DESCRIPTOR_COUNT];
    size_t descriptor_count; /* all or none of them */
};

enum control_condition {
    CONTROL_EMPTY = 1, /* nothing to read now */
    CONTROL_CLOSED,    /* the other side is gone, or it talks nonsense */
};

/*
 * Listen. A file that a dead supervisor left is replaced: the caller holds the
 * bridge's lock. Returns 0 or a negative errno with its sentence.
 */
int control_socket_open(const char *bridge, int *listener);

/* Stop listening, and take the file away. Legal with -1. */
void control_socket_close(const char *bridge, int listener);

/*
 * Take one connection; the caller closes it. Returns 0, CONTROL_EMPTY or a
 * negative errno with its sentence.
 */
int control_socket_accept(int listener, int *connection);

/*
 * Read one request. Returns 0, CONTROL_EMPTY or CONTROL_CLOSED; with 0 the
 * caller owns the descriptors.
 */
int control_socket_receive(int connection, struct control_request *request);

#define CONTROL_ANSWER_MOST 512

/* Answer and close. One who has gone meanwhile is no error. */
void control_socket_answer(int connection, bool is_ok, const char *sentence);

/*
 * The other side: ask the supervisor of `bridge` and wait for its answer.
 *
 * Returns 0 with the sentence of "ok" in `answer`, or a negative errno with
 * its sentence, which is the supervisor's own if it said "no" (-EAGAIN).
 */
int control_socket_ask(const char *bridge, const char *words, int timeout_ms,
                       char answer[CONTROL_ANSWER_MOST]);
