/* SPDX-License-Identifier: Apache-2.0 */

/*
 * ingest_refused - messages that the stream can never take.
 *
 *   requeue      back to nsqd with the longest delay it grants, so that it is
 *                not lost and somebody can look at it
 *   dead-letter  into a topic of the nsqd it came from, or a file; FINed when
 *                it is safe there
 *   drop         FIN
 *
 * A dead letter that cannot be taken yet (one before it is not safe) leaves
 * its message where it is, parked in its connection or in its queue, and RDY
 * becomes 0 until letters move again. What became a letter is noted in the
 * acknowledgement log like what became a record of the stream, so that it is
 * not set aside twice when nsqd delivers it again.
 */

#include "ingest/ingest.h"

#include <errno.h>
#include <stdlib.h>

#include "common/crash_point.h"
#include "common/error.h"

/*
 * nsqd cuts a longer delay to its --max-req-timeout (one hour by default),
 * which it tells nobody; this is longer than any.
 */
#define REFUSED_DELAY_MS INT32_MAX

/* A refused message says so at most once a second. */
#define REFUSED_LOG_NS NS_PER_SECOND

/* How long to wait when the disk did not take the letters. */
#define FILE_RETRY_NS NS_PER_SECOND

static bool may_finish(const struct ingest *ingest, uint16_t source,
                       uint32_t incarnation)
{
    return source < SOURCES_MOST && ingest->by_source[source] &&
           nsqd_can_finish(ingest->by_source[source], incarnation);
}

static void note_letter(struct ingest *ingest, const struct dead_letter *letter,
                        bool has_fin)
{
    const struct acknowledgement acknowledgement = {
        .id = acknowledgement_id(letter->id.text),
        .timestamp_ns = letter->timestamp_ns,
        .checksum = letter->checksum,
        .source = letter->source,
        .has_fin = has_fin,
    };

    redelivery_on_written(&ingest->redelivery, letter->source,
                          acknowledgement.id);
    acknowledgement_log_note(&ingest->acknowledged, &acknowledgement);
}

/* The letter is safe: its message is nsqd's no longer. */
static void finish_letter(struct ingest *ingest,
                          const struct dead_letter *letter)
{
    bool has_fin;

    CRASH_POINT(letter_safe);
    has_fin =
        may_finish(ingest, letter->source, letter->incarnation) &&
        nsq_connection_finish(&ingest->by_source[letter->source]->connection,
                              &letter->id) == 0;

    note_letter(ingest, letter, has_fin);
    CRASH_POINT(letter_noted);
    counter_add(&ingest->counters->messages_unfinished, !has_fin);
    counter_add(&ingest->counters->dead_letters_written, 1);
    ingest->needs_ready = true;
}

static struct letter_post *post_of(struct ingest *ingest, struct nsqd *nsqd)
{
    if (nsqd->post)
        return nsqd->post;
    nsqd->post = malloc(sizeof(*nsqd->post));
    if (!nsqd->post)
        return NULL;
    letter_post_init(nsqd->post, &ingest->connection_settings);
    nsqd->post->address = nsqd->socket_address;
    return nsqd->post;
}

static bool is_for_file(const struct ingest *ingest)
{
    return ingest->options->dead_letter_file != NULL;
}

/* Where the letters of `nsqd` wait; NULL for lack of memory. */
static struct dead_letter_box *box_of(struct ingest *ingest, struct nsqd *nsqd)
{
    struct letter_post *post;

    if (is_for_file(ingest))
        return &ingest->file_box;
    post = post_of(ingest, nsqd);
    return post ? &post->box : NULL;
}

static struct dead_letter letter_of(const struct nsqd *nsqd,
                                    const struct refusal *refusal)
{
    return (struct dead_letter){
        .id = refusal->id,
        .timestamp_ns = refusal->timestamp_ns,
        .checksum = refusal->checksum,
        .incarnation = refusal->incarnation,
        .source = nsqd->source,
        .attempts = refusal->attempts,
    };
}

static int put_letter(struct ingest *ingest, struct nsqd *nsqd,
                      const struct refusal *refusal)
{
    const struct options *options = ingest->options;
    const struct dead_letter letter = letter_of(nsqd, refusal);
    const struct dead_letter_content content = {
        .nsqd = nsqd->name,
        .topic = options->topic,
        .channel = options->channel,
        .reason = refusal->why,
        .key = refusal->key,
        .body = refusal->body,
    };
    struct dead_letter_box *box = box_of(ingest, nsqd);

    if (!box)
        return DEAD_LETTERS_FULL;
    if (is_for_file(ingest))
        return dead_letter_put_line(box, &letter, &content);
    return dead_letter_put_publish(box, &letter, options->dead_letter_topic,
                                   refusal->body);
}

