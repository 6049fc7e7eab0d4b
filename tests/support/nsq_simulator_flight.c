/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/nsq_simulator_flight.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static void free_list(struct flight_page *page)
{
    while (page) {
        struct flight_page *next = page->next;

        free(page);
        page = next;
    }
}

void flight_table_deinit(struct flight_table *table)
{
    for (size_t i = table->first; i < table->end; i++)
        free(table->pages[i]);
    free(table->pages);
    free_list(table->spare);
    *table = (struct flight_table){ 0 };
}

static bool reserve_places(struct flight_table *table, uint64_t place)
{
    size_t capacity = table->page_capacity ? table->page_capacity : 1024;
    struct flight_page **pages;

    while (capacity <= place)
        capacity *= 2;
    if (capacity == table->page_capacity)
        return true;
    pages = realloc(table->pages, capacity * sizeof(struct flight_page *));
    if (!pages)
        return false;
    memset(pages + table->page_capacity, 0,
           (capacity - table->page_capacity) * sizeof(struct flight_page *));
    table->pages = pages;
    table->page_capacity = capacity;
    return true;
}

static struct flight_page *add_page(struct flight_table *table, uint64_t place)
{
    struct flight_page *page = table->spare;

    if (!reserve_places(table, place))
        return NULL;
    if (page)
        table->spare = page->next;
    else
        page = calloc(1, sizeof(*page));
    if (!page)
        return NULL;
    page->next = NULL;
    page->earliest_ms = UINT32_MAX;
    table->pages[place] = page;
    if (place < table->first)
        table->first = place;
    if (place >= table->end)
        table->end = place + 1;
    return page;
}

struct flight *flight_add(struct flight_table *table, uint64_t number)
{
    uint64_t place = number >> FLIGHT_PAGE_BITS;
    struct flight_page *page = place < table->end ? table->pages[place] : NULL;
    struct flight *flight;

    if (!page)
        page = add_page(table, place);
    if (!page)
        return NULL;
    flight = &page->flights[number & (FLIGHT_PAGE_LENGTH - 1)];
    assert(flight->state == FLIGHT_NONE);
    *flight = (struct flight){ .state = FLIGHT_SENT };
    page->used++;
    table->count++;
    return flight;
}

void flight_set_deadline(struct flight_table *table, uint64_t number,
                         uint32_t deadline_ms)
{
    struct flight_page *page = table->pages[number >> FLIGHT_PAGE_BITS];

    page->flights[number & (FLIGHT_PAGE_LENGTH - 1)].deadline_ms = deadline_ms;
    if (deadline_ms < page->earliest_ms)
        page->earliest_ms = deadline_ms;
}

void flight_remove(struct flight_table *table, uint64_t number)
{
    uint64_t place = number >> FLIGHT_PAGE_BITS;
    struct flight_page *page = table->pages[place];

    assert(flight_find(table, number));
    page->flights[number & (FLIGHT_PAGE_LENGTH - 1)].state = FLIGHT_NONE;
    table->count--;
    if (--page->used > 0)
        return;
    table->pages[place] = NULL;
    page->next = table->spare;
    table->spare = page;
    while (table->first < table->end && !table->pages[table->first])
        table->first++;
}

static bool has_deadline(const struct flight *flight)
{
    return flight->state == FLIGHT_SENT || flight->state == FLIGHT_DEFERRED;
}

/* The page is looked up for each message: the last visit may remove it. */
static void expire_page(struct flight_table *table, size_t place,
                        uint32_t now_ms, flight_visit *visit, void *owner)
{
    uint32_t earliest_ms = UINT32_MAX;

    for (uint64_t i = 0; i < FLIGHT_PAGE_LENGTH; i++) {
        struct flight_page *page = table->pages[place];
        struct flight *flight;

        if (!page)
            return;
        flight = &page->flights[i];
        if (!has_deadline(flight))
            continue;
        if (flight->deadline_ms <= now_ms)
            visit(owner, ((uint64_t)place << FLIGHT_PAGE_BITS) + i, flight);
        else if (flight->deadline_ms < earliest_ms)
            earliest_ms = flight->deadline_ms;
    }
    if (table->pages[place])
        table->pages[place]->earliest_ms = earliest_ms;
}

void flight_table_expire(struct flight_table *table, uint32_t now_ms,
                         flight_visit *visit, void *owner)
{
    for (size_t place = table->first; place < table->end; place++) {
        const struct flight_page *page = table->pages[place];

        if (page && page->earliest_ms <= now_ms)
            expire_page(table, place, now_ms, visit, owner);
    }
}

uint64_t flight_table_make_due(struct flight_table *table, uint32_t now_ms)
{
    uint64_t count = 0;

    for (size_t place = table->first; place < table->end; place++) {
        struct flight_page *page = table->pages[place];

        for (uint64_t i = 0; page && i < FLIGHT_PAGE_LENGTH; i++) {
            if (page->flights[i].state != FLIGHT_SENT)
                continue;
            page->flights[i].deadline_ms = now_ms;
            page->earliest_ms = now_ms;
            count++;
        }
    }
    return count;
}
