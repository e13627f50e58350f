/* SPDX-License-Identifier: Apache-2.0 */
#include "support/kernel_checks.h"

#include <math.h>
#include <string.h>

#include "base/dtype.h"
#include "base/rng.h"

/* ---- Guarded arrays ---- */

float *guarded_f32(int64_t n, check_input input, uint64_t seed)
{
    float *out = guard_alloc((size_t)n * sizeof *out);

    if (input == CHECK_INTEGERS)
        fill_integers(out, n, seed, -8, 8);
    else
        fill_normal(out, n, seed);
    return out;
}

uint16_t *guarded_bf16(int64_t n, check_input input, uint64_t seed)
{
    float *values = guarded_f32(n, input, seed);
    uint16_t *out = guard_alloc((size_t)n * sizeof *out);

    for (int64_t i = 0; i < n; i++)
        out[i] = pkm_f32_to_bf16(values[i]);
    guard_free(values, (size_t)n * sizeof *values);
    return out;
}

int8_t *guarded_i8(int64_t n, check_input input, uint64_t seed)
{
    float *values = guarded_f32(n, CHECK_NORMAL, seed);
    int8_t *out = guard_alloc((size_t)n);

    if (input == CHECK_INTEGERS)
        fill_integers(values, n, seed, INT8_MIN, INT8_MAX);
    for (int64_t i = 0; i < n; i++)
        out[i] = (int8_t)lrintf(values[i]);
    guard_free(values, (size_t)n * sizeof *values);
    return out;
}

int32_t *guarded_ids(int64_t n, uint64_t seed, int32_t below)
{
    int32_t *out = guard_alloc((size_t)n * sizeof *out);
    pkm_rng rng = {.seed = seed};

    for (int64_t i = 0; i < n; i++)
        out[i] = (int32_t)(pkm_rng_u32(&rng, (uint64_t)i) % (uint32_t)below);
    return out;
}

void check_floats(const float *got, const float *want, int64_t n, check_input input,
                  int64_t n_terms, const char *label)
{
    /* fp32 sums of n standard normal products err by about 2^-24 n; 8 of them are never seen. */
    double tolerance = 0x1p-21 * (double)(n_terms + 1);

    if (input == CHECK_INTEGERS)
        tolerance = 0;
    check_close(got, want, n, tolerance, input == CHECK_INTEGERS ? 0 : 0x1p-21, label);
}

/* ---- Conversion ---- */

static const int64_t counts[] = {0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 1023};
enum { N_COUNTS = sizeof counts / sizeof counts[0] };

/* Every exponent and sign, ties of the rounding, infinities and NaN. */
static float awkward(int64_t i, uint64_t seed)
{
    static const uint32_t lower[] = {0, 1, 0x7fff, 0x8000, 0x8001, 0x18000, 0x17fff, 0xffff};
    pkm_rng rng = {.seed = seed};
    uint32_t bits = (pkm_rng_u32(&rng, (uint64_t)i) & 0xffff0000u) ^ lower[i % 8];
    float out;

    if (i % 5 == 0)
        bits |= 0x7f800000u;
    memcpy(&out, &bits, sizeof out);
    return out;
}

void check_f32_to_bf16(pkm_kernel_fn got, pkm_kernel_fn want, const char *label)
{
    for (int s = 0; s < N_COUNTS; s++) {
        size_t n = (size_t)counts[s];
        float *in = guard_alloc(n * 4);
        uint16_t *a = guard_alloc(n * 2), *b = guard_alloc(n * 2);

        for (size_t i = 0; i < n; i++)
            in[i] = awkward((int64_t)i, n);
        ((pkm_f32_to_bf16_fn *)got)(a, in, (int64_t)n);
        ((pkm_f32_to_bf16_fn *)want)(b, in, (int64_t)n);
        for (size_t i = 0; i < n; i++)
            if (a[i] != b[i])
                fail_msg("%s: %a becomes %04x, expected %04x", label, (double)in[i], a[i], b[i]);
        guard_free(in, n * 4);
        guard_free(a, n * 2);
        guard_free(b, n * 2);
    }
}

