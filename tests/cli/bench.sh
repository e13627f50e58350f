# SPDX-License-Identifier: Apache-2.0
# pkm bench: each benchmark runs, and its JSON lines hold figures, options and machine.
. "$(dirname "$0")/common.sh"

small="--layers 1 --dim 32 --seq-len 16 --batch 2 --memory-layers 0 --n-keys 16 --topk 4"
table <<END
0 :: backward                :: bench train $small --runs 2 --vocab-size 300
0 :: forward h.0.pkm         :: bench train $small --runs 1 --vocab-size 300 --profile
0 :: value rows only rewritten :: bench train $small --runs 1 --vocab-size 300
0 :: tape's own              :: bench train --layers 1 --dim 32 --seq-len 16 --batch 2 --runs 1 --vocab-size 3000
0 :: forward h.0.pkm         :: bench score $small --runs 1 --vocab-size 300 --profile
0 :: "figure": "decode"      :: bench decode $small --runs 1 --vocab-size 300 --context 3 --new-tokens 4 --json
0 :: learn a vocabulary      :: bench tokenize --text $0 --runs 1 --vocab-size 300
0 :: column_sums             :: bench kernels --rows 1 --width 1 --runs 1
0 :: half_scores             :: bench kernels --family half --runs 1
0 :: "figure": "step"        :: bench train $small --runs 1 --vocab-size 300 --json
0 :: bf16 16x16x32 dW        :: bench ceilings --table-mib 1 --visit-mib 1 --square 16 --tokens 16 --dim 16 --vocab-size 32 --runs 1
0 :: "figure":               :: bench search --n-keys 16 --topk 4 --runs 1 --json
0 :: figure                  :: bench layer --n-keys 16 --topk 4 --runs 1
0 :: selection               :: bench search --n-keys 16 --topk 40 --key-kind flat --runs 1
0 :: figure                  :: bench layer --n-keys 16 --topk 40 --key-kind flat --runs 1
0 :: forward h.0.pkm         :: bench score $small --key-kind flat --runs 1 --vocab-size 300 --profile
0 :: backward                :: bench train $small --key-kind flat --runs 1 --vocab-size 300
0 :: above                   :: bench kernels --family above --rows 4 --width 64 --runs 1
2 :: --runs is '0'           :: bench train --runs 0
2 :: topk                    :: bench train $small --n-keys 2
2 :: did you mean --profile? :: bench train --profil
END
pkm bench train $small --runs 1 --vocab-size 300 --json
while read -r line; do
    for key in median_s items_per_s floor_s ceiling options training machine; do
        echo "$line" | grep -q "\"$key\": " || fail "no $key in $line"
    done
done <out
finish
