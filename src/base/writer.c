/* SPDX-License-Identifier: Apache-2.0 */
/* The atomic writer of base/file.h: temporary file, fsync, rename, fsync of the folder. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/io.h"

enum { BUFFER_BYTES = 1 << 18 };

struct pkm_writer {
    int fd;          /* -1 when closed */
    bool pending;    /* there is a file under the temporary name */
    char *path;      /* final name */
    char *temporary; /* name until commit */
    size_t buffered;
    uint64_t offset; /* bytes written, buffered ones included */
    unsigned char buffer[BUFFER_BYTES];
};

static pkm_status flush(pkm_writer *writer)
{
    PKM_TRY(pkm_file_write_at(writer->fd, writer->buffer, writer->buffered,
                              writer->offset - writer->buffered, writer->path));
    writer->buffered = 0;
    return PKM_OK;
}

pkm_status pkm_path_temporary(char **out, const char *path)
{
    size_t bytes = strlen(path) + 32;

    PKM_TRY(pkm_alloc((void **)out, bytes, "a path"));
    snprintf(*out, bytes, "%s.tmp-%ld", path, (long)getpid());
    return PKM_OK;
}

/* What is there already is of a dead process that had this number: or a trap, a link to a file that
 * is not ours to write. It is never opened. */
static pkm_status create_temporary(pkm_writer *writer)
{
    (void)pkm_io()->remove(AT_FDCWD, writer->temporary, 0);
    /* 0666 lets the user's umask decide, as for any file a tool writes. */
    writer->fd =
        pkm_io_open(AT_FDCWD, writer->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);
    if (writer->fd < 0)
        return pkm_fail_errno(PKM_ERR_IO, "%s: cannot create", writer->temporary);
    writer->pending = true;
    return PKM_OK;
}

pkm_status pkm_writer_create(pkm_writer **out, const char *path)
{
    pkm_writer *writer;
    pkm_status status;

    PKM_TRY(pkm_alloc((void **)&writer, sizeof *writer, "a file writer"));
    writer->fd = -1;
    writer->pending = false;
    writer->path = writer->temporary = NULL;
    writer->buffered = 0;
    writer->offset = 0;
    status = pkm_string_copy(&writer->path, path);
    if (status == PKM_OK)
        status = pkm_path_temporary(&writer->temporary, path);
    if (status == PKM_OK)
        status = create_temporary(writer);
    if (status != PKM_OK) {
        pkm_writer_destroy(writer);
        return status;
    }
    *out = writer;
    return PKM_OK;
}

pkm_status pkm_writer_write(pkm_writer *writer, const void *data, size_t bytes)
{
    if (bytes > BUFFER_BYTES - writer->buffered)
        PKM_TRY(flush(writer));
    if (bytes > BUFFER_BYTES) {
        PKM_TRY(pkm_file_write_at(writer->fd, data, bytes, writer->offset, writer->path));
    } else if (bytes > 0) {
        memcpy(writer->buffer + writer->buffered, data, bytes);
        writer->buffered += bytes;
    }
    writer->offset += bytes;
    return PKM_OK;
}

pkm_status pkm_writer_patch(pkm_writer *writer, uint64_t offset, const void *data, size_t bytes)
{
    PKM_TRY(flush(writer));
    return pkm_file_write_at(writer->fd, data, bytes, offset, writer->path);
}

/* An error of fsync or close loses the file: the kernel may have dropped what it could not write,
 * and would report success if asked again. */
pkm_status pkm_writer_commit(pkm_writer *writer)
{
    int fd = writer->fd;

    PKM_TRY(flush(writer));
    if (pkm_io()->sync(fd) != 0)
        return pkm_fail_errno(PKM_ERR_IO, "%s: cannot sync", writer->path);
    writer->fd = -1;
    if (pkm_io()->close(fd) != 0)
        return pkm_fail_errno(PKM_ERR_IO, "%s: cannot close", writer->path);
    if (pkm_io()->rename(writer->temporary, writer->path) != 0)
        return pkm_fail_errno(PKM_ERR_IO, "%s: cannot rename to this name", writer->path);
    writer->pending = false;
    return pkm_parent_sync(writer->path);
}

void pkm_writer_destroy(pkm_writer *writer)
{
    if (writer == NULL)
        return;
    if (writer->fd >= 0)
        pkm_io()->close(writer->fd);
    if (writer->pending)
        (void)pkm_io()->remove(AT_FDCWD, writer->temporary, 0);
    pkm_free(writer->temporary);
    pkm_free(writer->path);
    pkm_free(writer);
}

pkm_status pkm_file_write(const char *path, const void *data, size_t bytes)
{
    pkm_writer *writer;
    pkm_status status;

    PKM_TRY(pkm_writer_create(&writer, path));
    status = pkm_writer_write(writer, data, bytes);
    if (status == PKM_OK)
        status = pkm_writer_commit(writer);
    pkm_writer_destroy(writer);
    return status;
}
