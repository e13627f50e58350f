# SPDX-License-Identifier: Apache-2.0
"""What the programs of this folder share: options, timing, and the JSON line of a measurement.

A program prepares its work (a model, random inputs), warms up, measures `--runs` runs and prints
one line with the keys of `pkm bench --json`. With --wait it measures once per line of standard
input instead, so that engines can take turns without starting anew each time.
"""

import argparse
import json
import statistics
import sys
import time
from typing import Callable, NamedTuple


class Work(NamedTuple):
    """One run, what it does, by which program and in which of its ways."""

    run: Callable[[], object]
    items: int
    unit: str
    program: str
    how: str


def options(doc, runs, **numbers):
    """The parser of a program: its shapes, by name and default, and what all programs take."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    for name, default in {**numbers, "threads": 1, "seed": 1, "runs": runs, "warmup": 1}.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default)
    parser.add_argument("--wait", action="store_true", help="measure once per line of standard input")
    return parser


def measure(work, args):
    seconds = []
    for _ in range(args.runs):
        start = time.perf_counter()
        work.run()
        seconds.append(time.perf_counter() - start)
    median = statistics.median(seconds)
    shape = {name: value for name, value in vars(args).items() if name not in ("wait", "runs", "warmup")}
    print(json.dumps({"program": work.program, "how": work.how, "options": shape, "runs": args.runs,
                      "median_s": median, "min_s": min(seconds), "max_s": max(seconds), "items": work.items,
                      "unit": work.unit, "items_per_s": work.items / median}), flush=True)


def main(parser, prepare):
    """prepare(args) gives the Work."""
    args = parser.parse_args()
    work = prepare(args)
    for _ in range(args.warmup):
        work.run()
    if not args.wait:
        measure(work, args)
        return
    print(json.dumps({"program": work.program, "how": work.how}), flush=True)
    for _ in sys.stdin:
        measure(work, args)
