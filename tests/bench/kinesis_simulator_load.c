/* SPDX-License-Identifier: Apache-2.0 */

/*
 * kinesis_simulator_load - the cheapest producer there is, to see what the
 * Kinesis simulator can take.
 *
 *     kinesis_simulator_load PROGRAM json|cbor RECORDS LENGTH REQUESTS [OPTION]
 *
 * Starts PROGRAM (the simulator) with --discard and the further options, signs
 * one PutRecords request of RECORDS records of LENGTH bytes, sends those bytes
 * REQUESTS times over two connections and prints what it took. A signature
 * holds for five minutes, so nothing but sending costs on this side.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "common/bytes.h"
#include "common/clock.h"
#include "tests/support/kinesis_simulator_base64.h"
#include "tests/support/kinesis_simulator_reply.h"

#define CONNECTIONS    2
#define ARGUMENTS_MOST 32

struct load {
    pid_t pid;
    unsigned port;
    struct bytes_writer request; /* head and body */
    size_t body_length;
};

static int failed(const char *what)
{
    fprintf(stderr, "kinesis_simulator_load: %s: %m\n", what);
    return EXIT_FAILURE;
}

static int start_simulator(struct load *load, const char *program,
                           char **further)
{
    char *arguments[ARGUMENTS_MOST] = { (char *)program, (char *)"--discard",
                                        (char *)"--stream", (char *)"s:8" };
    int pipe_ends[2];
    FILE *output;
    int count = 0;

    for (size_t i = 4; *further && i + 1 < ARGUMENTS_MOST; i++)
        arguments[i] = *further++;
    if (pipe(pipe_ends))
        return -errno;
    load->pid = fork();
    if (load->pid == 0) {
        dup2(pipe_ends[1], STDOUT_FILENO);
        execv(program, arguments);
        _exit(127);
    }
    close(pipe_ends[1]);
    output = fdopen(pipe_ends[0], "r");
    if (output) {
        count = fscanf(output, "listening http=%u", &load->port);
        fclose(output);
    }
    return load->pid > 0 && count == 1 ? 0 : -EIO;
}

/* The body, in the simulator's own words: the encoders have the same names. */
static void write_body(struct simulator_reply *body, bool is_cbor,
                       size_t records, size_t length)
{
    static uint8_t content[10485760];

    for (size_t i = 0; i < length; i++)
        content[i] = (uint8_t)(i * 131);
    simulator_reply_begin(body, is_cbor ? SIMULATOR_CBOR : SIMULATOR_JSON);
    simulator_reply_map(body);
    simulator_reply_text_member(body, "StreamName", "s");
    simulator_reply_name(body, "Records");
    simulator_reply_array(body);
    for (size_t i = 0; i < records; i++) {
        char key[32];

        snprintf(key, sizeof(key), "b1.0.1.%zu", i);
        simulator_reply_map(body);
        simulator_reply_name(body, "Data");
        simulator_reply_blob(body, bytes_of(content, length));
        simulator_reply_text_member(body, "PartitionKey", key);
        simulator_reply_end_map(body);
    }
    simulator_reply_end_array(body);
    simulator_reply_end_map(body);
}

static void hmac(uint8_t key[64], size_t *key_length, const char *text)
{
    unsigned length = 32;
    uint8_t out[32];

    HMAC(EVP_sha256(), key, (int)*key_length, (const uint8_t *)text,
         strlen(text), out, &length);
    memcpy(key, out, sizeof(out));
    *key_length = sizeof(out);
}

static void hex_of(const uint8_t digest[32], char hex[65])
{
    struct bytes_writer writer = bytes_writer_on(hex, 64);

    bytes_put_hex(&writer, bytes_of(digest, 32));
    hex[64] = '\0';
}

/* The signature over `canonical`, as the simulator's defaults want it. */
static void sign(const char *canonical, const char *now, char signature[65])
{
    uint8_t digest[32];
    uint8_t key[64] = "AWS4test";
    size_t key_length = strlen("AWS4test");
    char to_sign[512];
    char date[9];
    char hex[65];

    SHA256((const uint8_t *)canonical, strlen(canonical), digest);
    hex_of(digest, hex);
    snprintf(date, sizeof(date), "%.8s", now);
    snprintf(to_sign, sizeof(to_sign),
             "AWS4-HMAC-SHA256\n%s\n%s/us-east-1/kinesis/aws4_request\n%s", now,
             date, hex);
    hmac(key, &key_length, date);
    hmac(key, &key_length, "us-east-1");
    hmac(key, &key_length, "kinesis");
    hmac(key, &key_length, "aws4_request");
    hmac(key, &key_length, to_sign);
    hex_of(key, signature);
}