static void tell(struct ingest *ingest, const struct nsqd *nsqd,
                 const struct refusal *refusal, const char *then)
{
    uint64_t kept_back;

    counter_add(&ingest->counters->messages_refused, 1);
    if (!log_limit_allows(&ingest->refused_limit, ingest->now, REFUSED_LOG_NS,
                          &kept_back))
        return;
    log_warning("message_refused",
                "message_id=%.16s nsqd=%s why=%s then=%s repeated=%llu",
                (const char *)refusal->id.text, nsqd->name,
                log_quoted(refusal->why), then, (unsigned long long)kept_back);
}

static int set_aside(struct ingest *ingest, struct nsqd *nsqd,
                     const struct refusal *refusal)
{
    if (put_letter(ingest, nsqd, refusal) == 0) {
        redelivery_on_written(&ingest->redelivery, nsqd->source,
                              acknowledgement_id(refusal->id.text));
        ingest->letters_waiting++; /* a twin may be right behind it */
        CRASH_POINT(letter_boxed);
        tell(ingest, nsqd, refusal, "dead-lettered");
        return 0;
    }
    /* An nsqd that is gone may never come back, and it has the message: it
       shall not hold up the others. The disk comes back. */
    if (!is_for_file(ingest) &&
        !may_finish(ingest, nsqd->source, refusal->incarnation)) {
        counter_add(&ingest->counters->messages_unfinished, 1);
        return 0;
    }
    ingest->letter_had_no_room = true;
    return INGEST_NOT_YET;
}

int ingest_refuse(struct ingest *ingest, struct nsqd *nsqd,
                  const struct refusal *refusal)
{
    const char *what = ingest->options->on_refused;
    bool may = may_finish(ingest, nsqd->source, refusal->incarnation);

    if (strcmp(what, "dead-letter") == 0)
        return set_aside(ingest, nsqd, refusal);
    /* Without its connection nsqd delivers it again, and it is refused again. */
    if (!may) {
        counter_add(&ingest->counters->messages_unfinished, 1);
        return 0;
    }
    if (strcmp(what, "drop") == 0) {
        (void)nsq_connection_finish(&nsqd->connection, &refusal->id);
        tell(ingest, nsqd, refusal, "dropped");
        return 0;
    }
    (void)nsq_connection_requeue(&nsqd->connection, &refusal->id,
                                 REFUSED_DELAY_MS);
    tell(ingest, nsqd, refusal, "requeued");
    return 0;
}

int ingest_refuse_message(struct ingest *ingest, struct nsqd *nsqd,
                          const struct nsq_message *message)
{
    struct refusal refusal = {
        .id = message->id,
        .attempts = message->attempts,
        .timestamp_ns = (int64_t)message->timestamp_ns,
        .checksum = router_checksum(&ingest->router, message),
        .incarnation = nsqd->incarnation,
        .body = message->body,
        .why = "too large for the stream",
    };

    (void)partition_key_of(&ingest->router.rule, message,
                           &ingest->router.key_memory, &refusal.key);
    return ingest_refuse(ingest, nsqd, &refusal);
}

bool ingest_is_letter(struct ingest *ingest, struct nsqd *nsqd,
                      const struct nsq_message *message, uint64_t checksum)
{
    const struct dead_letter wanted = {
        .id = message->id,
        .timestamp_ns = (int64_t)message->timestamp_ns,
        .checksum = checksum,
        .source = nsqd->source,
    };
    struct dead_letter *letter = NULL;

    if (is_for_file(ingest))
        letter = dead_letter_find(&ingest->file_box, &wanted);
    else if (nsqd->post)
        letter = dead_letter_find(&nsqd->post->box, &wanted);
    if (!letter)
        return false;
    ingest_take_again(ingest, nsqd, message, &letter->incarnation,
                      letter->attempts);
    return true;
}

static void on_file_failed(struct ingest *ingest, int result)
{
    counter_add(&ingest->counters->dead_letter_failures, 1);
    ingest->file_retry_at = monotonic_after(ingest->now, FILE_RETRY_NS);
    if (!ingest->letters_have_failed)
        log_error("dead_letters_wait", "file=%s why=%s then=retrying",
                  log_quoted(ingest->options->dead_letter_file),
                  log_quoted(strerror(-result)));
    ingest->letters_have_failed = true;
}

/* All letters of this turn in one write. Returns how many are safe now. */
static int write_file(struct ingest *ingest)
{
    struct dead_letter_box *box = &ingest->file_box;
    int written = (int)box->count;
    struct dead_letter letter;
    int result;

    if (box->count == 0 ||
        !monotonic_reached(ingest->file_retry_at, ingest->now))
        return 0;
    result = dead_letter_file_append(&ingest->letter_file,
                                     dead_letter_bytes(box, 0));
    if (result) {
        on_file_failed(ingest, result);
        return 0;
    }
    if (ingest->letters_have_failed)
        log_notice("dead_letters_go_on", "count=%d", written);
    ingest->letters_have_failed = false;
    while (box->count > 0) {
        dead_letter_take(box, &letter);
        finish_letter(ingest, &letter);
    }
    return written;
}

