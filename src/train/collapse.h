/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the usage of a memory has collapsed. With U the share of its slots that an evaluation of
 * T tokens used, and R = min(1, T H k / slots) the share that it could have read, after warm-up
 *
 *   U < 0.03 R     or     U < the largest U so far / 2
 *
 * is told as a collapse. Both limits are a judgement; what they told of in trials:
 * docs/experiments.md.
 */
#ifndef PKM_TRAIN_COLLAPSE_H
#define PKM_TRAIN_COLLAPSE_H

#include "pkm/train.h"

/* What evaluations of this process found of one memory; zero before the first. */
typedef struct pkm_collapse {
    double most_used; /* after warm-up */
    bool told;
} pkm_collapse;

/* Takes the usage of all heads of a memory after an evaluation past warm-up. True once, at the
 * first collapse: then says what to try. */
bool pkm_collapse_observe(pkm_collapse *collapse, char *sentence, size_t bytes,
                          const pkm_usage *usage, double readable,
                          const pkm_train_options *options);

#endif
