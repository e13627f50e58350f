#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# libpkm.so exports the functions that the public headers mark PKM_API, all of them and no others.
set -euo pipefail
source "$(dirname "$0")/common.sh"

public_functions >"$work/promised"
[[ -s $work/promised ]] || fail "no PKM_API function found in the headers"
nm -D --defined-only "$PKM_BUILD_DIR/libpkm.so" | awk '{ print $NF }' | sed 's/@.*//' | sort >"$work/exported"
diff "$work/promised" "$work/exported" >"$work/diff" ||
    fail $'headers (<) and libpkm.so (>) differ:\n'"$(cat "$work/diff")"