void check_bf16_to_f32(pkm_kernel_fn got, pkm_kernel_fn want, const char *label)
{
    for (int s = 0; s < N_COUNTS; s++) {
        size_t n = (size_t)counts[s];
        uint16_t *in = guard_alloc(n * 2);
        float *a = guard_alloc(n * 4), *b = guard_alloc(n * 4);

        for (size_t i = 0; i < n; i++)
            in[i] = (uint16_t)(i * 40503);
        ((pkm_bf16_to_f32_fn *)got)(a, in, (int64_t)n);
        ((pkm_bf16_to_f32_fn *)want)(b, in, (int64_t)n);
        if (memcmp(a, b, n * 4) != 0)
            fail_msg("%s: bits differ at %zu elements", label, n);
        guard_free(in, n * 2);
        guard_free(a, n * 4);
        guard_free(b, n * 4);
    }
}

/* ---- Search ---- */

static void check_half_scores(pkm_kernel_fn got, pkm_kernel_fn want, pkm_dtype dtype,
                              const char *label)
{
    static const int64_t n_queries[] = {0, 1, 2, 3, 5, 6, 7, 8, 15, 16, 17, 24, 41};
    static const int64_t widths[] = {0, 2, 6, 16, 30, 32, 34, 64, 66, 130};
    size_t bytes = pkm_dtype_bytes(dtype);

    for (int s = 0; s < 13 * 10 * CHECK_INPUTS; s++) {
        check_input input = (check_input)(s % CHECK_INPUTS);
        int64_t rows = n_queries[s / CHECK_INPUTS % 13], width = widths[s / CHECK_INPUTS / 13];
        int64_t n_panels = s % 4, stride = width + 4, n_keys = n_panels * PKM_PANEL_KEYS;
        /* The last query ends with its width, not with its stride. */
        int64_t n_query = rows > 0 ? (rows - 1) * stride + width : 0, n_key = n_keys * width;
        bool f32 = dtype == PKM_F32;
        void *queries =
            f32 ? (void *)guarded_f32(n_query, input, 1) : guarded_bf16(n_query, input, 1);
        void *panels = f32 ? (void *)guarded_f32(n_key, input, 2) : guarded_bf16(n_key, input, 2);
        float *a = guard_alloc((size_t)(rows * n_keys) * 4);
        float *b = guard_alloc((size_t)(rows * n_keys) * 4);

        ((pkm_half_scores_fn *)got)(a, queries, panels, rows, stride, n_panels, width);
        ((pkm_half_scores_fn *)want)(b, queries, panels, rows, stride, n_panels, width);
        check_floats(a, b, rows * n_keys, input, width, label);
        guard_free(queries, (size_t)n_query * bytes);
        guard_free(panels, (size_t)n_key * bytes);
        guard_free(a, (size_t)(rows * n_keys) * 4);
        guard_free(b, (size_t)(rows * n_keys) * 4);
    }
}

void check_half_scores_f32(pkm_kernel_fn got, pkm_kernel_fn want, const char *label)
{
    check_half_scores(got, want, PKM_F32, label);
}

void check_half_scores_bf16(pkm_kernel_fn got, pkm_kernel_fn want, const char *label)
{
    check_half_scores(got, want, PKM_BF16, label);
}

enum { SELECT_KEYS = 600, SELECT_ROWS = 11 };

/* Selections on copies of the scores of SELECT_ROWS rows: ids and bits of the sums must be those of
 * the reference; between the rows of the result nothing is written. */
static void compare_selections(pkm_select_fn *got, pkm_select_fn *want,
                               float scores[2][SELECT_ROWS * SELECT_KEYS], int64_t n, int64_t topk,
                               const char *label)
{
    static uint64_t heap[SELECT_KEYS];
    static int32_t next[SELECT_KEYS], index[2][SELECT_KEYS], ids[2][SELECT_ROWS * SELECT_KEYS];
    static float score[2][SELECT_KEYS], sums[2][SELECT_ROWS * SELECT_KEYS];
    const pkm_select_scratch scratch = {heap, next, {index[0], index[1]}, {score[0], score[1]}};
    const int64_t padded = (n + 63) / 64 * 64, out_stride = topk + n % 3;
    size_t bytes = (size_t)(SELECT_ROWS * padded) * sizeof(float);
    pkm_select_plan plan;
    bool finite[2];

    pkm_select_plan_init(&plan, n, topk);
    memset(ids, 0, sizeof ids);
    memset(sums, 0, sizeof sums);
    for (int run = 0; run < 2; run++) {
        float *const halves[2] = {guard_alloc(bytes), guard_alloc(bytes)};

        for (int h = 0; h < 2; h++)
            for (int r = 0; r < SELECT_ROWS; r++)
                memcpy(halves[h] + r * padded, scores[h] + r * n, (size_t)n * sizeof(float));
        finite[run] = (run == 0 ? got : want)(ids[run], sums[run], halves, SELECT_ROWS, out_stride,
                                              &plan, &scratch);
        for (int h = 0; h < 2; h++)
            guard_free(halves[h], bytes);
    }
    if (finite[0] != finite[1] || memcmp(ids[0], ids[1], sizeof ids[0]) != 0 ||
        memcmp(sums[0], sums[1], sizeof sums[0]) != 0)
        fail_msg("%s: n %lld, k %lld: another selection", label, (long long)n, (long long)topk);
}

