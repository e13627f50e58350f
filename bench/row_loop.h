/* SPDX-License-Identifier: Apache-2.0 */
/* The loop of row_probe.h in vectors of ROW_VECTOR bytes, defined by the file that includes it. */
#include <string.h>

#include "base/size.h"
#include "row_probe.h"

typedef uint32_t words __attribute__((vector_size(ROW_VECTOR)));

enum { LINE = 64, LINE_VECTORS = LINE / ROW_VECTOR };

/* One line at p, rewritten or not; sum[] gathers what was read. */
static inline void visit_line(words sum[LINE_VECTORS], char *p, words change, bool rewrite)
{
#pragma GCC unroll 8
    for (int v = 0; v < LINE_VECTORS; v++) {
        words x;

        memcpy(&x, p + v * ROW_VECTOR, sizeof x);
        sum[v] ^= x;
        if (rewrite) {
            x ^= change;
            memcpy(p + v * ROW_VECTOR, &x, sizeof x);
        }
    }
}

/* What is known when a loop is compiled. */
typedef struct loop_kind {
    bool rewrite;
    pkm_row_ask ask;
} loop_kind;

static inline void visit_row(words sum[LINE_VECTORS], char *row, const char *later, int64_t bytes,
                             uint32_t change, const loop_kind kind)
{
    const words changes = (words){0} + change;
    int64_t at = 0;

    for (; at + LINE <= bytes; at += LINE) {
        if (kind.ask == PKM_ASK_FIRST)
            __builtin_prefetch(later + at, 0, 3);
        if (kind.ask == PKM_ASK_SECOND)
            __builtin_prefetch(later + at, 0, 2);
        visit_line(sum, row + at, changes, kind.rewrite);
    }
    for (; at < bytes; at++) {
        sum[0][0] ^= (unsigned char)row[at];
        if (kind.rewrite)
            row[at] = (char)(row[at] ^ (char)change);
    }
}

static inline uint32_t row_loop(const pkm_row_walk *walk, int64_t first, int64_t last,
                                const loop_kind kind)
{
    words sum[LINE_VECTORS] = {{0}};
    uint32_t result = 0;

    for (int64_t i = first; i < last; i++) {
        int64_t id = walk->ids[i], later = walk->ids[pkm_min_i64(i + walk->ahead, walk->n_ids - 1)];

        for (int t = 0; t < walk->n_tables; t++)
            visit_row(sum, walk->table[t] + id * walk->row_bytes[t],
                      walk->table[t] + later * walk->row_bytes[t], walk->row_bytes[t], walk->change,
                      kind);
    }
    for (int v = 0; v < LINE_VECTORS; v++)
        for (int word = 0; word < (int)(ROW_VECTOR / sizeof result); word++)
            result ^= sum[v][word];
    return result;
}

static inline uint32_t walk_asking(const pkm_row_walk *walk, int64_t first, int64_t last,
                                   const bool rewrite)
{
    switch (walk->ask) {
    case PKM_ASK_FIRST:
        return row_loop(walk, first, last, (loop_kind){rewrite, PKM_ASK_FIRST});
    case PKM_ASK_SECOND:
        return row_loop(walk, first, last, (loop_kind){rewrite, PKM_ASK_SECOND});
    default:
        return row_loop(walk, first, last, (loop_kind){rewrite, PKM_ASK_NOWHERE});
    }
}

static inline uint32_t walk_rows(const pkm_row_walk *walk, int64_t first, int64_t last)
{
    return walk->rewrite ? walk_asking(walk, first, last, true)
                         : walk_asking(walk, first, last, false);
}
