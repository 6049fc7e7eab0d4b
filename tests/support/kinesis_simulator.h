/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * kinesis_simulator - a Kinesis Data Streams service for tests: one request
 * in, one reply out.
 *
 *     connection ──► simulator_answer() ──► signature ──► operation ──► reply
 *                                               │             ▲
 *                                               └── script ───┘ faults
 *
 * It is an independent witness: nothing of egress/ is used, so that a mistake
 * there is not repeated here. The logic knows no socket and no clock; time
 * comes with each exchange. Only the history writes, to its own file.
 */

#include "common/clock.h"
#include "common/random.h"
#include "tests/support/kinesis_simulator_history.h"
#include "tests/support/kinesis_simulator_http.h"
#include "tests/support/kinesis_simulator_late.h"
#include "tests/support/kinesis_simulator_put_request.h"
#include "tests/support/kinesis_simulator_refusal.h"
#include "tests/support/kinesis_simulator_reply.h"
#include "tests/support/kinesis_simulator_script.h"
#include "tests/support/kinesis_simulator_signature.h"
#include "tests/support/kinesis_simulator_stream.h"

/* 10 MiB in base64, 500 keys of 1 KiB and room for the names around them. */
#define SIMULATOR_BODY_MOST (UINT64_C(32) * 1024 * 1024)

struct simulator_settings {
    bool verifies;            /* signatures */
    bool discards;            /* count records, keep none */
    bool counts_user_records; /* look into aggregates */
    bool enforces_rate;       /* 1000 records/s and 1 MiB/s per shard */
    int64_t clock_offset_ns;  /* the service's clock minus ours */
    int64_t delay_ns;         /* before each reply */
    int64_t transition_ns;    /* how long CREATING and the like last */
    uint64_t keep_most;       /* bytes of records kept per shard */
};

#define SIMULATOR_CODES_MOST 32

struct simulator_statistics {
    uint64_t connections;
    uint64_t tls_connections;
    uint64_t requests;       /* answered or cut off */
    uint64_t put_records;    /* PutRecords and PutRecord requests */
    uint64_t received_bytes; /* TLS and HTTP included; of closed connections */
    uint64_t put_request_bytes; /* their bodies, as they arrived */
    uint64_t cbor_requests;
    uint64_t records; /* accepted */
    uint64_t record_bytes;
    uint64_t records_failed;  /* refused one by one */
    uint64_t records_trimmed; /* kept no longer: --keep-most was reached */
    uint64_t user_records;
    uint64_t aggregates_damaged;
    uint64_t faults;
    uint64_t replies_dropped;
    struct {
        const char *code;
        uint64_t count;
    } codes[SIMULATOR_CODES_MOST]; /* of refused requests */
    size_t code_count;
};

struct simulator {
    struct simulator_settings settings;
    struct simulator_verifier verifier;
    struct simulator_stream *streams;
    uint64_t number; /* of the newest sequence number */
    struct simulator_script script;
    struct simulator_history history;
    struct random random;
    struct simulator_statistics statistics;
    struct simulator_put_request put; /* the one being answered */
    struct simulator_late *late;      /* on their way, the next to land first */
    char access_key[128];             /* what POST /settings said */
    char secret_key[128];
    char session_token[1024];
};

/* One request and what becomes of it. */
struct simulator_exchange {
    const struct simulator_http_request *request;
    uint8_t *body; /* changed by the answer */
    size_t body_length;
    const uint8_t *body_digest; /* SHA-256 */
    struct monotonic now;
    struct wall_time wall; /* the service's, clock_offset_ns included */
    uint64_t id;
    const char *operation; /* from here on filled by simulator_answer() */
    enum simulator_protocol protocol;
    const char *content_type;
    int status;
    bool is_put;
    enum simulator_ending ending;
    int64_t delay_ns;
    int64_t time_ns; /* between two bytes; how old a list of shards is */
    struct simulator_reply *reply; /* the caller's; begun by the answer */
    struct simulator_refusal refusal;
};

/* Zeroed settings and no stream; `seed` decides what chance does. */
void simulator_init(struct simulator *simulator, uint64_t seed);
void simulator_deinit(struct simulator *simulator);

/* Answer one exchange: its reply, status, ending and delay. */
void simulator_answer(struct simulator *simulator,
                      struct simulator_exchange *exchange);

/* The exchange's reply left, or was dropped: for history and statistics. */
void simulator_on_reply(struct simulator *simulator,
                        const struct simulator_exchange *exchange,
                        struct monotonic now, bool dropped);

/* --- Between the files of the simulator. */

/* What a new sequence number or shard needs to know of the exchange. */
struct simulator_moment
simulator_moment_of(struct simulator *simulator,
                    const struct simulator_exchange *exchange);

/* The stream that a name, an ARN or both mean; NULL if there is none. */
struct simulator_stream *simulator_find(struct simulator *simulator,
                                        struct bytes name, struct bytes arn,
                                        struct monotonic now);

/* Add a stream. Returns 0 or -ENOMEM. */
int simulator_add_stream(struct simulator *simulator, const char *name,
                         uint32_t shard_count,
                         const struct simulator_moment *moment);

/* Take a stream out and free it. */
void simulator_remove_stream(struct simulator *simulator,
                             struct simulator_stream *stream);

int simulator_refuse_missing(struct simulator_exchange *exchange,
                             struct bytes name, struct bytes arn);

/* PutRecords and PutRecord (kinesis_simulator_put.c). */
int simulator_put(struct simulator *simulator,
                  struct simulator_exchange *exchange, bool is_single);

/* Store the records of simulator->put, which was kept until now. */
void simulator_put_landed(struct simulator *simulator,
                          struct simulator_exchange *exchange);

/* All other operations (kinesis_simulator_operations.c, _read.c). */
struct cJSON;

typedef int simulator_operation(struct simulator *simulator,
                                struct simulator_exchange *exchange,
                                const struct cJSON *document);

/* NULL if there is no such operation. */
simulator_operation *simulator_operation_named(const char *name);

/* The stream a document means; NULL, and a refusal, if there is none. */
struct simulator_stream *
simulator_document_stream(struct simulator *simulator,
                          struct simulator_exchange *exchange,
                          const struct cJSON *document);

simulator_operation simulator_get_shard_iterator;
simulator_operation simulator_get_records;
simulator_operation simulator_list_shards;

/* Split or merge as a script wants, or UpdateShardCount does; logs it. */
void simulator_note_reshard(struct simulator *simulator,
                            const struct simulator_stream *stream,
                            struct monotonic now);

/* Do what a rule says, BEFORE or AFTER; returns 0 or SIMULATOR_REFUSED. */
int simulator_apply_rule(struct simulator *simulator,
                         struct simulator_exchange *exchange,
                         const struct simulator_rule *rule);

/* POST /settings (kinesis_simulator_settings.c); false if it is wrong. */
bool simulator_change_settings(struct simulator *simulator, struct bytes text);

/* GET /statistics (kinesis_simulator_statistics.c). */
void simulator_write_statistics(const struct simulator *simulator,
                                struct simulator_reply *reply);
void simulator_count_code(struct simulator *simulator, const char *code);
