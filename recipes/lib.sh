# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the recipes of docs/experiments.md share: sourced, never run. A recipe calls
#
#   recipe "$@"                  reads the command line, builds, makes the folders
#   corpus linux                 makes a data set
#   run NAME CORPUS OPTIONS...   trains a model from every seed
#   tables                       times all models in turn; table.md, plot.svg, report.html
#
# and can be stopped and called again at any point: what is finished is not done again.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
pkm=$root/build/release/pkm
name=$(basename "$0")
seeds=1
runs=()          # names, in the order of the table
declare -A model # of a run: the options of its model
declare -A paper # of a run: what the paper has there; a recipe may fill it in

recipe() {
    local usage="usage: recipes/$name [--quick] [--seeds N] [--out DIR]

  --quick    tiny models, a few steps, pkm's own source as text: shows that it works
  --seeds N  each model from seeds 1 to N (default $seeds)
  --out DIR  where corpora, runs and tables of all recipes go (default build/recipes)"

    quick=false home=$root/build/recipes
    while [[ $# -gt 0 ]]; do
        case $1 in
            --quick) quick=true ;;
            --seeds) seeds=${2:-} && shift ;;
            --out) home=$(realpath -m "${2:-}") && shift ;;
            --help) echo "$usage" && exit ;;
            *) echo "$usage" >&2 && exit 2 ;;
        esac
        shift
    done
    [[ $seeds =~ ^[1-9][0-9]?$ ]] || { echo "$usage" >&2 && exit 2; }
    cd "$root"
    source scripts/lib.sh
    need_packages jq
    scripts/build
    if $quick; then home=$home/quick; fi
    out=$home/$name
    mkdir -p "$out/runs" "$out/speed"
}

# size N: N, or an eighth of it with --quick.
size() {
    if $quick; then echo $(($1 / 8)); else echo "$1"; fi
}

# corpus linux|manuals: text, tokenizer and data set in $home/NAME; with --quick, of pkm's source.
corpus() {
    local folder=$home/$1

    [[ ! -e $folder/data/meta.json ]] || return 0
    mkdir -p "$folder"
    case $quick,$1 in
        true,*) cp -r src "$folder/corpus" ;;
        *,linux) recipes/linux-corpus "$folder/corpus" 120 ;;
        *,manuals) recipes/manuals-corpus "$folder/corpus" ;;
    esac
    "$pkm" tokenizer train --vocab-size "$(size 4096)" --out "$folder/tokenizer" "$folder/corpus"
    "$pkm" data --tokenizer "$folder/tokenizer" --val-fraction 0.02 --out "$folder/data" \
        "$folder/corpus"
}

# run NAME CORPUS OPTIONS...: options given here win over the shared ones. One that another recipe
# has finished with the same options is taken over. In the end the model and the log are kept.
run() {
    local run=$1 data=$home/$2/data length seed folder line twin
    shift 2

    runs+=("$run")
    model[$run]="--batch $(size 16) $*"
    if $quick; then
        length='--tokens 4096 --eval-every 8 --eval-tokens 1024 --log-every 4'
    else
        length='--tokens 5M --eval-every 500 --eval-tokens 262144 --log-every 20'
    fi
    for ((seed = 1; seed <= seeds; seed++)); do
        folder=$out/runs/$run/$seed
        [[ ! -e $folder/finished ]] || continue
        line="$data $length ${model[$run]} --seed $seed"
        twin=$(grep -rlxF -e "$line" --include=finished "$home"/*/runs | head -n 1 || true)
        if [[ -n $twin ]]; then
            rm -rf "$folder" && mkdir -p "${folder%/*}" && cp -al "${twin%/*}" "$folder"
            continue
        fi
        echo "$run, seed $seed" >&2
        # shellcheck disable=SC2086 # lists of options
        "$pkm" train --data $line --out "$folder" --resume --keep-checkpoints 1
        rm -rf "$folder/checkpoints" # the links beside it keep the model
        echo "$line" >"$folder/finished"
    done
}

# Tokens/s of training and scoring on random tokens: medians of rounds in which all models take
# turns, as runs that the day lies between cannot be compared.
speed() {
    local rounds=3 round run what file

    if $quick; then rounds=1; fi
    for ((round = 1; round <= rounds; round++)); do
        for run in "${runs[@]}"; do
            for what in train score; do
                file=$out/speed/$run.$what
                touch "$file"
                [[ $(wc -l <"$file") -lt $round ]] || continue
                # shellcheck disable=SC2086 # a list of options
                "$pkm" bench "$what" --json --vocab-size "$(size 4096)" ${model[$run]} |
                    jq -c 'select(.figure == "step" or .figure == "score") |
                        {tok_per_s: .items_per_s, flops: (.flops / .items)}' >>"$file"
            done
        done
    done
}

# A line of JSON for each finished training: what its log, its model and the timings tell.
figures() {
    local run seed folder

    for run in "${runs[@]}"; do
        for ((seed = 1; seed <= seeds; seed++)); do
            folder=$out/runs/$run/$seed
            jq -cn --arg run "$run" --arg paper "${paper[$run]:-}" \
                --slurpfile log "$folder/metrics.jsonl" \
                --slurpfile model <("$pkm" inspect "$folder" --json) \
                --slurpfile train "$out/speed/$run.train" --slurpfile score "$out/speed/$run.score" '
                def median(key): map(key) | sort | .[length / 2 | floor];
                ($log | map(select(.val_loss)) | last) + {$run, $paper,
                    parameters: $model[0].parameters,
                    train: ($train | median(.tok_per_s)), score: ($score | median(.tok_per_s)),
                    flops: $train[0].flops}'
        done
    done
}

# table.md of the figures, plot.svg and report.html of the runs.
tables() {
    local folders=("${runs[@]/#/$out/runs/}")

    speed
    figures >"$out/figures.jsonl"
    jq -rsf recipes/table.jq "$out/figures.jsonl" | tee "$out/table.md"
    "$pkm" plot --over tokens -o "$out/plot.svg" "${folders[@]/%//1}"
    "$pkm" report --over tokens -o "$out/report.html" "$out/runs"
}
