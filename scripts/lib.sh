# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Shared by the scripts: sourced, never run.

# Installs through apt-get those of the Debian packages named that are missing.
need_packages() {
    local missing as_root=()

    command -v dpkg-query >/dev/null || return 0 # another system: its owner knows what to install
    mapfile -t missing < <(LC_ALL=C comm -13 \
        <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
            sed -n 's/^installed //p' | LC_ALL=C sort) <(printf '%s\n' "$@" | LC_ALL=C sort))
    [[ ${#missing[@]} -gt 0 ]] || return 0
    [[ $EUID -eq 0 ]] || as_root=(sudo)
    echo "installing ${missing[*]}" >&2
    "${as_root[@]}" apt-get update -qq >&2
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq -o Dpkg::Use-Pty=0 --no-install-recommends "${missing[@]}" </dev/null >&2
}

need_build_packages() {
    need_packages cmake ninja-build gcc libc6-dev pkg-config libcairo2-dev libdnnl-dev \
        libjansson-dev libutf8proc-dev libxxhash-dev zlib1g-dev libcmocka-dev
}

# clang, its sanitizers, which it only recommends, and its OpenMP.
need_clang() {
    need_packages clang libclang-rt-14-dev libomp-dev
}

# build_preset PRESET [TARGET]: configures once, then builds what has changed.
build_preset() {
    [[ -f build/$1/build.ninja ]] || cmake --preset "$1" >&2
    cmake --build --preset "$1" ${2:+--target "$2"} >&2
}

# python_with REQUIREMENTS VENV: keeps a virtual environment with the packages that a file lists.
python_with() {
    cmp -s "$1" "$2/installed.txt" && return
    need_packages python3 python3-venv
    python3 -m venv "$2"
    "$2/bin/pip" install --quiet --disable-pip-version-check -r "$1" >&2
    cp "$1" "$2/installed.txt"
}
