/* SPDX-License-Identifier: Apache-2.0 */

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/error.h"
#include "common/shared_memory.h"

#define TEST_MAGIC   SEGMENT_MAGIC('N', '2', 'K', 'T', 'E', 'S', 'T', '.')
#define TEST_VERSION 7
#define TEST_LENGTH  8192

static char name[64];
static char path[96];
static struct shared_memory memory;

static void set_up(void)
{
    (void)snprintf(name, sizeof(name), "/nsq_to_kinesis.test.%d", getpid());
    (void)snprintf(path, sizeof(path), "/dev/shm%s", name);
    memory = SHARED_MEMORY_NULL;
    ck_assert_int_eq(shared_memory_remove(name), 0);
}

static void tear_down(void)
{
    shared_memory_close(&memory);
    (void)unlink(path);
}

static int reopen(struct shared_memory *other)
{
    *other = SHARED_MEMORY_NULL;
    return shared_memory_open(name, SHARED_MEMORY_WRITE, TEST_MAGIC,
                              TEST_VERSION, other);
}

static void create_published(void)
{
    ck_assert_int_eq(shared_memory_create(name, TEST_LENGTH, &memory), 0);
    shared_memory_publish(&memory, TEST_MAGIC, TEST_VERSION, 3);
}

START_TEST(published_segment_is_found_with_its_head)
{
    struct shared_memory other;
    struct segment_head *head;

    create_published();
    ((char *)memory.address)[TEST_LENGTH - 1] = 'x';

    ck_assert_int_eq(reopen(&other), 0);
    head = other.address;
    ck_assert_uint_eq(other.length, TEST_LENGTH);
    ck_assert_uint_eq(head->creator_pid, (uint32_t)getpid());
    ck_assert_uint_eq(head->creator_start, process_start_time(getpid()));
    ck_assert_uint_eq(head->generation, 3);
    ck_assert_int_gt(head->created_wall_ns, 0);
    ck_assert_int_eq(((char *)other.address)[TEST_LENGTH - 1], 'x');
    ck_assert_int_eq(((char *)other.address)[TEST_LENGTH - 2], 0);
    shared_memory_close(&other);
}
END_TEST

START_TEST(second_creation_finds_the_first)
{
    struct shared_memory other = SHARED_MEMORY_NULL;

    create_published();

    ck_assert_int_eq(shared_memory_create(name, TEST_LENGTH, &other),
                     SHARED_MEMORY_EXISTS);
    ck_assert_ptr_null(other.address);
}
END_TEST

START_TEST(segment_is_private_whatever_the_umask)
{
    static const mode_t masks[] = { 0, 077, 0777 };

    for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
        struct stat file;
        mode_t old = umask(masks[i]);
        int result = shared_memory_create(name, TEST_LENGTH, &memory);

        (void)umask(old);
        ck_assert_int_eq(result, 0);
        ck_assert_int_eq(stat(path, &file), 0);
        ck_assert_uint_eq(file.st_mode & 07777, 0600);
        ck_assert_int_ge(file.st_blocks * 512, TEST_LENGTH);
        shared_memory_close(&memory);
        ck_assert_int_eq(shared_memory_remove(name), 0);
    }
}
END_TEST

START_TEST(absent_unready_and_foreign_segments_are_told_apart)
{
    struct shared_memory other;
    struct segment_head *head;

    ck_assert_int_eq(reopen(&other), SHARED_MEMORY_ABSENT);
    ck_assert_int_eq(shared_memory_create(name, TEST_LENGTH, &memory), 0);
    ck_assert_int_eq(reopen(&other), SHARED_MEMORY_UNREADY);
    shared_memory_publish(&memory, TEST_MAGIC, TEST_VERSION + 1, 0);
    ck_assert_int_eq(reopen(&other), SHARED_MEMORY_FOREIGN);
    shared_memory_publish(&memory, TEST_MAGIC + 1, TEST_VERSION, 0);
    ck_assert_int_eq(reopen(&other), SHARED_MEMORY_FOREIGN);
    shared_memory_publish(&memory, TEST_MAGIC, TEST_VERSION, 0);
    ck_assert_int_eq(reopen(&other), 0);
    shared_memory_close(&other);
    head = memory.address;
    head->length = TEST_LENGTH + 1;
    ck_assert_int_eq(reopen(&other), SHARED_MEMORY_FOREIGN);
    ck_assert_ptr_null(other.address);
}
END_TEST

START_TEST(file_that_others_may_read_or_keep_is_foreign)
{
    struct shared_memory other;
    char link_path[128];

    create_published();
    ck_assert_int_eq(chmod(path, 0640), 0);
    ck_assert_int_eq(reopen(&other), SHARED_MEMORY_FOREIGN);
    ck_assert_int_eq(chmod(path, 0600), 0);

    (void)snprintf(link_path, sizeof(link_path), "%s.link", path);
    ck_assert_int_eq(link(path, link_path), 0);
    ck_assert_int_eq(reopen(&other), SHARED_MEMORY_FOREIGN);
    ck_assert_int_eq(unlink(link_path), 0);
    ck_assert_int_eq(reopen(&other), 0);
    shared_memory_close(&other);
}
END_TEST

/* (M10) */
START_TEST(short_file_and_symbolic_link_are_foreign)
{
    struct shared_memory other;
    int descriptor = open(path, O_CREAT | O_WRONLY, 0600);

    ck_assert_int_ge(descriptor, 0);
    ck_assert_int_eq(reopen(&other), SHARED_MEMORY_UNREADY);
    ck_assert_int_eq(ftruncate(descriptor, 63), 0);
    ck_assert_int_eq(reopen(&other), SHARED_MEMORY_FOREIGN);
    (void)close(descriptor);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(symlink("/dev/null", path), 0);
    ck_assert_int_eq(reopen(&other), SHARED_MEMORY_FOREIGN);
}
END_TEST

