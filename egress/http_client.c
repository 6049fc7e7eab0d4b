/* SPDX-License-Identifier: Apache-2.0 */

#include "egress/http_client.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <curl/curl.h>

#include "common/error.h"

/*
 * A kept connection that a server or a NAT on the way has dropped costs an
 * ambiguous request. Load balancers drop idle ones after 60 s or more, so an
 * idle one is not used again after half of that; a new one costs about 1 ms of
 * CPU because the TLS session is kept.
 */
#define IDLE_MOST_SECONDS 30L

/* Spread over the addresses of an endpoint as they come and go. */
#define CONNECTION_LIFE_SECONDS 600L
#define DNS_CACHE_SECONDS       60L
#define REPLY_FIRST_LENGTH      ((size_t)16 * 1024)

enum slot_state {
    SLOT_IDLE,
    SLOT_FLYING,   /* libcurl has it */
    SLOT_FINISHED, /* its reply waits to be taken */
};

struct slot {
    CURL *curl;
    enum slot_state state;
    CURLcode result; /* of a finished one */
    struct bytes body;
    size_t body_position;   /* bytes of the body that libcurl took */
    unsigned attempts;      /* times libcurl began the request */
    bool was_whole;         /* an earlier attempt had the whole body */
    bool reply_is_too_long; /* more than HTTP_REPLY_MOST came */
    uint8_t *reply;         /* grows to the longest so far */
    size_t reply_capacity;  /* bytes */
    size_t reply_length;    /* bytes */
    char *header_text;      /* HTTP_HEADERS_MOST bytes, made at first use */
    struct curl_slist lines[HTTP_HEADER_COUNT_MOST + 2];
    char explanation[CURL_ERROR_SIZE];
};

struct http_client {
    CURLM *multi;
    CURLSH *share; /* TLS sessions: one per host, not one per slot */
    char *ca_file; /* NULL: the system's */
    struct http_client_settings settings;
    unsigned finished_count; /* slots whose reply was not taken yet */
    unsigned next;           /* slot where the search for one begins */
    struct slot slots[];
};

/*
 * libcurl begins the request on a connection, new or kept. From the second
 * time on this is its own re-send (transfer.c, Curl_retry_request), which must
 * not happen to a request that went out whole.
 */
