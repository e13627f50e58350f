# SPDX-License-Identifier: Apache-2.0
"""The work of bench/compare: runs pkm and its peers in turns, keeps the figures, writes the pages."""

import argparse
import json
import os
import shlex
import sys

import report
from sections import SECTIONS
from sides import HERE, PKM, ROOT, Ours, Peer, output

# A page for each kind of machine, named after its instructions, and one that lists them.
PAGES = ROOT / "docs/performance"
INDEX = ROOT / "docs/performance.md"
# What keeps pkm and oneDNN, ours and PyTorch's, to the instructions of a level.
LEVELS = {"avx512bf16": "AVX512_CORE_BF16", "avx512": "AVX512_CORE", "avx2": "AVX2"}
SLOW = 1.5  # a peer this much slower than the fastest is measured in the first two rounds only


def say(sentence):
    print(sentence, file=sys.stderr, flush=True)


def start_peers(section, row, threads):
    """One after another, so that they do not warm up against each other."""
    peers = []
    for program in row.peers:
        peers.append(Peer(section, row, program, threads))
        peers[-1].get_ready()
    return peers


def take_turns(ours, peers, rounds):
    for turn in range(rounds):
        for side in ours:
            side.measure()
        fastest = min((min(peer.rounds) for peer in peers if peer.rounds), default=0)
        for peer in peers:
            if turn < 2 or min(peer.rounds) <= SLOW * fastest:
                peer.measure()


def run_row(section, row, args):
    """pkm, where the row has a base pkm at that as well, and the peers."""
    threads = args.threads or row.threads or section.threads
    say(f"{row.name}: preparing")
    ours = [Ours(section, each, threads) for each in section.rows if each is row or each.name == row.base]
    peers = start_peers(section, row, threads)
    say(f"{row.name}: measuring")
    take_turns(ours, peers, args.rounds)
    say(f"{row.name}: measured")
    for peer in peers:
        peer.end()
    sides = {side.row.name: side.result() for side in ours}
    return {"ours": sides[row.name], "base": sides.get(row.base), "peers": [peer.result() for peer in peers]}


def run_section(name, args):
    section = SECTIONS[name]
    say(f"{name}: preparing")
    if section.prepare and not (ROOT / section.prepare[0]).exists():
        output(PKM, *shlex.split(section.prepare[1]))
    options = [f"--{option}={getattr(args, option)}" for option in ("rounds", "threads", "isa") if getattr(args, option)]
    return {"command": shlex.join(["bench/compare", name, *options]), "rounds": args.rounds, "isa": args.isa,
            "threads": args.threads or section.threads,
            "checks": [output(sys.executable, HERE / check).strip() for check in section.checks],
            "machine": json.loads(output(PKM, "info", "--json")),
            "commit": output("git", "-C", ROOT, "rev-parse", "--short", "HEAD").strip(),
            "rows": {row.name: run_row(section, row, args) for row in section.rows}}


def keep(name, found):
    """Among the figures of other sections from this kind of machine, and in the page made of all."""
    kind = found["machine"]["isa"]["detected"]
    figures = ROOT / f"build/compare-{kind}.json"
    results = json.loads(figures.read_text()) if figures.exists() else {}
    results[name] = found
    figures.write_text(json.dumps(results, indent=1))
    PAGES.mkdir(exist_ok=True)
    (PAGES / f"{kind}.md").write_text(report.page(kind, results))
    INDEX.write_text(report.index(PAGES))


def main():
    parser = argparse.ArgumentParser(prog="bench/compare", description="pkm and its peers, side by side")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)} (default: all)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of every program (default 3)")
    parser.add_argument("--threads", type=int, help="instead of those of the section")
    parser.add_argument("--isa", choices=LEVELS, help="as on a machine with no more than these instructions")
    args = parser.parse_args()
    for name in args.sections:
        if name not in SECTIONS:
            parser.error(f"no section {name}")
    if args.isa:
        os.environ.update(PKM_ISA=args.isa, ONEDNN_MAX_CPU_ISA=LEVELS[args.isa])
    for name in args.sections or SECTIONS:
        found = run_section(name, args)
        keep(f"{name}@{args.isa}" if args.isa else name, found)
        print("\n".join(report.table(SECTIONS[name], found)), flush=True)


if __name__ == "__main__":
    main()
