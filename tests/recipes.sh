# SPDX-License-Identifier: Apache-2.0
# The recipes of docs/experiments.md with --quick, in a folder of their own: each makes its table,
# plot and page, and called again after an interruption it repeats nothing that was finished.
. "$(dirname "$0")/cli/common.sh"
recipes=$PKM_TEST_DATA/../../recipes
export PKM

for recipe in $(grep -l '^recipe "\$@"' "$recipes"/*); do
    name=$(basename "$recipe") out=quick/$(basename "$recipe")
    "$recipe" --quick --out . >out 2>err || fail "$name: $(tail -n 3 err)"
    [ "$(grep -c '^|' "$out/all.md")" -gt 3 ] || fail "$name: no table"
    ! grep -E 'null|nan' "$out/all.md" || fail "$name: a figure is missing"
    grep -q '</svg>' "$out/all.svg" || fail "$name: no plot"
    grep -q '</html>' "$out/report.html" || fail "$name: no page"
done

# Two trainings to do again; the others stay as they are.
cd quick/memory-size && cp all.jsonl before.jsonl && rm -r runs/16k runs/none
touch -d '2000-01-01' runs/*/finished
(cd ../.. && "$recipes/memory-size" --quick --out . >out 2>err) || fail "again: $(tail -n 3 ../../err)"
[ "$(find runs -name finished -newermt 2001-01-01 | wc -l)" -eq 2 ] || fail "not two trainings were done again"
for file in before all; do
    jq -c 'del(.wall, .rss_mb)' $file.jsonl >$file.bits
done
cmp -s before.bits all.bits || fail "another run of the same recipe has other figures"

(cd ../.. && "$recipes/memory-size" --quick --out . --seeds 2 >out 2>err) || fail "two seeds"
[ "$(grep -c ' ± ' all.md)" -eq 6 ] || fail "two seeds: no deviations in the table"

(cd ../.. && "$recipes/memory-size" --seeds many >out 2>err) && fail "--seeds many is accepted"
grep -q '^usage: recipes/memory-size' ../../err || fail "no usage"
finish