/* NOLINTNEXTLINE(readability-non-const-parameter): libcurl's type */
static int on_request_begins(void *user, char *peer, char *local, int peer_port,
                             int local_port)
{
    struct slot *slot = user;

    (void)peer, (void)local, (void)peer_port, (void)local_port;
    if (slot->attempts > 0 && slot->body_position == slot->body.length)
        slot->was_whole = true;
    slot->attempts++;
    slot->body_position = 0;
    return slot->was_whole ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

/* What libcurl sends between two looks at its sockets. */
#define UPLOAD_BUFFER_BYTES (256 * 1024L)

/*
 * The body goes out through this callback, and not by CURLOPT_POSTFIELDS, so
 * that we know how much of it went; the copy is the one libcurl makes anyway.
 */
static size_t on_body_wanted(char *to, size_t size, size_t count, void *user)
{
    struct slot *slot = user;
    size_t room = size * count;
    size_t left = slot->body.length - slot->body_position;
    size_t length = left < room ? left : room;

    if (length > 0)
        memcpy(to, slot->body.data + slot->body_position, length);
    slot->body_position += length;
    return length;
}

/* Asked for before a re-send, which on_request_begins() decides about. */
static int on_body_rewound(void *user, curl_off_t offset, int origin)
{
    (void)user;
    return offset == 0 && origin == SEEK_SET ? CURL_SEEKFUNC_OK
                                             : CURL_SEEKFUNC_FAIL;
}

static bool reply_make_room(struct slot *slot, size_t length)
{
    size_t capacity =
        slot->reply_capacity ? slot->reply_capacity : REPLY_FIRST_LENGTH;
    uint8_t *grown;

    while (capacity < length)
        capacity *= 2;
    if (capacity == slot->reply_capacity)
        return true;
    grown = realloc(slot->reply, capacity);
    if (!grown)
        return false;
    slot->reply = grown;
    slot->reply_capacity = capacity;
    return true;
}

static size_t on_reply_bytes(char *from, size_t size, size_t count, void *user)
{
    struct slot *slot = user;
    size_t length = size * count;

    if (length > HTTP_REPLY_MOST - slot->reply_length) {
        slot->reply_is_too_long = true;
        return 0;
    }
    if (!reply_make_room(slot, slot->reply_length + length))
        return 0;
    memcpy(slot->reply + slot->reply_length, from, length);
    slot->reply_length += length;
    return length;
}

/*
 * Closing resets the connection: bytes of a request that was given up and
 * still lie in the kernel are dropped, not delivered behind our back.
 */
static int on_socket_made(void *user, curl_socket_t socket, curlsocktype kind)
{
    static const struct linger reset = { .l_onoff = 1, .l_linger = 0 };

    (void)user, (void)kind;
    (void)setsockopt(socket, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    return CURL_SOCKOPT_OK;
}

/* A failing setopt means no such option or no memory; the first one counts. */
static void note_failure(CURLcode *first, CURLcode code)
{
    if (*first == CURLE_OK)
        *first = code;
}

#define SET(option, value)                                                     \
    note_failure(&code, curl_easy_setopt(slot->curl, option, value))

static CURLcode slot_set_callbacks(struct slot *slot)
{
    CURLcode code = CURLE_OK;

    SET(CURLOPT_PREREQFUNCTION, on_request_begins);
    SET(CURLOPT_PREREQDATA, slot);
    SET(CURLOPT_READFUNCTION, on_body_wanted);
    SET(CURLOPT_READDATA, slot);
    SET(CURLOPT_SEEKFUNCTION, on_body_rewound);
    SET(CURLOPT_SEEKDATA, slot);
    SET(CURLOPT_WRITEFUNCTION, on_reply_bytes);
    SET(CURLOPT_WRITEDATA, slot);
    SET(CURLOPT_SOCKOPTFUNCTION, on_socket_made);
    SET(CURLOPT_ERRORBUFFER, slot->explanation);
    SET(CURLOPT_PRIVATE, slot);
    return code;
}

static CURLcode slot_set_trust(struct slot *slot,
                               const struct http_client *client)
{
    CURLcode code = CURLE_OK;

    SET(CURLOPT_PROTOCOLS_STR,
        client->settings.plain_http_allowed ? "http,https" : "https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    /*
     * libcurl 7.88 keeps the parsed certificates between connections only if
     * there is no folder of them: 23 ms or 1 ms of CPU for each connection.
     */
    SET(CURLOPT_CAPATH, NULL);
    if (client->ca_file)
        SET(CURLOPT_CAINFO, client->ca_file);
    if (client->settings.proxy_ignored)
        SET(CURLOPT_PROXY, "");
    return code;
}

static CURLcode slot_set_connection(struct slot *slot,
                                    const struct http_client *client)
{
    CURLcode code = CURLE_OK;

    SET(CURLOPT_SHARE, client->share);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_PIPEWAIT, 0L);
    SET(CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER_BYTES);
    SET(CURLOPT_TCP_NODELAY, 1L);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_TCP_KEEPIDLE, 15L);
    SET(CURLOPT_TCP_KEEPINTVL, 5L);
    SET(CURLOPT_MAXAGE_CONN, IDLE_MOST_SECONDS);
    SET(CURLOPT_MAXLIFETIME_CONN, CONNECTION_LIFE_SECONDS);
    SET(CURLOPT_DNS_CACHE_TIMEOUT, DNS_CACHE_SECONDS);
    SET(CURLOPT_DNS_SHUFFLE_ADDRESSES, 1L);
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS,
        (long)(client->settings.connect_timeout_ns / NS_PER_MS));
    SET(CURLOPT_TIMEOUT_MS,
        (long)(client->settings.request_timeout_ns / NS_PER_MS));
    SET(CURLOPT_USERAGENT, "nsq_to_kinesis/" N2K_VERSION);
    return code;
}

static int slot_init(struct slot *slot, const struct http_client *client)
{
    CURLcode code;

    slot->curl = curl_easy_init();
    if (!slot->curl)
        return error_origin(-ENOMEM, "cannot make an HTTP request slot");
    code = slot_set_callbacks(slot);
    if (code == CURLE_OK)
        code = slot_set_trust(slot, client);
    if (code == CURLE_OK)
        code = slot_set_connection(slot, client);
    if (code != CURLE_OK)
        return error_sentence(code == CURLE_OUT_OF_MEMORY ? -ENOMEM : -ENOSYS,
                              "cannot set up libcurl %s: %s",
                              curl_version_info(CURLVERSION_NOW)->version,
                              curl_easy_strerror(code));
    return 0;
}

