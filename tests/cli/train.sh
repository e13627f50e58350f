# SPDX-License-Identifier: Apache-2.0
# pkm train: a run, its files, resuming to the same bits, signals, configurations, refusals.
. "$(dirname "$0")/common.sh"

sentences 3000 1 >text.txt
"$PKM" tokenizer train --vocab-size 300 --out tok text.txt >out 2>err || fail "tokenizer: $(cat err)"
"$PKM" data --tokenizer tok --out data text.txt >out 2>err || fail "data: $(cat err)"

# The schedules do not depend on the length of the run, so that runs of any length can be compared.
set -- --data data --layers 2 --dim 32 --attn-heads 2 --seq-len 16 --batch 4 --memory-layers 1 \
    --n-keys 16 --topk 4 --key-dim 16 --eval-every 6 --eval-tokens 500 --log-every 2 --warmup 0 \
    --schedule constant --value-schedule constant

# bits RUN: a hash of weights and moments.
bits() {
    cat "$1/model.safetensors" "$1/checkpoints/$(cat "$1/checkpoints/last")/optim.safetensors" |
        sha256sum
}

check 0 'whole: step 12' train "$@" --out whole --steps 12 --threads 1
grep -q '; threads: 1 (lib.*omp' err || fail "the start does not tell threads and runtime: $(head -n 1 err)"
for file in config.json model.safetensors tokenizer.json checkpoints/last checkpoints/best; do
    [ -s "whole/$file" ] || fail "whole/$file is missing"
done
[ "$(grep -c '"lr"' whole/metrics.jsonl)" -eq 6 ] || fail "the log is $(cat whole/metrics.jsonl)"
grep -q '"val_perplexity".*"memory"' whole/metrics.jsonl || fail "no evaluation in the log"

# In two parts, for one thread and two: the same bits. --resume starts a run that is not there.
for threads in 1 2; do
    check 0 'step 5' train "$@" --out parts$threads --steps 5 --threads $threads --resume
    check 0 'step 12' train --data data --out parts$threads --steps 12 --threads $threads --resume
    [ "$(bits whole)" = "$(bits parts$threads)" ] || fail "parts with $threads threads: other bits"
done

# A signal: the step is finished and saved, the command to go on is told, and it leads to the bits of
# a run that was left alone.
for signal in TERM INT; do
    rm -f err
    "$PKM" train "$@" --out $signal --steps 100000 --eval-every 0 >out 2>err &
    pid=$!
    while ! grep -q 'train: [1-9][0-9]*/' err 2>/dev/null && kill -0 $pid; do sleep 0.1; done
    kill -$signal $pid
    wait $pid
    code=$?
    [ $code -eq "$([ $signal = TERM ] && echo 143 || echo 130)" ] || fail "SIG$signal: exit code $code"
    resume=$(sed -n 's/^to go on: //p' err)
    step=$(sed -n 's/.*stopped at step \([0-9]*\) .*/\1/p' err)
    [ "${step:-0}" -ge 1 ] || fail "SIG$signal: no step was saved: $(cat err)"
    eval "$resume --steps $((step + 2))" >out 2>err || fail "SIG$signal: $resume: $(cat err)"
    check 0 "step $((step + 2))" train "$@" --out left-alone-$signal --steps $((step + 2)) --eval-every 0
    [ "$(bits $signal)" = "$(bits left-alone-$signal)" ] || fail "SIG$signal: other bits after resuming"
done

# Options from everywhere: a file, the environment, the command line, in this order of strength.
printf '{"layers": 3, "dim": 64, "topk": 8}' >config.json
PKM_DIM=96 PKM_TOPK=9 "$PKM" train --config config.json --topk 10 --print-config >printed.json
for part in '"layers": 3,' '"dim": 96,' '"topk": 10,' '"n_keys": 256,'; do
    grep -q "$part" printed.json || fail "$part is not in $(cat printed.json)"
done
"$PKM" train --config printed.json --print-config | cmp -s - printed.json ||
    fail "a printed configuration is read back otherwise"

