/* SPDX-License-Identifier: Apache-2.0 */
#include "train/run_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/io.h"

enum { PATH_BYTES = 4096 };

/* The step of "step-00001200", or 0 for any other name. */
static int64_t step_of_name(const char *name)
{
    char *end;
    long long step;

    if (strncmp(name, "step-", 5) != 0 || name[5] < '0' || name[5] > '9')
        return 0;
    step = strtoll(name + 5, &end, 10);
    return *end == '\0' ? step : 0;
}

pkm_status pkm_run_folder_step(const pkm_run_folder *folder, char **out, int64_t step)
{
    char name[32];

    snprintf(name, sizeof name, "step-%08" PRId64, step);
    return pkm_path_join(out, folder->checkpoints, name);
}

pkm_status pkm_run_folder_newest(const pkm_run_folder *folder, int n, int64_t *step)
{
    int64_t bound = INT64_MAX;

    /* A handful of names: looking n times for the next lower one needs no list. */
    for (int i = 0; i <= n; i++) {
        DIR *stream = opendir(folder->checkpoints);
        int64_t best = 0;

        if (stream == NULL)
            return pkm_fail_errno(PKM_ERR_IO, "%s: cannot read the folder", folder->checkpoints);
        for (struct dirent *entry = readdir(stream); entry != NULL; entry = readdir(stream)) {
            int64_t found = step_of_name(entry->d_name);

            if (found > best && found < bound)
                best = found;
        }
        closedir(stream);
        bound = best;
    }
    *step = bound;
    return PKM_OK;
}

pkm_status pkm_run_folder_count(const pkm_run_folder *folder, int64_t *count)
{
    DIR *stream = opendir(folder->checkpoints);

    if (stream == NULL)
        return pkm_fail_errno(PKM_ERR_IO, "%s: cannot read the folder", folder->checkpoints);
    *count = 0;
    for (struct dirent *entry = readdir(stream); entry != NULL; entry = readdir(stream))
        *count += step_of_name(entry->d_name) > 0;
    closedir(stream);
    return PKM_OK;
}

