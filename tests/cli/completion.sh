# SPDX-License-Identifier: Apache-2.0
# The completion scripts in the real shells, typed into at a terminal: what Tab makes of a line.
. "$(dirname "$0")/common.sh"

cat >lines <<'END'
tra                       => <train>
tokenizer enc             => <tokenizer><encode>
completion fi             => <completion><fish>
help vers                 => <help><version>
train --memory-m          => <train><--memory-mode>
generate --no-e           => <generate><--no-echo>
bench search --n-k        => <bench><search><--n-keys>
train --gate s            => <train><--gate><softmax>
train --gate=s            => <train><--gate=softmax>
bench train --gate s      => <bench><train><--gate><softmax>
data le                   => <data><letter.txt>
train --config le         => <train><--config><letter.txt>
train --dim le            => <train><--dim><le>
train le                  => <train><le>
generate --prompt le      => <generate><--prompt><le>
END
: >letter.txt

# typed LINE: what stands before the arrow.
typed() {
    echo "$1" | sed 's/ *=> .*//'
}

# missing SHELL: whether a shell is not installed; says so.
missing() {
    command -v "$1" >/dev/null && return 1
    echo "SKIPPED: $1 is not installed" >&2
}

# said_after N: waits until N answers have come, a minute at most.
said_after() {
    tries=600
    while [ "$(tr -d '\r' <screen | grep -c '^<.*>$')" -lt "$1" ] && [ $tries -gt 0 ]; do
        sleep 0.1
        tries=$((tries - 1))
    done
}

# at_terminal SHELL SETUP: types SETUP and each line with a Tab into SHELL, where pkm prints its
# arguments.
at_terminal() {
    : >screen
    {
        echo "$2; PS1=; pkm() { printf '<%s>' \"\$@\"; echo; }; pkm ready"
        said_after 1
        answers=1
        while read -r line; do
            printf 'pkm %s\t\n' "$(typed "$line")"
            answers=$((answers + 1))
            said_after $answers
        done <lines
        echo exit
    } | TERM=dumb timeout 120 script -qefc "$1" /dev/null >screen
    tr -d '\r' <screen | grep '^<.*>$' | sed 1d >answers
    sed 's/.*=> //' lines | diff - answers >&2 || fail "completion in $1"
}

"$PKM" completion bash >pkm.bash
bash -n pkm.bash || fail "bash does not parse its script"
at_terminal 'bash --norc --noprofile -i' 'bind "set enable-bracketed-paste off"; . ./pkm.bash'

if ! missing zsh; then
    mkdir functions
    "$PKM" completion zsh >functions/_pkm
    zsh -n functions/_pkm || fail "zsh does not parse its script"
    at_terminal 'zsh -f -i' "fpath=($PWD/functions \$fpath); autoload -Uz compinit; compinit -u -d dump"
    at_terminal 'zsh -f -i' 'autoload -Uz compinit; compinit -u -d dump2; source functions/_pkm'
fi

if ! missing fish; then
    "$PKM" completion fish >pkm.fish
    fish --no-execute pkm.fish || fail "fish does not parse its script"
    # fish says what it offers; a line that ends as typed is one without an offer.
    while read -r line; do
        typed=$(typed "$line")
        HOME=$PWD fish -c "source pkm.fish; complete -C 'pkm $typed'" >offers 2>err || fail "fish: $(cat err)"
        [ -s err ] && fail "fish: $(head -n 3 err)"
        case $line in
        *"${typed##* }>") [ ! -s offers ] || fail "fish offers after pkm $typed: $(cat offers)" ;;
        *) [ "$(cut -f 1 offers)" = "$(echo "$line" | sed 's/.*<//; s/>//')" ] ||
            fail "fish offers after pkm $typed: $(cat offers)" ;;
        esac
    done <lines
fi
finish
