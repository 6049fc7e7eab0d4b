/* SPDX-License-Identifier: Apache-2.0 */

/*
 * nsq_simulator_load - the cheapest consumer there is, to see what a simulated
 * (or real) nsqd can do.
 *
 *     nsq_simulator_load TOPIC RDY MESSAGES PORT
 *
 * Reads blocking from one connection and answers every read with one write of
 * all its FINs. Ends after MESSAGES messages (0: when nsqd closes), and prints
 * what it took.
 */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/clock.h"

#define INPUT_LENGTH  ((size_t)4 * 1024 * 1024)
#define FIN_LENGTH    21
#define FRAME_LENGTH  8
#define ID_PLACE      18 /* in a message frame, after size, type, time, count */
#define MESSAGE_FRAME 2

struct load {
    int fd;
    uint64_t messages;
    uint8_t *input;
    size_t input_length;
    uint8_t *fins;
    size_t fins_length;
};

static bool send_all(int fd, struct bytes bytes)
{
    while (bytes.length > 0) {
        ssize_t sent = send(fd, bytes.data, bytes.length, MSG_NOSIGNAL);

        if (sent <= 0)
            return false;
        bytes = bytes_skip(bytes, (size_t)sent);
    }
    return true;
}

static bool connect_and_subscribe(struct load *load, const char *topic,
                                  const char *rdy, const char *port)
{
    static const char identify[] =
        "{\"feature_negotiation\":true,\"output_buffer_size\":65536,"
        "\"user_agent\":\"nsq_simulator_load\"}";
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)atoi(port)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    uint8_t text[1024];
    struct bytes_writer hello = bytes_writer_on(text, sizeof(text));

    load->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(load->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return false;
    setsockopt(load->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    bytes_put_text(&hello, "  V2IDENTIFY\n");
    bytes_put(&hello, bytes_of("\0\0\0", 3));
    bytes_put_byte(&hello, sizeof(identify) - 1);
    bytes_put_text(&hello, identify);
    bytes_put_text(&hello, "SUB ");
    bytes_put_text(&hello, topic);
    bytes_put_text(&hello, " load\nRDY ");
    bytes_put_text(&hello, rdy);
    bytes_put_byte(&hello, '\n');
    return !hello.overrun && send_all(load->fd, bytes_written(&hello));
}

static void take_frame(struct load *load, const uint8_t *frame, size_t length)
{
    uint32_t type = bytes_load_be32(frame + 4);
    uint8_t *fin = load->fins + load->fins_length;

    if (type == MESSAGE_FRAME) {
        memcpy(fin, "FIN ", 4);
        memcpy(fin + 4, frame + ID_PLACE, 16);
        fin[20] = '\n';
        load->fins_length += FIN_LENGTH;
        load->messages++;
    } else if (length == FRAME_LENGTH + 11) {
        memcpy(fin, "NOP\n", 4); /* _heartbeat_ */
        load->fins_length += 4;
    } else {
        fprintf(stderr, "%.*s\n", (int)(length - FRAME_LENGTH),
                (const char *)frame + FRAME_LENGTH);
    }
}

/* Returns false at the end of the connection. */
static bool take_input(struct load *load)
{
    ssize_t received = recv(load->fd, load->input + load->input_length,
                            INPUT_LENGTH - load->input_length, 0);
    size_t place = 0;

    if (received <= 0)
        return false;
    load->input_length += (size_t)received;
    load->fins_length = 0;
    while (load->input_length - place >= FRAME_LENGTH) {
        size_t length = bytes_load_be32(load->input + place) + 4;

        if (load->input_length - place < length)
            break;
        take_frame(load, load->input + place, length);
        place += length;
    }
    load->input_length -= place;
    memmove(load->input, load->input + place, load->input_length);
    return send_all(load->fd, bytes_of(load->fins, load->fins_length));
}

int main(int argc, char *argv[])
{
    struct load load = { .input = malloc(INPUT_LENGTH),
                         .fins = malloc(INPUT_LENGTH) };
    uint64_t most = argc == 5 ? strtoull(argv[3], NULL, 10) : 0;
    struct monotonic started = clock_monotonic();
    struct rusage usage;
    double seconds, cpu_seconds;

    if (argc != 5 || !load.input || !load.fins ||
        !connect_and_subscribe(&load, argv[1], argv[2], argv[4])) {
        fprintf(stderr, "usage: nsq_simulator_load TOPIC RDY MESSAGES PORT\n");
        return EXIT_FAILURE;
    }
    while ((most == 0 || load.messages < most) && take_input(&load))
        ;
    seconds =
        (double)monotonic_between(started, clock_monotonic()) / NS_PER_SECOND;
    getrusage(RUSAGE_SELF, &usage);
    cpu_seconds =
        (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
        (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    printf("{\"messages\":%llu,\"seconds\":%.3f,\"messages_per_second\":%.0f,"
           "\"cpu_ns_per_message\":%.0f}\n",
           (unsigned long long)load.messages, seconds,
           (double)load.messages / seconds,
           cpu_seconds * 1e9 / (double)(load.messages ? load.messages : 1));
    free(load.input);
    free(load.fins);
    close(load.fd);
    return EXIT_SUCCESS;
}
