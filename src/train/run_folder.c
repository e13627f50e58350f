/* SPDX-License-Identifier: Apache-2.0 */
#include "train/run_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/io.h"

/* What is linked into the run folder from its last checkpoint; the weights last. */
static const char *const published[] = {"tokenizer.json", "config.json", "model.safetensors"};

enum { N_PUBLISHED = sizeof published / sizeof published[0] };

/* ---- names ---- */

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

/* *out = "checkpoints/<stem>-NNNNNNNN". */
static pkm_status numbered(const pkm_run_folder *folder, char **out, const char *stem, int64_t step)
{
    char name[40];

    snprintf(name, sizeof name, "%s-%08" PRId64, stem, step);
    return pkm_path_join(out, folder->checkpoints, name);
}

pkm_status pkm_run_folder_step(const pkm_run_folder *folder, char **out, int64_t step)
{
    return numbered(folder, out, "step", step);
}

/* ---- what there is ---- */

static int newest_first(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;

    return (a < b) - (a > b);
}

/* The step whose folder `name` is, or 0; a link to a folder is none of ours. */
static pkm_status step_of_entry(const pkm_run_folder *folder, const char *name, int64_t *step)
{
    char *path;

    *step = step_of_name(name);
    if (*step == 0)
        return PKM_OK;
    PKM_TRY(pkm_path_join(&path, folder->checkpoints, name));
    if (!pkm_directory_is_own(path))
        *step = 0;
    pkm_free(path);
    return PKM_OK;
}

pkm_status pkm_run_folder_steps(const pkm_run_folder *folder, int64_t **steps, size_t *count)
{
    pkm_names names;
    int64_t *found = NULL;
    size_t n = 0;
    pkm_status status;

    PKM_TRY(pkm_directory_list(&names, folder->checkpoints));
    status = pkm_alloc_array((void **)&found, names.count, sizeof *found, "a list of checkpoints");
    for (size_t i = 0; i < names.count && status == PKM_OK; i++) {
        status = step_of_entry(folder, names.name[i], &found[n]);
        n += status == PKM_OK && found[n] > 0;
    }
    pkm_names_release(&names);
    if (status != PKM_OK) {
        pkm_free(found);
        return status;
    }
    qsort(found, n, sizeof *found, newest_first);
    *steps = found;
    *count = n;
    return PKM_OK;
}

/* ---- opening ---- */

static const char lock_name[] = ".lock";

static pkm_status take_lock(pkm_run_folder *folder)
{
    char *path;

    PKM_TRY(pkm_path_join(&path, folder->dir, lock_name));
    folder->lock = pkm_io_open(AT_FDCWD, path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0666);
    if (folder->lock < 0)
        pkm_fail_errno(PKM_ERR_IO, "%s: cannot create the lock", path);
    pkm_free(path);
    if (folder->lock < 0)
        return PKM_ERR_IO;
    if (flock(folder->lock, LOCK_EX | LOCK_NB) == 0)
        return PKM_OK;
    if (errno != EWOULDBLOCK)
        return pkm_fail_errno(PKM_ERR_IO, "%s: cannot lock the run folder", folder->dir);
    return pkm_fail(PKM_ERR_STATE, "%s: another training is using this run folder", folder->dir);
}

/* What a killed trainer left under temporary names; the lock is held, so nobody is writing them.
 * The run folder may hold files of others, the folder of checkpoints is ours. */
static pkm_status remove_leftovers(const pkm_run_folder *folder)
{
    PKM_TRY(pkm_directory_tidy(folder->checkpoints, NULL));
    PKM_TRY(pkm_directory_tidy(folder->dir, PKM_METRICS_NAME));
    for (int i = 0; i < N_PUBLISHED; i++)
        PKM_TRY(pkm_directory_tidy(folder->dir, published[i]));
    return PKM_OK;
}

/* A folder without checkpoints may become a run's, but not if it holds a model: it would be
 * replaced. */
static pkm_status check_no_model(const pkm_run_folder *folder)
{
    char *path;
    bool found;

    PKM_TRY(pkm_path_join(&path, folder->dir, published[N_PUBLISHED - 1]));
    found = pkm_file_exists(path);
    pkm_free(path);
    if (!found)
        return PKM_OK;
    return pkm_fail(PKM_ERR_STATE,
                    "%s: holds a model but no checkpoint to go on from: training would replace it: "
                    "choose another folder (and start from it with --init-from)",
                    folder->dir);
}

static pkm_status check_content(const pkm_run_folder *folder, bool resume)
{
    int64_t *steps, newest;
    size_t count;

    if (!pkm_directory_is_own(folder->checkpoints))
        return pkm_fail(PKM_ERR_STATE,
                        "%s: is a link, and checkpoints are only written inside the run folder",
                        folder->checkpoints);
    PKM_TRY(pkm_run_folder_steps(folder, &steps, &count));
    newest = count > 0 ? steps[0] : 0;
    pkm_free(steps);
    if (newest > 0 && !resume)
        return pkm_fail(PKM_ERR_STATE,
                        "%s: holds a run at step %" PRId64 ": resume it (--resume) or choose "
                        "another folder",
                        folder->dir, newest);
    return newest > 0 ? PKM_OK : check_no_model(folder);
}

