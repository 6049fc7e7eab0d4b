/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * kinesis_fixture - a Kinesis simulator in a child process, for unit tests.
 *
 * The test sets the simulator up in its own memory (settings, streams, script)
 * and starts it; the child inherits it. Failures end the test.
 */

#include <sys/types.h>

#include "tests/support/kinesis_simulator.h"

struct kinesis_fixture {
    struct simulator simulator;
    pid_t pid;        /* 0: not started */
    char folder[64];  /* of certificates; empty: no TLS */
    char ca_file[96]; /* the authority that signed the server's */
    char http_url[64];
    char https_url[64];
};

/* Signatures are verified for "AKID" with "secret" in us-east-1. */
void kinesis_fixture_init(struct kinesis_fixture *fixture);

/* Make certificates, so that the server speaks TLS too. */
void kinesis_fixture_use_tls(struct kinesis_fixture *fixture);

void kinesis_fixture_add_stream(struct kinesis_fixture *fixture,
                                const char *name, uint32_t shard_count);

/* Rules of kinesis_simulator_script.h. */
void kinesis_fixture_add_script(struct kinesis_fixture *fixture,
                                const char *rules);

/* Serve on free ports; the URLs are known afterwards. */
void kinesis_fixture_start(struct kinesis_fixture *fixture);

/* End the child and remove the certificates. */
void kinesis_fixture_deinit(struct kinesis_fixture *fixture);
