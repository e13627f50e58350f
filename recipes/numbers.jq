# SPDX-License-Identifier: Apache-2.0
# What the tables of the recipes share: numbers, their means over seeds, rows.

def mean: if any(. == null) then null else add / length end;
def deviation: mean as $mean | map(. - $mean | . * .) | add / (length - 1) | sqrt;

# A number >= 0 with so many decimals.
def fixed($decimals):
    (. * pow(10; $decimals) + 0.5 | floor | tostring) as $digits
    | ("0" * ([$decimals + 1 - ($digits | length), 0] | max)) + $digits
    | if $decimals == 0 then . else .[:-$decimals] + "." + .[-$decimals:] end;

def over_seeds($decimals):
    (mean | fixed($decimals)) + if length > 1 then " ± " + (deviation | fixed($decimals)) else "" end;

# Figures in order to a list for each run.
def by_run:
    reduce .[] as $figure ([];
        if .[-1][0].run == $figure.run then .[-1] += [$figure] else . + [[$figure]] end);

def row: "| " + join(" | ") + " |";
