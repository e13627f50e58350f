# SPDX-License-Identifier: Apache-2.0
# Figures of recipes/dead-keys to a Markdown table, a row for each run: means over its seeds with
# their standard deviation; what was revived, and how little was used on the way, means.

include "numbers" {search: "./"};

(["", "loss", "known %", "used %", "least used %", "top-1 used %", "KL", "sub-keys revived",
  "slots revived"] | row),
([range(9) | "---"] | row),
(by_run[]
 | [.[0].run, (map(.loss) | over_seeds(3)),
    if .[0].accuracy then map(.accuracy * 100) | over_seeds(1) else "-" end,
    (map(.used * 100) | over_seeds(1)), (map(.least_used * 100) | mean | fixed(1)),
    (map(.top1_used * 100) | over_seeds(1)), (map(.kl) | over_seeds(2)),
    (map(.keys) | mean | fixed(0)), (map(.slots) | mean | fixed(0))]
 | row)
