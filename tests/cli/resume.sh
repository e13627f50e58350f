# SPDX-License-Identifier: Apache-2.0
# pkm train, stopped in every way a process can be, and resumed: SIGKILL, signals twice, SIGSTOP, a
# moved folder, a second trainer, a run that is finished.
. "$(dirname "$0")/common.sh"

sentences 3000 1 >text.txt
"$PKM" tokenizer train --vocab-size 300 --out tok text.txt >out 2>err || fail "tokenizer: $(cat err)"
"$PKM" data --tokenizer tok --out data text.txt >out 2>err || fail "data: $(cat err)"
set -- --data data --layers 2 --dim 32 --attn-heads 2 --seq-len 16 --batch 4 --memory-layers 1 \
    --n-keys 16 --topk 4 --key-dim 16 --eval-every 20 --eval-tokens 500 --log-every 1 --warmup 0 \
    --checkpoint-every 10 --schedule constant

# result RUN: weights, moments, and the log without its clocks, as one hash.
result() {
    {
        cat "$1/model.safetensors" "$1/checkpoints/$(cat "$1/checkpoints/last")/optim.safetensors"
        sed 's/"\(tok_per_s\|wall\|rss_mb\)": [0-9.]*//g' "$1/metrics.jsonl"
    } | sha256sum
}

# start RUN ARGS...: trains in the background, until it has taken a step or ended; its id is $pid.
start() {
    run=$1
    shift
    : >"$run.err"
    "$PKM" train "$@" --out "$run" --resume >/dev/null 2>"$run.err" &
    pid=$!
    while ! grep -q 'train: [1-9][0-9]*/' "$run.err" && kill -0 $pid 2>/dev/null; do sleep 0.02; done
}

check 0 'step 200' train "$@" --out whole --steps 200
whole=$(result whole)

# Killed again and again, with another number of threads each time.
for threads in 1 2 3; do
    start killed "$@" --steps 200 --threads $threads
    sleep 0.1
    kill -KILL $pid 2>/dev/null
    wait $pid 2>/dev/null
    if [ -f killed/model.safetensors ]; then
        check 0 'loss' eval --model killed --data data --max-tokens 100
    fi
done
check 0 'step 200' train "$@" --out killed --steps 200 --resume
[ "$whole" = "$(result killed)" ] || fail "killed three times: another result"

# A second trainer is refused, and the first goes on; a killed one leaves no lock.
start locked "$@" --steps 100000
check 1 'another training is using this run folder' train "$@" --out locked --steps 200 --resume
kill -0 $pid || fail "the first trainer ended: $(cat locked.err)"
kill -KILL $pid
wait $pid 2>/dev/null
rm -r locked/checkpoints
rm -f locked/model.safetensors locked/config.json locked/tokenizer.json
check 0 'step 200' train "$@" --out locked --steps 200 --resume
[ "$whole" = "$(result locked)" ] || fail "after a lock: another result"

# Stopped and continued, nothing is lost; two signals at once end it without waiting.
start paused "$@" --steps 200
kill -STOP $pid
sleep 0.2
kill -CONT $pid
wait $pid || fail "SIGSTOP and SIGCONT: exit code $?"
[ "$whole" = "$(result paused)" ] || fail "SIGSTOP: another result"
start hurried "$@" --steps 100000
kill -STOP $pid
kill -INT $pid
kill -TERM $pid
kill -CONT $pid
wait $pid 2>/dev/null
code=$?
case $code in 130 | 143) ;; *) fail "two signals: exit code $code" ;; esac
grep -q 'to go on' hurried.err && fail "two signals: it went on to save"
mkdir elsewhere
mv hurried elsewhere/moved
step=$(sed -n '$s/.*"step": \([0-9]*\),.*/\1/p' elsewhere/moved/metrics.jsonl)
last=$((${step:-0} + 200))
check 0 "step $last" train "$@" --out elsewhere/moved --steps $last --resume
check 0 "step $last" train "$@" --out alone --steps $last
[ "$(result alone)" = "$(result elsewhere/moved)" ] || fail "two signals: another result"

# What is finished stays as it is.
check 0 'nothing to do: 200 of 200' train --data data --out whole --resume
[ "$whole" = "$(result whole)" ] || fail "a finished run was changed"
check 2 'batch x grad_accum' train --data data --out whole --resume --steps 500 --batch 8
finish