check 0 'step 2' train "$@" --out continued --init-from whole --steps 2
# What shapes the model comes with it, and stays with the run.
check 0 'step 2' train --data data --out adopted --init-from whole --batch 4 --steps 2
grep -q '"layers": *2\b' adopted/config.json || fail "its options: $(cat adopted/config.json)"
check 0 'step 3' train --data data --out adopted --resume --steps 3
check 0 'step 4' train --data data --out adopted --init-from whole --batch 4 --steps 4 --resume
check 0 'step 2' train --data data --out plain --layers 1 --dim 16 --seq-len 8 --batch 2 --steps 2 \
    --precision f32 --eval-every 0

# A data set of the same vocabulary size, whose ids mean something else.
sentences 3000 2 | tr aeiou eioua >other.txt
"$PKM" tokenizer train --vocab-size 300 --out tok2 other.txt >out 2>err || fail "tokenizer: $(cat err)"
"$PKM" data --tokenizer tok2 --out data2 other.txt >out 2>err || fail "data: $(cat err)"

cp -r whole broken
rm -r broken/checkpoints/step-*
echo '{"layers": "three"}' >wrong.json
echo '{"layres": 3}' >unknown.json
: >empty.json
table <<'END'
1 :: whole: holds a run              :: train --data data --out whole --steps 2
2 :: dim differs                     :: train --data data --out whole --resume --dim 16
2 :: dim differs                     :: train --data data --out c2 --init-from whole --dim 16
1 :: nowhere                         :: train --data nowhere --out r
1 :: nowhere                         :: train --data data --out r --init-from nowhere
2 :: another tokenizer               :: train --data data2 --out c3 --init-from whole
1 :: nowhere.json                    :: train --data data --out r --config nowhere.json
1 :: wrong.json: layers is '"three"' :: train --data data --out r --config wrong.json
1 :: did you mean layers?            :: train --data data --out r --config unknown.json
1 :: empty.json                      :: train --data data --out r --config empty.json
2 :: --data DIR is missing           :: train --out r
2 :: --out RUN is missing            :: train --data data
2 :: steps, tokens and epochs        :: train --data data --out r --steps 2 --tokens 2k
2 :: --topk is '0'                   :: train --data data --out r --topk 0
2 :: topk                            :: train --data data --out r --memory-layers 0 --n-keys 8 --topk 9
2 :: memory_layers                   :: train --data data --out r --memory-layers 9
2 :: --gate is 'tanh': expected one of softmax|relu|raw :: train --data data --out r --gate tanh
2 :: did you mean --memory-layers?   :: train --data data --out r --memory-layer 1
2 :: unexpected argument 'x'         :: train --data data --out r x
END
# A rate and a decay that multiply weights by -99: each policy ends, and says what it did before.
diverging='--steps 60 --lr 10 --weight-decay 10 --clip 0 --precision f32 --eval-every 0'
# shellcheck disable=SC2086 # several words
for policy in stop skip rewind; do
    check 4 'try a lower --lr' train "$@" --out to-$policy $diverging --on-nan $policy
    grep -q '^pkm train: step [0-9]*: ' err || fail "$policy: $(cat err)"
done
[ "$(grep -c 'passed over: step' err)" -eq 0 ] || fail "rewind: $(cat err)"
[ "$(grep -c 'back at step 0, on with other data: step' err)" -eq 3 ] || fail "rewind: $(cat err)"
[ "$(grep -c '"event": "skip"' to-skip/metrics.jsonl)" -ge 10 ] || fail "the log: $(cat to-skip/metrics.jsonl)"
[ "$(grep -c '"event": "rewind"' to-rewind/metrics.jsonl)" -eq 1 ] || fail "the log is not cut"

PKM_LAYERS=none check 2 "PKM_LAYERS is 'none'" train --data data --out r
check 3 'GiB' train --data data --out huge --memory-layers 0 --n-keys 16384 --steps 1
finish
