/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Learning merges: again and again the most frequent pair of neighbouring tokens becomes a token.
 * Of pairs equally frequent the one with the smaller ids wins (left first), as in `tokenizers`.
 */
#ifndef PKM_TEXT_MERGES_H
#define PKM_TEXT_MERGES_H

#include "text/piece_counts.h"
#include "text/vocabulary.h"

/* A pair seen once teaches nothing. */
enum { PKM_PAIR_COUNT_MIN = 2 };

/*
 * merges[0 .. *n_merges): at most max_merges, fewer when no pair repeats any more. Token ids are
 * those of pkm_vocabulary_from_merges. counts is consumed: its tables are released on the way.
 */
pkm_status pkm_merges_learn(pkm_merge *merges, int64_t *n_merges, int64_t max_merges,
                            pkm_piece_counts *counts, pkm_progress progress, void *user);

#endif
