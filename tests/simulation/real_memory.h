/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * real_memory - the C library's own allocator, beside what processes see.
 *
 * The linker hands malloc() and its kin to simulated_system.c, which gives a
 * process memory out of its arena, so that a killed one leaves nothing behind.
 * What belongs to the world and may be asked for by a process is taken here.
 */

#include <stddef.h>

#define ARENA_LENGTH ((size_t)256 * 1024 * 1024)

void *__real_malloc(size_t length);
void *__real_calloc(size_t count, size_t length);
void *__real_realloc(void *memory, size_t length);
void __real_free(void *memory);
