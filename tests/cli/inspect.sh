# SPDX-License-Identifier: Apache-2.0
# pkm inspect --text: the table, the JSON, the page, and the page in a browser where there is one.
. "$(dirname "$0")/common.sh"

sentences 3000 1 >text.txt
sentences 40 2 >read.txt
"$PKM" tokenizer train --vocab-size 320 --out tok text.txt >out 2>err || fail "tokenizer: $(cat err)"
"$PKM" data --tokenizer tok --out data text.txt >out 2>err || fail "data: $(cat err)"
memory='--n-keys 16 --topk 4 --memory-layers'
for run in "run --layers 2 $memory 0,1" "plain --layers 1"; do
    # shellcheck disable=SC2086 # several words
    "$PKM" train --data data --dim 32 --seq-len 32 --batch 8 --steps 30 --out $run >out 2>err ||
        fail "train: $(cat err)"
done

# A table, the same for any number of threads.
check 0 'memory of layer 1: ' inspect run --text read.txt
cp out one
grep -q '^slot [0-9]*: rank [0-9]*, mass [0-9.]*, read by [0-9]* tokens, [0-9]* distinct$' out ||
    fail "no slot in: $(said)"
grep -q '^   0\.[0-9]*  .*«.*».*$' out || fail "no context in: $(said)"
check 0 'memory of layer 1: ' inspect run --text read.txt --threads 3
same one out "inspecting with three threads"
check 0 '10 tokens of ' inspect run --text read.txt --layer 1 --max-tokens 10 --top 1 --contexts 1
grep -q 'memory of layer 0' out && fail "--layer 1 tells of layer 0"

check 0 '"file": "read.txt"' inspect run --text read.txt --json
[ -s err ] && fail "beside the JSON: $(cat err)"
check 0 '"memory": [{"layer": 0, "n_keys": 16, "heads": ' inspect run --text read.txt --json

# Text must neither steer a terminal nor the page that holds it.
printf '</script><script>x</script><!-- \033[2J \302\233 \377 caf\303\251\r\n' >'<b>.txt'
check 0 '«' inspect run --text '<b>.txt'
LC_ALL=C tr -d '\n -~\200-\377' <out | grep . >&2 && fail "control characters: $(cat -v out)"
LC_ALL=C grep -q "$(printf '\302\233')" out && fail "a control character of two bytes: $(cat -v out)"
check 0 'page.html: ' inspect run --text '<b>.txt' --html page.html
[ "$(grep -c '</script>' page.html)" -eq 2 ] || fail "scripts in the page: $(grep -c '</script>' page.html)"
grep -q '"file": "\\u003cb>.txt"' page.html || fail "no report in the page"
grep -E '@[A-Z]+@|https?://' page.html >&2 && fail "the page is not whole, or not alone"

# It replaces a page, and leaves nothing of one that fails.
cp page.html before.html
check 1 'nowhere.txt' inspect run --text nowhere.txt --html page.html
same page.html before.html "a page after a failure"
(
    failures=0
    ulimit -f 4
    check 1 'page.html: cannot write: File too large' inspect run --text read.txt --html page.html
    exit "$((failures > 0))"
) || failures=$((failures + 1))
same page.html before.html "a page after a full disk"
check 0 'page.html: ' inspect run --text read.txt --html page.html
cmp -s page.html before.html && fail "the page was not replaced"
ls page.html.part 2>/dev/null && fail "a part is left"
table <<'END'
1 :: the model has no memory :: inspect plain --text read.txt
2 :: block 5 has no memory   :: inspect run --text read.txt --layer 5
END

# In a browser: the address chooses a memory, a slot and a token; text stays text.
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome || :)
if [ -z "$browser" ]; then
    echo "SKIPPED: the page in a browser: no chromium" >&2
    finish
fi
# browsed PAGE ADDRESS: what stands in the page after its script ran, in dom.
browsed() {
    HOME=$WORK timeout 120 "$browser" --headless --no-sandbox --disable-gpu --user-data-dir="$WORK/browser" \
        --dump-dom "file://$WORK/$1#$2" >dom 2>browser.log || fail "the browser: $(tail -n 3 browser.log)"
}
# holds TEXT: dom does.
holds() {
    grep -qF -e "$1" dom || fail "'$1' is not in the page: $(grep -o '<h2 id="[^>]*>[^/]*' dom | head -n 5)"
}
"$PKM" inspect run --text '<b>.txt' --html page.html >out 2>err || fail "$(cat err)"
browsed page.html ''
holds '<title>&lt;b&gt;.txt: what the memory reads</title>'
holds 'aria-checked="true">layer 0</button>'
holds '<mark>'
[ "$(grep -c '<script>x' dom)" -eq 0 ] || fail "text became a script"
slot=$("$PKM" inspect run --text '<b>.txt' --json | sed -n 's/.*"layer": 1,.*//; s/^{"slot": \([0-9]*\), "rank": 2,.*/\1/p' | tail -n 1)
browsed page.html "layer=1&slot=$slot&token=3"
holds 'aria-checked="true">layer 1</button>'
holds "<h2 id=\"slot-title\">Slot $slot<"
holds '<p id="token-facts" class="facts">number 4, '
browsed page.html 'layer=x&slot=-1&token=1e99'
holds 'aria-checked="true">layer 0</button>'
sed 's/"mass": [0-9.]*/"mass": 0/g' page.html >nothing.html # as a gate of ReLU may leave it
browsed nothing.html ''
holds '<h2 id="slot-title">Slot '
grep -oE '(--share: |>)(NaN|Infinity)' dom | head -n 3 | grep . >&2 && fail "no number in the page"
finish
