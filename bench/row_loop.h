/* SPDX-License-Identifier: Apache-2.0 */
/* The loop of row_probe.h in vectors of ROW_VECTOR bytes, defined by the file that includes it. */
#include <string.h>

#include "base/size.h"
#include "row_probe.h"

typedef uint32_t words __attribute__((vector_size(ROW_VECTOR)));

enum { LINE = 64, LINE_VECTORS = LINE / ROW_VECTOR, STRIP = 1024 };

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

/* Bytes [at, end) of a row. */
static inline void visit_part(words sum[LINE_VECTORS], char *row, const char *later, int64_t at,
                              int64_t end, uint32_t change, const loop_kind kind)
{
    const words changes = (words){0} + change;

    for (; at + LINE <= end; at += LINE) {
        if (kind.ask == PKM_ASK_FIRST)
            __builtin_prefetch(later + at, 0, 3);
        if (kind.ask == PKM_ASK_SECOND)
            __builtin_prefetch(later + at, 0, 2);
        visit_line(sum, row + at, changes, kind.rewrite);
    }
    for (uint32_t word; at + (int64_t)sizeof word <= end; at += (int64_t)sizeof word) {
        memcpy(&word, row + at, sizeof word);
        sum[0][0] ^= word;
        if (kind.rewrite) {
            word ^= change;
            memcpy(row + at, &word, sizeof word);
        }
    }
    for (; at < end; at++) {
        sum[0][0] ^= (unsigned char)row[at];
        if (kind.rewrite)
            row[at] = (char)(row[at] ^ (char)change);
    }
}

/* The same bytes of rows ids[first..last) of one table. */
static inline void visit_strip(words sum[LINE_VECTORS], const pkm_row_walk *walk, int table,
                               int64_t first, int64_t last, int64_t at, int64_t end,
                               const loop_kind kind)
{
    char *rows = walk->table[table];
    int64_t bytes = walk->row_bytes[table];

    for (int64_t i = first; i < last; i++) {
        int64_t later = pkm_min_i64(i + walk->ahead, walk->n_ids - 1);

        visit_part(sum, rows + walk->ids[i] * bytes, rows + walk->ids[later] * bytes, at, end,
                   walk->change, kind);
    }
}

static inline uint32_t row_loop(const pkm_row_walk *walk, int64_t first, int64_t last,
                                const loop_kind kind)
{
    const int64_t group = pkm_max_i64(1, walk->group);
    words sum[LINE_VECTORS] = {{0}};
    uint32_t result = 0;

    for (int64_t i = first; i < last; i += group)
        for (int t = 0; t < walk->n_tables; t++) {
            int64_t bytes = walk->row_bytes[t], strip = walk->group > 0 ? STRIP : bytes;

            for (int64_t at = 0; at < bytes; at += strip)
                visit_strip(sum, walk, t, i, pkm_min_i64(i + group, last), at,
                            pkm_min_i64(at + strip, bytes), kind);
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