static pkm_status open_locked(pkm_run_folder *folder, bool resume)
{
    PKM_TRY(take_lock(folder));
    PKM_TRY(pkm_directory_create(folder->checkpoints));
    PKM_TRY(check_content(folder, resume));
    return remove_leftovers(folder);
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

pkm_status pkm_run_folder_held(const pkm_run_folder *folder, bool *held)
{
    struct stat ours, there;
    char *path;

    PKM_TRY(pkm_path_join(&path, folder->dir, lock_name));
    *held = fstat(folder->lock, &ours) == 0 && lstat(path, &there) == 0 &&
            ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
    pkm_free(path);
    return PKM_OK;
}

/* ---- after a save ---- */

pkm_status pkm_run_folder_sync(const pkm_run_folder *folder)
{
    return pkm_directory_sync(folder->checkpoints);
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

/* For file systems without hard links: the same content in a file of its own. */
static pkm_status copy_file(const char *source, const char *target)
{
    pkm_file_map map;
    pkm_status status;

    PKM_TRY(pkm_file_map_open(&map, source, O_NOFOLLOW));
    status = pkm_file_write(target, map.data, map.size_bytes);
    pkm_file_map_close(&map);
    return status;
}

/* `target` becomes a hard link to `source`, by way of `temporary`: without a moment of absence. */
static pkm_status replace_by_link(const char *source, const char *target, const char *temporary)
{
    (void)pkm_io()->remove(AT_FDCWD, temporary, 0);
    if (pkm_io()->link(source, temporary) != 0) {
        if (errno == EPERM || errno == EOPNOTSUPP || errno == EMLINK)
            return copy_file(source, target);
        return pkm_fail_errno(PKM_ERR_IO, "%s: cannot link to %s", target, source);
    }
    if (pkm_io()->rename(temporary, target) != 0) {
        pkm_fail_errno(PKM_ERR_IO, "%s: cannot rename to this name", target);
        (void)pkm_io()->remove(AT_FDCWD, temporary, 0);
        return PKM_ERR_IO;
    }
    /* Renaming a link onto a link of the same file does nothing and keeps both names. */
    (void)pkm_io()->remove(AT_FDCWD, temporary, 0);
    return PKM_OK;
}

static pkm_status publish_file(const pkm_run_folder *folder, const char *step_dir, const char *name)
{
    char *source, *target = NULL, *temporary = NULL;
    pkm_status status;

    PKM_TRY(pkm_path_join(&source, step_dir, name));
    status = pkm_path_join(&target, folder->dir, name);
    if (status == PKM_OK)
        status = pkm_path_temporary(&temporary, target);
    if (status == PKM_OK)
        status = replace_by_link(source, target, temporary);
    pkm_free(source);
    pkm_free(target);
    pkm_free(temporary);
    return status;
}

pkm_status pkm_run_folder_publish(const pkm_run_folder *folder, int64_t step)
{
    char *step_dir;
    pkm_status status = PKM_OK;

    PKM_TRY(point(folder, "last", step));
    PKM_TRY(pkm_run_folder_step(folder, &step_dir, step));
    /* Synced after each: weights are never there without what they need. */
    for (int i = 0; i < N_PUBLISHED && status == PKM_OK; i++) {
        status = publish_file(folder, step_dir, published[i]);
        if (status == PKM_OK)
            status = pkm_directory_sync(folder->dir);
    }
    pkm_free(step_dir);
    return status;
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

/* ---- taking away ---- */

/* Renames the folder of a step to `to`; what was there goes. */
static pkm_status move_away(const pkm_run_folder *folder, int64_t step, char *to)
{
    char *from;
    pkm_status status = pkm_run_folder_step(folder, &from, step);

    if (status == PKM_OK) {
        status = pkm_directory_remove(to);
        if (status == PKM_OK && pkm_io()->rename(from, to) != 0)
            status = pkm_fail_errno(PKM_ERR_IO, "%s: cannot rename to %s", from, to);
        pkm_free(from);
    }
    return status;
}

pkm_status pkm_run_folder_set_aside(const pkm_run_folder *folder, int64_t step)
{
    char *aside;
    pkm_status status;

    PKM_TRY(numbered(folder, &aside, "damaged", step));
    status = move_away(folder, step, aside);
    pkm_free(aside);
    return status;
}

/* A folder loses its name first: half of a checkpoint is never seen as one. */
static pkm_status remove_step(const pkm_run_folder *folder, int64_t step)
{
    char *path, *temporary;
    pkm_status status;

    PKM_TRY(pkm_run_folder_step(folder, &path, step));
    status = pkm_path_temporary(&temporary, path);
    pkm_free(path);
    PKM_TRY(status);
    status = move_away(folder, step, temporary);
    if (status == PKM_OK)
        status = pkm_directory_remove(temporary);
    pkm_free(temporary);
    return status;
}

pkm_status pkm_run_folder_prune(const pkm_run_folder *folder, int64_t keep, int64_t every,
                                int64_t best_step)
{
    int64_t *steps;
    size_t count;
    pkm_status status = PKM_OK;

    PKM_TRY(pkm_run_folder_steps(folder, &steps, &count));
    for (size_t i = (size_t)keep; i < count && status == PKM_OK; i++)
        if (steps[i] != best_step && (every == 0 || steps[i] % every != 0))
            status = remove_step(folder, steps[i]);
    pkm_free(steps);
    return status;
}
