/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the search, for search.c and the two ways of it: search_product.c, search_flat.c. */
#ifndef PKM_MEMORY_SEARCH_PARTS_H
#define PKM_MEMORY_SEARCH_PARTS_H

#include "base/arena.h"
#include "memory/memory_config.h"
#include "memory/search.h"

struct pkm_search {
    pkm_search_config config;
    pkm_key_shape keys;
    pkm_dtype packed; /* of panels and packed queries: f32 also where the level has no bf16 */
    int64_t width;    /* keys.width, even if packed is bf16: the last element is zero */
    int64_t n_panels; /* panels of 64 keys per part */
    size_t part_bytes, panel_bytes; /* of the panels of a part; of all */
    char *panels;                   /* [H, parts, part_bytes] (kernels/half_scores.h) */
    pkm_select_plan plan;           /* product keys */
    pkm_kernels kernels;
};

/* Some rows of one head: a task is computed whole by one thread. */
typedef struct pkm_search_task {
    const pkm_search *search;
    int64_t head, n_rows;
    const float *queries; /* [n_rows, d_k], rows of H d_k */
    int32_t *ids;         /* out [n_rows, k], rows of H k */
    float *scores;        /* out, as ids */
} pkm_search_task;

/* A way to search, in tasks of up to `rows` rows. */
typedef struct pkm_search_way {
    int64_t rows;
    /* Bytes of scratch of a thread. */
    size_t (*bytes)(const pkm_search *search);
    /* False if a score is not finite. */
    bool (*run)(const pkm_search_task *task, void *scratch);
} pkm_search_way;

extern const pkm_search_way pkm_search_product, pkm_search_flat;

/* The queries of a task in one part, as kernels take them, and room to pack them. */
typedef struct pkm_search_queries {
    void *room;        /* [rows, width], as packed */
    uint16_t *rounded; /* [width] */
    const void *first; /* as they lie, or in the room */
    int64_t stride;    /* elements from one to the next */
} pkm_search_queries;

void pkm_search_queries_carve(pkm_search_queries *out, pkm_arena *arena, const pkm_search *search,
                              int64_t rows);
void pkm_search_queries_set(pkm_search_queries *queries, const pkm_search_task *task, int part);

/* scores [n_rows, 64 n_panels] = the queries by the keys of some panels of the part. */
void pkm_search_score(float *scores, const pkm_search_queries *queries, const pkm_search_task *task,
                      int part, int64_t first_panel, int64_t n_panels);

#endif
