# SPDX-License-Identifier: Apache-2.0
# The frame of the tool: commands, options, help, completion, exit codes of wrong usage.
. "$(dirname "$0")/common.sh"

table <<'END'
0 :: usage: pkm COMMAND         ::
0 :: usage: pkm COMMAND         :: --help
0 :: usage: pkm COMMAND         :: -h
0 :: usage: pkm COMMAND         :: help
0 :: pkm 0.                     :: version
0 :: pkm 0.                     :: --version
0 :: usage: pkm train [options] :: help train
0 :: usage: pkm train [options] :: train --help
0 :: usage: pkm train [options] :: train -h
0 :: usage: pkm train [options] :: train --layers x --help
0 :: (required)                 :: train --help
0 :: --n-keys N                  :: train --help
0 :: --no-echo                  :: generate --help
0 :: tokenizer encode           :: tokenizer --help
0 :: --lines                    :: help tokenizer encode
0 :: "version"                  :: info --json
0 :: because                    :: info
0 :: complete -o default        :: completion bash
0 :: #compdef pkm               :: completion zsh
0 :: complete -c pkm            :: completion fish
2 :: did you mean 'train'?      :: trian
2 :: see 'pkm help'             :: xyzzy
2 :: unknown command '-x'       :: -x
2 :: did you mean 'tokenizer'?  :: help tokeniser
2 :: unexpected argument 'more' :: help train more
2 :: expected one of            :: tokenizer
2 :: did you mean 'encode'?     :: tokenizer encod
2 :: expected one of            :: bench
2 :: unknown option --jsno: did you mean --json? :: info --jsno
2 :: unknown option -j          :: info -j
2 :: unexpected argument 'x'    :: info x
2 :: bash|zsh|fish is missing   :: completion
2 :: unknown shell 'csh'        :: completion csh
2 :: --threads is '-1': expected a whole number from 0 to 1024 :: info --threads -1
2 :: --threads needs a value    :: info --threads
2 :: --threads is '1.5'         :: info --threads=1.5
2 :: (see 'pkm info --help')    :: info --threads=x
2 :: MODEL is missing           :: inspect
END

check 0 '"used": 3' info --json --threads 3
PKM_THREADS=2 check 0 '"used": 2' info --json
PKM_THREADS=2 check 0 '"used": 5' info --json --threads 5
PKM_THREADS=many check 2 "PKM_THREADS is 'many'" info
PKM_ISA=ref check 0 '"used": "ref"' info --json
PKM_ISA=sse9 check 2 "PKM_ISA is 'sse9'" info

# Help fits a terminal, and every number and choice has a default.
{ "$PKM" help --list; echo; } >commands
while read -r command; do
    # shellcheck disable=SC2086 # two words
    "$PKM" $command --help >help || fail "pkm $command --help: exit code $?"
    awk 'length > 80' help | grep . >&2 && fail "pkm $command --help is wider than 80 columns"
    awk '/^  --/ { entry() } /^  / { text = text " " $0 } /^[^ ]*$/ { entry() } END { entry() }
        function entry() {
            if (text ~ /^   --[a-z-]+ ([NX] |[^ ]*[|])/ && text !~ /default/) print text
            text = ""
        }' help | grep . >&2 && fail "pkm $command --help: no default"
done <commands

# Results that cannot be written are a failure; a reader that has seen enough is none of ours.
for stream in ">/dev/full" ">&-"; do
    eval "\"\$PKM\" info 2>err $stream" && fail "info $stream went unnoticed"
    grep -q '^pkm: cannot write to standard output: ' err || fail "info $stream: no word of it"
done
for sigpipe in - ''; do
    { trap "$sigpipe" PIPE; sleep 0.2; "$PKM" help train; echo $? >code; } 2>err | :
    [ "$(cat code)" -eq 141 ] && [ ! -s err ] || fail "a closed pipe: exit code $(cat code), $(cat err)"
done
# A file is never opened in the place of a closed stream.
"$PKM" info --json >out 2>&- <&- || fail "info without other streams"

finish
