/* SPDX-License-Identifier: Apache-2.0 */

/*
 * floor - the least that the bytes of one message cost on this machine.
 *
 *     floor MESSAGES NSQ_BYTES BODY_BYTES REQUESTS KEY_LENGTH TRAILER_BYTES
 *           TRAILERS [CERTIFICATE PRIVATE_KEY]
 *
 * The arguments are what a run of the bridge really moved, all of them sums
 * over its messages: bytes received from nsqd, bytes of request bodies, and
 * how many requests those were; the length of a partition key (0: none is
 * hashed); the bytes that went into trailers, and how many trailers.
 *
 * Two parts, which add up, because no bridge can leave either out:
 *   hashes     SHA-256 of the bodies, which a signature needs; MD5 of the keys
 *              and of the aggregates, in the widest lanes this machine has
 *   transport  a bare program: it receives the NSQ bytes from one socket and
 *              sends bodies of that length through another, over TLS if there
 *              is a certificate, reading a short reply after each. It looks at
 *              nothing. AES-GCM is in it; its share is printed beside it.
 *
 * Printed is one line of JSON: nanoseconds of processor time per message. The
 * children that play nsqd and Kinesis are not counted.
 */

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/clock.h"
#include "shard/md5.h"

#define READ_LENGTH   ((size_t)256 * 1024)
#define SOURCE_LENGTH ((size_t)64 * 1024) /* nsqd's output buffer */
#define REPLY_LENGTH  256
#define TLS_RECORD    ((size_t)16 * 1024)
#define LANES_MOST    16
#define MEASURED_NS   (300 * NS_PER_MS) /* of processor time, at least */

struct work {
    uint64_t messages;
    uint64_t nsq_bytes;
    uint64_t body_bytes;
    uint64_t requests;
    uint64_t key_length;
    uint64_t trailer_bytes;
    uint64_t trailers;
    const char *certificate; /* NULL: no TLS */
    const char *private_key;
};

static void fail(const char *what)
{
    fprintf(stderr, "floor: %s\n", what);
    exit(EXIT_FAILURE);
}

static int64_t processor_ns(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (int64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) *
               NS_PER_SECOND +
           (int64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) *
               NS_PER_US;
}

/* --- hashes */

typedef void one_round(const struct work *work, uint8_t *bytes, size_t length);

static void hash_sha256(const struct work *work, uint8_t *bytes, size_t length)
{
    uint8_t hash[EVP_MAX_MD_SIZE];

    (void)work;
    if (!EVP_Digest(bytes, length, hash, NULL, EVP_sha256(), NULL))
        fail("SHA-256 fails");
}

/* As many at a time as the widest lanes take; `length` is one's. */
static void hash_md5(const struct work *work, uint8_t *bytes, size_t length)
{
    struct bytes inputs[LANES_MOST];
    uint8_t hashes[LANES_MOST][MD5_LENGTH];

    (void)work;
    for (size_t i = 0; i < LANES_MOST; i++)
        inputs[i] = (struct bytes){ bytes + i, length };
    md5_many(inputs, LANES_MOST, hashes);
}

static void encrypt(const struct work *work, uint8_t *bytes, size_t length)
{
    static const uint8_t key[32], nonce[12];
    static EVP_CIPHER_CTX *cipher;
    int written;

    (void)work;
    if (!cipher)
        cipher = EVP_CIPHER_CTX_new();
    if (!EVP_EncryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, key, nonce))
        fail("AES-256-GCM fails");
    for (size_t at = 0; at < length; at += TLS_RECORD) {
        size_t part = length - at < TLS_RECORD ? length - at : TLS_RECORD;

        EVP_EncryptUpdate(cipher, bytes + at, &written, bytes + at, (int)part);
    }
}

