/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "ingest/resolver.h"

#define PATIENCE_MS 10000

static struct resolver *resolver;
static sem_t may_answer; /* posted once per look-up that may end */
static sem_t is_asked;   /* posted by each look-up as it begins */
static sigset_t blocked; /* in the thread */

static struct address address_of(const char *text)
{
    struct address address;

    ck_assert_int_eq(address_parse(bytes_of_text(text), 0, &address), 0);
    return address;
}

/* Knows the names of these tests only, and never leaves the process. */
static int lookup(const char *host, const char *service,
                  const struct addrinfo *hints, struct addrinfo **found)
{
    struct addrinfo numeric = *hints;

    (void)pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    (void)sem_post(&is_asked);
    while (sem_wait(&may_answer))
        continue;
    numeric.ai_flags |= AI_NUMERICHOST;
    if (strcmp(host, "four.test") == 0)
        return getaddrinfo("192.0.2.4", service, &numeric, found);
    if (strcmp(host, "six.test") == 0)
        return getaddrinfo("2001:db8::6", service, &numeric, found);
    if (strcmp(host, "broken.test") == 0) {
        errno = EMFILE;
        return EAI_SYSTEM;
    }
    return EAI_NONAME;
}

static void set_up(void)
{
    ck_assert_int_eq(sem_init(&may_answer, 0, 0), 0);
    ck_assert_int_eq(sem_init(&is_asked, 0, 0), 0);
    ck_assert_int_eq(resolver_new(lookup, &resolver), 0);
}

static void tear_down(void)
{
    resolver_free(resolver);
}

static void ask(const char *text, uint64_t tag)
{
    struct address address = address_of(text);
    struct resolver_answer answer;

    ck_assert_int_eq(resolver_ask(resolver, &address, tag, &answer), 0);
}

/* As the loop does it: sleep on the descriptor, then take. */
static struct resolver_answer wait_for_answer(void)
{
    struct pollfd ready = { .fd = resolver_descriptor(resolver),
                            .events = POLLIN };
    struct resolver_answer answer = { 0 };
    eventfd_t value;

    while (!resolver_take(resolver, &answer)) {
        ck_assert_int_eq(poll(&ready, 1, PATIENCE_MS), 1);
        ck_assert_int_eq(eventfd_read(ready.fd, &value), 0);
    }
    return answer;
}

static void expect(uint64_t tag, const char *text)
{
    struct resolver_answer answer = wait_for_answer();
    char formatted[ADDRESS_TEXT_MOST];

    ck_assert_uint_eq(answer.tag, tag);
    ck_assert_ptr_null(answer.complaint);
    ck_assert_uint_eq(answer.count, 1);
    socket_address_format(&answer.addresses[0], formatted, sizeof(formatted));
    ck_assert_str_eq(formatted, text);
}

START_TEST(numeric_address_is_answered_at_once)
{
    struct address address = address_of("[::1]:4150");
    struct resolver_answer answer;

    ck_assert_int_eq(resolver_ask(resolver, &address, 9, &answer),
                     RESOLVER_ANSWERED);

    ck_assert_uint_eq(answer.tag, 9);
    ck_assert_ptr_null(answer.complaint);
    ck_assert_uint_eq(answer.count, 1);
    ck_assert_int_eq(answer.addresses[0].any.sa_family, AF_INET6);
    ck_assert_uint_eq(ntohs(answer.addresses[0].v6.sin6_port), 4150);
    ck_assert(!resolver_take(resolver, &answer));
}
END_TEST

START_TEST(names_are_answered_in_order_with_their_ports)
{
    struct resolver_answer answer;

    ask("four.test:4150", 1);
    ask("six.test:4151", 2);
    ask("four.test:1", 3);
    ck_assert(!resolver_take(resolver, &answer));
    for (int i = 0; i < 3; i++)
        (void)sem_post(&may_answer);

    expect(1, "192.0.2.4:4150");
    expect(2, "[2001:db8::6]:4151");
    expect(3, "192.0.2.4:1");
    ck_assert(!resolver_take(resolver, &answer));
}
END_TEST

