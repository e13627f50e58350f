# SPDX-License-Identifier: Apache-2.0
# pkm eval, generate and inspect on a small trained model.
. "$(dirname "$0")/common.sh"

sentences 3000 1 >text.txt
sentences 300 2 >other.txt
: >empty.txt
"$PKM" tokenizer train --vocab-size 320 --out tok text.txt >out 2>err || fail "tokenizer: $(cat err)"
"$PKM" data --tokenizer tok --out data text.txt >out 2>err || fail "data: $(cat err)"
check 0 'run: step 60' train --data data --out run --layers 2 --dim 32 --seq-len 32 --batch 8 \
    --memory-layers 1 --n-keys 16 --topk 4 --steps 60 --checkpoint-every 30

# A run, its step folders, and data or text: all of these can be scored.
check 0 '"perplexity"' eval --model run --data data --json
grep -q '"memory": \[{"layer": 1, "slots": 256, "used"' out || fail "no memory in: $(cat out)"
table <<'END'
0 :: memory of layer 1, 256 slots :: eval --model run --data data
0 :: bits per byte                :: eval --model run/checkpoints/step-00000030 --data data --max-tokens 500
0 :: perplexity                   :: eval --model run --text other.txt text.txt
0 :: perplexity                   :: eval --model run --text other.txt --text text.txt --precision f32
2 :: nothing to evaluate          :: eval --model run --text empty.txt
0 :: perplexity                   :: eval --model run --text empty.txt other.txt
2 :: --model MODEL is missing     :: eval --data data
2 :: either --data DIR or --text  :: eval --model run
2 :: either --data DIR or --text  :: eval --model run --data data --text other.txt
2 :: unexpected argument 'x'      :: eval --model run --data data x
1 :: nowhere                      :: eval --model nowhere --data data
1 :: nowhere                      :: eval --model run --data nowhere
1 :: nowhere.txt                  :: eval --model run --text nowhere.txt
END
"$PKM" eval --model run --text text.txt other.txt --json --threads 1 2>err | sed 's/"tok_per_s": [^,]*//' >one
"$PKM" eval --model run --text text.txt other.txt --json --threads 3 2>err | sed 's/"tok_per_s": [^,]*//' >three
same one three "scoring with three threads"

# The same call writes the same text; what was asked for is what comes.
"$PKM" generate --model run --prompt 'The small' --tokens 40 >one 2>err || fail "generate: $(cat err)"
"$PKM" generate --model run --prompt 'The small' --tokens 40 --threads 3 >three 2>err
same one three "generation with three threads"
head -c 9 one | grep -q '^The small$' || fail "the prompt is not echoed: $(cat one)"
"$PKM" generate --model run --prompt 'The small' --tokens 40 --no-echo >tail
{ printf 'The small'; cat tail; } >joined
same one joined "--no-echo"
printf 'The small' | "$PKM" generate --model run --prompt - --tokens 40 >piped
same one piped "a prompt from standard input"
"$PKM" generate --model run --prompt 'The small' --tokens 40 --seed 2 >other
cmp -s one other && fail "another seed writes the same"
"$PKM" generate --model run --prompt 'The small' --tokens 200 --temperature 0 --no-echo --stop . >stopped
grep -q '\.' stopped && fail "--stop went unheard: $(cat stopped)"
"$PKM" generate --model run --prompt 'The small' --tokens 0 >none
[ "$(cat none)" = 'The small' ] || fail "--tokens 0 writes: $(cat none)"
table <<'END'
0 :: The                      :: generate --model run --prompt The --tokens 100 --top-k 5 --top-p 0.5
0 ::                          :: generate --model run --tokens 5
1 :: nowhere                  :: generate --model nowhere --prompt x
2 :: --model MODEL is missing :: generate --prompt x
2 :: --temperature is '-1'    :: generate --model run --prompt x --temperature -1
2 :: --top-p is '2'           :: generate --model run --prompt x --top-p 2
2 :: --stop is ''             :: generate --model run --prompt x --stop ""
2 :: --precision is 'f16'     :: generate --model run --prompt x --precision f16
2 :: unexpected argument 'x'  :: generate --model run x
0 :: parameters               :: inspect run
0 :: "h.1.pkm.keys"           :: inspect run --json
0 :: pkm.values.0             :: inspect run/checkpoints/step-00000030
1 :: nowhere                  :: inspect nowhere
END

# In fewer bits it does the same, but it is neither trained nor made smaller again.
"$PKM" quantize --model run --out small --data data >sizes 2>err || fail "pkm quantize: $(cat err)"
before=$(wc -c <run/model.safetensors) after=$(wc -c <small/model.safetensors)
[ "$after" -lt $((before * 2 / 5)) ] || fail "quantised: $after of $before bytes"
awk '/^perplexity/ { near = $2 != $4 && $4 < 1.02 * $2 && $2 < 1.02 * $4 } END { exit !near }' sizes ||
    fail "the perplexity of the quantised model: $(cat sizes)"
table <<'END'
0 :: The                      :: generate --model small --prompt The --tokens 20 --temperature 0
0 :: "h.1.pkm.keys"           :: inspect small --json
0 :: whole                    :: verify small
1 :: quantised already        :: quantize --model small --out smaller
1 :: small: quantised         :: train --data data --out again --init-from small
END

# A weight file that ends early, or is another model's, is refused by name.
cp -r run broken
rm broken/model.safetensors
head -c 2000 run/model.safetensors >broken/model.safetensors
table <<'END'
1 :: broken/model.safetensors :: eval --model broken --data data
1 :: broken/model.safetensors :: generate --model broken --prompt x
1 :: broken/model.safetensors :: inspect broken
END
finish
