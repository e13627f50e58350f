# SPDX-License-Identifier: Apache-2.0
# Pictures of trainings: pkm plot, pkm report, pkm train --tensorboard.
. "$(dirname "$0")/common.sh"

sentences 300 1 >text.txt
check 0 '' tokenizer train --vocab-size 300 --out tok text.txt
check 0 '' data --tokenizer tok --out data --val-fraction 0.2 text.txt
small='--data data --dim 16 --seq-len 16 --batch 2 --steps 20 --eval-every 10 --log-every 2'
# shellcheck disable=SC2086 # words
{
    check 0 '' train $small --layers 1 --out runs/plain
    check 0 '' train $small --layers 2 --memory-layers 0,1 --n-keys 8 --topk 2 --out runs/memory --tensorboard
}
ls runs/memory/tensorboard/events.out.tfevents.* >out || fail "no event file"
[ ! -e runs/plain/tensorboard ] || fail "event files that nobody asked for"

check 0 both.svg plot runs/plain runs/memory --out both.svg
grep -q '</svg>' both.svg || fail "both.svg is not whole"
check 0 again.svg plot runs/plain/ runs/memory/ -o again.svg
same both.svg again.svg "the same runs"
check 0 tokens.svg plot runs/memory --over tokens -o tokens.svg
check 0 steps.svg plot runs/memory -o steps.svg
cmp -s tokens.svg steps.svg && fail "--over tokens changes nothing"
check 0 memory.png plot runs/memory -o memory.png
[ "$(head -c 8 memory.png | od -An -tx1 | tr -d ' \n')" = 89504e470d0a1a0a ] || fail "memory.png is no PNG"

# Only a PNG needs cairo, and says so where it is missing, here a file that is no library.
mkdir without
echo none >without/libcairo.so.2
export LD_LIBRARY_PATH="$PWD/without"
check 1 'PNG needs cairo (Debian: libcairo2; SVG needs nothing)' plot runs/memory -o missing.png
[ ! -e missing.png ] || fail "a picture although there is no cairo"
check 0 '' plot runs/memory -o missing.svg
check 0 '' report runs -o missing.html
unset LD_LIBRARY_PATH

check 0 runs/report.html report runs
cp runs/report.html page.html
check 0 again.html report runs/ -o again.html
same page.html again.html "the same runs"
for part in '<h1>runs</h1>' '>memory<' '>plain<' '>memory_layers</th><th' '>Held-out perplexity</th>' 'prefers-color-scheme' '</html>'; do
    grep -qF -e "$part" page.html || fail "the page lacks $part"
done
# Whole by itself: nothing is fetched.
grep -nE 'src=|@import|url\((.?http|.?data)|<link|<script[^>]' page.html && fail "the page needs other files"

# An older log, without the distribution of the mass, is drawn as well.
mkdir old
sed 's/"mass_curve": \[\[[^a-z]*\]\], //g' runs/memory/metrics.jsonl >old/metrics.jsonl
grep -q mass_curve old/metrics.jsonl && fail "the older log is no older"
check 0 old.svg plot old -o old.svg
check 0 old/report.html report old

finish
