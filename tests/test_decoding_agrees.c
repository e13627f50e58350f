/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One answer however it is computed: logits with and without KV cache, the prompt cut in any way,
 * any number of sequences at once, any number of threads; and the greedy text that follows from
 * them. Tolerances: docs/numerics.md.
 */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "base/threads.h"
#include "models/model.h"
#include "support/check.h"
#include "support/greedy.h"

/* Bounds of |logit - logit|, by pkm_dtype. */
static const double tolerance[] = {5e-5, 2e-2};
static const char *const precision_name[] = {"f32", "bf16"};

static small_world world;

/* The cases: a model in a precision, and its logits of one whole sequence at once. */
typedef struct agreement_case {
    const char *run;
    pkm_dtype precision;
    pkm_model *model;
    int32_t ids[GREEDY_SEQ_LEN];
    float logits[GREEDY_SEQ_LEN][GREEDY_VOCAB];
    double worst; /* difference seen */
} agreement_case;

static agreement_case cases[] = {
    {.run = "memory", .precision = PKM_F32}, {.run = "memory", .precision = PKM_BF16},
    {.run = "flat", .precision = PKM_F32},   {.run = "flat", .precision = PKM_BF16},
    {.run = "plain", .precision = PKM_F32},  {.run = "plain", .precision = PKM_BF16},
};
enum { CASES = sizeof cases / sizeof cases[0], MOST_THREADS = 4 };

static int create_world(void **state)
{
    (void)state;
    small_world_create(&world);
    greedy_train(&world, "memory");
    greedy_train(&world, "flat");
    greedy_train(&world, "plain");
    check_ok(pkm_threads_set(MOST_THREADS)); /* models are planned for as many at most */
    for (int i = 0; i < CASES; i++) {
        agreement_case *c = &cases[i];
        int count;

        c->model = greedy_load(&world, c->run, c->precision);
        count = greedy_prompt(c->model, GREEDY_PROMPTS - 1, c->ids);
        for (int at = count; at < GREEDY_SEQ_LEN; at++)
            c->ids[at] = c->ids[at - count];
        check_ok(pkm_model_logits(c->model, c->logits[0], c->ids, GREEDY_SEQ_LEN));
    }
    return 0;
}

static int destroy_world(void **state)
{
    (void)state;
    for (int i = 0; i < CASES; i++) {
        print_message("%s, %s: logits differ by %.2g at most, %.2g allowed\n", cases[i].run,
                      precision_name[cases[i].precision], cases[i].worst,
                      tolerance[cases[i].precision]);
        pkm_model_destroy(cases[i].model);
    }
    small_world_destroy(&world);
    return 0;
}

/* Compares the logits of one position with those of the whole sequence at once. */
static void check_row(agreement_case *c, const float *got, int position, const char *way)
{
    for (int id = 0; id < GREEDY_VOCAB; id++) {
        double difference = fabs((double)got[id] - (double)c->logits[position][id]);

        c->worst = fmax(c->worst, difference);
        if (!(difference <= tolerance[c->precision]))
            fail_msg("%s, %s, %s: logit %d at position %d differs by %g", c->run,
                     precision_name[c->precision], way, id, position, difference);
    }
}

/* Feeds the sequence in chunks of `size` tokens, 0: of random sizes. */
static void feed_in_chunks(agreement_case *c, int size)
{
    pkm_rng rng = {.seed = 7};
    pkm_decoder *decoder;
    const float *logits;
    char way[32];

    snprintf(way, sizeof way, "chunks of %d", size);
    check_ok(pkm_decoder_create(&decoder, c->model->gpt));
    for (int at = 0, chunk; at < GREEDY_SEQ_LEN; at += chunk) {
        chunk = size > 0 ? size : 1 + (int)(pkm_rng_u32(&rng, (uint64_t)at) % 40);
        if (chunk > GREEDY_SEQ_LEN - at)
            chunk = GREEDY_SEQ_LEN - at;
        check_ok(pkm_decoder_feed(decoder, &logits, c->ids + at, chunk));
        check_row(c, logits, at + chunk - 1, way);
    }
    pkm_decoder_destroy(decoder);
}

static void test_cache_and_chunks_change_no_logit(void **state)
{
    static const int sizes[] = {0, 1, 2, 3, 4, 5, 6, 15, 16, 17, 64, 127, 128, 129, 130, 160};

    (void)state;
    for (int i = 0; i < CASES; i++)
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
            feed_in_chunks(&cases[i], sizes[s]);
}

