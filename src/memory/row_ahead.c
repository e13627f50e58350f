/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/row_ahead.h"

#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"

enum { WORD_BITS = 64 };

pkm_status pkm_row_ahead_init(pkm_row_ahead *out, size_t table_bytes)
{
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    size_t pages = table_bytes / page_bytes + 2; /* arrays need not begin with a page */
    size_t words = pages / WORD_BITS + 1;

    out->page_bytes = page_bytes;
    return pkm_alloc_array((void **)&out->asked, words, sizeof *out->asked,
                           "the pages of a mapped table");
}

void pkm_row_ahead_release(pkm_row_ahead *ahead)
{
    pkm_free(ahead->asked);
}

/* Notes that pages [first, end) are asked for; false if all of them were already. */
static bool note(const pkm_row_ahead *ahead, size_t first, size_t end)
{
    bool fresh = false;

    for (size_t page = first; page < end; page++) {
        uint64_t *word = &ahead->asked[page / WORD_BITS], bit = 1ULL << page % WORD_BITS;

        fresh |= (*word & bit) == 0;
        *word |= bit;
    }
    return fresh;
}

/* The pages of one row, counted from the page that the array begins in. */
static void pages_of(size_t *first, size_t *end, const pkm_row_ahead *ahead, size_t lead,
                     size_t row_bytes, int32_t id)
{
    size_t at = lead + (size_t)id * row_bytes;

    *first = at / ahead->page_bytes;
    *end = (at + row_bytes - 1) / ahead->page_bytes + 1;
}

void pkm_row_ahead_ask(pkm_row_ahead *ahead, const void *rows, size_t row_bytes, const int32_t *ids,
                       int64_t n_ids)
{
    size_t lead = (uintptr_t)rows % ahead->page_bytes, first, end;
    char *pages = (char *)rows - lead;

    for (int64_t i = 0; i < n_ids; i++) {
        pages_of(&first, &end, ahead, lead, row_bytes, ids[i]);
        if (note(ahead, first, end))
            (void)madvise(pages + first * ahead->page_bytes, (end - first) * ahead->page_bytes,
                          MADV_WILLNEED);
    }
    for (int64_t i = 0; i < n_ids; i++) {
        pages_of(&first, &end, ahead, lead, row_bytes, ids[i]);
        for (size_t page = first; page < end; page++)
            ahead->asked[page / WORD_BITS] = 0;
    }
}
