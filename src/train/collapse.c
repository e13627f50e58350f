/* SPDX-License-Identifier: Apache-2.0 */
#include "train/collapse.h"

#include <math.h>
#include <stdio.h>

#include "memory/layer.h"

static const double least_used = 0.03; /* of what could be read */
static const double least_kept = 0.5;  /* of the most that was used */

bool pkm_collapse_observe(pkm_collapse *collapse, char *sentence, size_t bytes,
                          const pkm_usage *usage, double readable, const pkm_train_options *options)
{
    double before = collapse->most_used;

    collapse->most_used = fmax(before, usage->used);
    if (collapse->told ||
        (usage->used >= least_used * readable && usage->used >= least_kept * before))
        return false;
    collapse->told = true;
    snprintf(sentence, bytes,
             "memory %d: only %.2g %% of its slots are used, %.2g %% at best; try %sa lower "
             "--key-lr or --lr%s, or fewer slots (--n-keys)",
             usage->layer, 100 * usage->used, 100 * collapse->most_used,
             options->query_norm == PKM_NORM_BATCH ? "" : "--query-norm batch, ",
             options->revive_every > 0 ? "" : ", --revive-every");
    return true;
}
