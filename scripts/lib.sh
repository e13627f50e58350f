# SPDX-License-Identifier: Apache-2.0
# Shared by the scripts: sourced, never run.

# need_packages NAME...: installs through apt-get those that are missing; silent and quick when none is.
need_packages() {
    local missing as_root=()

    mapfile -t missing < <(comm -13 \
        <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
            sed -n 's/^installed //p' | sort) <(printf '%s\n' "$@" | sort))
    [[ ${#missing[@]} -gt 0 ]] || return 0
    [[ $EUID -eq 0 ]] || as_root=(sudo)
    echo "installing ${missing[*]}" >&2
    "${as_root[@]}" apt-get update -qq >&2
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null >&2
}
