/* SPDX-License-Identifier: Apache-2.0 */
#include "output_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_folder(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool output_file_open(const cmd_input *input, output_file *out, const char *path)
{
    size_t bytes = strlen(path) + sizeof ".part";

    *out = (output_file){.path = path, .part = malloc(bytes)};
    if (out->part == NULL) {
        (void)cmd_no_memory(input);
        return false;
    }
    (void)snprintf(out->part, bytes, "%s.part", path);
    if (is_folder(path))
        errno = EISDIR;
    else
        out->file = fopen(out->part, "wbe");
    if (out->file != NULL)
        return true;
    (void)cmd_fail(input, "%s: cannot write: %s", path, strerror(errno));
    free(out->part);
    return false;
}

int output_file_keep(const cmd_input *input, output_file *out)
{
    /* On the disk before it gets its name: else a crash could leave the name with half a file. */
    bool good = fflush(out->file) == 0 && !ferror(out->file) && fsync(fileno(out->file)) == 0;

    if (good && rename(out->part, out->path) == 0) {
        (void)fclose(out->file);
        free(out->part);
        return CMD_DONE;
    }
    (void)cmd_fail(input, "%s: cannot write: %s", out->path, strerror(errno));
    output_file_drop(out);
    return CMD_FAILED;
}

void output_file_drop(output_file *out)
{
    (void)fclose(out->file);
    (void)remove(out->part);
    free(out->part);
}
