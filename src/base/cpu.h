/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The instruction-set level kernels are chosen by. Levels are ordered: each includes those before
 * it (on its architecture). Detection happens once; PKM_ISA lowers the level, never raises it.
 */
#ifndef PKM_BASE_CPU_H
#define PKM_BASE_CPU_H

#include <stdbool.h>

#include "base/error.h"

typedef enum pkm_isa {
    PKM_ISA_REF = 0,    /* portable C, the specification */
    PKM_ISA_NEON,       /* aarch64 */
    PKM_ISA_AVX2,       /* AVX2, FMA, F16C, BMI2 */
    PKM_ISA_AVX512,     /* F, BW, DQ, VL, CD */
    PKM_ISA_AVX512BF16, /* and VBMI2, BF16 */
    PKM_ISA_AMX,        /* and AMX-TILE, AMX-BF16, granted by the system */
    PKM_ISA_COUNT
} pkm_isa;

/* What the processor and the system offer. */
pkm_isa pkm_isa_detected(void);

/* The level in use: that of PKM_ISA if it names a lower one. PKM_ERR_ARG for an unknown name. */
pkm_status pkm_isa_current(pkm_isa *out);

/* "ref", "neon", "avx2", "avx512", "avx512bf16", "amx". */
const char *pkm_isa_name(pkm_isa isa);

/* Model name from the system, or "unknown". */
void pkm_cpu_model(char *out, int bytes);

#endif
