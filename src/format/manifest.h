/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MANIFEST.json: the last file written into a checkpoint, with the size of every other file and a
 * CRC-32 per 16 MiB block. A checkpoint without a manifest that holds does not exist for us.
 */
#ifndef PKM_FORMAT_MANIFEST_H
#define PKM_FORMAT_MANIFEST_H

#include "base/error.h"
#include "pkm/model.h"

#define PKM_MANIFEST_NAME "MANIFEST.json"

/* Writes dir/MANIFEST.json over the named files of dir. */
pkm_status pkm_manifest_write(const char *dir, const char *const *names, int n_names);

/*
 * Checks dir/MANIFEST.json, which has to list the given names, and every file it lists as far as
 * `level` says: the first that differs is named, with where. PKM_ERR_UNSUPPORTED: of a newer
 * version of ours.
 */
pkm_status pkm_manifest_check(const char *dir, const char *const *names, int n_names,
                              pkm_verify_level level);

#endif
