/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <asm/prctl.h>
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Linux hands out the 8 KiB of tile state on request only (Documentation/x86/xstate.rst). */
static bool amx_granted(void)
{
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };

    return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}

/* cpuid leaf 7, register edx; __builtin_cpu_supports does not know these in every compiler. */
static bool amx_present(void)
{
    enum { AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24, BOTH = AMX_BF16 | AMX_TILE };
    unsigned eax, ebx, ecx, edx;

    return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (edx & BOTH) == BOTH;
}

static pkm_isa detect(void)
{
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") ||
        !__builtin_cpu_supports("bmi2"))
        return PKM_ISA_REF;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl") ||
        !__builtin_cpu_supports("avx512cd"))
        return PKM_ISA_AVX2;
    if (!__builtin_cpu_supports("avx512bf16") || !__builtin_cpu_supports("avx512vbmi2"))
        return PKM_ISA_AVX512;
    if (!amx_present() || !amx_granted())
        return PKM_ISA_AVX512BF16;
    return PKM_ISA_AMX;
}
#elif defined(__aarch64__)
static pkm_isa detect(void)
{
    return PKM_ISA_NEON;
}
#else
static pkm_isa detect(void)
{
    return PKM_ISA_REF;
}
#endif

static const char *const isa_names[PKM_ISA_COUNT] = {
    "ref", "neon", "avx2", "avx512", "avx512bf16", "amx",
};

const char *pkm_isa_name(pkm_isa isa)
{
    return isa_names[isa];
}

pkm_isa pkm_isa_detected(void)
{
    /* Detection is idempotent: a race between threads writes the same value twice. */
    static _Atomic int cached = -1;
    int level = cached;

    if (level < 0)
        cached = level = (int)detect();
    return (pkm_isa)level;
}

pkm_status pkm_isa_current(pkm_isa *out)
{
    const char *wanted = getenv("PKM_ISA");
    pkm_isa detected = pkm_isa_detected();

    if (wanted == NULL || wanted[0] == '\0') {
        *out = detected;
        return PKM_OK;
    }
    for (int i = 0; i < PKM_ISA_COUNT; i++) {
        if (strcmp(wanted, isa_names[i]) == 0) {
            *out = (pkm_isa)i < detected ? (pkm_isa)i : detected;
            return PKM_OK;
        }
    }
    return pkm_fail(PKM_ERR_ARG,
                    "PKM_ISA is '%s': expected ref, neon, avx2, avx512, avx512bf16 or amx", wanted);
}

void pkm_cpu_model(char *out, int bytes)
{
    FILE *file = fopen("/proc/cpuinfo", "re");
    char line[256];

    snprintf(out, (size_t)bytes, "unknown");
    if (file == NULL)
        return;
    while (fgets(line, sizeof line, file) != NULL) {
        const char *colon = strchr(line, ':');

        if (strncmp(line, "model name", 10) == 0 && colon != NULL && colon[1] == ' ') {
            line[strcspn(line, "\n")] = '\0';
            snprintf(out, (size_t)bytes, "%s", colon + 2);
            break;
        }
    }
    (void)fclose(file);
}
