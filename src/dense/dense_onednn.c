/* SPDX-License-Identifier: Apache-2.0 */
/* The oneDNN provider; until it computes by itself, the plain products stand in. */
#include "dense/dense_ref.c"