static void slot_deinit(struct slot *slot)
{
    curl_easy_cleanup(slot->curl);
    /* The headers hold the session token. */
    if (slot->header_text)
        explicit_bzero(slot->header_text, HTTP_HEADERS_MOST);
    free(slot->header_text);
    free(slot->reply);
}

static int client_make_shared_parts(struct http_client *client)
{
    long slot_count = (long)client->settings.slot_count;

    client->multi = curl_multi_init();
    client->share = curl_share_init();
    if (!client->multi || !client->share)
        return error_origin(-ENOMEM, "cannot set up libcurl");
    (void)curl_multi_setopt(client->multi, CURLMOPT_PIPELINING,
                            (long)CURLPIPE_NOTHING);
    (void)curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, slot_count);
    (void)curl_share_setopt(client->share, CURLSHOPT_SHARE,
                            CURL_LOCK_DATA_SSL_SESSION);
    return 0;
}

int http_client_new(const struct http_client_settings *settings,
                    struct http_client **client)
{
    struct http_client *made;
    int result;

    assert(settings->slot_count > 0);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return error_sentence(-ENOMEM, "cannot initialise libcurl");
    made = calloc(1, sizeof(*made) +
                         settings->slot_count * sizeof(made->slots[0]));
    if (!made) {
        curl_global_cleanup();
        return error_origin(-ENOMEM, "cannot make an HTTP client");
    }
    made->settings = *settings;
    made->settings.ca_file = NULL;
    if (settings->ca_file)
        made->ca_file = strdup(settings->ca_file);
    result = client_make_shared_parts(made);
    if (settings->ca_file && !made->ca_file)
        result = error_origin(-ENOMEM, "cannot make an HTTP client");
    for (unsigned i = 0; result == 0 && i < settings->slot_count; i++)
        result = slot_init(&made->slots[i], made);
    if (result < 0)
        http_client_free(made);
    else
        *client = made;
    return result;
}

void http_client_free(struct http_client *client)
{
    if (!client)
        return;
    for (unsigned i = 0; i < client->settings.slot_count; i++) {
        if (client->slots[i].state == SLOT_FLYING)
            (void)curl_multi_remove_handle(client->multi,
                                           client->slots[i].curl);
        slot_deinit(&client->slots[i]);
    }
    if (client->multi)
        (void)curl_multi_cleanup(client->multi);
    if (client->share)
        (void)curl_share_cleanup(client->share);
    free(client->ca_file);
    free(client);
    curl_global_cleanup();
}

/*
 * The list of header lines is made by hand in the slot's own memory: libcurl
 * only reads it, and its own lists allocate twice for each line.
 */
static void slot_add_line(struct slot *slot, size_t index,
                          struct bytes_writer *writer, const char *text)
{
    slot->lines[index].data = slot->header_text + writer->length;
    slot->lines[index].next = NULL;
    if (index > 0)
        slot->lines[index - 1].next = &slot->lines[index];
    bytes_put(writer, bytes_of(text, strlen(text) + 1));
}

static int slot_set_headers(struct slot *slot,
                            const struct http_request *request)
{
    size_t count = request->header_count;
    struct bytes_writer writer;

    if (!slot->header_text)
        slot->header_text = malloc(HTTP_HEADERS_MOST);
    if (!slot->header_text)
        return error_origin(-ENOMEM, "cannot keep the headers of a request");
    assert(count <= HTTP_HEADER_COUNT_MOST);
    writer = bytes_writer_on(slot->header_text, HTTP_HEADERS_MOST);
    for (size_t i = 0; i < count; i++)
        slot_add_line(slot, i, &writer, request->headers[i]);
    /* No waiting for "100 Continue" with long bodies, and no Accept. */
    slot_add_line(slot, count, &writer, "Expect:");
    slot_add_line(slot, count + 1, &writer, "Accept:");
    if (writer.overrun)
        return error_sentence(-E2BIG, "the headers of a request are too long");
    return 0;
}

static CURLcode slot_set_request(struct slot *slot,
                                 const struct http_request *request)
{
    CURLcode code = CURLE_OK;

    SET(CURLOPT_URL, request->url);
    SET(CURLOPT_HTTPHEADER, slot->lines);
    if (request->method == HTTP_GET) {
        SET(CURLOPT_HTTPGET, 1L);
        return code;
    }
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)slot->body.length);
    return code;
}

