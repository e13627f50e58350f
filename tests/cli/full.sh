# SPDX-License-Identifier: Apache-2.0
# Where nothing more can be written: full disks, limits on file sizes, readers that leave. One
# sentence, exit code 1 (3 where it is known beforehand), and nothing under a final name.
. "$(dirname "$0")/common.sh"

sentences 3000 1 >text.txt
"$PKM" tokenizer train --vocab-size 320 --out tok text.txt >out 2>err || fail "tokenizer: $(cat err)"
"$PKM" tokenizer encode --tokenizer tok text.txt >ids
"$PKM" data --tokenizer tok --out data text.txt >out 2>err || fail "data: $(cat err)"
small='--layers 1 --dim 16 --seq-len 16 --batch 2 --steps 1 --log-every 0'
# shellcheck disable=SC2086 # several words
"$PKM" train --data data --out run $small >out 2>err || fail "train: $(cat err)"

# Standard output. What was made stays; that it was made is not known by the exit code.
for command in "info" "info --json" "tokenizer train --vocab-size 300 --out tok-%s text.txt" \
    "tokenizer encode --tokenizer tok text.txt" "tokenizer encode --lines --tokenizer tok text.txt" \
    "tokenizer decode --tokenizer tok ids" "data --tokenizer tok --out data-%s text.txt" \
    "train --data data --out run-%s $small" "eval --model run --text text.txt" \
    "generate --model run --tokens 20" "inspect run" "bench search --n-keys 16 --topk 4 --runs 1" \
    "completion bash" "help train" "help --man train" "version"; do
    # shellcheck disable=SC2059,SC2046 # %s makes a name for each use
    set -- $(printf "$command" full)
    "$PKM" "$@" >/dev/full 2>err
    code=$?
    [ $code -eq 1 ] || fail "pkm $* >/dev/full: exit code $code"
    tail -n 1 err | grep -q '^pkm: cannot write to standard output' || fail "pkm $* >/dev/full: $(cat err)"
    # shellcheck disable=SC2059,SC2046
    set -- $(printf "$command" gone)
    { sleep 0.1; "$PKM" "$@"; echo $? >code; } 2>err | :
    [ "$(cat code)" -eq 141 ] || fail "pkm $* | :: exit code $(cat code): $(cat err)"
    grep -q '^pkm' err && fail "pkm $* | :: $(cat err)"
done
for made in tok-full/tokenizer.json tok-gone/tokenizer.json data-full/meta.json data-gone/meta.json \
    run-full/model.safetensors run-gone/model.safetensors; do
    [ -s $made ] || fail "without a reader, no $made"
done

# refused WHERE CODE PART ARGS...: fails with one sentence, and leaves no file.
refused() {
    where=$1 want=$2 part=$3
    shift 3
    "$PKM" "$@" >out 2>err
    code=$?
    [ $code -eq "$want" ] || fail "$where: pkm $*: exit code $code: $(cat err)"
    grep '^pkm' err | grep -qF "$part" || fail "$where: pkm $*: $(cat err)"
    [ "$(grep -c '^pkm' err)" -eq 1 ] && [ ! -s out ] || fail "$where: pkm $*: $(cat err out)"
    find new ! -type d ! -name .lock 2>/dev/null | grep . >&2 && fail "$where: pkm $* leaves files"
    rm -rf new/*
}

mkdir new
(
    failures=0
    ulimit -f 4
    refused "a limit on file sizes" 1 'File too large' tokenizer train --out new/tok text.txt
    refused "a limit on file sizes" 1 'File too large' data --tokenizer tok --out new/data text.txt
    exit "$((failures > 0))"
) || failures=$((failures + 1))

if mount -t tmpfs -o size=40k tmpfs new 2>err; then
    trap 'cd /; umount "$WORK/new"; rm -rf "$WORK"' EXIT
    refused "a full disk" 1 'No space left' tokenizer train --vocab-size 2000 --out new/tok /usr/include/stdio.h text.txt
    refused "a full disk" 1 'No space left' data --tokenizer tok --out new/data text.txt
    # shellcheck disable=SC2086
    refused "a full disk" 3 'KiB of disk and' train --data data --out new/run $small
else
    echo "SKIPPED: a small disk: $(cat err)" >&2
fi
finish
