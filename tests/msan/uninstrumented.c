/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What MemorySanitizer has to be told about libraries it did not instrument; linked into the
 * programs of the preset msan in the place of an OpenMP runtime. What a library writes counts as
 * initialised, and its calls of libc are not checked. So that the same goes not for ours, every
 * byte on its way into a file is checked here.
 */
#include <dlfcn.h>
#include <omp.h>
#include <stdlib.h>

#include <jansson.h>
#include <sanitizer/msan_interface.h>
#include <utf8proc.h>

#include "base/io.h"

/* Programs that use no file need not have them. */
#pragma weak pkm_io_system
#pragma weak pkm_io_set

/* One thread: a loop's body is called with number 0. */
int omp_get_thread_num(void)
{
    return 0;
}

int omp_get_num_threads(void)
{
    return 1;
}

int omp_get_max_threads(void)
{
    return 1;
}

void omp_set_num_threads(int threads)
{
    (void)threads;
}

/* The library's function of this name, behind the one here. */
#define NEXT(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

/* Weak: tests/support/faults.c has one of its own. */
__attribute__((weak)) json_t *json_loadb(const char *text, size_t bytes, size_t flags,
                                         json_error_t *error)
{
    __msan_check_mem_is_initialized(text, bytes);
    __msan_unpoison(error, sizeof *error);
    return NEXT(json_loadb)(text, bytes, flags, error);
}

size_t json_dumpb(const json_t *json, char *out, size_t bytes, size_t flags)
{
    size_t written = NEXT(json_dumpb)(json, out, bytes, flags);

    __msan_unpoison(out, written < bytes ? written : bytes);
    return written;
}

utf8proc_ssize_t utf8proc_iterate(const utf8proc_uint8_t *text, utf8proc_ssize_t bytes,
                                  utf8proc_int32_t *code)
{
    __msan_check_mem_is_initialized(text, (size_t)bytes);
    __msan_unpoison(code, sizeof *code);
    return NEXT(utf8proc_iterate)(text, bytes, code);
}

static void *zeroed(size_t bytes)
{
    return calloc(1, bytes);
}

static ssize_t checked_write(int fd, const void *data, size_t bytes, off_t offset)
{
    __msan_check_mem_is_initialized(data, bytes);
    return pkm_io_system()->write(fd, data, bytes, offset);
}

__attribute__((constructor)) static void start(void)
{
    static pkm_io_table table;

    __msan_scoped_disable_interceptor_checks(); /* never enabled again */
    json_set_alloc_funcs(zeroed, free);
    if (pkm_io_set == NULL)
        return;
    table = *pkm_io_system();
    table.write = checked_write;
    pkm_io_set(&table);
}
