# SPDX-License-Identifier: Apache-2.0
# pkm demo in miniature: the table, the sample, running it twice, folders that are not its own.
. "$(dirname "$0")/common.sh"

mkdir corpus
for i in 1 2 3 4 5 6 7 8; do sentences 200 "$i" >"corpus/$i.txt"; done
for run in first second; do
    check 0 'held-out perplexity' demo corpus --steps 1 --vocab-size 300
    grep -q 'memory slots used' out || fail "$run demo: no usage in $(cat out)"
    [ -s pkm-demo/memory/model.safetensors ] || fail "$run demo: no model"
done
mkdir mine
echo precious >mine/file
check 1 'not the folder of an earlier demo' demo corpus --out mine --steps 1
[ "$(cat mine/file)" = precious ] || fail "the demo touched a folder that is not its own"
check 1 'nowhere' demo nowhere --out d2 --steps 1
finish
