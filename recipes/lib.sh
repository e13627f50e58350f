# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the recipes of docs/experiments.md share: sourced, never run. A recipe calls
#
#   recipe "$@"                  reads the command line, builds, makes the folders
#   corpus linux                 makes a data set
#   run NAME CORPUS OPTIONS...   trains a model from every seed
#   tables                       times all models in turn; table, plot and page of all runs
#
# and can be stopped and called again at any point: what is finished is not done again.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
recipe=$(basename "$0")
seeds=1          # a recipe may set more before it calls recipe
runs=()          # names, in the order of the table
declare -A model # of a run: the options of its model
declare -A paper # of a run: what the paper has there; a recipe may fill it in

# The small model of all recipes but the first, and a memory of n^2 slots in its third block.
small=(--layers 4 --dim 128 --lr 6e-3)
third=(--memory-layers 2 --topk 32)

recipe() {
    local usage="usage: recipes/$recipe [--quick] [--seeds N] [--out DIR]

  --quick    tiny models, a few steps, pkm's own source as text: shows that it works
  --seeds N  each model from seeds 1 to N (default $seeds)
  --out DIR  where corpora, runs and tables of all recipes go (default build/recipes)"

    quick=false home=$root/build/recipes
    while [[ $# -gt 0 ]]; do
        case $1,$# in
            --quick,*) quick=true ;;
            --seeds,[!1]*) seeds=$2 && shift ;;
            --out,[!1]*) home=$(realpath -m "$2") && shift ;;
            --help,*) echo "$usage" && exit ;;
            *) echo "$usage" >&2 && exit 2 ;;
        esac
        shift
    done
    [[ $seeds =~ ^[1-9][0-9]?$ ]] || { echo "$usage" >&2 && exit 2; }
    cd "$root"
    source scripts/lib.sh
    need_packages jq
    pkm=${PKM:-} # a test's
    [[ -n $pkm ]] || { scripts/build && pkm=$root/build/release/pkm; }
    length=(--tokens 5M --eval-every 500 --eval-tokens 262144 --log-every 20 --batch 16)
    if $quick; then
        home=$home/quick
        length=(--tokens 4096 --eval-every 8 --eval-tokens 1024 --log-every 4 --batch 2)
    fi
    out=$home/$recipe
    mkdir -p "$out/runs" "$out/speed"
}

# corpus linux|manuals: text, tokenizer and data set in $home/NAME; with --quick, of pkm's source.
corpus() {
    local folder=$home/$1 vocab_size=4096

    [[ ! -e $folder/data/meta.json ]] || return 0
    rm -rf "$folder" && mkdir -p "$folder" # what a stop has left half made
    if $quick; then
        vocab_size=512
        cp -r src "$folder/corpus"
    else
        "recipes/$1-corpus" "$folder/corpus"
    fi
    "$pkm" tokenizer train --vocab-size $vocab_size --out "$folder/tokenizer" "$folder/corpus"
    "$pkm" data --tokenizer "$folder/tokenizer" --val-fraction 0.02 --out "$folder/data" \
        "$folder/corpus"
}

# shrunk OPTIONS...: with --quick sizes are an eighth, and lengths those of `length`.
shrunk() {
    local word option=

    for word; do
        if $quick; then
            case $option in
                --dim | --n-keys | --topk) word=$((word / 8)) ;;
                --tokens) word=${length[1]} ;;
            esac
        fi
        echo "$word"
        option=$word
    done
}

# folder NAME SEED: of a run; the name is also what plots say.
folder() {
    echo "$out/runs/$1$([[ $2 == 1 ]] || echo ", seed $2")"
}

# run NAME CORPUS OPTIONS...: options given here win over those of `length`. A run that another recipe
# has finished with the same options is taken over. Of a finished one the model and the log are kept.
run() {
    local run=$1 corpus=$2 seed options
    shift 2

    mapfile -t options < <(shrunk "$@")
    runs+=("$run")
    model[$run]=${options[*]}
    for ((seed = 1; seed <= seeds; seed++)); do
        train "$(folder "$run" "$seed")" "$corpus" "${length[@]}" "${options[@]}" --seed "$seed"
    done
}

