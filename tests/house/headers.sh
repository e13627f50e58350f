#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every public header compiles alone, as C11 and as C++17, without a warning.
set -euo pipefail
source "$(dirname "$0")/common.sh"

warnings=(-Wall -Wextra -Werror -pedantic -fsyntax-only -I"$PKM_SOURCE_DIR/include")
for header in "$PKM_SOURCE_DIR"/include/pkm/*.h; do
    printf '#include "pkm/%s"\nint alone;\n' "$(basename "$header")" >"$work/alone.c"
    ${CC:-cc} -std=c11 "${warnings[@]}" "$work/alone.c" || fail "$header is not C11 on its own"
    ${CXX:-c++} -std=c++17 "${warnings[@]}" -x c++ "$work/alone.c" || fail "$header is not C++17 on its own"
done