int http_client_start(struct http_client *client, unsigned slot_number,
                      const struct http_request *request)
{
    struct slot *slot = &client->slots[slot_number];
    int result;

    assert(slot_number < client->settings.slot_count);
    assert(slot->state == SLOT_IDLE);
    assert(request->method == HTTP_POST || request->body.length == 0);
    result = slot_set_headers(slot, request);
    if (result < 0)
        return result;
    slot->body = request->body;
    slot->body_position = 0;
    slot->attempts = 0;
    slot->was_whole = false;
    slot->reply_is_too_long = false;
    slot->reply_length = 0;
    slot->explanation[0] = '\0';
    if (slot_set_request(slot, request) != CURLE_OK ||
        curl_multi_add_handle(client->multi, slot->curl) != CURLM_OK)
        return error_origin(-ENOMEM, "cannot start a request");
    slot->state = SLOT_FLYING;
    return 0;
}

void http_client_cancel(struct http_client *client, unsigned slot_number)
{
    struct slot *slot = &client->slots[slot_number];

    assert(slot_number < client->settings.slot_count);
    if (slot->state == SLOT_FLYING)
        (void)curl_multi_remove_handle(client->multi, slot->curl);
    if (slot->state == SLOT_FINISHED)
        client->finished_count--;
    slot->state = SLOT_IDLE;
}

bool http_client_is_idle(const struct http_client *client, unsigned slot_number)
{
    assert(slot_number < client->settings.slot_count);
    return client->slots[slot_number].state == SLOT_IDLE;
}

static int multi_failure(CURLMcode code)
{
    return error_sentence(code == CURLM_OUT_OF_MEMORY ? -ENOMEM : -EIO,
                          "libcurl fails: %s", curl_multi_strerror(code));
}

static void client_take_finished(struct http_client *client,
                                 const CURLMsg *message)
{
    struct slot *slot = NULL;

    (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &slot);
    assert(slot && slot->state == SLOT_FLYING);
    slot->result = message->data.result;
    slot->state = SLOT_FINISHED;
    (void)curl_multi_remove_handle(client->multi, slot->curl);
    client->finished_count++;
}

int http_client_turn(struct http_client *client)
{
    int running = 0;
    int waiting = 0;
    CURLMcode code = curl_multi_perform(client->multi, &running);

    if (code != CURLM_OK)
        return multi_failure(code);
    for (;;) {
        CURLMsg *message = curl_multi_info_read(client->multi, &waiting);

        if (!message)
            return (int)client->finished_count;
        if (message->msg == CURLMSG_DONE)
            client_take_finished(client, message);
    }
}

static const struct {
    CURLcode code;
    enum http_failure failure;
} failures[] = {
    { CURLE_OK, HTTP_NO_FAILURE },
    { CURLE_COULDNT_RESOLVE_HOST, HTTP_UNRESOLVED },
    { CURLE_COULDNT_RESOLVE_PROXY, HTTP_UNRESOLVED },
    { CURLE_COULDNT_CONNECT, HTTP_UNREACHABLE },
    { CURLE_PEER_FAILED_VERIFICATION, HTTP_UNTRUSTED },
    { CURLE_SSL_ISSUER_ERROR, HTTP_UNTRUSTED },
    { CURLE_SSL_CACERT_BADFILE, HTTP_CA_UNREADABLE },
    { CURLE_SSL_CONNECT_ERROR, HTTP_TLS_FAILED },
    { CURLE_SSL_CIPHER, HTTP_TLS_FAILED },
    { CURLE_SSL_CERTPROBLEM, HTTP_TLS_FAILED },
    { CURLE_OPERATION_TIMEDOUT, HTTP_TIMED_OUT },
    { CURLE_SEND_ERROR, HTTP_NOT_SENT },
    { CURLE_RECV_ERROR, HTTP_CUT },
    { CURLE_GOT_NOTHING, HTTP_CUT },
    { CURLE_PARTIAL_FILE, HTTP_CUT },
    { CURLE_ABORTED_BY_CALLBACK, HTTP_CUT }, /* on_request_begins() refused */
    { CURLE_WEIRD_SERVER_REPLY, HTTP_NOT_HTTP },
    { CURLE_UNSUPPORTED_PROTOCOL, HTTP_NOT_HTTP }, /* HTTP/0.9 */
    { CURLE_BAD_CONTENT_ENCODING, HTTP_NOT_HTTP },
    { CURLE_WRITE_ERROR, HTTP_OUT_OF_MEMORY }, /* on_reply_bytes() */
    { CURLE_OUT_OF_MEMORY, HTTP_OUT_OF_MEMORY },
};