# train FOLDER CORPUS OPTIONS...
train() {
    local folder=$1 corpus=$2 twin
    shift 2

    if [[ -e $folder/finished ]]; then
        [[ $(<"$folder/finished") == "$corpus $*" ]] && return
        echo "$folder was trained with other options: remove it" >&2
        exit 1
    fi
    twin=$(grep -rlxF -e "$corpus $*" --include=finished "$home"/*/runs | head -n 1 || true)
    if [[ -n $twin ]]; then
        rm -rf "$folder" && cp -al "${twin%/*}" "$folder"
        return
    fi
    echo "== ${folder#"$home"/}" >&2
    "$pkm" train --data "$home/$corpus/data" --out "$folder" --resume --keep-checkpoints 1 "$@"
    echo "$corpus $*" >"$folder/finished"
    rm -rf "$folder/checkpoints" # links beside it keep the model
}

# timed NAME OPTIONS...: a row of the table that is timed, not trained.
timed() {
    local options

    mapfile -t options < <(shrunk "${@:2}")
    runs+=("$1")
    model[$1]=${options[*]}
}

# Tokens/s of training and scoring random tokens, in rounds in which all models take turns: speeds
# of runs that hours lie between cannot be compared.
speed() {
    local rounds=3 vocab_size=4096 repeats=10 round run what file

    if $quick; then rounds=1 vocab_size=512 repeats=1; fi
    for ((round = 1; round <= rounds; round++)); do
        for run in "${runs[@]}"; do
            for what in train score; do
                file=$out/speed/$run.$what
                touch "$file"
                [[ $(wc -l <"$file") -lt $round ]] || continue
                # shellcheck disable=SC2086 # a list of options
                "$pkm" bench "$what" --json --vocab-size $vocab_size --runs $repeats \
                    --batch "${length[-1]}" ${model[$run]} |
                    jq -c 'select(.figure == "step" or .figure == "score") |
                        {tok_per_s: .items_per_s, flops: (.flops / .items)}' >>"$file"
            done
        done
    done
}

# figures RUN...: a line of JSON for each training: what its log, its model and the timings tell.
figures() {
    local run seed folder log facts

    for run; do
        for ((seed = 1; seed <= seeds; seed++)); do
            folder=$(folder "$run" "$seed") log=/dev/null facts={} # of one that is only timed
            if [[ -d $folder ]]; then
                log=$folder/metrics.jsonl facts=$("$pkm" inspect "$folder" --json)
            fi
            jq -cn --arg run "$run" --arg paper "${paper[$run]:-}" \
                --slurpfile log "$log" --argjson facts "$facts" \
                --slurpfile train "$out/speed/$run.train" --slurpfile score "$out/speed/$run.score" '
                def median(key): map(key) | sort | .[length / 2 | floor];
                ($log | map(select(.val_loss)) | last) + {$run, $paper,
                    parameters: $facts.parameters,
                    train: ($train | median(.tok_per_s)), score: ($score | median(.tok_per_s)),
                    train_flops: $train[0].flops, score_flops: $score[0].flops}'
        done
    done
}

# draw NAME RUN...: NAME.jsonl, NAME.md and NAME.svg: figures, table and plot of these runs.
draw() {
    local name=$1 run trained=()
    shift

    figures "$@" >"$out/$name.jsonl"
    jq -rsf recipes/table.jq "$out/$name.jsonl" | tee "$out/$name.md"
    for run; do
        [[ ! -d $out/runs/$run ]] || trained+=("$out/runs/$run")
    done
    [[ ${#trained[@]} -eq 0 ]] || "$pkm" plot --over tokens -o "$out/$name.svg" "${trained[@]}"
}

# Times all runs, then all.jsonl, all.md and all.svg of them, and their page, report.html.
tables() {
    speed
    draw all "${runs[@]}"
    "$pkm" report --over tokens -o "$out/report.html" "$out/runs"
}
