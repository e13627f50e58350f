#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# libpkm.so brings along only the libraries named here: who embeds it carries and loads them all.
set -euo pipefail
source "$(dirname "$0")/common.sh"

known='libgomp|libz|libjansson|libutf8proc|libxxhash|libdnnl|libm|libc|ld-linux[a-z0-9_-]*'
readelf -d "$PKM_BUILD_DIR/libpkm.so" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' >"$work/needed"
[[ -s $work/needed ]] || fail "no library found in libpkm.so"
if grep -vE "^($known)\.so(\.|$)" "$work/needed" >"$work/unknown"; then
    fail "libpkm.so needs $(paste -sd ' ' "$work/unknown")"
fi
