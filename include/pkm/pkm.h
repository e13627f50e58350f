/* SPDX-License-Identifier: Apache-2.0 */
/* All of libpkm's public headers. */
#ifndef PKM_PKM_H
#define PKM_PKM_H

#include "pkm/data.h"
#include "pkm/dtype.h"
#include "pkm/error.h"
#include "pkm/info.h"
#include "pkm/inspect.h"
#include "pkm/memory.h"
#include "pkm/model.h"
#include "pkm/options.h"
#include "pkm/report.h"
#include "pkm/revive.h"
#include "pkm/tokenizer.h"
#include "pkm/train.h"
#include "pkm/verify.h"

#endif
