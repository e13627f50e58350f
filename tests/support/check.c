/* SPDX-License-Identifier: Apache-2.0 */
#include "support/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/rng.h"

void check_ok(pkm_status status)
{
    if (status != PKM_OK)
        fail_msg("%s: %s", pkm_status_name(status), pkm_last_error());
}

void check_fails(pkm_status status, pkm_status expected, const char *part, ...)
{
    va_list args;

    if (status != expected)
        fail_msg("expected status %s, got %s (%s)", pkm_status_name(expected),
                 pkm_status_name(status), pkm_last_error());
    va_start(args, part);
    for (; part != NULL; part = va_arg(args, const char *))
        if (strstr(pkm_last_error(), part) == NULL)
            fail_msg("message '%s' lacks '%s'", pkm_last_error(), part);
    va_end(args);
}

void check_close(const float *got, const float *want, int64_t count, double absolute,
                 double relative, const char *what)
{
    double worst = 0;
    int64_t at = -1;

    for (int64_t i = 0; i < count; i++) {
        double excess =
            fabs((double)got[i] - (double)want[i]) - (absolute + relative * fabs((double)want[i]));

        if (!(excess <= 0) && (at < 0 || !(excess <= worst))) {
            worst = excess;
            at = i;
        }
    }
    if (at >= 0)
        fail_msg("%s: element %lld is %.9g, expected %.9g", what, (long long)at, (double)got[at],
                 (double)want[at]);
}

static size_t guarded_bytes(size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return (bytes + page - 1) / page * page;
}

void *guard_alloc(size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), span = guarded_bytes(bytes);
    char *start =
        mmap(NULL, span + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_true(start != MAP_FAILED);
    assert_int_equal(mprotect(start + span, page, PROT_NONE), 0);
    return start + span - bytes;
}

void guard_free(void *block, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), span = guarded_bytes(bytes);

    munmap((char *)block + bytes - span, span + page);
}

char *temp_create(void)
{
    const char *base = getenv("TMPDIR");
    char pattern[4096];

    snprintf(pattern, sizeof pattern, "%s/pkm-test-XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(pattern));
    return strdup(pattern);
}

void temp_remove(char *path)
{
    check_ok(pkm_directory_remove(path));
    free(path);
}

void fill_integers(float *out, int64_t count, uint64_t seed, int low, int high)
{
    pkm_rng rng = {.seed = seed};

    for (int64_t i = 0; i < count; i++)
        out[i] = (float)(low + (int)(pkm_rng_u32(&rng, (uint64_t)i) % (uint32_t)(high - low + 1)));
}

void fill_normal(float *out, int64_t count, uint64_t seed)
{
    pkm_rng rng = {.seed = seed};

    pkm_rng_fill_normal(out, count, &rng, 0, 1.0f);
}
