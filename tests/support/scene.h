/* SPDX-License-Identifier: Apache-2.0 */
/* Runs that something happens to: what is hurt and when, what was told, how the runs compare. */
#ifndef PKM_TESTS_SCENE_H
#define PKM_TESTS_SCENE_H

#include "support/run.h"
#include "train/trainer.h"

typedef struct run_scene {
    pkm_trainer *trainer;
    int64_t hurt_step;  /* what is hurt before this step */
    bool hurt_weight;   /* a NaN in a weight; else the gradient of a row's loss */
    float gradient;     /* which is this; 0: infinite */
    bool lasting;       /* and so in the steps that follow */
    int64_t good_order; /* rewinds after which nothing is hurt any more */
    int64_t vanish_at;  /* the process ends without a word after this step, ... */
    int vanish_rewinds; /* ... if it went back so often */
    int64_t stop_at;    /* stops after this step */
    int skips, rewinds, spikes;
    int64_t from_step, step; /* of the last of them */
    char reason[1024];
} run_scene;

/* Opens a trainer of a tiny model at the start of the run, or where the run stands. */
void scene_open(run_scene *scene, const small_world *world, const char *run, bool resume,
                const char *const *options, const char *on_nan);
void scene_close(run_scene *scene);

/* To the end of the run. */
pkm_status scene_go(run_scene *scene);
/* The whole run, which ends well; its trainer stays open. */
void scene_play(run_scene *scene, const small_world *world, const char *run,
                const char *const *options, const char *on_nan);
/* The same steps by hand, without even looking at the data of step `left_out`. */
void scene_by_hand(run_scene *scene, int64_t left_out, int64_t last);

/* Fails unless weights, statistics, moments and values have the same bits. */
void check_same_scenes(const run_scene *a, const run_scene *b);
/* The logs, but for what tells time and memory. */
void check_same_log(const small_world *world, const char *run_a, const char *run_b);

#endif
