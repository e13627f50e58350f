# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Sourced by the tests of the house. CTest gives them PKM_SOURCE_DIR and PKM_BUILD_DIR.
work=$(mktemp -d "${TMPDIR:-/tmp}/pkm-house.XXXXXX")
trap 'rm -rf "$work"' EXIT

fail() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

# Names of the functions that the public headers promise, one a line, sorted.
public_functions() {
    cat "$PKM_SOURCE_DIR"/include/pkm/*.h | tr '\n' ' ' | grep -o 'PKM_API [^;(]*(' |
        grep -o 'pkm_[a-z0-9_]*($' | tr -d '(' | sort
}
