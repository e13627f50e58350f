/* SPDX-License-Identifier: Apache-2.0 */
#include "output_folder.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

/* Cuts path down to the folder that its last name is in. */
static void cut_name(char path[PATH_BYTES])
{
    size_t length = strlen(path);

    while (length > 1 && path[length - 1] == '/')
        path[--length] = '\0';
    while (length > 0 && path[length - 1] != '/')
        path[--length] = '\0';
    while (length > 1 && path[length - 1] == '/')
        path[--length] = '\0';
    if (length == 0)
        snprintf(path, PATH_BYTES, ".");
}

bool output_folder_check(const cmd_input *input, const char *dir)
{
    char path[PATH_BYTES]; /* dir, or the nearest folder above it that exists */
    struct stat info;

    if (snprintf(path, sizeof path, "%s", dir) >= PATH_BYTES) {
        (void)cmd_fail(input, "--out: the path is too long");
        return false;
    }
    while (stat(path, &info) != 0 && errno == ENOENT && strcmp(path, ".") != 0)
        cut_name(path);
    if (stat(path, &info) == 0 && !S_ISDIR(info.st_mode))
        errno = ENOTDIR;
    else if (access(path, W_OK | X_OK) == 0)
        return true;
    (void)cmd_fail(input, "%s: cannot write there: %s: choose another folder with --out", path,
                   strerror(errno));
    return false;
}
