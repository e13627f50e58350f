# SPDX-License-Identifier: Apache-2.0
# Files that are cut short while the tool has them mapped: it names the file and exits with 1.
. "$(dirname "$0")/common.sh"

sentences 3000 1 >text.txt
"$PKM" tokenizer train --vocab-size 320 --out tok text.txt >out 2>err || fail "tokenizer: $(cat err)"
"$PKM" data --tokenizer tok --out data text.txt >out 2>err || fail "data: $(cat err)"
check 0 'run: step 1' train --data data --out run --layers 1 --dim 32 --seq-len 32 --batch 8 \
    --memory-layers 0 --n-keys 64 --topk 16 --steps 1

# cut_under FILE PATIENCE ARGS...: starts the tool, cuts FILE once it is mapped (or two seconds later),
# and leaves the exit code in `code`; a tool that runs on is asked to stop after PATIENCE seconds.
cut_under() {
    file=$1 ticks=$(($2 * 20)) i=0
    shift 2
    "$PKM" "$@" >out 2>err </dev/null &
    tool=$!
    until grep -q "/$file" /proc/$tool/maps 2>/dev/null || [ $i -eq 100 ]; do
        sleep 0.02
        i=$((i + 1))
    done
    truncate -s 1100 "$file"
    while kill -0 $tool 2>/dev/null && [ $ticks -gt 0 ]; do
        sleep 0.05
        ticks=$((ticks - 1))
    done
    kill -TERM $tool 2>/dev/null
    wait $tool
    code=$?
}

# named FILE: what the last cut has to lead to.
named() {
    [ "$code" -eq 1 ] || fail "$1 was cut: exit code $code, expected 1: $(tail -c 300 err)"
    grep -q "$1: was shortened" err || fail "$1 was cut: $(tail -c 300 err)"
}

set -- text.txt text.txt text.txt text.txt text.txt
set -- "$@" "$@" "$@" "$@" "$@" "$@" "$@" "$@"
set -- "$@" "$@" "$@" "$@" "$@" "$@" "$@" "$@"
cp -rL run cut
cut_under cut/model.safetensors 60 eval --model cut --text "$@"
named cut/model.safetensors
rm -r cut
cp -rL run cut
cut_under cut/model.safetensors 1 eval --model cut --text "$@" --no-mmap
[ "$code" -eq 143 ] || fail "--no-mmap, and the file was cut: exit code $code: $(tail -c 300 err)"
cut_under data/train-00000.bin 60 train --data data --out more --layers 1 --dim 16 \
    --seq-len 16 --memory-layers 0 --n-keys 16 --topk 4 --steps 1000000000
named data/train-00000.bin
finish
