/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reviving what nobody reads: sub-keys that got hardly any weight over a window of steps, and their
 * slots, begin anew as copies of well-used ones. After the idea of Karimov et al. 2021; the rule is
 * our own.
 *
 * Over the steps taken since the window began, backward and step sum up
 *
 *   m[h][a][i]  |w| of all reads of head h whose slot has sub-key i of half a
 *   s[v]        |w| of all reads of slot v, by all heads of all layers on the table
 *
 * At its end, for a sub-key with m[h][a][i] < below / n * sum_i m[h][a][i]:
 *
 *   d = one of the other sub-keys of h and a, drawn in proportion to m[h][a]
 *   c_i = c_d + 0.1 rms(c_d) z, z ~ N(0, 1); both moments are 0
 *
 * and for a slot v = i n + j that is free: each head of each layer revived its i or j, or one did
 * and s[v] = 0:
 *
 *   u = d1(i) n + d2(j), d_a(i) being the d of sub-key i of half a in the first head of the first
 *       layer that revived it, or i if none did; if u is free or s[u] = 0, u is drawn from the
 *       other slots in proportion to s instead
 *   V_v = V_u + 0.1 rms(V_u) z; the row's moments are 0
 *
 * (flat keys have one part of `slots` keys: u = d(v)), so that the copies do at first what the
 * originals do. A slot whose keys are all alive keeps what it has, read or not. Nothing is both
 * read and written; draws are keyed by seed, tensor, step and index. A head or table that no weight
 * was given to stays as it is.
 */
#ifndef PKM_MEMORY_REVIVE_H
#define PKM_MEMORY_REVIVE_H

#include "memory/layer.h"
#include "pkm/revive.h"

typedef struct pkm_revive_rule {
    double below;  /* F in [0, 1]: of the even share */
    uint64_t seed; /* of the draws */
    int64_t step;  /* steps taken so far, at most 2^32 - 1 */
} pkm_revive_rule;

/*
 * Ends the window of layers that share a table, which all of them watch (pkm_memory_layer_watch),
 * and begins the next. slots: the table's rows too, if the store watches. Between a step and the
 * next forward. out [n_layers]: what was revived, slots under the first layer; `layer` is not set.
 */
void pkm_revive(pkm_revived *out, pkm_memory_layer *const *layers, int n_layers,
                const pkm_revive_rule *rule);

#endif