/* Nanoseconds of one round. */
static double time_round(const struct work *work, one_round *round,
                         size_t length)
{
    uint8_t *bytes = calloc(1, length + LANES_MOST);
    uint64_t rounds = 0;
    int64_t began, passed;

    if (!bytes)
        fail("no memory");
    round(work, bytes, length);
    began = processor_ns();
    do {
        for (int i = 0; i < 16; i++)
            round(work, bytes, length);
        rounds += 16;
        passed = processor_ns() - began;
    } while (passed < MEASURED_NS);
    free(bytes);
    return (double)passed / (double)rounds;
}

/* --- transport */

static void connect_pair(int *ours, int *theirs)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;

    *ours = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || *ours < 0 ||
        bind(listener, (struct sockaddr *)&address, length) != 0 ||
        listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0 ||
        connect(*ours, (struct sockaddr *)&address, length) != 0)
        fail("no connection over loopback");
    *theirs = accept(listener, NULL, NULL);
    close(listener);
    if (*theirs < 0)
        fail("no connection over loopback");
    setsockopt(*ours, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(*theirs, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

/* A TLS connection or a plain one. */
struct line {
    int fd;
    SSL *tls; /* NULL: plain */
};

static void line_open(struct line *line, const struct work *work,
                      bool is_server)
{
    SSL_CTX *context;

    if (!work->certificate)
        return;
    context =
        SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());
    if (!context)
        fail("no TLS");
    if (is_server &&
        (SSL_CTX_use_certificate_chain_file(context, work->certificate) != 1 ||
         SSL_CTX_use_PrivateKey_file(context, work->private_key,
                                     SSL_FILETYPE_PEM) != 1))
        fail("the certificate or its key cannot be read");
    line->tls = SSL_new(context);
    SSL_set_fd(line->tls, line->fd);
    if ((is_server ? SSL_accept(line->tls) : SSL_connect(line->tls)) != 1)
        fail("TLS handshake");
}

static size_t line_read(struct line *line, uint8_t *bytes, size_t length)
{
    ssize_t count = line->tls ? SSL_read(line->tls, bytes, (int)length)
                              : recv(line->fd, bytes, length, 0);

    return count > 0 ? (size_t)count : 0;
}

static void line_write(struct line *line, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        ssize_t count = line->tls ? SSL_write(line->tls, bytes, (int)length)
                                  : send(line->fd, bytes, length, MSG_NOSIGNAL);

        if (count <= 0)
            fail("cannot send");
        bytes += count;
        length -= (size_t)count;
    }
}

/* A child must not hold the parent's ends: their closing is its end. */
static void become_peer(int first, int second)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(first);
    close(second);
}

static void play_nsqd(int fd)
{
    uint8_t *bytes = calloc(1, SOURCE_LENGTH);

    while (bytes && send(fd, bytes, SOURCE_LENGTH, MSG_NOSIGNAL) > 0)
        ;
    _exit(0);
}

static void play_kinesis(int fd, const struct work *work, size_t body)
{
    struct line line = { .fd = fd };
    uint8_t *bytes = malloc(READ_LENGTH);
    uint8_t reply[REPLY_LENGTH] = { 0 };
    size_t got = 0, count;

    line_open(&line, work, true);
    while ((count = line_read(&line, bytes, READ_LENGTH)) > 0) {
        for (got += count; got >= body; got -= body)
            line_write(&line, reply, sizeof(reply));
    }
    _exit(0);
}

static void move(int nsqd, struct line *kinesis, size_t nsq_bytes,
                 const uint8_t *body, size_t body_length, uint8_t *buffer)
{
    size_t got = 0;
    ssize_t count;

    while (got < nsq_bytes) {
        count = recv(nsqd, buffer, READ_LENGTH, 0);
        if (count <= 0)
            fail("cannot receive");
        got += (size_t)count;
    }
    line_write(kinesis, body, body_length);
    for (got = 0; got < REPLY_LENGTH; got += (size_t)count) {
        count = (ssize_t)line_read(kinesis, buffer, REPLY_LENGTH - got);
        if (count == 0)
            fail("no reply");
    }
}

