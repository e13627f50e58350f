/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the metrics.jsonl of a run: what is read is bounded and can be drawn. */
#include <math.h>

#include "fuzz.h"
#include "report/figure.h"

static void check_series(const pkm_series *series)
{
    fuzz_check(series->count <= PKM_SERIES_POINTS + 1, "a series is bounded");
    for (size_t i = 0; i < series->count; i++)
        fuzz_check(isfinite(series->points[i].value) && isfinite(series->points[i].tokens),
                   "a point is finite");
}

static void check_panel(const pkm_panel *panel)
{
    fuzz_check(panel->n_curves > 0, "a panel has a curve");
    fuzz_check(panel->x.lo < panel->x.hi && panel->y.lo < panel->y.hi, "an axis has a range");
}

static void run(const uint8_t *data, size_t size)
{
    pkm_run_log log;
    pkm_figure figure;

    fuzz_write("metrics.jsonl", data, size);
    if (!fuzz_ok(pkm_run_log_load(&log, fuzz_path(""), "run")))
        return;
    fuzz_loaded();
    check_series(&log.loss);
    check_series(&log.val_loss);
    for (int i = 0; i < log.n_memories; i++) {
        check_series(&log.memories[i].kl);
        fuzz_check(log.memories[i].n_ranks <= PKM_USAGE_RANKS, "a distribution is bounded");
    }
    if (fuzz_ok(pkm_figure_create(&figure, &log, 1, size % 2 == 0))) {
        for (int i = 0; i < figure.n_panels; i++)
            check_panel(&figure.panels[i]);
        pkm_figure_release(&figure);
    }
    pkm_run_log_release(&log);
}

const fuzz_target fuzz_this = {.run = run, .per_byte = 512, .constant = 96 << 10};