/* (M10) */
START_TEST(segment_of_another_user_is_foreign)
{
    struct shared_memory other;

    if (geteuid() != 0)
        return;
    create_published();
    ck_assert_int_eq(chown(path, 1234, 1234), 0);

    ck_assert_int_eq(reopen(&other), SHARED_MEMORY_FOREIGN);
    ck_assert_int_eq(shared_memory_open(name, SHARED_MEMORY_READ, TEST_MAGIC,
                                        TEST_VERSION, &other),
                     0);
    shared_memory_close(&other);
}
END_TEST

START_TEST(reader_cannot_write)
{
    struct shared_memory other = SHARED_MEMORY_NULL;

    create_published();
    ck_assert_int_eq(shared_memory_open(name, SHARED_MEMORY_READ, TEST_MAGIC,
                                        TEST_VERSION, &other),
                     0);

    ck_assert_int_eq(
        mprotect(other.address, other.length, PROT_READ | PROT_WRITE), -1);
    ck_assert_int_eq(errno, EACCES);
    shared_memory_close(&other);
}
END_TEST

START_TEST(too_small_folder_is_a_sentence_and_leaves_nothing)
{
    struct statvfs folder;
    const char *sentence;
    uint64_t all;

    ck_assert_int_eq(statvfs("/dev/shm", &folder), 0);
    if (folder.f_blocks == 0) /* without a limit nothing is too large */
        return;
    all = (uint64_t)folder.f_blocks * folder.f_frsize;

    ck_assert_int_eq(shared_memory_create(name, all + 4096, &memory), -ENOSPC);
    sentence = error_take(-ENOSPC);
    ck_assert_ptr_nonnull(strstr(sentence, name));
    ck_assert_ptr_nonnull(strstr(sentence, "needs "));
    ck_assert_ptr_nonnull(strstr(sentence, " free"));
    ck_assert_ptr_nonnull(strstr(sentence, "mount -o remount,size="));
    ck_assert_ptr_nonnull(strstr(sentence, "--shm-size"));
    ck_assert_ptr_nonnull(strstr(sentence, "medium: Memory"));
    ck_assert_int_eq(access(path, F_OK), -1);
    ck_assert_int_eq(shared_memory_check_room(all + 4096), -ENOSPC);
    (void)error_take(-ENOSPC);
    ck_assert_int_eq(shared_memory_check_room(4096), 0);
}
END_TEST

/* Keeps place 5 locked, says so, and waits to be killed. */
static pid_t start_holder(int *ready)
{
    int ends[2];
    pid_t holder;
    char byte = 0;

    ck_assert_int_eq(pipe(ends), 0);
    holder = fork();
    if (holder == 0) {
        struct shared_memory other;

        if (reopen(&other) != 0 || shared_memory_lock(&other, 5) != 0)
            _exit(1);
        (void)!write(ends[1], &byte, 1);
        for (;;)
            (void)pause();
    }
    (void)close(ends[1]);
    *ready = (int)read(ends[0], &byte, 1);
    (void)close(ends[0]);
    return holder;
}

START_TEST(lock_of_a_killed_process_is_free)
{
    pid_t holder;
    int ready = 0;

    create_published();
    holder = start_holder(&ready);
    ck_assert_int_eq(ready, 1);

    ck_assert_int_eq(shared_memory_lock(&memory, 4), 0);
    ck_assert_int_eq(shared_memory_lock(&memory, 5), SHARED_MEMORY_TAKEN);
    ck_assert_int_eq(kill(holder, SIGKILL), 0);
    ck_assert_int_eq(waitpid(holder, NULL, 0), holder);
    ck_assert_int_eq(shared_memory_lock(&memory, 5), 0);
}
END_TEST

START_TEST(close_and_remove_may_be_repeated)
{
    create_published();

    shared_memory_close(&memory);
    shared_memory_close(&memory);
    ck_assert_int_eq(shared_memory_remove(name), 0);
    ck_assert_int_eq(shared_memory_remove(name), 0);
}
END_TEST

START_TEST(start_time_tells_processes_apart)
{
    ck_assert_uint_gt(process_start_time(getpid()), 0);
    ck_assert_uint_eq(process_start_time(getpid()),
                      process_start_time(getpid()));
    ck_assert_uint_le(process_start_time(1), process_start_time(getpid()));
    ck_assert_uint_eq(process_start_time(INT32_MAX), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shared_memory");
    TCase *segments = tcase_create("segments");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(segments, set_up, tear_down);
    tcase_add_test(segments, published_segment_is_found_with_its_head);
    tcase_add_test(segments, second_creation_finds_the_first);
    tcase_add_test(segments, segment_is_private_whatever_the_umask);
    tcase_add_test(segments,
                   absent_unready_and_foreign_segments_are_told_apart);
    tcase_add_test(segments, file_that_others_may_read_or_keep_is_foreign);
    tcase_add_test(segments, short_file_and_symbolic_link_are_foreign);
    tcase_add_test(segments, segment_of_another_user_is_foreign);
    tcase_add_test(segments, reader_cannot_write);
    tcase_add_test(segments, too_small_folder_is_a_sentence_and_leaves_nothing);
    tcase_add_test(segments, lock_of_a_killed_process_is_free);
    tcase_add_test(segments, close_and_remove_may_be_repeated);
    tcase_add_test(segments, start_time_tells_processes_apart);
    suite_add_tcase(suite, segments);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
