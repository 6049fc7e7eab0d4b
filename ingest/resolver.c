/* SPDX-License-Identifier: Apache-2.0 */

#include "ingest/resolver.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/error.h"

/*
 * Questions and answers share one count, which is bounded when a question is
 * asked; so there is always room for its answer, and the thread never waits
 * for the loop.
 *
 * A look-up may take half a minute and cannot be interrupted. So the end does
 * not wait for it: a thread that is busy is left alone with the memory and
 * frees it when it comes back. One that is idle is joined.
 */

struct question {
    uint64_t tag;
    struct address address;
};

struct resolver {
    resolver_lookup *lookup;
    pthread_t thread;
    int descriptor; /* eventfd: an answer came */

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t asked; /* a question came, or the end */
    bool is_stopping;     /* resolver_free() was called */
    bool is_looking_up;   /* the thread is in getaddrinfo */
    size_t open_count;    /* asked and not yet taken */
    size_t first_question;
    size_t question_count;
    size_t first_answer;
    size_t answer_count;
    struct question questions[RESOLVER_QUESTIONS_MOST];      /* a ring */
    struct resolver_answer answers[RESOLVER_QUESTIONS_MOST]; /* a ring */
};

static void dispose(struct resolver *resolver)
{
    if (resolver->descriptor >= 0)
        (void)close(resolver->descriptor);
    (void)pthread_cond_destroy(&resolver->asked);
    (void)pthread_mutex_destroy(&resolver->lock);
    free(resolver);
}

static void collect(struct resolver_answer *answer, uint16_t port,
                    const struct addrinfo *found)
{
    for (; found && answer->count < RESOLVER_ADDRESSES_MOST;
         found = found->ai_next) {
        struct socket_address *to = &answer->addresses[answer->count];

        *to = (struct socket_address){ 0 };
        if (found->ai_family == AF_INET &&
            found->ai_addrlen == sizeof(to->v4)) {
            memcpy(&to->v4, found->ai_addr, sizeof(to->v4));
            to->v4.sin_port = htons(port);
        } else if (found->ai_family == AF_INET6 &&
                   found->ai_addrlen == sizeof(to->v6)) {
            memcpy(&to->v6, found->ai_addr, sizeof(to->v6));
            to->v6.sin6_port = htons(port);
        } else {
            continue;
        }
        to->length = found->ai_addrlen;
        answer->count++;
    }
    if (answer->count == 0)
        answer->complaint = "the name has no address";
}

/*
 * AI_ADDRCONFIG is left out on purpose: in a container that has nothing but
 * its loopback it makes "localhost" unknown.
 */
static void look_up(resolver_lookup *lookup, const struct question *question,
                    struct resolver_answer *answer)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC,
                              .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    int result = lookup(question->address.host, NULL, &hints, &found);

    *answer = (struct resolver_answer){ .tag = question->tag };
    if (result == EAI_SYSTEM) {
        answer->complaint = strerrordesc_np(errno);
    } else if (result) {
        answer->complaint = gai_strerror(result);
    } else {
        collect(answer, question->address.port, found);
        freeaddrinfo(found);
    }
}

/* Wait for a question, with the lock held. Returns false at the end. */
static bool next_question(struct resolver *resolver, struct question *question)
{
    while (resolver->question_count == 0 && !resolver->is_stopping)
        (void)pthread_cond_wait(&resolver->asked, &resolver->lock);
    if (resolver->is_stopping)
        return false;
    *question = resolver->questions[resolver->first_question];
    resolver->first_question =
        (resolver->first_question + 1) % RESOLVER_QUESTIONS_MOST;
    resolver->question_count--;
    return true;
}

static void keep_answer(struct resolver *resolver,
                        const struct resolver_answer *answer)
{
    size_t last = (resolver->first_answer + resolver->answer_count) %
                  RESOLVER_QUESTIONS_MOST;

    assert(resolver->answer_count < RESOLVER_QUESTIONS_MOST);
    resolver->answers[last] = *answer;
    resolver->answer_count++;
    (void)eventfd_write(resolver->descriptor, 1);
}

