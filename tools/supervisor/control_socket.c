/* SPDX-License-Identifier: Apache-2.0 */

#include "tools/supervisor/control_socket.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/error.h"
#include "shard/segment_name.h"

/* More orphans than there can be. */
#define BACKLOG 128

static struct sockaddr_un address_of(const char *bridge)
{
    struct segment_name name = segment_name_of(bridge, "control");
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "/dev/shm%s",
                   name.text);
    return address;
}

int control_socket_open(const char *bridge, int *listener)
{
    struct sockaddr_un address = address_of(bridge);
    mode_t before;
    int opened;
    int result;

    (void)unlink(address.sun_path);
    opened = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (opened < 0)
        return error_origin(-errno, "cannot make a control socket");
    before = umask(0177); /* it is never there with another mode */
    result = bind(opened, (const struct sockaddr *)&address, sizeof(address));
    (void)umask(before);
    if (result < 0 || listen(opened, BACKLOG) < 0) {
        result = error_origin(-errno, "cannot listen at %s", address.sun_path);
        (void)close(opened);
        return result;
    }
    *listener = opened;
    return 0;
}

void control_socket_close(const char *bridge, int listener)
{
    struct sockaddr_un address = address_of(bridge);

    if (listener < 0)
        return;
    (void)unlink(address.sun_path);
    (void)close(listener);
}

int control_socket_accept(int listener, int *connection)
{
    *connection = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (*connection >= 0)
        return 0;
    if (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR)
        return CONTROL_EMPTY;
    return error_origin(-errno, "cannot take a connection");
}

static bool is_ours(int connection, int *peer)
{
    struct ucred who;
    socklen_t length = sizeof(who);

    if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &who, &length) < 0 ||
        (who.uid != geteuid() && who.uid != 0))
        return false;
    *peer = who.pid;
    return true;
}

static void take_descriptors(struct msghdr *message,
                             struct control_request *request)
{
    struct cmsghdr *header = CMSG_FIRSTHDR(message);
    size_t length;

    if (!header || header->cmsg_level != SOL_SOCKET ||
        header->cmsg_type != SCM_RIGHTS)
        return;
    length = header->cmsg_len - CMSG_LEN(0);
    if (length > sizeof(request->descriptors))
        length = sizeof(request->descriptors);
    memcpy(request->descriptors, CMSG_DATA(header), length);
    request->descriptor_count = length / sizeof(int);
}

int control_socket_receive(int connection, struct control_request *request)
{
    _Alignas(
        struct cmsghdr) char control[CMSG_SPACE(sizeof(request->descriptors))];
    struct iovec text = { .iov_base = request->words,
                          .iov_len = sizeof(request->words) - 1 };
    struct msghdr message = { .msg_iov = &text,
                              .msg_iovlen = 1,
                              .msg_control = control,
                              .msg_controllen = sizeof(control) };
    ssize_t length;

    *request = (struct control_request){ 0 };
    length = recvmsg(connection, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (length < 0)
        return errno == EAGAIN || errno == EINTR ? CONTROL_EMPTY
                                                 : CONTROL_CLOSED;
    take_descriptors(&message, request);
    if (length > 0 && is_ours(connection, &request->peer) &&
        !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) &&
        (request->descriptor_count == 0 ||
         request->descriptor_count == WAKEUP_DESCRIPTOR_COUNT))
        return 0;
    for (size_t i = 0; i < request->descriptor_count; i++)
        (void)close(request->descriptors[i]);
    return CONTROL_CLOSED;
}

void control_socket_answer(int connection, bool is_ok, const char *sentence)
{
    char text[CONTROL_ANSWER_MOST];
    int length =
        snprintf(text, sizeof(text), "%s %s", is_ok ? "ok" : "no", sentence);

    if (length >= (int)sizeof(text))
        length = (int)sizeof(text) - 1;
    (void)send(connection, text, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)close(connection);
}

/* Returns the length of the answer, or a negative errno. */
static ssize_t exchange(int connection, const char *words, int timeout_ms,
                        char answer[CONTROL_ANSWER_MOST])
{
    struct pollfd answered = { .fd = connection, .events = POLLIN };
    ssize_t length;
    int ready;

    if (send(connection, words, strlen(words), MSG_NOSIGNAL) < 0)
        return -errno;
    do
        ready = poll(&answered, 1, timeout_ms);
    while (ready < 0 && errno == EINTR);
    if (ready <= 0)
        return ready < 0 ? -errno : -ETIMEDOUT;
    length = recv(connection, answer, CONTROL_ANSWER_MOST - 1, 0);
    if (length < 0)
        return -errno;
    return length == 0 ? -ECONNRESET : length;
}

int control_socket_ask(const char *bridge, const char *words, int timeout_ms,
                       char answer[CONTROL_ANSWER_MOST])
{
    struct sockaddr_un address = address_of(bridge);
    int connection = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    ssize_t length;

    if (connection < 0)
        return error_origin(-errno, "cannot make a socket");
    if (connect(connection, (const struct sockaddr *)&address,
                sizeof(address)) < 0) {
        int result =
            error_origin(-errno, "bridge \"%s\" does not run here", bridge);

        (void)close(connection);
        return result;
    }
    length = exchange(connection, words, timeout_ms, answer);
    (void)close(connection);
    if (length < 0)
        return error_origin((int)length, "bridge \"%s\" gave no answer",
                            bridge);
    answer[length] = '\0';
    if (length < 3 || strncmp(answer, "ok ", 3) != 0)
        return error_sentence(-EAGAIN, "%s",
                              length > 3 ? answer + 3 : "it was refused");
    memmove(answer, answer + 3, (size_t)length - 2);
    return 0;
}
