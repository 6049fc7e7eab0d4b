/* SPDX-License-Identifier: Apache-2.0 */

#include "egress/survey.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/error.h"

/* Pauses: half of it for sure, half by chance; twice as long each time. */
#define PAUSE_FIRST_NS (200 * NS_PER_MS)
#define PAUSE_MOST_NS  (2 * NS_PER_SECOND)

/* A page has up to 1000 shards; empty ones with a token are legal, but some. */
#define PAGES_MOST 1000

/* Frame, stream name and the longest token we are willing to give back. */
#define REQUEST_CAPACITY ((size_t)64 * 1024)

/* How long a complaint is reason to look again before it is the result. */
enum patience {
    PATIENCE_NONE,     /* not at all: nothing changes by itself */
    PATIENCE_CLOCK,    /* once, because the reply told the right time */
    PATIENCE_SERVICE,  /* settings->patience_ns */
    PATIENCE_CREATING, /* settings->creating_patience_ns */
};

struct look {
    struct kinesis_session *session;
    const struct survey_settings *settings;
    struct random *random;
    struct survey *survey;
    enum patience patience; /* with the last complaint */
    bool clock_was_blamed;
    struct monotonic start;
    int64_t pause_ns; /* the next one's most */
    uint8_t request[REQUEST_CAPACITY];
};

struct action {
    const char *name; /* as in IAM: kinesis:NAME */
    const char *target;
};

static const struct action describe_action = { "DescribeStreamSummary",
                                               CONTROL_PLANE_DESCRIBE };
static const struct action list_action = { "ListShards",
                                           CONTROL_PLANE_LIST_SHARDS };

/* What an error code means here, whatever its status is. */
static const struct refusal {
    const char *code;
    enum survey_condition condition;
    enum patience patience;
} refusals[] = {
    { "ResourceNotFoundException", SURVEY_NO_STREAM, PATIENCE_NONE },
    { "AccessDeniedException", SURVEY_ACCESS_DENIED, PATIENCE_NONE },
    { "AccessDenied", SURVEY_ACCESS_DENIED, PATIENCE_NONE },
    { "UnauthorizedOperation", SURVEY_ACCESS_DENIED, PATIENCE_NONE },
    { "UnrecognizedClientException", SURVEY_CREDENTIALS_REFUSED,
      PATIENCE_NONE },
    { "InvalidClientTokenId", SURVEY_CREDENTIALS_REFUSED, PATIENCE_NONE },
    { "MissingAuthenticationToken", SURVEY_CREDENTIALS_REFUSED, PATIENCE_NONE },
    { "MissingAuthenticationTokenException", SURVEY_CREDENTIALS_REFUSED,
      PATIENCE_NONE },
    { "IncompleteSignature", SURVEY_CREDENTIALS_REFUSED, PATIENCE_NONE },
    { "IncompleteSignatureException", SURVEY_CREDENTIALS_REFUSED,
      PATIENCE_NONE },
    { "ExpiredToken", SURVEY_CREDENTIALS_REFUSED, PATIENCE_NONE },
    { "ExpiredTokenException", SURVEY_CREDENTIALS_REFUSED, PATIENCE_NONE },
    { "AuthFailure", SURVEY_CREDENTIALS_REFUSED, PATIENCE_CLOCK },
    { "InvalidSignatureException", SURVEY_CREDENTIALS_REFUSED, PATIENCE_CLOCK },
    { "SignatureDoesNotMatch", SURVEY_CREDENTIALS_REFUSED, PATIENCE_CLOCK },
    { "RequestTimeTooSkewed", SURVEY_CREDENTIALS_REFUSED, PATIENCE_CLOCK },
    { "RequestExpired", SURVEY_CREDENTIALS_REFUSED, PATIENCE_CLOCK },
    { "RequestInTheFuture", SURVEY_CREDENTIALS_REFUSED, PATIENCE_CLOCK },
    { "ResourceInUseException", SURVEY_NOT_READY, PATIENCE_CREATING },
    { "ExpiredNextTokenException", SURVEY_BUSY, PATIENCE_SERVICE },
    { "LimitExceededException", SURVEY_BUSY, PATIENCE_SERVICE },
    { "Throttling", SURVEY_BUSY, PATIENCE_SERVICE },
    { "ThrottlingException", SURVEY_BUSY, PATIENCE_SERVICE },
    { "ThrottledException", SURVEY_BUSY, PATIENCE_SERVICE },
    { "RequestLimitExceeded", SURVEY_BUSY, PATIENCE_SERVICE },
    { "TooManyRequestsException", SURVEY_BUSY, PATIENCE_SERVICE },
    { "SlowDown", SURVEY_BUSY, PATIENCE_SERVICE },
};

