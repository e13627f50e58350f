/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Comparing what a killed process left with what one that was left alone made. All files are
 * compared byte by byte, which is more than equal SHA-256; but for those that tell time, memory or
 * the number of threads: .json and .jsonl files are compared without these fields, and the
 * manifest, which has checksums of such files, is left out.
 */
#ifndef PKM_TESTS_SAME_TREE_H
#define PKM_TESTS_SAME_TREE_H

#include <stdbool.h>

/* Whether two files hold the same; says on stderr what differs. */
bool same_file(const char *want, const char *got);

/* Whether every file under `got` is the same as that under `want`. Of what `want` has and `got` has
 * not, only a whole tree is accused. Names of leftovers (.tmp-) are passed over if it is not. */
bool same_tree(const char *want, const char *got, bool whole);

#endif
