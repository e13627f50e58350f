# SPDX-License-Identifier: Apache-2.0
# Every argument that is a path, given what is no file or folder: one sentence that names it, exit code
# 1, nothing made, and never a wait.
. "$(dirname "$0")/common.sh"

sentences 400 1 >text.txt
"$PKM" tokenizer train --vocab-size 320 --out tok text.txt >out 2>err || fail "tokenizer: $(cat err)"
"$PKM" data --tokenizer tok --out data --val-fraction 0.2 text.txt >out 2>err || fail "data: $(cat err)"
"$PKM" train --data data --out run --layers 1 --dim 16 --seq-len 16 --batch 2 --steps 2 \
    --memory-layers 0 --n-keys 8 --topk 2 >out 2>err || fail "train: $(cat err)"
mkfifo pipe
ln -s /dev/zero link
ln -s loop loop
mkdir folder

# refused PATH ARGS...: the tool, whose arguments hold the path.
refused() {
    path=$1
    shift
    timeout 20 "$PKM" "$@" >out 2>err </dev/null
    code=$?
    [ $code -eq 1 ] || fail "pkm $*: exit code $code, expected 1: $(said)"
    [ "$(grep -c "^pkm [a-z ]*: " err)" -eq 1 ] || fail "pkm $*: not one sentence: $(said)"
    grep "^pkm [a-z ]*: " err | grep -qF "$path" || fail "pkm $*: '$path' is not in: $(said)"
    [ ! -e new ] || fail "pkm $*: left new"
    count=$((count + 1))
}

count=0
for path in pipe link loop /dev/zero missing; do
    refused $path tokenizer train --out new $path
    refused $path tokenizer encode --tokenizer $path text.txt
    refused $path tokenizer encode --tokenizer tok $path
    refused $path tokenizer encode --tokenizer tok --lines $path
    refused $path tokenizer decode --tokenizer tok $path
    refused $path data --tokenizer $path --out new text.txt
    refused $path data --tokenizer tok --out new $path
    refused $path train --data $path --out new --steps 1
    refused $path train --data data --config $path --out new --steps 1
    refused $path train --data data --init-from $path --out new --steps 1
    refused $path eval --model $path --data data
    refused $path eval --model run --data $path
    refused $path eval --model run --text $path
    refused $path generate --model $path --prompt x
    refused $path inspect $path
done
# What is to be written may be missing, but not be something else.
for path in pipe link loop /dev/zero text.txt; do
    refused $path tokenizer train --out $path text.txt
    refused $path data --tokenizer tok --out $path text.txt
    refused $path train --data data --out $path --steps 1
done
# A folder where a file is expected, a file where a folder is, and the empty ones of both.
: >empty
for path in folder text.txt empty; do
    refused $path tokenizer encode --tokenizer $path text.txt
    refused $path train --data $path --out new --steps 1
    refused $path train --data data --config $path --out new --steps 1
    refused $path eval --model $path --data data
    refused $path eval --model run --data $path
    refused $path generate --model $path --prompt x
    refused $path inspect $path
done
for args in "tokenizer encode --tokenizer tok" "tokenizer decode --tokenizer tok" "eval --model run --text"; do
    refused folder $args folder
done
echo "$count refusals"
finish
