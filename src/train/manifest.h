/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MANIFEST.json: the last file written into a checkpoint, with the size of every other file and a
 * CRC-32 per 16 MiB block. A checkpoint without a manifest that holds does not exist for us.
 */
#ifndef PKM_TRAIN_MANIFEST_H
#define PKM_TRAIN_MANIFEST_H

#include "base/error.h"

/* Writes dir/MANIFEST.json over the named files of dir. */
pkm_status pkm_manifest_write(const char *dir, const char *const *names, int n_names);

/* Checks every file that dir/MANIFEST.json names: PKM_ERR_FORMAT names the first that differs. */
pkm_status pkm_manifest_check(const char *dir);

#endif