/* Nanoseconds for one request and the NSQ bytes that belong to it. */
static double time_transport(const struct work *work)
{
    size_t body_length = (size_t)(work->body_bytes / work->requests);
    size_t nsq_bytes = (size_t)(work->nsq_bytes / work->requests);
    uint8_t *body = calloc(1, body_length), *buffer = malloc(READ_LENGTH);
    struct line kinesis = { .tls = NULL };
    int nsqd, their_nsqd, their_kinesis;
    uint64_t rounds = 0;
    int64_t began;

    if (!body || !buffer)
        fail("no memory");
    connect_pair(&nsqd, &their_nsqd);
    connect_pair(&kinesis.fd, &their_kinesis);
    if (fork() == 0) {
        become_peer(nsqd, kinesis.fd);
        play_nsqd(their_nsqd);
    }
    if (fork() == 0) {
        become_peer(nsqd, kinesis.fd);
        play_kinesis(their_kinesis, work, body_length);
    }
    close(their_nsqd);
    close(their_kinesis);
    line_open(&kinesis, work, false);
    move(nsqd, &kinesis, nsq_bytes, body, body_length, buffer);
    began = processor_ns();
    while (processor_ns() - began < 3 * MEASURED_NS) {
        move(nsqd, &kinesis, nsq_bytes, body, body_length, buffer);
        rounds++;
    }
    began = processor_ns() - began;
    close(nsqd);
    close(kinesis.fd);
    while (wait(NULL) > 0)
        ;
    free(body);
    free(buffer);
    return (double)began / (double)rounds;
}

/* --- main */

static void show(const char *name, double ns, bool is_last)
{
    printf("\"%s\":%.1f%s", name, ns, is_last ? "}\n" : ",");
}

static void measure(const struct work *work)
{
    double requests_each = (double)work->requests / (double)work->messages;
    size_t body = (size_t)(work->body_bytes / work->requests);
    double trailers_each = (double)work->trailers / (double)work->messages;

    printf("{");
    show("sha256_ns", requests_each * time_round(work, hash_sha256, body),
         false);
    show("md5_keys_ns",
         work->key_length == 0
             ? 0
             : time_round(work, hash_md5, (size_t)work->key_length) /
                   LANES_MOST,
         false);
    show("md5_trailers_ns",
         work->trailers == 0
             ? 0
             : trailers_each *
                   time_round(work, hash_md5,
                              (size_t)(work->trailer_bytes / work->trailers)) /
                   LANES_MOST,
         false);
    show("aes_gcm_ns",
         work->certificate ? requests_each * time_round(work, encrypt, body)
                           : 0,
         false);
    show("transport_ns", requests_each * time_transport(work), true);
}

int main(int argc, char *argv[])
{
    struct work work = { .messages = 0 };
    uint64_t *const numbers[] = { &work.messages,   &work.nsq_bytes,
                                  &work.body_bytes, &work.requests,
                                  &work.key_length, &work.trailer_bytes,
                                  &work.trailers };
    const int count = (int)ARRAY_LENGTH(numbers);

    if (argc != 1 + count && argc != 3 + count)
        fail("usage: floor MESSAGES NSQ_BYTES BODY_BYTES REQUESTS KEY_LENGTH "
             "TRAILER_BYTES TRAILERS [CERTIFICATE PRIVATE_KEY]");
    for (int i = 0; i < count; i++)
        *numbers[i] = strtoull(argv[1 + i], NULL, 10);
    if (argc == 3 + count) {
        work.certificate = argv[1 + count];
        work.private_key = argv[2 + count];
    }
    if (work.messages == 0 || work.requests == 0 ||
        work.nsq_bytes < work.requests || work.body_bytes < work.requests)
        fail("there must be messages, requests and bytes");
    signal(SIGPIPE, SIG_IGN);
    measure(&work);
    return EXIT_SUCCESS;
}
