/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a disk may hold after power was lost. Calls that change files under a folder are recorded;
 * then the folder is built again as it may be found if the power went after any of them: what was
 * synced is there, and of each other change it is chosen whether it came through, and how.
 *
 * Bytes of a file last when that file was synced after they were written; a name in a folder, when
 * that folder was. Changes that were not synced are lost or kept independently of each other, in
 * the order they were made in: less than any journaling file system promises.
 */
#ifndef PKM_TESTS_DISK_H
#define PKM_TESTS_DISK_H

#include <stdbool.h>
#include <stdint.h>

/* What became of a change. Of a name there is no half: TORN and HOLED are KEPT. */
typedef enum disk_fate { DISK_LOST, DISK_KEPT, DISK_TORN, DISK_HOLED } disk_fate;

/* Records what is done to files under `root`, which exists, until disk_stop. */
void disk_record(const char *root);
/* Puts a number between the changes. */
void disk_mark(int64_t number);
void disk_stop(void);
void disk_forget(void);

/* Changes, syncs and marks recorded. */
int disk_count(void);
/* The last number put before this many of them; 0: none. */
int64_t disk_last_mark(int count);
/* *out [disk_count()] = which of the first `count` were not synced then; returns how many. */
int disk_pending(int *out, int count);
/* Does it write bytes? */
bool disk_is_write(int change);

/* Builds the folder `to` after the first `count`; fates [disk_count()] of those pending. */
void disk_build(const char *to, int count, const unsigned char *fates);

#endif
