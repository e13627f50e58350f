# SPDX-License-Identifier: Apache-2.0
# The same bits of everything the tool makes (tokenizer, data set, weights, moments, log, scores,
# text) for 1 to 4 threads, and wherever memory lies and whatever it held: with the address space
# shuffled and not, another size of the environment, other settings of the allocator.
. "$(dirname "$0")/common.sh"

sentences 2000 1 >text.txt

# made: hashes of what was made here, and the logs, but for clocks; config.json and state.json repeat
# the option --threads.
made() {
    find . -type f ! -name metrics.jsonl ! -name config.json ! -name state.json \
        ! -name MANIFEST.json ! -name .lock | LC_ALL=C sort | xargs sha256sum
    sed 's/, "\(tok_per_s\|wall\|rss_mb\)": [0-9.e+-]*//g' ./*/metrics.jsonl
}

# run WHAT ARGS...: the tool under the launcher of this story.
run() {
    # shellcheck disable=SC2086 # a command and its arguments
    $launcher "$PKM" "$@" 2>err || fail "$story: pkm $*: $(cat err)"
}

# train RUN ARGS...
train() {
    name=$1
    shift
    run train --data data --out "$name" --steps 5 --layers 2 --dim 32 --attn-heads 2 --seq-len 16 \
        --batch 6 --n-keys 16 --topk 4 --key-dim 16 --dropout 0.1 --eval-every 3 --eval-tokens 500 \
        --log-every 1 "$@"
}

# tell STORY LAUNCHER...: makes everything in a folder of its own; leaves its hashes in STORY.made.
tell() {
    story=$1
    shift
    launcher=$*
    mkdir "$story" && cd "$story" || exit 1
    run tokenizer train --vocab-size 300 --out tok ../text.txt >/dev/null
    run data --tokenizer tok --out data ../text.txt >/dev/null
    train memory --memory-layers 1 --precision bf16 >/dev/null
    train memory-f32 --memory-layers 1 --precision f32 --value-optimizer adagrad >/dev/null
    train plain --memory-layers '' --precision bf16 >/dev/null
    train plain-f32 --memory-layers '' --precision f32 >/dev/null
    run eval --json --model memory --data data | sed 's/"tok_per_s": [0-9.e+-]*//' >scores
    run generate --model memory-f32 --prompt 'The ' --tokens 40 --seed 3 >text
    rm -f err
    made >"../$story.made"
    cd .. || exit 1
    rm -r "$story"
    same plain-run.made "$story.made" "$story"
}

tell plain-run env
for threads in 1 2 3 4; do
    tell "threads-$threads" env PKM_THREADS=$threads
done
tell shuffled-again env
tell large-environment env "FILLING=$(head -c 60000 /dev/zero | tr '\0' x)"
tell dirty-memory env MALLOC_PERTURB_=165 MALLOC_ARENA_MAX=1
tell small-mappings env MALLOC_MMAP_THRESHOLD_=4096 MALLOC_TOP_PAD_=0
# Where a container forbids to change the personality of a process, there is nothing to compare.
if setarch -R true 2>err; then
    tell not-shuffled setarch -R
else
    echo "SKIPPED: the address space not shuffled: $(cat err)" >&2
fi
finish
