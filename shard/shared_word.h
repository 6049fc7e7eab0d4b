/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * shared_word - the only way to touch a word that two processes share.
 *
 * The order is in the name of every access, and each acquire and release
 * carries, at its call, the label of the edge it belongs to (Q1, Q2, W1 ...).
 * A single-threaded simulation gets its power from here: every access is a
 * point at which another process may run or this one may die, so tests can
 * put a hook into them (SHARED_WORD_HOOK) without touching any other code.
 */

#include <stdatomic.h>
#include <stdint.h>

#ifdef SHARED_WORD_HOOK
void shared_word_hook(const void *word);
#else
static inline void shared_word_hook(const void *word)
{
    (void)word;
}
#endif

/* What another process wrote, and everything it wrote before that. */
static inline uint64_t load_acquire(const _Atomic uint64_t *word)
{
    shared_word_hook(word);
    return atomic_load_explicit(word, memory_order_acquire);
}

/* Our own word, or one whose value alone matters. */
static inline uint64_t load_relaxed(const _Atomic uint64_t *word)
{
    shared_word_hook(word);
    return atomic_load_explicit(word, memory_order_relaxed);
}

/* Everything written before is visible to whoever acquires this value. */
static inline void store_release(_Atomic uint64_t *word, uint64_t value)
{
    shared_word_hook(word);
    atomic_store_explicit(word, value, memory_order_release);
}

static inline void store_relaxed(_Atomic uint64_t *word, uint64_t value)
{
    shared_word_hook(word);
    atomic_store_explicit(word, value, memory_order_relaxed);
}
