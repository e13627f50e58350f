/* SPDX-License-Identifier: Apache-2.0 */
#include "demo_folder.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *place)
{
    (void)info;
    (void)type;
    (void)place;
    return remove(path);
}

/* Removes a folder and what is in it, following no links; missing is no error. */
static bool remove_folder(const cmd_input *input, const char *path)
{
    enum { OPEN_FOLDERS = 16 };

    if (nftw(path, remove_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT)
        return true;
    (void)cmd_fail(input, "%s: cannot remove: %s", path, strerror(errno));
    return false;
}

/* The mark tells a demo's folder from one that happens to have the same name. */
static bool write_mark(const cmd_input *input, const char *path)
{
    FILE *file = fopen(path, "we");
    bool written =
        file != NULL && fputs("Made by pkm demo, which empties this folder.\n", file) >= 0;

    if (file != NULL && fclose(file) != 0)
        written = false;
    if (!written)
        (void)cmd_fail(input, "%s: cannot write: %s", path, strerror(errno));
    return written;
}

bool demo_folder_prepare(demo_folder *out, const cmd_input *input, const char *dir)
{
    char mark[DEMO_PATH_BYTES];
    bool old;

    if (snprintf(mark, sizeof mark, "%s/pkm-demo.txt", dir) >= DEMO_PATH_BYTES) {
        (void)cmd_fail(input, "--out: the path is too long");
        return false;
    }
    snprintf(out->data, sizeof out->data, "%s/data", dir);
    snprintf(out->runs[0], sizeof out->runs[0], "%s/plain", dir);
    snprintf(out->runs[1], sizeof out->runs[1], "%s/memory", dir);
    old = access(mark, F_OK) == 0;
    if (!old && rmdir(dir) != 0 && errno != ENOENT) {
        (void)cmd_fail(input, "%s: not the folder of an earlier demo: choose another with --out",
                       dir);
        return false;
    }
    if (old)
        return remove_folder(input, out->data) && remove_folder(input, out->runs[0]) &&
               remove_folder(input, out->runs[1]);
    if (mkdir(dir, 0777) != 0) {
        (void)cmd_fail(input, "%s: cannot create the folder: %s", dir, strerror(errno));
        return false;
    }
    return write_mark(input, mark);
}
