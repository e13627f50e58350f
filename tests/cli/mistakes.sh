# SPDX-License-Identifier: Apache-2.0
# What a user can get wrong: each row of mistakes.txt, then disks that are full, streams that are
# closed, and interrupted work.
rows=$(realpath "$(dirname "$0")")/mistakes.txt
. "$(dirname "$0")/common.sh"

# The place of the rows; what the tool says is kept beside it.
chmod 755 .
mkdir -p place/corpus && cd place || exit 1
sentences 400 1 >text.txt
sentences 400 2 | tr aeiou eioua >other.txt
for i in 1 2 3 4 5 6 7 8 9; do sentences 60 "$i" >"corpus/$i.txt"; done
make() { "$PKM" "$@" >../out 2>../err || fail "pkm $*: $(cat ../err)"; }
make tokenizer train --vocab-size 320 --out tok text.txt
make tokenizer train --vocab-size 320 --out tok2 other.txt
make tokenizer train --vocab-size 300 --out tok-small text.txt
make data --tokenizer tok --out data --val-fraction 0.2 corpus
make data --tokenizer tok2 --out data2 --val-fraction 0.2 corpus
make data --tokenizer tok-small --out data-small --val-fraction 0.2 corpus
make train --data data --out run --layers 6 --dim 16 --seq-len 16 --batch 2 --steps 3 \
    --memory-layers 5 --n-keys 8 --topk 2
cp -r run damaged && rm damaged/model.safetensors
head -c 3000 run/model.safetensors >damaged/model.safetensors
make quantize --model run --out run8
cp -r data broken-data
head -c 2000 data/train-00000.bin >broken-data/train-00000.bin
: >empty
mkdir nothing
head -c 2000000 /dev/zero >zeros
printf 'a\0b' >binary
printf '1 2\n3\n4 x\n' >ids
printf '1 2\n3 320\n' >outside
mkdir broken-log empty-log
printf '{"step": 1, "tokens": 8, "loss": 2.5}\n{"step": 2, "tokens": 16, "loss": "low"}\n' >broken-log/metrics.jsonl
: >empty-log/metrics.jsonl
echo '{"layers": "three"}' >wrong.json
echo '{"layres": 3}' >unknown.json

# state: names, sizes and times of all files.
state() {
    ls -lAR --time-style=full-iso
}

# trim TEXT: without blanks around it.
trim() {
    printf '%s\n' "$1" | sed 's/^ *//; s/ *$//'
}

# mistake NAME CODE PARTS COMMAND: one row, under the present conditions ($as runs it as someone,
# $leaves names what may change).
mistake() {
    state >../before
    eval "env $as $(printf "%s\n" "$4" | sed -n 's/^\(PKM_[A-Z]*=[^ ]*\) .*/\1/p') \"\$PKM\" ${4#PKM_*=* }" \
        </dev/null >../out 2>../err
    code=$?
    [ $code -eq "$2" ] || fail "$1: exit code $code, expected $2: $(head -n 3 ../err)"
    [ -s ../out ] && fail "$1: on standard output: $(head -n 3 ../out)"
    [ "$(wc -l <../err)" -eq 1 ] || fail "$1: not one sentence: $(head -n 5 ../err)"
    case $(cat ../err) in pkm*:*) ;; *) fail "$1: who speaks? $(cat ../err)" ;; esac
    rest=$(cat ../err) parts=$3
    while [ -n "$parts" ]; do
        part=${parts%% ... *}
        [ "$part" = "$parts" ] && parts='' || parts=${parts#* ... }
        case $rest in
        *"$part"*) rest=${rest#*"$part"} ;;
        *) fail "$1: '$part' is not in: $(cat ../err)" ;;
        esac
    done
    state >../after
    [ "$leaves" = yes ] || cmp -s ../before ../after || fail "$1: changed $(diff ../before ../after)"
}

as='' leaves='' skip='' count=0
while read -r line; do
    case $line in
    '' | '#'*) continue ;;
    '@ anyone') as='' leaves='' skip='' ;;
    '@ tidies the run') as='' leaves=yes skip='' ;;
    '@ without rights')
        as='' leaves='' skip=''
        echo '{}' >secret && mkdir -p closed locked mine && cp run/config.json closed
        chmod 777 mine && chmod 555 locked && chmod 000 closed secret
        [ "$(id -u)" -ne 0 ] || as='setpriv --reuid=65534 --regid=65534 --clear-groups'
        $as "$PKM" version >../out 2>../err || skip="$(cat ../err)"
        [ -z "$skip" ] || echo "SKIPPED: rows '$line': $skip" >&2
        ;;
    *' :: '*' :: '*' :: '*)
        [ -z "$skip" ] || continue
        rest=${line#* :: }
        mistake "$(trim "${line%% :: *}")" "$(trim "${rest%% :: *}")" \
            "$(trim "$(printf "%s\n" "${rest#* :: }" | sed 's/ :: .*//')")" "$(printf "%s\n" "$line" | sed 's/.* :: //')"
        count=$((count + 1))
        ;;
    *) fail "no row: $line" ;;
    esac
done <"$rows"
echo "$count rows"
finish
