/* SPDX-License-Identifier: Apache-2.0 */
#include "format/lines.h"

#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/io.h"
#include "base/strbuf.h"

enum { CHUNK = 65536 };

typedef struct line_state {
    const char *path;
    size_t most;
    pkm_line_reader read;
    void *user;
    pkm_strbuf line; /* what came of the present line before this chunk */
    int64_t number;
} line_state;

static pkm_status extend(line_state *state, const char *data, size_t bytes)
{
    if (bytes > state->most - state->line.length)
        return pkm_fail(PKM_ERR_FORMAT, "%s:%lld: a line of more than %zu bytes", state->path,
                        (long long)state->number + 1, state->most);
    return pkm_strbuf_append(&state->line, data, bytes);
}

static pkm_status take_chunk(line_state *state, const char *data, size_t bytes)
{
    const char *newline;

    while ((newline = memchr(data, '\n', bytes)) != NULL) {
        size_t length = (size_t)(newline - data);

        PKM_TRY(extend(state, data, length));
        PKM_TRY(state->read(state->line.data, state->line.length, ++state->number, state->user));
        pkm_strbuf_clear(&state->line);
        data = newline + 1;
        bytes -= length + 1;
    }
    return extend(state, data, bytes);
}

pkm_status pkm_lines_read(const char *path, size_t most, pkm_line_reader read, void *user)
{
    line_state state = {.path = path, .most = most, .read = read, .user = user};
    void *chunk = NULL;
    size_t left;
    pkm_status status;
    int fd;

    PKM_TRY(pkm_file_open(&fd, &left, path, 0));
    status = pkm_alloc(&chunk, CHUNK, "lines of a file");
    while (status == PKM_OK && left > 0) {
        size_t bytes = left < CHUNK ? left : CHUNK;

        status = pkm_file_fill(fd, chunk, bytes, path);
        if (status == PKM_OK)
            status = take_chunk(&state, chunk, bytes);
        left -= bytes;
    }
    pkm_io()->close(fd);
    pkm_free(chunk);
    pkm_strbuf_release(&state.line);
    return status;
}
