/* SPDX-License-Identifier: Apache-2.0 */
/* memory_lookup's row of twin_rows: the layer's twin under the operation's cases. */
#ifndef PKM_TESTS_MEMORY_LOOKUP_TWIN_H
#define PKM_TESTS_MEMORY_LOOKUP_TWIN_H

#include "support/twin.h"

void memory_lookup_declare(twin *t);
void memory_lookup_forward(const twin *t, double *out);
void memory_lookup_release(twin *t);

#endif
