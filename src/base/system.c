/* SPDX-License-Identifier: Apache-2.0 */
#include "base/system.h"

#include <stdio.h>
#include <string.h>

/* The number behind `key` (with what separates them) in a file of such lines; 0 if missing. */
static uint64_t keyed_number(const char *path, const char *key)
{
    FILE *file = fopen(path, "re");
    char line[256];
    unsigned long long value = 0;

    if (file == NULL)
        return 0;
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, key, strlen(key)) == 0 && sscanf(line + strlen(key), "%llu", &value) == 1)
            break;
    (void)fclose(file);
    return value;
}

/* As above, where the file tells KiB: in bytes. */
static uint64_t proc_kib(const char *path, const char *key)
{
    return keyed_number(path, key) * 1024;
}

/* A file of one number; "max" and a missing file give 0. */
static uint64_t one_number(const char *path)
{
    FILE *file = fopen(path, "re");
    unsigned long long value = 0;

    if (file == NULL)
        return 0;
    if (fscanf(file, "%llu", &value) != 1)
        value = 0;
    (void)fclose(file);
    return value;
}

static uint64_t cgroup_limit(void)
{
    uint64_t limit = one_number("/sys/fs/cgroup/memory.max");

    return limit > 0 ? limit : one_number("/sys/fs/cgroup/memory/memory.limit_in_bytes");
}

uint64_t pkm_memory_limit(void)
{
    uint64_t physical = proc_kib("/proc/meminfo", "MemTotal:");
    uint64_t limit = cgroup_limit();

    return limit > 0 && (physical == 0 || limit < physical) ? limit : physical;
}

uint64_t pkm_memory_available(void)
{
    uint64_t available = proc_kib("/proc/meminfo", "MemAvailable:");
    uint64_t limit = cgroup_limit(), used = one_number("/sys/fs/cgroup/memory.current");
    /* Cached pages of files count as used, and go when their memory is wanted. */
    uint64_t cached = keyed_number("/sys/fs/cgroup/memory.stat", "inactive_file ") +
                      keyed_number("/sys/fs/cgroup/memory.stat", "active_file ");

    used -= cached < used ? cached : used;
    if (limit > used && limit - used < available)
        available = limit - used;
    return available;
}

void pkm_amount_text(char out[PKM_AMOUNT_TEXT], uint64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    double amount = (double)bytes / 1024;
    int unit = 0;

    for (; amount >= 1024 && unit < 3; unit++)
        amount /= 1024;
    snprintf(out, PKM_AMOUNT_TEXT, "%.2f %s", amount, units[unit]);
}

pkm_status pkm_memory_check(uint64_t needed, const char *what, const char *advice)
{
    uint64_t available = pkm_memory_available();
    char wanted[PKM_AMOUNT_TEXT], there[PKM_AMOUNT_TEXT];

    if (available == 0 || needed <= available)
        return PKM_OK;
    pkm_amount_text(wanted, needed);
    pkm_amount_text(there, available);
    return pkm_fail(PKM_ERR_NOMEM, "%s needs %s of memory and %s are available: %s", what, wanted,
                    there, advice);
}

uint64_t pkm_memory_resident(void)
{
    return proc_kib("/proc/self/status", "VmRSS:");
}
