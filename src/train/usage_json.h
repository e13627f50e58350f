/* SPDX-License-Identifier: Apache-2.0 */
/* Memory usage as JSON: a list of layers, each with its heads. */
#ifndef PKM_TRAIN_USAGE_JSON_H
#define PKM_TRAIN_USAGE_JSON_H

#include "base/strbuf.h"
#include "pkm/memory.h"

/* Appends [{"layer": .., "slots": .., ..., "heads": [{...}]}]; rows as in pkm_eval_result: for each
 * layer first all heads together (head -1), then each head. */
pkm_status pkm_usage_json(pkm_strbuf *out, const pkm_usage *usage, int n_usage);

#endif
