/* SPDX-License-Identifier: Apache-2.0 */

#include "common/lifeline.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/error.h"

static bool is_gone(int error)
{
    return error == EPIPE || error == ECONNRESET || error == ENOTCONN;
}

/*
 * A supervisor that is stopped (SIGSTOP, a debugger) does not read. Its socket
 * then fills with signs of life, and one more of them tells nothing new.
 */
int lifeline_send(int descriptor, enum lifeline_kind kind, uint32_t value)
{
    struct lifeline_message message = {
        .kind = (uint32_t)kind,
        .value = value,
    };
    ssize_t sent;

    do
        sent = send(descriptor, &message, sizeof(message),
                    MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        return 0;
    if (is_gone(errno)) {
        /* If it was not, it is now: both sides shall think the same. */
        (void)shutdown(descriptor, SHUT_RDWR);
        return LIFELINE_CLOSED;
    }
    if (errno == EAGAIN && kind == LIFELINE_ALIVE)
        return 0;
    return error_origin(-errno, "cannot write to the lifeline");
}

int lifeline_receive(int descriptor, struct lifeline_message *message)
{
    struct lifeline_message received;

    for (;;) {
        ssize_t length = recv(descriptor, &received, sizeof(received),
                              MSG_DONTWAIT | MSG_TRUNC);

        if (length == (ssize_t)sizeof(received))
            break;
        if (length > 0) /* of another version: ignored */
            continue;
        if (length == 0 || is_gone(errno))
            return LIFELINE_CLOSED;
        if (errno == EAGAIN)
            return LIFELINE_EMPTY;
        if (errno != EINTR)
            return error_origin(-errno, "cannot read from the lifeline");
    }
    *message = received;
    return 0;
}

/* The words, and the wake-ups beside them. */
static int introduce(int connection, const char *role)
{
    char words[64];
    int wakeups[WAKEUP_DESCRIPTOR_COUNT];
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(wakeups))] = { 0 };
    struct iovec text = { .iov_base = words };
    struct msghdr message = { .msg_iov = &text,
                              .msg_iovlen = 1,
                              .msg_control = control,
                              .msg_controllen = sizeof(control) };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    text.iov_len = (size_t)snprintf(words, sizeof(words), "adopt %s", role);
    for (int i = 0; i < WAKEUP_DESCRIPTOR_COUNT; i++)
        wakeups[i] = WAKEUP_DESCRIPTOR_INGEST + i;
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(wakeups));
    memcpy(CMSG_DATA(header), wakeups, sizeof(wakeups));
    return sendmsg(connection, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0
               ? LIFELINE_CLOSED
               : 0;
}

int lifeline_rejoin(const char *control_socket, const char *role)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int connection;
    int result = 0;

    if (snprintf(address.sun_path, sizeof(address.sun_path), "/dev/shm%s",
                 control_socket) >= (int)sizeof(address.sun_path))
        return error_origin(-ENAMETOOLONG, "cannot reach /dev/shm%s",
                            control_socket);
    connection =
        socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection < 0)
        return error_origin(-errno, "cannot look for a new supervisor");
    /* Refused, absent or busy: there is another try soon. */
    if (connect(connection, (const struct sockaddr *)&address,
                sizeof(address)) < 0)
        result = LIFELINE_CLOSED;
    if (result == 0)
        result = introduce(connection, role);
    if (result == 0 && dup3(connection, LIFELINE_DESCRIPTOR, O_CLOEXEC) < 0)
        result = error_origin(-errno, "cannot take the new lifeline");
    (void)close(connection);
    return result;
}

static bool is_lifeline(int descriptor)
{
    int type = 0;
    int domain = 0;
    socklen_t length = sizeof(int);

    return getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &length) == 0 &&
           getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &length) ==
               0 &&
           type == SOCK_SEQPACKET && domain == AF_UNIX;
}

/* The kernel names what a descriptor is only in /proc. */
static bool is_eventfd(int descriptor)
{
    char path[64];
    char kind[64];
    ssize_t length;

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", descriptor);
    length = readlink(path, kind, sizeof(kind) - 1);
    if (length < 0)
        return false;
    kind[length] = '\0';
    return strcmp(kind, "anon_inode:[eventfd]") == 0;
}

static int adopt_one(int descriptor)
{
    int flags = fcntl(descriptor, F_GETFL);

    if (flags < 0 || fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) < 0 ||
        fcntl(descriptor, F_SETFD, FD_CLOEXEC) < 0)
        return error_origin(-errno, "cannot adopt descriptor %d", descriptor);
    return 0;
}

int lifeline_adopt(unsigned wakeup_count)
{
    int end = WAKEUP_DESCRIPTOR_INGEST + (int)wakeup_count;

    for (int i = LIFELINE_DESCRIPTOR; i < end; i++) {
        bool right = i == LIFELINE_DESCRIPTOR ? is_lifeline(i) : is_eventfd(i);

        if (!right)
            return error_sentence(
                -EBADF,
                "descriptor %d is not the %s that a supervisor hands down: "
                "start nsq_to_kinesis, which starts this program",
                i, i == LIFELINE_DESCRIPTOR ? "lifeline" : "wake-up");
    }
    for (int i = LIFELINE_DESCRIPTOR; i < end; i++) {
        int result = adopt_one(i);

        if (result < 0)
            return result;
    }
    (void)close_range((unsigned)end, ~0U, 0);
    return 0;
}
