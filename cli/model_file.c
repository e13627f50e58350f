/* SPDX-License-Identifier: Apache-2.0 */
#include "model_file.h"

pkm_status model_open(pkm_model **out, const char *dir, const model_choice *choice)
{
    static const int precisions[] = {-1, PKM_F32, PKM_BF16};
    const pkm_model_options options = {.precision = precisions[choice->precision],
                                       .no_mmap = !choice->mmap};

    return pkm_model_load(out, dir, &options);
}
