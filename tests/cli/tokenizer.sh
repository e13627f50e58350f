# SPDX-License-Identifier: Apache-2.0
# pkm tokenizer train, encode and decode.
. "$(dirname "$0")/common.sh"

sentences 2000 1 >text.txt
check 0 'tok/tokenizer.json: 320 tokens' tokenizer train --vocab-size 320 --out tok text.txt
check 0 '320 tokens' tokenizer train --vocab_size=320 --out again --threads 3 text.txt
same tok/tokenizer.json again/tokenizer.json "three threads"

# Any bytes come back: text, an empty file, bytes that are not UTF-8, none at the end.
: >empty
printf 'caf\303\251 \377\000\376 and a line without end' >bytes
for file in text.txt empty bytes; do
    "$PKM" tokenizer encode --tokenizer tok "$file" >ids || fail "encode $file"
    "$PKM" tokenizer decode --tokenizer tok/tokenizer.json ids >back || fail "decode $file"
    same "$file" back "round trip"
    "$PKM" tokenizer encode --tokenizer tok <"$file" | "$PKM" tokenizer decode --tokenizer tok - >back
    same "$file" back "round trip through pipes"
done

"$PKM" tokenizer encode --tokenizer tok --lines text.txt >lines
[ "$(wc -l <lines)" -eq 2000 ] || fail "--lines gives $(wc -l <lines) lines"
"$PKM" tokenizer decode --tokenizer tok --lines lines >back
same text.txt back "round trip of lines"

echo '1 2 x' >bad
echo '1 320' >outside
echo '{"version": "1.0"}' >broken.json
table <<'END'
1 :: line 1: 'x' is not a token id :: tokenizer decode --tokenizer tok bad
1 :: 320                           :: tokenizer decode --tokenizer tok outside
1 :: nowhere                       :: tokenizer encode --tokenizer tok nowhere
1 :: nowhere                       :: tokenizer encode --tokenizer nowhere text.txt
1 :: broken.json                   :: tokenizer encode --tokenizer broken.json text.txt
1 :: nowhere                       :: tokenizer train --out t nowhere
2 :: --tokenizer DIR is missing    :: tokenizer encode text.txt
2 :: unexpected argument 'b'       :: tokenizer encode --tokenizer tok a b
2 :: --out DIR is missing          :: tokenizer train text.txt
2 :: PATH... is missing            :: tokenizer train --out t
2 :: --vocab-size is '100': expected a whole number from 257 :: tokenizer train --vocab-size 100 --out t text.txt
END
finish
