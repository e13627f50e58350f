/* SPDX-License-Identifier: Apache-2.0 */
/* The model of a benchmark that takes the options of pkm train. */
#ifndef PKM_BENCH_BENCH_MODEL_H
#define PKM_BENCH_BENCH_MODEL_H

#include "models/gpt.h"
#include "pkm/train.h"

/* Initial weights; refused, before memory is taken, if they do not fit or are to be mapped. */
pkm_status pkm_bench_model(pkm_gpt **out, const pkm_train_options *training, int64_t vocab_size,
                           bool train);

#endif