/* Normal scores; in rows that are not a multiple of 4 with ever fewer ties, and zeros of both
 * signs. */
static void fill_rows(float *scores, int64_t n, uint64_t seed)
{
    fill_normal(scores, SELECT_ROWS * n, seed);
    for (int64_t i = 0; i < SELECT_ROWS * n; i++)
        if (i / n % 4 > 0)
            scores[i] = rintf(scores[i] * (float)(i / n)) * 0.25f;
}

/* Half 1 has one sub-key far above the rest, so that all of half 2 may be among the best; these
 * come last. */
static void fill_lopsided(float scores[2][SELECT_ROWS * SELECT_KEYS], int64_t n)
{
    for (int64_t i = 0; i < SELECT_ROWS * n; i++) {
        scores[0][i] = i % n == i / n ? 1000 : 0;
        scores[1][i] = i % n >= n - 16 ? 1 : 0;
    }
}

void check_select(pkm_kernel_fn got, pkm_kernel_fn want, const char *label)
{
    static const int64_t sizes[][2] = {
        {1, 1},    {3, 2},    {16, 16},  {63, 31},   {64, 1},    {65, 32},   {127, 33},
        {128, 64}, {513, 40}, {600, 65}, {128, 128}, {600, 127}, {600, 128}, {600, 129},
    };
    static float scores[2][SELECT_ROWS * SELECT_KEYS];

    for (int s = 0; s < (int)(sizeof sizes / sizeof sizes[0]); s++) {
        int64_t n = sizes[s][0], topk = sizes[s][1];

        for (uint64_t seed = 0; seed < 6; seed++) {
            for (int h = 0; h < 2; h++)
                fill_rows(scores[h], n, seed * 2 + (uint64_t)h);
            compare_selections((pkm_select_fn *)got, (pkm_select_fn *)want, scores, n, topk, label);
        }
        /* A score that is not finite leaves the other rows as they are. */
        scores[s % 2][SELECT_ROWS / 2 * n + n - 1] = s % 3 == 0   ? NAN
                                                     : s % 3 == 1 ? INFINITY
                                                                  : -INFINITY;
        compare_selections((pkm_select_fn *)got, (pkm_select_fn *)want, scores, n, topk, label);
        fill_lopsided(scores, n);
        compare_selections((pkm_select_fn *)got, (pkm_select_fn *)want, scores, n, topk, label);
    }
}

/* Bounds below, among and above the scores; ties with the bound are not above. */
void check_above(pkm_kernel_fn got, pkm_kernel_fn want, const char *label)
{
    enum { MOST = 600 };
    static const int32_t sizes[] = {0, 1, 5, 63, 64, 65, 127, 128, 200, MOST};
    static const float bounds[] = {-INFINITY, -9, -0.25f, 0, 0.25f, 1.5f, 9};
    int32_t found[2][MOST + PKM_ABOVE_STEP];

    for (int s = 0; s < 10 * 7 * 4; s++) {
        int32_t n = sizes[s % 10], count[2];
        float bound = bounds[s / 10 % 7];
        size_t bytes = (size_t)(n + 63) / 64 * 64 * sizeof(float);
        float *scores = guard_alloc(bytes);

        memset(scores, 0, bytes);
        fill_normal(scores, n, (uint64_t)s);
        for (int32_t i = 0; i < n && s / 70 > 0; i++)
            scores[i] = rintf(scores[i] * 4) * 0.25f;
        if (s / 70 > 1 && n > 0)
            scores[s * 7 % n] = s / 70 == 2 ? -INFINITY : NAN;
        count[0] = ((pkm_above_fn *)got)(found[0], scores, n, bound);
        count[1] = ((pkm_above_fn *)want)(found[1], scores, n, bound);
        if (count[0] != count[1] ||
            (count[0] > 0 && memcmp(found[0], found[1], (size_t)count[0] * sizeof(int32_t)) != 0))
            fail_msg("%s: n %d, bound %g: %d found, expected %d, or others", label, n,
                     (double)bound, count[0], count[1]);
        guard_free(scores, bytes);
    }
}
