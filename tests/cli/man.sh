# SPDX-License-Identifier: Apache-2.0
# Manual pages: roff without a warning, every option of --help in them.
. "$(dirname "$0")/common.sh"

"$PKM" help --list >commands
echo >>commands
while read -r command; do
    page="$(echo "pkm $command" | sed 's/ *$//; s/ /-/g').1"
    # shellcheck disable=SC2086 # two words
    "$PKM" help --man $command >"$page" || fail "$page: exit code $?"
    # shellcheck disable=SC2086
    "$PKM" help $command | sed -n 's/^  \(--[a-z-]*\).*/\1/p' >flags
    while read -r flag; do
        sed 's/\\-/-/g' "$page" | grep -qF -e "fB$flag\\" || fail "$page: no $flag"
    done <flags
done <commands
grep -q 'fB\\-\\-n\\-keys' pkm-train.1 || fail "pkm-train.1: $(head -n 30 pkm-train.1)"

if command -v groff >/dev/null; then
    for page in *.1; do
        groff -ww -man -Tutf8 "$page" 2>&1 >shown | grep . >&2 && fail "$page: warnings"
        grep -q 'EXIT STATUS\|X.XI.I' shown || fail "$page: $(cat shown)"
    done
else
    echo "SKIPPED: groff is not installed" >&2
fi
if command -v mandoc >/dev/null; then
    # Lines are as long as their texts, and a page is of a version, not of a day.
    mandoc -T lint ./*.1 | grep -v 'STYLE: input text line longer\|WARNING: missing date' >&2 &&
        fail "mandoc has remarks"
else
    echo "SKIPPED: mandoc is not installed" >&2
fi
finish
