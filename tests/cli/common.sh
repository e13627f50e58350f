# SPDX-License-Identifier: Apache-2.0
# Sourced by every test of the tool. A test works in a fresh folder that is removed at its end; PKM is
# the tool. Failures are counted and told; `finish` makes them the exit status.
set -u
: "${PKM:?the path of pkm}"
WORK=$(mktemp -d "${TMPDIR:-/tmp}/pkm-cli-XXXXXX") || exit 1
trap 'rm -rf "$WORK"' EXIT
cd "$WORK" || exit 1
unset PKM_ISA PKM_THREADS
export OMP_WAIT_POLICY=passive
failures=0

# fail SENTENCE: one more failure.
fail() {
    failures=$((failures + 1))
    echo "FAILED: $*" >&2
}

# pkm ARGS...: runs the tool; its output is left in the files out and err.
pkm() {
    "$PKM" "$@" >out 2>err
}

# said: the first lines of what the tool said last.
said() {
    cat out err | head -n 5
}

# check CODE PART ARGS...: the tool ends with CODE and says PART on stdout or stderr.
check() {
    want=$1 part=$2
    shift 2
    pkm "$@" </dev/null
    got=$?
    [ "$got" -eq "$want" ] || fail "pkm $*: exit code $got, expected $want: $(said)"
    cat out err | grep -qF -e "$part" || fail "pkm $*: '$part' is not in: $(said)"
}

# table: a check per line of standard input, "CODE :: PART :: ARGS"; ARGS as a shell reads them.
table() {
    while read -r line; do
        rest=${line#* :: }
        part=$(echo "${rest%% ::*}" | sed 's/ *$//')
        eval "check ${line%% ::*} \"\$part\" ${rest#*::}"
    done
}

# same A B WHAT: two files hold the same bytes.
same() {
    cmp -s "$1" "$2" || fail "$3: $1 and $2 differ"
}

# sentences N SEED: N lines of simple text, always the same for the same arguments.
sentences() {
    awk -v n="$1" -v seed="$2" '
    function draw(list,  words, count) {
        count = split(list, words, " ")
        seed = (seed * 1103 + 12345) % 65521
        return words[seed % count + 1]
    }
    BEGIN {
        for (i = 0; i < n; i++)
            print "The", draw("small large first last plain quiet"),
                draw("model memory table layer reader writer"),
                draw("reads writes finds keeps forgets sorts"),
                draw("one two four eight many no"),
                draw("rows keys words slots lines values") "."
    }'
}

finish() {
    [ "$failures" -eq 0 ] || echo "$failures failures" >&2
    exit "$((failures > 0))"
}
