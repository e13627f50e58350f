/* SPDX-License-Identifier: Apache-2.0 */
/* Dropout over vectors; include after a vec_<isa>.h and a round_<isa>.h. */
#include "kernels/dropout.h"

enum { WORDS = 4 * RANDOM_BLOCKS };

static inline void dropout_all(float *out, const float *in, int64_t count,
                               const pkm_dropout_draws *draws)
{
    const vec threshold = vec_set((float)draws->threshold), scale = vec_set(draws->scale);
    uint32_t words[WORDS + VEC] = {0}; /* a last vector may read past the words */
    int64_t done = 0;

    while (done < count) {
        uint64_t index = draws->first + (uint64_t)done;
        int64_t skip = (int64_t)(index % 4);
        int64_t here = WORDS - skip < count - done ? WORDS - skip : count - done;

        random_words(words, draws->rng, index / 4);
        for (int64_t i = 0; i < here; i += VEC) {
            vec kept = vec_mul(scale, vec_load(in + done + i, here - i));

            vec_store(out + done + i,
                      vec_unless_less(vec_load_upper24(words + skip + i), threshold, kept),
                      here - i);
        }
        done += here;
    }
}
