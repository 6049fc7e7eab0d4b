/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * nsq_protocol - frames and commands of nsqd's TCP protocol V2 <-> bytes.
 *
 *     frame     size (4) | type (4) | body (size - 4)            big endian
 *     message   timestamp ns (8) | attempts (2) | id (16) | body
 *     command   NAME[ parameter]*\n [size (4) | body]
 *
 * Pure, but for cJSON, which allocates while it reads the one IDENTIFY answer
 * of a connection. Views in results look into the bytes that were parsed. Sizes
 * are checked before anything is believed of a frame; nothing is read beyond
 * the bytes given.
 *
 * Source: nsq.io, "TCP Protocol Spec", and where it is silent or wrong, nsqd
 * 1.3.0 (nsqd/protocol_v2.go, client_v2.go).
 *
 * Returns   0, or an NSQ_* condition. Encoders write into a bytes_writer and
 *           return nothing: its overrun tells.
 */

#include "common/bytes.h"

enum nsq_protocol_condition {
    NSQ_FRAME_PARTIAL = 1, /* more bytes are needed: see frame->length */
    NSQ_FRAME_BAD_SIZE,    /* smaller than its own type, or above the cap */
    NSQ_FRAME_BAD_TYPE,    /* none of the three types */
    NSQ_FRAME_IS_HTTP,     /* an HTTP port was given for the TCP port */
    NSQ_MESSAGE_BROKEN,    /* too short, or an id that is not hexadecimal */
    NSQ_ANSWER_BROKEN,     /* not an IDENTIFY answer */
    NSQ_ERROR_BROKEN,      /* an error frame without a code */
};

enum nsq_frame_type {
    NSQ_FRAME_RESPONSE = 0,
    NSQ_FRAME_ERROR = 1,
    NSQ_FRAME_MESSAGE = 2,
};

#define NSQ_FRAME_HEAD_LENGTH   8  /* size and type */
#define NSQ_MESSAGE_HEAD_LENGTH 26 /* timestamp, attempts and id */
#define NSQ_MESSAGE_ID_LENGTH   16

/*
 * Bytes that nothing but a message may exceed: responses and error frames are
 * a few hundred bytes, so that a cap below this would only cut sentences.
 */
#define NSQ_FRAME_LEAST_CAP 65536

struct nsq_frame {
    enum nsq_frame_type type;
    struct bytes body; /* what follows the type */
    size_t length;     /* the whole frame on the wire, in bytes */
};

struct nsq_message_id {
    uint8_t text[NSQ_MESSAGE_ID_LENGTH]; /* hexadecimal digits, no NUL */
};

struct nsq_message {
    struct nsq_message_id id;
    uint64_t timestamp_ns; /* when nsqd took the message; wall time of nsqd */
    uint16_t attempts;     /* deliveries so far, this one counted */
    struct bytes body;
};

/*
 * Read the frame at the start of `input`. `max_frame_size` caps the size field
 * (a message frame's is 30 + its body).
 *
 * Returns 0; NSQ_FRAME_PARTIAL, with frame->length the bytes that are needed
 * at least (the others untouched); or NSQ_FRAME_BAD_SIZE, NSQ_FRAME_BAD_TYPE
 * or NSQ_FRAME_IS_HTTP, which show as soon as their bytes are there and after
 * which nothing in this stream can be understood. NSQ_FRAME_BAD_SIZE leaves
 * the size that was claimed in frame->length, for the complaint.
 */
int nsq_frame_parse(struct bytes input, size_t max_frame_size,
                    struct nsq_frame *frame);

/* Read a frame of type NSQ_FRAME_MESSAGE. Returns 0 or NSQ_MESSAGE_BROKEN. */
int nsq_message_parse(const struct nsq_frame *frame,
                      struct nsq_message *message);

static inline bool nsq_message_id_equal(const struct nsq_message_id *a,
                                        const struct nsq_message_id *b)
{
    return memcmp(a->text, b->text, sizeof(a->text)) == 0;
}

/* True for the response that must be answered with any command. */
bool nsq_frame_is_heartbeat(const struct nsq_frame *frame);

/*
 * What IDENTIFY says. Texts are UTF-8; NULL is left out. Numbers that are 0
 * leave the choice to nsqd, except that heartbeats are always asked for.
 */
struct nsq_identity {
    const char *client_id;
    const char *hostname;
    const char *user_agent;
    uint32_t heartbeat_interval_ms;
    uint32_t output_buffer_size;       /* bytes; 64 to nsqd's maximum */
    uint32_t output_buffer_timeout_ms; /* 25 or more */
    uint32_t msg_timeout_ms;           /* above nsqd's maximum is fatal */
};

void nsq_encode_magic(struct bytes_writer *writer);
void nsq_encode_identify(struct bytes_writer *writer,
                         const struct nsq_identity *identity);
void nsq_encode_authenticate(struct bytes_writer *writer, struct bytes secret);
void nsq_encode_subscribe(struct bytes_writer *writer, struct bytes topic,
                          struct bytes channel);
void nsq_encode_ready(struct bytes_writer *writer, uint32_t count);
void nsq_encode_finish(struct bytes_writer *writer,
                       const struct nsq_message_id *id);
void nsq_encode_requeue(struct bytes_writer *writer,
                        const struct nsq_message_id *id, uint32_t delay_ms);
void nsq_encode_touch(struct bytes_writer *writer,
                      const struct nsq_message_id *id);
void nsq_encode_no_operation(struct bytes_writer *writer);
void nsq_encode_start_close(struct bytes_writer *writer);

/* `body` must not be empty: nsqd refuses that. */
void nsq_encode_publish(struct bytes_writer *writer, struct bytes topic,
                        struct bytes body);

/* Room for a PUB besides its body, in bytes; a topic has at most 64. */
#define NSQ_PUBLISH_MOST 80

/* Room for any one of FIN, REQ, TOUCH, RDY, NOP and CLS, in bytes. */
#define NSQ_COMMAND_MOST 48

/* What nsqd grants: the answer to IDENTIFY. */
struct nsq_terms {
    uint32_t max_rdy_count;      /* most RDY of one connection */
    uint32_t msg_timeout_ms;     /* until an untouched message comes back */
    uint32_t max_msg_timeout_ms; /* as far as TOUCH can carry it */
    bool auth_required;          /* AUTH has to come before SUB */
    char version[32];            /* nsqd's, "" if it did not say; cut to fit */
};

/*
 * Read the answer to IDENTIFY: JSON, or plain OK of a nsqd that does not
 * negotiate, in which case (as for every missing key) nsqd's own defaults are
 * taken. Returns 0 or NSQ_ANSWER_BROKEN.
 */
int nsq_terms_parse(struct bytes body, struct nsq_terms *terms);

/* The three errors that leave a connection open; all others are fatal. */
enum nsq_error_kind {
    NSQ_ERROR_FATAL,
    NSQ_ERROR_FIN_FAILED,
    NSQ_ERROR_REQ_FAILED,
    NSQ_ERROR_TOUCH_FAILED,
};

struct nsq_error {
    enum nsq_error_kind kind;
    struct bytes code; /* the first word, such as E_BAD_TOPIC */
    struct bytes text; /* what follows it; may be empty */
    bool has_id;       /* the message it is about could be read */
    struct nsq_message_id id;
};

/* Read a frame of type NSQ_FRAME_ERROR. Returns 0 or NSQ_ERROR_BROKEN. */
int nsq_error_parse(const struct nsq_frame *frame, struct nsq_error *error);
