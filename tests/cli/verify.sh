# SPDX-License-Identifier: Apache-2.0
# pkm verify on what is whole and on what is not; how much training verifies before it goes on.
. "$(dirname "$0")/common.sh"

# damage FILE OFFSET: another byte there.
damage() {
    printf '\252' | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}

sentences 2000 1 >text.txt
"$PKM" tokenizer train --vocab-size 300 --out tok text.txt >out 2>err || fail "tokenizer: $(cat err)"
"$PKM" data --tokenizer tok --out data text.txt >out 2>err || fail "data: $(cat err)"
check 0 'run: step 20' train --data data --out run --layers 2 --dim 32 --seq-len 32 --batch 4 \
    --memory-layers 1 --n-keys 16 --topk 4 --steps 20 --checkpoint-every 5 --eval-every 0 \
    --keep-checkpoints 3
mkdir model empty
cp run/config.json run/tokenizer.json run/model.safetensors model

check 0 'whole    checkpoint  run/checkpoints/step-00000020' verify run
[ "$(grep -c '^whole' out)" -eq 6 ] || fail "parts of a run: $(cat out)"
table <<'END'
0 :: whole    checkpoint  run/checkpoints/last :: verify run/checkpoints/last
0 :: whole    checkpoint  run/checkpoints/step :: verify run/checkpoints/step-00000015
0 :: whole    model                            :: verify model
0 :: whole    data set    data                 :: verify data tok
0 :: whole    tokenizer   tok                  :: verify data tok model
0 :: whole    weights                          :: verify model/model.safetensors
0 :: {"whole": true, "parts": [{"kind": "tokenizer" :: verify --json tok
1 :: nowhere: cannot open: No such file        :: verify nowhere
1 :: /dev/null: is a device                    :: verify /dev/null
1 :: holds no run, checkpoint, model           :: verify empty
1 :: text.txt: not a model                     :: verify tok text.txt
1 :: 1 of 2 parts: damaged                     :: verify tok text.txt
1 :: {"whole": false                           :: verify --json nowhere
2 :: PATH... is missing                        :: verify
END

# One thing at a time, on a copy: what is damaged and how it is told.
damaged() { # damaged PART COMMAND: after the command in a copy of run, verify says PART
    rm -rf hurt
    cp -a run hurt
    (cd hurt && eval "$2")
    check 1 "$1" verify hurt
}
last=checkpoints/step-00000020
damaged 'optim.safetensors: the 16 MiB from byte 0 on differ' "damage $last/optim.safetensors 100000"
damaged "model.safetensors: 100 bytes, the manifest says" "truncate -s 100 $last/model.safetensors"
damaged "MANIFEST.json: cannot open" "rm $last/MANIFEST.json"
damaged "state.json: is a symbolic link" "mv $last/state.json .. && ln -s ../../../state.json $last/"
damaged "last: names a checkpoint without" "echo step-00000007 >checkpoints/last"
damaged "hurt/model.safetensors: differs from" "cp --remove-destination checkpoints/step-00000010/model.safetensors ."
damaged "has no end" "truncate -s -2 metrics.jsonl; printf '{}' >>metrics.jsonl"
damaged "the newest checkpoint knows of" ": >metrics.jsonl"
damaged "holds no checkpoint" "rm -r checkpoints/step-*"

# A line that a killed process left behind what the checkpoint knows of is no damage.
rm -rf killed
cp -a run killed
printf '{"step": 2' >>killed/metrics.jsonl
check 0 'whole    log' verify killed

# Without a manifest: what is no number, and what cannot be.
not_a_number() { # not_a_number BYTES: that many before the end of the weights
    size=$(wc -c <model/model.safetensors)
    printf '\377\377\377\377' | dd of=model/model.safetensors bs=1 seek=$((size - $1)) conv=notrunc 2>/dev/null
}
not_a_number 42500 # the table, which lies before the positions, [32, 32], and the embedding, [300, 32]
check 1 "row 255 of 'pkm.values.0' holds a NaN" verify model
not_a_number 4
check 1 "'wte.weight' holds a NaN" verify model
cp -a data data2
damage data2/train-00000.bin 1100
check 1 'train-00000.bin' verify data2
"$PKM" tokenizer train --vocab-size 290 --out tok2 text.txt >out 2>err || fail "tokenizer: $(cat err)"
cp -a data data3
cp tok2/tokenizer.json data3
check 1 'data3: the data set was made with another tokenizer' verify data3
latin=$(printf 'caf\351')
cp -a tok "$latin"
check 1 'a path that is not UTF-8' verify --json "$latin"

# Going on: a checkpoint that differs is set aside, unless nobody looks.
for how in full quick none; do
    rm -rf "$how"
    cp -a run "$how"
    damage "$how/$last/optim.safetensors" 100000
    pkm train --data data --out "$how" --resume --verify $how --steps 21 </dev/null || fail "--verify $how: $(said)"
done
[ -d full/checkpoints/damaged-00000020 ] || fail "full: nothing was set aside"
[ -d quick/checkpoints/damaged-00000020 ] || fail "quick: nothing was set aside"
[ ! -d none/checkpoints/damaged-00000020 ] || fail "none: set aside"
damage "run/$last/optim.safetensors" 100000
check 0 'set aside as damaged-00000020' train --data data --out run --resume --steps 21
check 0 'whole    checkpoint  run/checkpoints/step-00000021' verify run
damage run/checkpoints/step-00000021/model.safetensors 9000
check 1 'differ from the checksum' eval --model run/checkpoints/step-00000021 --data data
check 1 'differ from the checksum' train --data data --out new --init-from run/checkpoints/step-00000021 --steps 1
check 0 'new: step 1' train --data data --out new --init-from run/checkpoints/step-00000021 --steps 1 --verify none

finish
