/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The documents of a data set: the text files of a list, each content once, and on which side of
 * the set each stands. Everything follows from the files' contents and order alone.
 */
#ifndef PKM_TEXT_DOCUMENT_SET_H
#define PKM_TEXT_DOCUMENT_SET_H

#include "pkm/data.h"
#include "text/corpus.h"

typedef struct pkm_document_set {
    pkm_document *documents; /* [count], in the order of the files */
    unsigned char *splits;   /* [count], a pkm_split each */
    int64_t count;
    int64_t duplicates, binary_files, unreadable_files; /* left out */
    bool cut;                                           /* the two documents are one that was cut */
} pkm_document_set;

/*
 * Reads all files once. Held out is the fraction val_fraction of the documents, by hash, at least
 * one of them and not all; of a single document its end; nothing if val_fraction is 0.
 */
pkm_status pkm_document_set_create(pkm_document_set *out, const pkm_file_list *files,
                                   double val_fraction, pkm_progress progress, void *user);
void pkm_document_set_release(pkm_document_set *set);

#endif