bool survey_can_heal(int condition)
{
    return condition == SURVEY_UNREACHABLE || condition == SURVEY_BUSY ||
           condition == SURVEY_NOT_READY || condition == SURVEY_NOT_KINESIS;
}

static const char *url_of(const struct look *look)
{
    return kinesis_session_endpoint(look->session)->url;
}

__attribute__((format(printf, 4, 5))) static int
complain(struct look *look, enum survey_condition condition,
         enum patience patience, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(look->survey->complaint, sizeof(look->survey->complaint),
                    format, arguments);
    va_end(arguments);
    look->patience = patience;
    return (int)condition;
}

static int complain_of_trust(struct look *look, const struct http_reply *reply)
{
    const char *ca_file = kinesis_session_ca_file(look->session);

    return complain(look, SURVEY_UNTRUSTED, PATIENCE_NONE,
                    "%s cannot be trusted by %s%s: %s", url_of(look),
                    ca_file ? "the certificates of " : "the system's ",
                    ca_file ? ca_file : "certificates (see --ca-file)",
                    reply->explanation);
}

static int complain_of_failure(struct look *look,
                               const struct http_reply *reply)
{
    switch (reply->failure) {
    case HTTP_UNTRUSTED:
    case HTTP_CA_UNREADABLE:
        return complain_of_trust(look, reply);
    case HTTP_UNRESOLVED:
    case HTTP_UNREACHABLE:
        return complain(look, SURVEY_UNREACHABLE, PATIENCE_SERVICE,
                        "cannot reach %s: %s", url_of(look),
                        reply->explanation);
    case HTTP_TLS_FAILED:
        return complain(look, SURVEY_UNREACHABLE, PATIENCE_SERVICE,
                        "no TLS with %s: %s", url_of(look), reply->explanation);
    case HTTP_NOT_HTTP:
    case HTTP_REPLY_TOO_LONG:
        return complain(look, SURVEY_NOT_KINESIS, PATIENCE_SERVICE,
                        "what answers at %s is not Kinesis: %s", url_of(look),
                        reply->explanation);
    default:
        /* No attempt began: there was never a connection. */
        return complain(look,
                        reply->attempts == 0 ? SURVEY_UNREACHABLE : SURVEY_BUSY,
                        PATIENCE_SERVICE, "no reply from %s: %s", url_of(look),
                        reply->explanation);
    }
}

static int complain_of_credentials(struct look *look, enum patience patience,
                                   const struct service_error *error)
{
    int64_t offset_ns = kinesis_session_clock_offset_ns(look->session);
    char clock_hint[96] = "";

    if (offset_ns != 0)
        (void)snprintf(clock_hint, sizeof(clock_hint),
                       " (this host's clock is %lld s off)",
                       (long long)(offset_ns / NS_PER_SECOND));
    return complain(look, SURVEY_CREDENTIALS_REFUSED, patience,
                    "%s does not accept the AWS credentials of the %s: %s: "
                    "%s%s",
                    url_of(look),
                    kinesis_session_credentials_source(look->session),
                    error->code, error->message, clock_hint);
}