static void *answer_questions(void *argument)
{
    struct resolver *resolver = argument;
    struct resolver_answer answer;
    struct question question;
    bool is_left_alone = false;

    (void)pthread_mutex_lock(&resolver->lock);
    while (next_question(resolver, &question)) {
        resolver->is_looking_up = true;
        (void)pthread_mutex_unlock(&resolver->lock);
        look_up(resolver->lookup, &question, &answer);
        (void)pthread_mutex_lock(&resolver->lock);
        resolver->is_looking_up = false;
        is_left_alone = resolver->is_stopping;
        if (!is_left_alone)
            keep_answer(resolver, &answer);
    }
    (void)pthread_mutex_unlock(&resolver->lock);
    if (is_left_alone)
        dispose(resolver);
    return NULL;
}

/* Signals are for the loop: the thread begins with all of them blocked. */
static int start_thread(struct resolver *resolver)
{
    sigset_t all;
    sigset_t before;
    int result;

    (void)sigfillset(&all);
    result = pthread_sigmask(SIG_SETMASK, &all, &before);
    if (result)
        return -result;
    result =
        pthread_create(&resolver->thread, NULL, answer_questions, resolver);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -result;
}

int resolver_new(resolver_lookup *lookup, struct resolver **resolver)
{
    struct resolver *made = calloc(1, sizeof(*made));
    int result;

    if (!made)
        return error_origin(-ENOMEM, "resolver");
    made->lookup = lookup ? lookup : getaddrinfo;
    (void)pthread_mutex_init(&made->lock, NULL); /* cannot fail on Linux */
    (void)pthread_cond_init(&made->asked, NULL);
    made->descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    result = made->descriptor < 0 ? -errno : start_thread(made);
    if (result) {
        dispose(made);
        return error_origin(result, "resolver");
    }
    *resolver = made;
    return 0;
}

void resolver_free(struct resolver *resolver)
{
    pthread_t thread;
    bool is_looking_up;

    if (!resolver)
        return;
    /* Once the lock is given up, a busy thread may free all of it. */
    (void)pthread_mutex_lock(&resolver->lock);
    thread = resolver->thread;
    is_looking_up = resolver->is_looking_up;
    resolver->is_stopping = true;
    if (is_looking_up)
        (void)pthread_detach(thread);
    (void)pthread_cond_signal(&resolver->asked);
    (void)pthread_mutex_unlock(&resolver->lock);
    if (is_looking_up)
        return;
    (void)pthread_join(thread, NULL);
    dispose(resolver);
}

int resolver_descriptor(const struct resolver *resolver)
{
    return resolver->descriptor;
}

int resolver_ask(struct resolver *resolver, const struct address *address,
                 uint64_t tag, struct resolver_answer *answer)
{
    struct socket_address numeric;
    int result = 0;

    if (address_numeric(address, &numeric) == 0) {
        *answer = (struct resolver_answer){ .tag = tag, .count = 1 };
        answer->addresses[0] = numeric;
        return RESOLVER_ANSWERED;
    }
    (void)pthread_mutex_lock(&resolver->lock);
    if (resolver->open_count == RESOLVER_QUESTIONS_MOST) {
        result = RESOLVER_BUSY;
    } else {
        size_t last = (resolver->first_question + resolver->question_count) %
                      RESOLVER_QUESTIONS_MOST;

        resolver->questions[last] =
            (struct question){ .tag = tag, .address = *address };
        resolver->question_count++;
        resolver->open_count++;
        (void)pthread_cond_signal(&resolver->asked);
    }
    (void)pthread_mutex_unlock(&resolver->lock);
    return result;
}

bool resolver_take(struct resolver *resolver, struct resolver_answer *answer)
{
    bool is_there;

    (void)pthread_mutex_lock(&resolver->lock);
    is_there = resolver->answer_count > 0;
    if (is_there) {
        *answer = resolver->answers[resolver->first_answer];
        resolver->first_answer =
            (resolver->first_answer + 1) % RESOLVER_QUESTIONS_MOST;
        resolver->answer_count--;
        resolver->open_count--;
    }
    (void)pthread_mutex_unlock(&resolver->lock);
    return is_there;
}
