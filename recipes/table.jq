# SPDX-License-Identifier: Apache-2.0
# figures.jsonl of a recipe to a Markdown table, a row for each run: means over its seeds with their
# standard deviation; of the memories and the speed, the first seed.

def mean: add / length;
def deviation: mean as $mean | map(. - $mean | . * .) | add / (length - 1) | sqrt;

# A number >= 0 with so many decimals.
def fixed($decimals):
    (. * pow(10; $decimals) + 0.5 | floor | tostring) as $digits
    | ("0" * ([$decimals + 1 - ($digits | length), 0] | max)) + $digits
    | if $decimals == 0 then . else .[:-$decimals] + "." + .[-$decimals:] end;

def over_seeds($decimals):
    (mean | fixed($decimals)) + if length > 1 then " ± " + (deviation | fixed($decimals)) else "" end;

def memories(figure; $decimals):
    [.[0].memory[]? | figure | fixed($decimals)] | if . == [] then "-" else join(", ") end;

def signed_percent: (if . < 0 then "-" else "+" end) + (fabs * 100 | fixed(1)) + " %";

def row: "| " + join(" | ") + " |";

(map(.paper) | any(. != "")) as $with_paper
| (.[0].run as $run | map(select(.run == $run).val_perplexity) | mean) as $first
| (["", "parameters", "validation perplexity", "to the first row", "used %", "top-1 used %", "KL",
    "training tokens/s", "scoring tokens/s"] + if $with_paper then ["paper"] else [] end | row),
  ([range(if $with_paper then 10 else 9 end) | "---"] | row),
  (reduce .[] as $figure ([]; if .[-1][0].run == $figure.run then .[-1] += [$figure] else . + [[$figure]] end)
   | .[]
   | [.[0].run, (.[0].parameters / 1e6 | fixed(2)) + "M", (map(.val_perplexity) | over_seeds(2)),
      ((map(.val_perplexity) | mean) / $first - 1 | signed_percent),
      memories(.used * 100; 1), memories(.top1_used * 100; 1), memories(.kl; 2),
      (.[0].train | fixed(0)), (.[0].score | fixed(0))]
     + if $with_paper then [.[0].paper] else [] end
   | row)
