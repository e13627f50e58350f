# SPDX-License-Identifier: Apache-2.0
# pkm data and pkm tokenizer train, ended at any moment: nothing half made under its final name, a
# sentence where one can be said, and a next run that gives what an undisturbed one gives.
. "$(dirname "$0")/common.sh"

mkdir corpus
for i in 1 2 3 4 5 6 7 8; do sentences 16000 "$i" >"corpus/$i.txt"; done

# check_made [all]: each file under its final name in the folder made is whole; all: and is there.
check_made() {
    for file in made/*; do
        case $file in *.tmp-* | 'made/*') continue ;; esac
        same "$file" "whole/${file##*/}" "$name, $when"
    done
    [ -z "$1" ] || diff -r whole made >&2 || fail "$name, $when: not what an undisturbed run makes"
}

# interrupt NAME LAST ARGS...: runs pkm ARGS --out DIR, whose last file is LAST; then again, ended by
# each signal at each tenth of the time that took.
interrupt() {
    name=$1 last=$2
    shift 2
    rm -rf whole
    start=$(date +%s%N)
    "$PKM" "$@" --out whole >out 2>err || fail "$name: $(cat err)"
    took=$(($(date +%s%N) - start))
    stopped=0 said=0
    for signal in INT TERM KILL; do
        for part in 1 2 3 4 5 6 7 8 9; do
            when="SIG$signal after $part tenths"
            rm -rf made
            "$PKM" "$@" --out made >out 2>err &
            pid=$!
            sleep "$(awk "BEGIN { print $part * $took / 1e10 }")"
            kill -$signal $pid 2>/dev/null
            wait $pid 2>/dev/null
            case $signal-$? in
            INT-130 | TERM-143)
                stopped=$((stopped + 1))
                # Nothing is said where the tool had not yet begun.
                [ "$(wc -l <err)" -le 1 ] || fail "$name, $when: says $(cat err)"
                grep -q '^pkm .*: .* cancelled$' err && said=$((said + 1))
                [ -z "$(ls -A made 2>/dev/null)" ] || fail "$name, $when: leaves $(ls -A made)"
                ;;
            KILL-137) stopped=$((stopped + 1)) ;;
            *-0) took=$((took * 3 / 4)) ;; # the machine has more time than before
            *) fail "$name, $when: $(cat err)" ;;
            esac
            [ ! -d made ] || check_made ''
            # What is left does not stand in the way, and goes.
            [ $signal = KILL ] || continue
            [ -e "made/$last" ] || "$PKM" "$@" --out made >out 2>err || fail "$name: again: $(cat err)"
            # A kill right after the last rename leaves the folder that it was renamed out of, empty.
            rmdir made/*.tmp-* 2>/dev/null
            check_made all
        done
    done
    [ $stopped -ge 9 ] && [ $said -ge 2 ] ||
        fail "$name: of 27 $stopped were stopped in time, $said with a word"
}

"$PKM" tokenizer train --vocab-size 400 --out tok corpus/1.txt >out 2>err || fail "$(cat err)"
interrupt tokenizer tokenizer.json tokenizer train --vocab-size 1000 corpus
interrupt data meta.json data --tokenizer tok --shard-tokens 20k corpus
finish