static int complain_as(struct look *look, const struct refusal *refusal,
                       const struct action *action,
                       const struct service_error *error)
{
    const char *stream = look->settings->stream;
    const char *region = kinesis_session_endpoint(look->session)->region;

    switch (refusal->condition) {
    case SURVEY_NO_STREAM:
        return complain(look, refusal->condition, refusal->patience,
                        "there is no stream %s in region %s at %s", stream,
                        region, url_of(look));
    case SURVEY_ACCESS_DENIED:
        return complain(look, refusal->condition, refusal->patience,
                        "the AWS credentials of the %s are not allowed to "
                        "kinesis:%s on stream %s in region %s: %s",
                        kinesis_session_credentials_source(look->session),
                        action->name, stream, region, error->message);
    case SURVEY_CREDENTIALS_REFUSED:
        return complain_of_credentials(look, refusal->patience, error);
    case SURVEY_NOT_READY:
        return complain(look, refusal->condition, refusal->patience,
                        "stream %s in region %s is not ready: %s", stream,
                        region, error->message);
    default:
        return complain(look, refusal->condition, refusal->patience,
                        "%s puts %s off: %s: %s", url_of(look), action->name,
                        error->code, error->message);
    }
}

/* Any other status than 200. */
static int complain_of_status(struct look *look, const struct action *action,
                              const struct http_reply *reply)
{
    struct service_error error;

    service_error_decode(reply->body, &error);
    for (size_t i = 0; i < ARRAY_LENGTH(refusals); i++)
        if (strcmp(error.code, refusals[i].code) == 0)
            return complain_as(look, &refusals[i], action, &error);
    if (reply->status >= 500 || reply->status == 429)
        return complain(look, SURVEY_BUSY, PATIENCE_SERVICE,
                        "%s fails: status %d %s %s", url_of(look),
                        reply->status, error.code, error.message);
    if (error.code[0] == '\0')
        return complain(look, SURVEY_NOT_KINESIS, PATIENCE_SERVICE,
                        "what answers at %s is not Kinesis: status %d %s",
                        url_of(look), reply->status, reply->content_type);
    return complain(look, SURVEY_REFUSED, PATIENCE_NONE,
                    "%s refuses %s of stream %s: %s: %s", url_of(look),
                    action->name, look->settings->stream, error.code,
                    error.message);
}

static int complain_of_nonsense(struct look *look, const struct action *action)
{
    return complain(look, SURVEY_NOT_KINESIS, PATIENCE_SERVICE,
                    "the reply of %s to %s is not understood", url_of(look),
                    action->name);
}

/* One request and its reply; 0 if it has status 200. */
static int ask(struct look *look, const struct action *action,
               const struct bytes_writer *body, struct http_reply *reply)
{
    struct http_client *client = kinesis_session_client(look->session);
    const struct kinesis_request request = {
        .target = action->target,
        .content_type = CONTROL_PLANE_CONTENT_TYPE,
        .body = bytes_written(body),
    };
    int result;

    if (body->overrun)
        return complain_of_nonsense(look, action); /* a token of 64 KiB */
    result =
        kinesis_session_send(look->session, 0, &request, clock_wall_time());
    while (result >= 0 &&
           !kinesis_session_next(look->session, clock_wall_time(), reply)) {
        result = http_client_turn(client);
        if (result == 0)
            result = http_client_wait(client, NULL, 0, 1000);
    }
    if (result < 0)
        return result;
    if (reply->failure)
        return complain_of_failure(look, reply);
    if (reply->status != 200)
        return complain_of_status(look, action, reply);
    return 0;
}

