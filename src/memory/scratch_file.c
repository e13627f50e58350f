/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/scratch_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"

static pkm_status map_file(void **out, int file, const char *path, size_t bytes)
{
    int error = bytes > INT64_MAX ? EFBIG : pkm_io()->reserve(file, (off_t)bytes);
    void *pages;

    if (error != 0) {
        errno = error;
        return pkm_fail_errno(error == ENOSPC ? PKM_ERR_NOMEM : PKM_ERR_IO,
                              "%s: cannot allocate %zu bytes", path, bytes);
    }
    pages = pkm_io()->map(bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file);
    if (pages == MAP_FAILED)
        return pkm_fail_errno(PKM_ERR_IO, "%s: cannot map %zu bytes", path, bytes);
    /* Rows are read in no order: what lies beside one is not worth reading ahead. */
    (void)madvise(pages, bytes, MADV_RANDOM);
    *out = pages;
    return PKM_OK;
}

pkm_status pkm_scratch_file_map(void **out, const char *path, size_t bytes)
{
    int file =
        pkm_io()->open(AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    pkm_status status;

    if (file < 0)
        return pkm_fail_errno(PKM_ERR_IO, "%s: cannot create a scratch file", path);
    status = map_file(out, file, path, bytes);
    (void)pkm_io()->remove(AT_FDCWD, path, 0);
    (void)pkm_io()->close(file);
    return status;
}

void pkm_scratch_file_unmap(void *pages, size_t bytes)
{
    if (pages != NULL)
        (void)munmap(pages, bytes);
}