static pkm_status take_lock(pkm_run_folder *folder)
{
    char *path;

    PKM_TRY(pkm_path_join(&path, folder->dir, ".lock"));
    folder->lock = pkm_io()->open(AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (folder->lock < 0)
        pkm_fail_errno(PKM_ERR_IO, "%s: cannot create", path);
    pkm_free(path);
    if (folder->lock < 0)
        return PKM_ERR_IO;
    if (flock(folder->lock, LOCK_EX | LOCK_NB) != 0)
        return pkm_fail(PKM_ERR_STATE, "%s: another training is using this run folder",
                        folder->dir);
    return PKM_OK;
}

static pkm_status open_locked(pkm_run_folder *folder, bool resume)
{
    int64_t newest;

    PKM_TRY(take_lock(folder));
    PKM_TRY(pkm_directory_create(folder->checkpoints));
    PKM_TRY(pkm_run_folder_newest(folder, 0, &newest));
    if (newest > 0 && !resume)
        return pkm_fail(PKM_ERR_STATE,
                        "%s: holds a run at step %" PRId64 ": resume it (--resume) or choose "
                        "another folder",
                        folder->dir, newest);
    PKM_TRY(pkm_directory_tidy(folder->checkpoints, NULL));
    return pkm_directory_tidy(folder->dir, NULL);
}

pkm_status pkm_run_folder_open(pkm_run_folder *out, const char *dir, bool resume)
{
    pkm_run_folder folder = {.lock = -1};
    pkm_status status;

    PKM_TRY(pkm_directory_create(dir));
    status = pkm_string_copy(&folder.dir, dir);
    if (status == PKM_OK)
        status = pkm_path_join(&folder.checkpoints, dir, "checkpoints");
    if (status == PKM_OK)
        status = open_locked(&folder, resume);
    if (status != PKM_OK) {
        pkm_run_folder_close(&folder);
        return status;
    }
    *out = folder;
    return PKM_OK;
}

void pkm_run_folder_close(pkm_run_folder *folder)
{
    if (folder->dir != NULL && folder->lock >= 0)
        pkm_io()->close(folder->lock);
    pkm_free(folder->checkpoints);
    pkm_free(folder->dir);
    *folder = (pkm_run_folder){.lock = -1};
}

static pkm_status point(const pkm_run_folder *folder, const char *pointer, int64_t step)
{
    char text[32];
    char *path;
    pkm_status status;

    PKM_TRY(pkm_path_join(&path, folder->checkpoints, pointer));
    snprintf(text, sizeof text, "step-%08" PRId64 "\n", step);
    status = pkm_file_write(path, text, strlen(text));
    pkm_free(path);
    return status;
}

/* dir/name becomes a hard link to the checkpoint's file, without a moment of absence. */
static pkm_status link_file(const pkm_run_folder *folder, const char *step_dir, const char *name)
{
    char source[PATH_BYTES], temporary[PATH_BYTES], target[PATH_BYTES];

    if (snprintf(source, sizeof source, "%s/%s", step_dir, name) >= PATH_BYTES ||
        snprintf(target, sizeof target, "%s/%s", folder->dir, name) >= PATH_BYTES ||
        snprintf(temporary, sizeof temporary, "%s/%s.tmp-%ld", folder->dir, name, (long)getpid()) >=
            PATH_BYTES)
        return pkm_fail(PKM_ERR_ARG, "%s: the path is too long", folder->dir);
    (void)pkm_io()->remove(AT_FDCWD, temporary, 0);
    if (pkm_io()->link(source, temporary) != 0)
        return pkm_fail_errno(PKM_ERR_IO, "%s: cannot link to %s", target, source);
    if (pkm_io()->rename(temporary, target) != 0)
        return pkm_fail_errno(PKM_ERR_IO, "%s: cannot rename", target);
    /* Renaming a link onto a link of the same file does nothing and keeps both names. */
    (void)pkm_io()->remove(AT_FDCWD, temporary, 0);
    return PKM_OK;
}

pkm_status pkm_run_folder_publish(const pkm_run_folder *folder, int64_t step)
{
    static const char *const names[] = {"tokenizer.json", "config.json", "model.safetensors"};
    char *step_dir;
    pkm_status status;

    PKM_TRY(pkm_directory_sync(folder->checkpoints));
    PKM_TRY(point(folder, "last", step));
    PKM_TRY(pkm_run_folder_step(folder, &step_dir, step));
    status = PKM_OK;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && status == PKM_OK; i++)
        status = link_file(folder, step_dir, names[i]);
    pkm_free(step_dir);
    return status == PKM_OK ? pkm_directory_sync(folder->dir) : status;
}

pkm_status pkm_run_folder_publish_best(const pkm_run_folder *folder, int64_t step)
{
    char *path;
    pkm_status status;

    if (step > 0)
        return point(folder, "best", step);
    PKM_TRY(pkm_path_join(&path, folder->checkpoints, "best"));
    status = pkm_directory_remove(path);
    pkm_free(path);
    return status;
}

pkm_status pkm_run_folder_set_aside(const pkm_run_folder *folder, int64_t step)
{
    char name[32], *from, *to = NULL;
    pkm_status status;

    snprintf(name, sizeof name, "damaged-%08" PRId64, step);
    PKM_TRY(pkm_run_folder_step(folder, &from, step));
    status = pkm_path_join(&to, folder->checkpoints, name);
    if (status == PKM_OK)
        status = pkm_directory_remove(to);
    if (status == PKM_OK && pkm_io()->rename(from, to) != 0)
        status = pkm_fail_errno(PKM_ERR_IO, "%s: cannot rename", from);
    pkm_free(from);
    pkm_free(to);
    return status;
}

pkm_status pkm_run_folder_prune(const pkm_run_folder *folder, int64_t keep, int64_t best_step)
{
    int skip = (int)keep;

    for (;;) {
        int64_t step;
        char *path;
        pkm_status status;

        PKM_TRY(pkm_run_folder_newest(folder, skip, &step));
        if (step == 0)
            return PKM_OK;
        if (step == best_step) {
            skip++;
            continue;
        }
        PKM_TRY(pkm_run_folder_step(folder, &path, step));
        status = pkm_directory_remove(path);
        pkm_free(path);
        PKM_TRY(status);
    }
}
