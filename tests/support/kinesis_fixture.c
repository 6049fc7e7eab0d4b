/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/kinesis_fixture.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/kinesis_simulator_server.h"
#include "tests/support/kinesis_simulator_tls.h"

void kinesis_fixture_init(struct kinesis_fixture *fixture)
{
    memset(fixture, 0, sizeof(*fixture));
    simulator_init(&fixture->simulator, 1);
    fixture->simulator.settings.verifies = true;
    fixture->simulator.settings.keep_most = 1024 * 1024;
    fixture->simulator.verifier = (struct simulator_verifier){
        .access_key = "AKID",
        .secret_key = "secret",
        .region = "us-east-1",
        .service = "kinesis",
    };
}

void kinesis_fixture_use_tls(struct kinesis_fixture *fixture)
{
    strcpy(fixture->folder, "/tmp/kinesis_fixture.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(fixture->folder));
    ck_assert_int_eq(simulator_tls_make_certificates(fixture->folder), 0);
    (void)snprintf(fixture->ca_file, sizeof(fixture->ca_file), "%s/ca.pem",
                   fixture->folder);
}

void kinesis_fixture_add_stream(struct kinesis_fixture *fixture,
                                const char *name, uint32_t shard_count)
{
    const struct simulator_exchange start = { .now = clock_monotonic(),
                                              .wall = clock_wall_time() };
    const struct simulator_moment moment =
        simulator_moment_of(&fixture->simulator, &start);

    ck_assert_int_eq(
        simulator_add_stream(&fixture->simulator, name, shard_count, &moment),
        0);
}

void kinesis_fixture_add_script(struct kinesis_fixture *fixture,
                                const char *rules)
{
    ck_assert_msg(simulator_script_add(&fixture->simulator.script,
                                       bytes_of_text(rules)) == 0,
                  "%s", fixture->simulator.script.complaint);
}

__attribute__((noreturn)) static void serve(struct kinesis_fixture *fixture,
                                            int output)
{
    char certificate[96];
    char private_key[96];
    struct simulator_ports ports = { 0 };

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)snprintf(certificate, sizeof(certificate), "%s/server.pem",
                   fixture->folder);
    (void)snprintf(private_key, sizeof(private_key), "%s/server-key.pem",
                   fixture->folder);
    if (fixture->folder[0]) {
        ports.certificate_path = certificate;
        ports.private_key_path = private_key;
    }
    (void)dup2(output, STDOUT_FILENO);
    (void)close(output);
    _exit(simulator_serve(&fixture->simulator, &ports) ? EXIT_FAILURE
                                                       : EXIT_SUCCESS);
}

void kinesis_fixture_start(struct kinesis_fixture *fixture)
{
    unsigned http = 0;
    unsigned https = 0;
    int ends[2];
    FILE *output;

    ck_assert_int_eq(pipe(ends), 0);
    (void)fflush(NULL);
    fixture->pid = fork();
    ck_assert_int_ge(fixture->pid, 0);
    if (fixture->pid == 0)
        serve(fixture, ends[1]);
    (void)close(ends[1]);
    output = fdopen(ends[0], "r");
    ck_assert_ptr_nonnull(output);
    ck_assert_int_eq(
        fscanf(output, "listening http=%u https=%u", &http, &https), 2);
    (void)fclose(output);
    (void)snprintf(fixture->http_url, sizeof(fixture->http_url),
                   "http://127.0.0.1:%u", http);
    (void)snprintf(fixture->https_url, sizeof(fixture->https_url),
                   "https://127.0.0.1:%u", https);
}

static void remove_certificates(const struct kinesis_fixture *fixture)
{
    static const char *const names[] = { "ca.pem", "server.pem",
                                         "server-key.pem", "" };

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        char path[128];

        (void)snprintf(path, sizeof(path), "%s/%s", fixture->folder, names[i]);
        (void)remove(path);
    }
}

void kinesis_fixture_deinit(struct kinesis_fixture *fixture)
{
    if (fixture->pid > 0) {
        (void)kill(fixture->pid, SIGTERM);
        (void)waitpid(fixture->pid, NULL, 0);
    }
    if (fixture->folder[0])
        remove_certificates(fixture);
    simulator_deinit(&fixture->simulator);
}
