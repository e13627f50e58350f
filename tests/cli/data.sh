# SPDX-License-Identifier: Apache-2.0
# pkm data: folders, duplicates, binary files, shards, refusals.
. "$(dirname "$0")/common.sh"

mkdir -p corpus/sub
for i in 1 2 3 4 5 6 7 8; do sentences 100 "$i" >"corpus/sub/$i.txt"; done
cp corpus/sub/1.txt corpus/copy.txt
printf 'a\000b' >corpus/binary
"$PKM" tokenizer train --vocab-size 300 --out tok corpus >out 2>err || fail "tokenizer: $(cat err)"

check 0 'training tokens' data --tokenizer tok --out d1 corpus
check 0 '"documents": 8, "duplicates": 1, "binary_files": 1' data --tokenizer tok --out d2 --threads 3 --json corpus
for file in meta.json tokenizer.json train-00000.bin val-00000.bin; do same d1/$file d2/$file "three threads"; done
same tok/tokenizer.json d1/tokenizer.json "the tokenizer goes with the data"
check 0 '' data --tokenizer tok --out d3 --shard-tokens 1000 --val-fraction 0.3 corpus
[ -f d3/train-00002.bin ] || fail "no third shard: $(ls d3)"

: >empty
table <<'END'
1 :: d1                         :: data --tokenizer tok --out d1 corpus
1 :: nowhere                    :: data --tokenizer tok --out d4 nowhere
1 :: nowhere                    :: data --tokenizer nowhere --out d4 corpus
2 :: --val-fraction is '0.9': expected a number from 0 to 0.5 :: data --tokenizer tok --out d4 --val-fraction 0.9 corpus
2 :: --tokenizer DIR is missing :: data --out d4 corpus
2 :: PATH... is missing         :: data --tokenizer tok --out d4
END
finish
