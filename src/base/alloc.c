/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/size.h"

/* What madvise(MADV_HUGEPAGE) makes of an aligned run of pages. */
enum { HUGE_PAGE = 2 << 20 };

static pkm_alloc_hook fail_hook;
static void *fail_hook_user;

static atomic_llong live;

int64_t pkm_alloc_live(void)
{
    return atomic_load_explicit(&live, memory_order_relaxed);
}

static void count(int change)
{
    atomic_fetch_add_explicit(&live, change, memory_order_relaxed);
}

void pkm_alloc_set_hook(pkm_alloc_hook hook, void *user)
{
    fail_hook = hook;
    fail_hook_user = user;
}

static bool hook_fails(size_t bytes)
{
    return fail_hook != NULL && fail_hook(bytes, fail_hook_user);
}

static pkm_status out_of_memory(size_t bytes, const char *what)
{
    return pkm_fail(PKM_ERR_NOMEM, "out of memory: %zu bytes for %s", bytes, what);
}

pkm_status pkm_alloc(void **out, size_t bytes, const char *what)
{
    void *block;

    /* Of exactly this size, so that sanitizers see an overrun of one byte. */
    if (bytes > PTRDIFF_MAX || hook_fails(bytes) ||
        posix_memalign(&block, PKM_ALIGN, bytes > 0 ? bytes : 1) != 0)
        return out_of_memory(bytes, what);
    count(1);
    *out = block;
    return PKM_OK;
}

/* As pkm_alloc; *bytes = the product. */
static pkm_status alloc_product(void **out, size_t *bytes, size_t count, size_t element_bytes,
                                const char *what)
{
    if (!pkm_size_mul(count, element_bytes, bytes))
        return pkm_fail(PKM_ERR_NOMEM, "out of memory: %zu x %zu bytes for %s", count,
                        element_bytes, what);
    return pkm_alloc(out, *bytes, what);
}

pkm_status pkm_alloc_array(void **out, size_t count, size_t element_bytes, const char *what)
{
    size_t bytes;

    PKM_TRY(alloc_product(out, &bytes, count, element_bytes, what));
    memset(*out, 0, bytes);
    return PKM_OK;
}

pkm_status pkm_alloc_grow(void **block, size_t used, size_t count, size_t element_bytes,
                          const char *what)
{
    size_t bytes;
    void *larger;

    PKM_TRY(alloc_product(&larger, &bytes, count, element_bytes, what));
    if (used > 0)
        memcpy(larger, *block, used * element_bytes);
    pkm_free(*block);
    *block = larger;
    return PKM_OK;
}

void pkm_free(void *block)
{
    if (block != NULL)
        count(-1);
    free(block);
}

/* What pkm_pages_alloc maps: whole huge pages, unless more than half of the last would be empty. */
static size_t mapped_bytes(size_t bytes)
{
    if (bytes % HUGE_PAGE >= HUGE_PAGE / 2)
        return pkm_round_up(bytes, HUGE_PAGE);
    return pkm_round_up(pkm_size_sum(bytes, bytes == 0), (size_t)sysconf(_SC_PAGESIZE));
}

/* Pages from a multiple of HUGE_PAGE on; NULL if there is no room. */
static void *map_aligned(size_t bytes)
{
    size_t room = bytes + HUGE_PAGE, before;
    /* Not reserved: plans are laid out, measured and refused before a page is touched. */
    char *pages = mmap(NULL, room, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (pages == MAP_FAILED)
        return NULL;
    before = pkm_round_up((uintptr_t)pages, HUGE_PAGE) - (uintptr_t)pages;
    if (before > 0)
        (void)munmap(pages, before);
    if (room - before > bytes)
        (void)munmap(pages + before + bytes, room - before - bytes);
    return pages + before;
}

pkm_status pkm_pages_alloc(void **out, size_t bytes, const char *what)
{
    size_t mapped = mapped_bytes(bytes);
    void *pages;

    if (bytes > PTRDIFF_MAX || hook_fails(bytes))
        return out_of_memory(bytes, what);
    pages = map_aligned(mapped);
    if (pages == NULL)
        return out_of_memory(bytes, what);
    /* A wish: where the system has no huge pages the table works all the same. */
    (void)madvise(pages, mapped, MADV_HUGEPAGE);
    count(1);
    *out = pages;
    return PKM_OK;
}

void pkm_pages_free(void *pages, size_t bytes)
{
    if (pages == NULL)
        return;
    count(-1);
    (void)munmap(pages, mapped_bytes(bytes));
}

pkm_status pkm_string_copy(char **out, const char *text)
{
    size_t bytes = strlen(text) + 1;
    void *copy;

    PKM_TRY(pkm_alloc(&copy, bytes, "a string"));
    memcpy(copy, text, bytes);
    *out = copy;
    return PKM_OK;
}