START_TEST(failure_is_an_answer_with_a_complaint)
{
    struct resolver_answer answer;

    (void)sem_post(&may_answer);
    (void)sem_post(&may_answer);
    ask("nobody.test:1", 1);
    ask("broken.test:1", 2);

    answer = wait_for_answer();
    ck_assert_uint_eq(answer.tag, 1);
    ck_assert_uint_eq(answer.count, 0);
    ck_assert_str_eq(answer.complaint, gai_strerror(EAI_NONAME));
    answer = wait_for_answer();
    ck_assert_uint_eq(answer.tag, 2);
    ck_assert_str_eq(answer.complaint, "Too many open files");
}
END_TEST

START_TEST(questions_over_the_limit_are_refused_until_one_is_taken)
{
    struct address address = address_of("four.test:1");
    struct resolver_answer answer;

    for (uint64_t i = 0; i < RESOLVER_QUESTIONS_MOST; i++) {
        ask("four.test:1", i);
        (void)sem_post(&may_answer);
    }
    ck_assert_int_eq(resolver_ask(resolver, &address, 99, &answer),
                     RESOLVER_BUSY);
    expect(0, "192.0.2.4:1");

    ask("six.test:2", 99);
    (void)sem_post(&may_answer);

    for (uint64_t i = 1; i < RESOLVER_QUESTIONS_MOST; i++)
        expect(i, "192.0.2.4:1");
    expect(99, "[2001:db8::6]:2");
}
END_TEST

START_TEST(signals_are_left_to_the_loop)
{
    (void)sem_post(&may_answer);
    ask("four.test:1", 1);
    (void)wait_for_answer();

    ck_assert_int_eq(sigismember(&blocked, SIGTERM), 1);
    ck_assert_int_eq(sigismember(&blocked, SIGCHLD), 1);
    (void)pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    ck_assert_int_eq(sigismember(&blocked, SIGTERM), 0);
}
END_TEST

START_TEST(end_does_not_wait_for_a_name_server)
{
    ask("four.test:1", 1);
    ask("four.test:1", 2);
    ck_assert_int_eq(sem_wait(&is_asked), 0);

    resolver_free(resolver); /* would hang here for ever */
    resolver = NULL;

    /* The thread comes back, asks nothing more, and frees the memory. */
    (void)sem_post(&may_answer);
    ck_assert_int_eq(resolver_new(lookup, &resolver), 0);
    (void)sem_post(&may_answer);
    ask("six.test:3", 3);
    expect(3, "[2001:db8::6]:3");
}
END_TEST

START_TEST(localhost_is_found_by_the_real_lookup)
{
    struct address address = address_of("localhost:4150");
    struct resolver_answer answer;

    resolver_free(resolver);
    ck_assert_int_eq(resolver_new(NULL, &resolver), 0);
    ck_assert_int_eq(resolver_ask(resolver, &address, 5, &answer), 0);

    answer = wait_for_answer();

    ck_assert_msg(!answer.complaint, "%s", answer.complaint);
    ck_assert_uint_ge(answer.count, 1);
    if (answer.addresses[0].any.sa_family == AF_INET)
        ck_assert_uint_eq(ntohs(answer.addresses[0].v4.sin_port), 4150);
    else
        ck_assert_uint_eq(ntohs(answer.addresses[0].v6.sin6_port), 4150);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("resolver");
    TCase *answers = tcase_create("answers");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(answers, set_up, tear_down);
    tcase_set_timeout(answers, 30);
    tcase_add_test(answers, numeric_address_is_answered_at_once);
    tcase_add_test(answers, names_are_answered_in_order_with_their_ports);
    tcase_add_test(answers, failure_is_an_answer_with_a_complaint);
    tcase_add_test(answers,
                   questions_over_the_limit_are_refused_until_one_is_taken);
    tcase_add_test(answers, signals_are_left_to_the_loop);
    tcase_add_test(answers, end_does_not_wait_for_a_name_server);
    tcase_add_test(answers, localhost_is_found_by_the_real_lookup);
    suite_add_tcase(suite, answers);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