static enum http_failure failure_of(const struct slot *slot)
{
    if (slot->reply_is_too_long)
        return HTTP_REPLY_TOO_LONG;
    for (size_t i = 0; i < ARRAY_LENGTH(failures); i++)
        if (failures[i].code == slot->result)
            return failures[i].failure;
    return HTTP_OTHER_FAILURE;
}

/*
 * True if the last byte of the request never left. What libcurl took from us
 * may still lie in its own memory; CURLINFO_SIZE_UPLOAD_T is what the kernel
 * took, in the last attempt. A request without a body leaves with its headers,
 * so from its beginning on it counts as gone.
 */
static bool slot_is_definite(const struct slot *slot)
{
    curl_off_t uploaded = 0;

    if (slot->attempts == 0)
        return true;
    if (slot->was_whole || slot->body.length == 0)
        return false;
    (void)curl_easy_getinfo(slot->curl, CURLINFO_SIZE_UPLOAD_T, &uploaded);
    return slot->body_position < slot->body.length ||
           uploaded < (curl_off_t)slot->body.length;
}

static const char *slot_header(struct slot *slot, const char *name)
{
    struct curl_header *header = NULL;

    if (curl_easy_header(slot->curl, name, 0, CURLH_HEADER, -1, &header) !=
        CURLHE_OK)
        return "";
    return header->value;
}

static struct wall_time slot_date(struct slot *slot)
{
    time_t seconds = curl_getdate(slot_header(slot, "Date"), NULL);

    if (seconds <= 0 || seconds > INT64_MAX / NS_PER_SECOND)
        return (struct wall_time){ .ns = 0 };
    return (struct wall_time){ .ns = (int64_t)seconds * NS_PER_SECOND };
}

static void slot_describe(struct slot *slot, struct http_reply *reply)
{
    curl_off_t total_us = 0;
    long status = 0;
    long connections = 0;

    (void)curl_easy_getinfo(slot->curl, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(slot->curl, CURLINFO_NUM_CONNECTS, &connections);
    (void)curl_easy_getinfo(slot->curl, CURLINFO_TOTAL_TIME_T, &total_us);
    reply->failure = failure_of(slot);
    reply->definite = reply->failure && slot_is_definite(slot);
    reply->explanation = "";
    if (reply->failure)
        reply->explanation = slot->explanation[0]
                                 ? slot->explanation
                                 : curl_easy_strerror(slot->result);
    reply->status = (int)status;
    reply->body = bytes_of(slot->reply, slot->reply_length);
    reply->content_type = slot_header(slot, "Content-Type");
    reply->request_id = slot_header(slot, "x-amzn-RequestId");
    reply->date = slot_date(slot);
    reply->total_ns = total_us * NS_PER_US;
    reply->attempts = slot->attempts;
    reply->connections_made = (unsigned)connections;
}

bool http_client_next(struct http_client *client, struct http_reply *reply)
{
    struct slot *slot;

    if (client->finished_count == 0)
        return false;
    /* Round and round, so that no slot waits for ever behind busy ones. */
    do {
        client->next = (client->next + 1) % client->settings.slot_count;
        slot = &client->slots[client->next];
    } while (slot->state != SLOT_FINISHED);
    slot->state = SLOT_IDLE;
    client->finished_count--;
    reply->slot = client->next;
    slot_describe(slot, reply);
    return true;
}

int http_client_wait(struct http_client *client, struct http_watch *watches,
                     size_t watch_count, int timeout_ms)
{
    struct curl_waitfd waited[HTTP_WATCHES_MOST];
    int ready = 0;
    CURLMcode code;

    assert(watch_count <= HTTP_WATCHES_MOST);
    for (size_t i = 0; i < watch_count; i++)
        waited[i] = (struct curl_waitfd){ .fd = watches[i].descriptor,
                                          .events = CURL_WAIT_POLLIN };
    code = curl_multi_poll(client->multi, waited, (unsigned)watch_count,
                           timeout_ms, &ready);
    for (size_t i = 0; i < watch_count; i++)
        watches[i].is_readable = code == CURLM_OK && waited[i].revents != 0;
    return code == CURLM_OK ? ready : multi_failure(code);
}

const char *http_failure_name(enum http_failure failure)
{
    static const char *const names[] = {
        [HTTP_NO_FAILURE] = "none",
#define HTTP_FAILURE(constant, name) [constant] = (name),
#include "egress/http_failures.tbl"
    };

    assert(failure < ARRAY_LENGTH(names) && names[failure]);
    return names[failure];
}