static void end_post(struct ingest *ingest, struct nsqd *nsqd)
{
    counter_add(&ingest->counters->dead_letter_failures, 1);
    if (!nsqd->post_has_complained)
        log_error("dead_letters_wait", "nsqd=%s topic=%s why=%s then=retrying",
                  nsqd->name, ingest->options->dead_letter_topic,
                  log_quoted(nsqd->post->publisher.complaint));
    nsqd->post_has_complained = true;
    letter_post_end(nsqd->post, ingest->now, &ingest->random);
}

void ingest_take_post(struct ingest *ingest, size_t index,
                      const struct io_completion *completion)
{
    struct nsqd *nsqd = ingest->nsqds[index];
    struct dead_letter letter;
    size_t confirmed;
    int result =
        letter_post_receive(nsqd->post, completion, ingest->now, &confirmed);

    for (; confirmed > 0; confirmed--) {
        letter_post_take(nsqd->post, &letter, ingest->now);
        finish_letter(ingest, &letter);
        if (nsqd->post_has_complained)
            log_notice("dead_letters_go_on", "nsqd=%s", nsqd->name);
        nsqd->post_has_complained = false;
    }
    if (result)
        end_post(ingest, nsqd);
}

static size_t step_post(struct ingest *ingest, size_t index)
{
    struct nsqd *nsqd = ingest->nsqds[index];

    if (!nsqd->post)
        return 0;
    if (nsqd->socket_address.length > 0)
        nsqd->post->address = nsqd->socket_address;
    if (letter_post_step(nsqd->post, ingest->io,
                         ingest_tag_make(TAG_POST, index), ingest->now))
        end_post(ingest, nsqd);
    return nsqd->post->box.count;
}

/*
 * Whatever waits for a box asks for it again in each turn, so that nothing has
 * to be undone when a connection ends with the messages that waited in it.
 */
static void note_full_boxes(struct ingest *ingest)
{
    if (ingest->letter_had_no_room != ingest->letters_are_full) {
        ingest->needs_ready = true;
        counter_add(&ingest->counters->dead_letters_held_back,
                    ingest->letter_had_no_room);
    }
    ingest->letters_are_full = ingest->letter_had_no_room;
    ingest->letter_had_no_room = false;
}

int ingest_post_letters(struct ingest *ingest)
{
    int written = write_file(ingest);
    size_t waiting = ingest->file_box.count;

    note_full_boxes(ingest);
    for (size_t i = 0; i < ingest->nsqd_count; i++)
        waiting += step_post(ingest, i);
    counter_set(&ingest->counters->dead_letters_waiting, waiting);
    ingest->letters_waiting = waiting;
    return written;
}

static size_t touch_box(struct ingest *ingest, struct dead_letter_box *box)
{
    size_t touched = 0;

    for (size_t i = 0; i < box->count; i++) {
        const struct dead_letter *letter = dead_letter_at(box, i);

        if (may_finish(ingest, letter->source, letter->incarnation) &&
            nsq_connection_touch(&ingest->by_source[letter->source]->connection,
                                 &letter->id) == 0)
            touched++;
    }
    return touched;
}

size_t ingest_touch_letters(struct ingest *ingest)
{
    size_t touched = touch_box(ingest, &ingest->file_box);

    for (size_t i = 0; i < ingest->nsqd_count; i++)
        if (ingest->nsqds[i]->post)
            touched += touch_box(ingest, &ingest->nsqds[i]->post->box);
    return touched;
}

struct monotonic ingest_letters_due(const struct ingest *ingest)
{
    struct monotonic due = MONOTONIC_NEVER;

    if (ingest->file_box.count > 0)
        due = ingest->file_retry_at;
    for (size_t i = 0; i < ingest->nsqd_count; i++)
        if (ingest->nsqds[i]->post)
            due = monotonic_earlier(
                due, letter_post_deadline(ingest->nsqds[i]->post));
    return due;
}

int ingest_open_letters(struct ingest *ingest)
{
    const char *path = ingest->options->dead_letter_file;
    int result;

    dead_letter_box_init(&ingest->file_box);
    if (!is_for_file(ingest))
        return 0;
    result = dead_letter_file_open(path, &ingest->letter_file);
    /* Perhaps by an ingest of ours that is about to end. */
    if (result == DEAD_LETTER_FILE_TAKEN)
        return error_sentence(-EBUSY, "another bridge writes %s", path);
    ingest->is_misconfigured = result < 0;
    return result;
}

void ingest_close_letters(struct ingest *ingest)
{
    dead_letter_box_deinit(&ingest->file_box);
    dead_letter_file_close(&ingest->letter_file);
    for (size_t i = 0; i < ingest->nsqd_count; i++) {
        if (!ingest->nsqds[i]->post)
            continue;
        letter_post_deinit(ingest->nsqds[i]->post);
        free(ingest->nsqds[i]->post);
        ingest->nsqds[i]->post = NULL;
    }
}
