#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs into a fresh prefix, moves it, and builds and runs an example against it: through
# pkg-config and through find_package, shared and static. PKM_INSTALLED names a prefix to take instead
# (scripts/clean-root: /usr).
set -euo pipefail
source "$(dirname "$0")/common.sh"

example=$PKM_SOURCE_DIR/examples/01_memory_layer.c
prefix=${PKM_INSTALLED:-$work/prefix}
if [[ -z ${PKM_INSTALLED:-} ]]; then
    cmake --install "$PKM_BUILD_DIR" --prefix "$work/staging" >"$work/install.log"
    mv "$work/staging" "$prefix"
    for wanted in include/pkm/pkm.h bin/pkm share/man/man1/pkm-train.1 \
        share/{bash-completion/completions/pkm,zsh/site-functions/_pkm,fish/vendor_completions.d/pkm.fish}; do
        [[ -f $prefix/$wanted ]] || fail "$wanted is not installed"
    done
fi

pc=$(find "$prefix" -name pkm.pc -printf '%h\n')
export PKG_CONFIG_PATH=$pc
libdir=$(pkg-config --variable=libdir pkm)
build() { # build PROGRAM FLAG...
    local program=$1

    shift
    "${CC:-cc}" -std=c11 -Wall -Wextra -Werror -o "$work/$program" "$example" "$@"
}
read -ra shared < <(pkg-config --cflags --libs pkm)
read -ra static < <(pkg-config --static --cflags --libs pkm | sed 's/-lpkm//')
build by_pkg_config "${shared[@]}" -lm
build by_pkg_config_static "$libdir/libpkm.a" "${static[@]}"
readelf -d "$work/by_pkg_config" | grep -q 'NEEDED.*\[libpkm\.so\.[0-9]*\]' ||
    fail "the soname of libpkm.so carries no version"

cmake -S "$(dirname "$0")/consumer" -B "$work/consumer" -DEXAMPLE="$example" \
    -DCMAKE_PREFIX_PATH="$prefix" >"$work/configure.log"
cmake --build "$work/consumer" >"$work/build.log" || fail "$(cat "$work/build.log")"

for program in by_pkg_config by_pkg_config_static consumer/with_shared consumer/with_static; do
    LD_LIBRARY_PATH=$libdir "$work/$program" >"$work/output" || fail "$program fails: $(cat "$work/output")"
done
