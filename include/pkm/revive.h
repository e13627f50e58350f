/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dead keys of a memory layer that is trained alone: sub-keys that nobody reads, and their slots,
 * begin anew as copies of well-used ones.
 */
#ifndef PKM_REVIVE_H
#define PKM_REVIVE_H

#include "pkm/memory.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What was revived in one memory layer. */
typedef struct pkm_revived {
    int layer;
    int64_t keys, slots; /* sub-keys of both halves, or flat keys, of all heads; slots */
} pkm_revived;

/**
 * Starts a window of steps for pkm_memory_revive: from now on it is summed up what weight training
 * reads sub-keys and slots with. Called again, the window begins anew.
 *
 * Memory:  12 bytes per slot and 20 per sub-key, or flat key of a head, until the layer goes
 * Errors:  PKM_ERR_STATE on a layer made without train; PKM_ERR_NOMEM
 * Threads: one thread at a time per object
 * Since:   0.1
 */
PKM_API pkm_status pkm_memory_revive_start(pkm_memory *memory);

/**
 * Revives sub-keys that the steps since the window began hardly read, with their slots, and begins
 * the next window.
 *
 * After the idea of Karimov et al. 2021; the rule is our own. What brings how much, and how long a
 * window should be: docs/experiments.md, "Dead keys".
 *
 * Equation: m_i = sum of |w| over the window's reads of sub-key i of a half of a head, s_v of slot
 *           v, by all heads. Where m_i < below / n sum_j m_j, sub-key i becomes that of d, drawn
 *           from the others in proportion to m: c_i = c_d + 0.1 rms(c_d) z, z ~ N(0, 1).
 *           A slot v = i n + j is free if each head revived its i or j, or if one did and s_v = 0.
 *           Its row becomes that of u = d(i) n + d(j), d(i) = i for a sub-key that was not revived:
 *           V_v = V_u + 0.1 rms(V_u) z; where u is free or s_u = 0, u is drawn from the others in
 *           proportion to s. Moments of what was revived are 0; all else stays bit for bit.
 *           Several heads may revive sub-keys of one number: d is then that of the first.
 *           Flat keys, one for each head and slot, are revived as the sub-keys of a single part:
 *           below is of 1/slots, and u = d(v)
 * Units:    below: of the even share 1/n, in [0, 1]; 0 revives nothing
 * Memory:   out may be NULL; out->layer is 0. The slots of a borrowed store are left alone, since
 *           other layers may read them. A window is not part of pkm_memory_save; load begins one
 * Errors:   PKM_ERR_ARG for below; PKM_ERR_STATE if it was never started, or between backward and
 *           step: nothing has been changed then
 * Threads:  one thread at a time per object
 * Since:    0.1
 */
PKM_API pkm_status pkm_memory_revive(pkm_memory *memory, double below, pkm_revived *out);

#ifdef __cplusplus
}
#endif

#endif