static int describe(struct look *look)
{
    struct bytes_writer body =
        bytes_writer_on(look->request, sizeof(look->request));
    const char *stream = look->settings->stream;
    struct http_reply reply;
    int result;

    describe_stream_encode(stream, &body);
    result = ask(look, &describe_action, &body, &reply);
    if (result != 0)
        return result;
    if (describe_stream_decode(reply.body, &look->survey->summary) != 0)
        return complain_of_nonsense(look, &describe_action);
    if (look->survey->summary.status == STREAM_CREATING)
        return complain(look, SURVEY_NOT_READY, PATIENCE_CREATING,
                        "stream %s is still being created", stream);
    /* It takes records and loses them (API reference, DeleteStream). */
    if (look->survey->summary.status == STREAM_DELETING)
        return complain(look, SURVEY_NO_STREAM, PATIENCE_NONE,
                        "stream %s at %s is being deleted", stream,
                        url_of(look));
    return 0;
}

static int list_page(struct look *look)
{
    struct bytes_writer body =
        bytes_writer_on(look->request, sizeof(look->request));
    struct http_reply reply;
    int result;

    list_shards_encode(look->settings->stream, LIST_OPEN_SHARDS,
                       look->survey->list.next_token, &body);
    result = ask(look, &list_action, &body, &reply);
    if (result != 0)
        return result;
    result = list_shards_decode(reply.body, &look->survey->list);
    return result > 0 ? complain_of_nonsense(look, &list_action) : result;
}

static int list_shards(struct look *look)
{
    struct survey *survey = look->survey;
    int result;

    shard_list_deinit(&survey->list);
    for (int page = 0; page == 0 || survey->list.next_token; page++) {
        if (page == PAGES_MOST)
            return complain_of_nonsense(look, &list_action);
        result = list_page(look);
        if (result != 0)
            return result;
    }
    /* Pages read while a split or merge was under way may not fit together. */
    if (shard_map_build(&survey->map, survey->list.open.rows,
                        survey->list.open.count) != 0)
        return complain(look, SURVEY_NOT_READY, PATIENCE_SERVICE,
                        "the %zu open shards of stream %s do not cover every "
                        "hash key exactly once",
                        survey->list.open.count, look->settings->stream);
    return 0;
}

static struct monotonic look_deadline(const struct look *look)
{
    switch (look->patience) {
    case PATIENCE_SERVICE:
        return monotonic_after(look->start, look->settings->patience_ns);
    case PATIENCE_CREATING:
        return monotonic_after(look->start,
                               look->settings->creating_patience_ns);
    default:
        return look->start;
    }
}

/* Sleep before the next look; false if there is to be none. */
static bool pause_if_worthwhile(struct look *look)
{
    int64_t pause_ns =
        look->pause_ns / 2 + random_jitter(look->random, look->pause_ns / 2);
    struct monotonic end = monotonic_after(clock_monotonic(), pause_ns);

    if (look->patience == PATIENCE_CLOCK) {
        bool is_first = !look->clock_was_blamed;

        look->clock_was_blamed = true;
        return is_first;
    }
    if (monotonic_reached(look_deadline(look), end))
        return false;
    while (!monotonic_reached(end, clock_monotonic())) {
        int64_t left_ns = monotonic_between(clock_monotonic(), end);

        if (http_client_wait(kinesis_session_client(look->session), NULL, 0,
                             (int)(left_ns / NS_PER_MS) + 1) < 0)
            return false;
    }
    if (look->pause_ns < PAUSE_MOST_NS)
        look->pause_ns *= 2;
    return true;
}

int survey_take(struct kinesis_session *session,
                const struct survey_settings *settings, struct random *random,
                struct survey *survey)
{
    struct look look = {
        .session = session,
        .settings = settings,
        .random = random,
        .survey = survey,
        .start = clock_monotonic(),
        .pause_ns = PAUSE_FIRST_NS,
    };
    int result;

    do {
        result = describe(&look);
        if (result == 0)
            result = list_shards(&look);
    } while (result > 0 && pause_if_worthwhile(&look));
    return result;
}

void survey_deinit(struct survey *survey)
{
    shard_list_deinit(&survey->list);
}