/* A shorter sequence alone: the logits of the longer one's beginning. */
static void test_later_tokens_change_no_logit(void **state)
{
    static float logits[GREEDY_SEQ_LEN][GREEDY_VOCAB];
    static const int lengths[] = {1, 2, 4, 5, 16, 17, 127, 128, 129, 159};

    (void)state;
    for (int i = 0; i < CASES; i++)
        for (size_t l = 0; l < sizeof lengths / sizeof lengths[0]; l++) {
            check_ok(pkm_model_logits(cases[i].model, logits[0], cases[i].ids, lengths[l]));
            for (int at = 0; at < lengths[l]; at++)
                check_row(&cases[i], logits[at], at, "a shorter sequence");
        }
}

/* Runs n_sequences beginnings of the sequence, of different lengths, side by side. */
static void score_batch(agreement_case *c, pkm_tape *tape, int n_sequences)
{
    int32_t *ids = pkm_tape_find(tape, "ids")->data;
    int32_t *sequence = pkm_tape_find(tape, "sequence")->data;
    int32_t *position = pkm_tape_find(tape, "position")->data;
    pkm_run run = {0};
    char way[32];

    for (int s = 0; s < n_sequences; s++)
        for (int at = 0, length = 1 + (29 * s + 12) % 60; at < length; at++, run.n_rows++) {
            ids[run.n_rows] = c->ids[at];
            sequence[run.n_rows] = s;
            position[run.n_rows] = at;
        }
    snprintf(way, sizeof way, "a batch of %d", n_sequences);
    pkm_params_pack(c->model->gpt->params);
    check_ok(pkm_tape_forward(tape, &run));
    for (int64_t row = 0; row < run.n_rows; row++)
        check_row(c, (const float *)pkm_tape_find(tape, "logits")->data + row * GREEDY_VOCAB,
                  position[row], way);
}

static void test_batch_changes_no_logit(void **state)
{
    enum { MOST = 9 };

    (void)state;
    for (int i = 0; i < CASES; i++) {
        pkm_tape *tape;

        check_ok(pkm_gpt_tape(&tape, cases[i].model->gpt, PKM_MODE_SCORE, (int64_t)MOST * 60, true,
                              NULL));
        for (int n_sequences = 1; n_sequences <= MOST; n_sequences++)
            score_batch(&cases[i], tape, n_sequences);
        pkm_tape_destroy(tape);
    }
}

/* Scoring and decoding: the same bits. */
static void test_threads_change_no_bit(void **state)
{
    static float logits[GREEDY_SEQ_LEN][GREEDY_VOCAB];

    (void)state;
    for (int i = 0; i < CASES; i++) {
        greedy_text first, text;

        for (int threads = 1; threads <= MOST_THREADS; threads++) {
            check_ok(pkm_threads_set(threads));
            check_ok(pkm_model_logits(cases[i].model, logits[0], cases[i].ids, GREEDY_SEQ_LEN));
            if (memcmp(logits, cases[i].logits, sizeof logits) != 0)
                fail_msg("%s: other logits with %d threads", cases[i].run, threads);
            greedy_decode(cases[i].model, 1, NULL, threads == 1 ? &first : &text);
            if (threads > 1 && memcmp(&text, &first, sizeof text) != 0)
                fail_msg("%s: other text with %d threads", cases[i].run, threads);
        }
    }
}

/* Without a cache: the whole sequence again for each token. */
static void decode_without_cache(pkm_model *model, int prompt, greedy_text *out)
{
    static float logits[GREEDY_SEQ_LEN][GREEDY_VOCAB];
    int32_t ids[GREEDY_SEQ_LEN];
    int count = greedy_prompt(model, prompt, ids);

    for (int i = 0; i < GREEDY_TOKENS; i++) {
        check_ok(pkm_model_logits(model, logits[0], ids, count));
        ids[count] = out->ids[i] = greedy_best(logits[count - 1], &out->lead[i]);
        count++;
    }
}

static void test_greedy_text_is_the_same_without_cache(void **state)
{
    (void)state;
    for (int i = 0; i < CASES; i++) {
        int same = 0;

        for (int prompt = 0; prompt < GREEDY_PROMPTS; prompt++) {
            greedy_text with, without;

            greedy_decode(cases[i].model, prompt, NULL, &with);
            decode_without_cache(cases[i].model, prompt, &without);
            same += greedy_compare(&with, &without, tolerance[cases[i].precision], cases[i].run);
        }
        print_message("%s, %s: %d of %d tokens are the same\n", cases[i].run,
                      precision_name[cases[i].precision], same, GREEDY_PROMPTS * GREEDY_TOKENS);
        assert_true(2 * same >= GREEDY_PROMPTS * GREEDY_TOKENS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cache_and_chunks_change_no_logit),
        cmocka_unit_test(test_later_tokens_change_no_logit),
        cmocka_unit_test(test_batch_changes_no_logit),
        cmocka_unit_test(test_threads_change_no_bit),
        cmocka_unit_test(test_greedy_text_is_the_same_without_cache),
    };

    return cmocka_run_group_tests(tests, create_world, destroy_world);
}
