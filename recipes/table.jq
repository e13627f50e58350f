# SPDX-License-Identifier: Apache-2.0
# figures.jsonl of a recipe to a Markdown table, a row for each run: means over its seeds with their
# standard deviation; of the memories, the first seed. A speed is followed by the rate of arithmetic,
# tokens/s times FLOP per token, to that of the first row: what a model loses beside its flops.

include "numbers" {search: "./"};

def memories(figure; $decimals):
    [.[0].memory[]? | figure | fixed($decimals)] | if . == [] then "-" else join(", ") end;

def signed_percent: (if . < 0 then "-" else "+" end) + (fabs * 100 | fixed(1)) + " %";

def speed($first; $what):
    .[0]
    | "\(.[$what] | fixed(0)) (\(.[$what] * .[$what + "_flops"] / ($first[$what] * $first[$what + "_flops"]) * 100
        | fixed(0)) %)";

def perplexity($first):
    if .[0].val_perplexity == null then ["-", "-"]
    else [(map(.val_perplexity) | over_seeds(2)), ((map(.val_perplexity) | mean) / $first - 1 | signed_percent)]
    end;

(map(.paper) | any(. != "")) as $with_paper
| .[0] as $first
| (map(select(.run == $first.run).val_perplexity) | mean) as $perplexity
| def cells($of_paper): . + if $with_paper then [$of_paper] else [] end | row;
  (["", "parameters", "validation perplexity", "to the first row", "used %", "top-1 used %", "KL",
    "training tokens/s", "scoring tokens/s"] | cells("paper")),
  ([range(9) | "---"] | cells("---")),
  (by_run[]
   | .[0].paper as $paper
   | [.[0].run, (if .[0].parameters then .[0].parameters / 1e6 | fixed(2) + "M" else "-" end)]
     + perplexity($perplexity)
     + [memories(.used * 100; 1), memories(.top1_used * 100; 1), memories(.kl; 2),
        speed($first; "train"), speed($first; "score")]
   | cells($paper))
