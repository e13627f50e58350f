# SPDX-License-Identifier: Apache-2.0
# What a terminal gets and others do not: a progress line that is redrawn. Results are the same bytes
# everywhere, and alone on standard output.
. "$(dirname "$0")/common.sh"

escape=$(printf '\033')
sentences 2000 1 >text.txt

# at_terminal ENVIRONMENT COMMAND: runs a shell command at a terminal; what it shows is in screen.
at_terminal() {
    env -u NO_COLOR TERM=xterm $1 script -qefc "$2" /dev/null </dev/null | tr -d '\r' >screen
}

train="'$PKM' tokenizer train --vocab-size 300 text.txt"
at_terminal '' "$train --out tok"
grep -q "$escape\[Ktokenizer: " screen || fail "no line is redrawn at a terminal: $(cat -v screen)"
number=0
for quiet in NO_COLOR=1 TERM=dumb; do
    number=$((number + 1))
    at_terminal $quiet "$train --out tok$number"
    grep -q "$escape" screen && fail "$quiet: $(cat -v screen)"
done
at_terminal NO_COLOR= "$train --out tok3"
grep -q "$escape" screen || fail "an empty NO_COLOR counts: $(cat -v screen)"
at_terminal '' "$train --out tok4 2>err"
grep -q "$escape" err screen && fail "elsewhere: $(cat -v err screen)"

"$PKM" data --tokenizer tok --out data text.txt >out 2>err || fail "data: $(cat err)"
"$PKM" train --data data --out run --layers 1 --dim 16 --seq-len 16 --batch 2 --steps 2 >out 2>err ||
    fail "train: $(cat err)"
grep -q '^train: ' out && fail "progress among the results: $(cat out)"
[ "$(wc -l <out)" -eq 1 ] || fail "train prints: $(cat out)"
grep -q "$escape" err && fail "train: $(cat -v err)"
for command in "inspect run" "tokenizer encode --tokenizer tok text.txt" "help train" \
    "generate --model run --tokens 30"; do
    # shellcheck disable=SC2086 # several words
    "$PKM" $command >piped 2>err || fail "pkm $command: $(cat err)"
    [ -s err ] && fail "pkm $command: more than results: $(cat err)"
    at_terminal '' "'$PKM' $command"
    tr -d '\r' <piped >plain
    same plain screen "pkm $command at a terminal"
done
finish
