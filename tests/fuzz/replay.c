/* SPDX-License-Identifier: Apache-2.0 */

/*
 * replay - run a fuzz target without a fuzzer.
 *
 *     replay_X FILE...      the target on each file: what a fuzzer found
 *     replay_X              the target on inputs made from a fixed seed, so
 *                           that the target itself is tested with any compiler
 *     replay_X --make FOLDER
 *                           a hundred sound inputs for a fuzzer to begin with
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/random.h"
#include "tests/fuzz/target.h"

#define INPUT_MOST   65536
#define ROUND_COUNT  20000
#define MADE_MOST    512
#define SPOILT_BYTES 4
#define BEGINNINGS   100

static uint8_t input[INPUT_MOST];

/* A copy of exactly its length, so that the sanitizer sees a byte too many. */
static void run(size_t length)
{
    uint8_t *exact = malloc(length + !length);

    if (!exact)
        abort();
    for (size_t i = 0; i < length; i++)
        exact[i] = input[i];
    LLVMFuzzerTestOneInput(exact, length);
    free(exact);
}

static int run_file(const char *path)
{
    FILE *file = fopen(path, "rb");

    if (!file) {
        perror(path);
        return EXIT_FAILURE;
    }
    run(fread(input, 1, sizeof(input), file));
    (void)fclose(file);
    return EXIT_SUCCESS;
}

/* Sound inputs with a few bytes spoilt reach deeper than noise. */
static void run_seeded(void)
{
    struct random random;

    random_seed(&random, 1);
    for (int round = 0; round < ROUND_COUNT; round++) {
        size_t length = fuzz_make_input(&random, input, MADE_MOST);

        for (uint64_t i = random_below(&random, SPOILT_BYTES); i > 0; i--)
            if (length > 0)
                input[random_below(&random, length)] =
                    (uint8_t)random_u64(&random);
        run(length);
    }
}

static int write_input(const char *folder, int number, size_t length)
{
    char path[4096];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/made-%03d", folder, number);
    file = fopen(path, "wb");
    if (!file) {
        perror(path);
        return EXIT_FAILURE;
    }
    (void)fwrite(input, 1, length, file);
    return fclose(file) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int make(const char *folder)
{
    struct random random;

    random_seed(&random, 2);
    for (int i = 0; i < BEGINNINGS; i++)
        if (write_input(folder, i, fuzz_make_input(&random, input, MADE_MOST)))
            return EXIT_FAILURE;
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--make") == 0)
        return make(argv[2]);
    if (argc == 1)
        run_seeded();
    for (int i = 1; i < argc; i++)
        if (run_file(argv[i]))
            return EXIT_FAILURE;
    return EXIT_SUCCESS;
}
