/* SPDX-License-Identifier: Apache-2.0 */
/* The reads of one memory over a text as JSON (docs/schemas/inspect-text.schema.json). */
#ifndef PKM_INFER_SLOT_JSON_H
#define PKM_INFER_SLOT_JSON_H

#include "base/strbuf.h"
#include "infer/slot_table.h"

/* Appends "mass", "slots_read", "tokens" and "slots" of the memory; `contexts` tokens per slot. */
pkm_status pkm_slot_json(pkm_strbuf *out, const pkm_slot_table *table, const pkm_text_reads *reads,
                         int64_t contexts);

#endif