static int write_request(struct load *load, bool is_cbor, struct bytes body)
{
    const char *type =
        is_cbor ? "application/x-amz-cbor-1.1" : "application/x-amz-json-1.1";
    time_t seconds = (time_t)(clock_wall_time().ns / NS_PER_SECOND);
    uint8_t digest[32];
    struct tm calendar;
    char hex[65];
    char now[17];
    char canonical[1024];
    char signature[65];
    char head[2048];
    size_t capacity = body.length + sizeof(head);
    uint8_t *memory = malloc(capacity);

    if (!memory)
        return -ENOMEM;
    gmtime_r(&seconds, &calendar);
    strftime(now, sizeof(now), "%Y%m%dT%H%M%SZ", &calendar);
    SHA256(body.data, body.length, digest);
    hex_of(digest, hex);
    snprintf(canonical, sizeof(canonical),
             "POST\n/\n\nhost:localhost\nx-amz-date:%s\n"
             "x-amz-target:Kinesis_20131202.PutRecords\n\n"
             "host;x-amz-date;x-amz-target\n%s",
             now, hex);
    sign(canonical, now, signature);
    snprintf(head, sizeof(head),
             "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\n"
             "X-Amz-Target: Kinesis_20131202.PutRecords\r\nX-Amz-Date: %s\r\n"
             "Authorization: AWS4-HMAC-SHA256 Credential=test/%.8s/us-east-1/"
             "kinesis/aws4_request, SignedHeaders=host;x-amz-date;"
             "x-amz-target, Signature=%s\r\nContent-Length: %zu\r\n\r\n",
             type, now, now, signature, body.length);
    load->request = bytes_writer_on(memory, capacity);
    bytes_put_text(&load->request, head);
    bytes_put(&load->request, body);
    load->body_length = body.length;
    return 0;
}

static int connect_to(unsigned port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (descriptor >= 0 &&
        connect(descriptor, (struct sockaddr *)&address, sizeof(address)))
        return -errno;
    return descriptor;
}

static bool send_all(int descriptor, struct bytes rest)
{
    while (rest.length > 0) {
        ssize_t sent = send(descriptor, rest.data, rest.length, MSG_NOSIGNAL);

        if (sent <= 0)
            return false;
        rest = bytes_skip(rest, (size_t)sent);
    }
    return true;
}

/* Read one reply whole; false if it is not 200 with nothing failed. */
static bool receive_reply(int descriptor)
{
    static char reply[1048576];
    size_t length = 0;
    const char *body = NULL;
    size_t body_length = 0;

    while (!body || length < (size_t)(body - reply) + body_length) {
        ssize_t got =
            recv(descriptor, reply + length, sizeof(reply) - 1 - length, 0);
        const char *place;

        if (got <= 0)
            return false;
        length += (size_t)got;
        reply[length] = '\0';
        body = strstr(reply, "\r\n\r\n");
        place = strstr(reply, "Content-Length: ");
        if (!body || !place)
            continue;
        body += 4;
        body_length = strtoul(place + strlen("Content-Length: "), NULL, 10);
    }
    return strncmp(reply, "HTTP/1.1 200", 12) == 0 &&
           !memmem(body, body_length, "ErrorCode", 9);
}

/* The connections take turns, so that one request travels while another is
 * answered. */
static bool run(const struct load *load, uint64_t requests)
{
    int descriptors[CONNECTIONS];
    struct bytes request = bytes_written(&load->request);

    for (uint64_t i = 0; i < CONNECTIONS; i++) {
        descriptors[i] = connect_to(load->port);
        if (descriptors[i] < 0 || !send_all(descriptors[i], request))
            return false;
    }
    for (uint64_t i = 0; i < requests; i++) {
        int descriptor = descriptors[i % CONNECTIONS];

        if (!receive_reply(descriptor))
            return false;
        if (i + CONNECTIONS < requests && !send_all(descriptor, request))
            return false;
    }
    return true;
}

static void print_result(const struct load *load, uint64_t requests, int64_t ns,
                         const struct rusage *usage)
{
    double seconds = (double)ns / (double)NS_PER_SECOND;
    double cpu =
        (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) +
        (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) * 1e-6;
    double megabytes = (double)load->body_length * (double)requests * 1e-6;

    printf("body %zu bytes, %llu requests in %.2f s: %.0f MB/s, "
           "%.0f requests/s; simulator %.2f s of CPU: %.0f MB per CPU "
           "second, %.1f us per request; peak RSS %ld MiB\n",
           load->body_length, (unsigned long long)requests, seconds,
           megabytes / seconds, (double)requests / seconds, cpu,
           megabytes / cpu, cpu * 1e6 / (double)requests,
           usage->ru_maxrss / 1024);
}

int main(int argc, char **argv)
{
    struct simulator_reply body = { .memory = NULL };
    struct load load = { .pid = -1 };
    struct rusage usage;
    struct monotonic start;
    uint64_t numbers[3];
    bool is_cbor;
    bool good;
    int64_t ns;

    if (argc < 6) {
        fprintf(stderr, "usage: kinesis_simulator_load PROGRAM json|cbor "
                        "RECORDS LENGTH REQUESTS [OPTION...]\n");
        return 64;
    }
    is_cbor = strcmp(argv[2], "cbor") == 0;
    for (int i = 0; i < 3; i++)
        if (!bytes_parse_u64(bytes_of_text(argv[3 + i]), &numbers[i]))
            return failed("not a number");
    if (numbers[1] > 10485760)
        return failed("a record has 10 MiB at most");
    if (start_simulator(&load, argv[1], argv + 6))
        return failed("cannot start the simulator");
    write_body(&body, is_cbor, numbers[0], numbers[1]);
    if (write_request(&load, is_cbor, simulator_reply_body(&body)))
        return failed("out of memory");
    start = clock_monotonic();
    good = run(&load, numbers[2]);
    ns = monotonic_between(start, clock_monotonic());
    kill(load.pid, SIGTERM);
    wait4(load.pid, NULL, 0, &usage);
    if (!good)
        return failed("the simulator refused a request");
    print_result(&load, numbers[2], ns, &usage);
    simulator_reply_deinit(&body);
    free(load.request.data);
    return EXIT_SUCCESS;
}
