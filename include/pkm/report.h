/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures of trainings, from the metrics.jsonl of their run folders. May still change before 1.0.
 */
#ifndef PKM_REPORT_H
#define PKM_REPORT_H

#include <stdbool.h>

#include "pkm/error.h"
#include "pkm/export.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { PKM_REPORT_RUNS = 256 }; /* most runs in a picture */

/**
 * Draws runs side by side: training loss, held-out perplexity and, of memories, the share of slots
 * read, of those that were a best read, KL, and the mass of the slots, sorted.
 *
 * path ends in .svg or .png; runs [n_runs] are run folders, which may be in training. tokens: over
 * tokens, not steps.
 *
 * Memory:  at most 2048 points of each figure; of longer runs the means of neighbours
 * Errors:  PKM_ERR_ARG for another ending, n_runs out of range, or runs that logged nothing;
 *          PKM_ERR_FORMAT names file and line; PKM_ERR_UNSUPPORTED if a .png is asked for and
 *          libcairo.so.2 cannot be loaded; PKM_ERR_IO; PKM_ERR_NOMEM
 * Threads: any thread
 * Since:   0.1
 */
PKM_API pkm_status pkm_plot(const char *path, const char *const *runs, int n_runs, bool tokens);

/**
 * Writes one HTML page on all runs below a folder: a table of the settings in which they differ and
 * of their final figures, curves, and all settings. A run chosen in table, legend or curves stands
 * out everywhere. The page needs no other file.
 *
 * Runs are the folders with a metrics.jsonl, at most 8 levels deep; links are not followed. They
 * are sorted by name, numbers by size: run2, run10.
 *
 * Memory:  as pkm_plot
 * Errors:  those of pkm_plot; PKM_ERR_ARG if there is no run
 * Threads: any thread
 * Since:   0.1
 */
PKM_API pkm_status pkm_report(const char *path, const char *dir, bool tokens);

#ifdef __cplusplus
}
#endif

#endif
