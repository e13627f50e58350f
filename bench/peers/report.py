# SPDX-License-Identifier: Apache-2.0
"""Tables of the figures of bench/compare, and the pages docs/performance* made of them."""

import statistics

from sections import SECTIONS

# How seconds per item are shown; item counts of a run for what is shown per run.
UNITS = {
    "us/query": lambda seconds, items: f"{1e6 * seconds:.2f}",
    "ms": lambda seconds, items: f"{1e3 * seconds * items:.1f}",
    "tokens/s": lambda seconds, items: f"{1 / seconds:,.0f}",
    "MB/s": lambda seconds, items: f"{1e-6 / seconds:.1f}",
}

OPENING = """\
# Performance

pkm and its peers, as `bench/compare` measured them and wrote these pages, one for each kind of machine:

{pages}

Within a row all programs take turns: in each round pkm, then each peer, does the same work on random numbers of the same
shape, on the same number of threads. A figure is the median over the rounds, in brackets the lowest and the highest
round. Ratios are of times, above 1 where pkm is faster; their brackets hold the ratios of single rounds. Only ratios
carry over to another day: the machines are virtual ones, whose speed depends on their neighbours.

The fastest peer counts. PyTorch runs eagerly and compiled (torch.compile, for inference with frozen weights), in bf16
by autocast or with its weights in bf16 (cast); AdamW and dense Adam are its fused ones, unless said otherwise; attention
is scaled_dot_product_attention. *dense* and *sparse* are gradients of the value table, for Adam and SparseAdam. Peers
slower than 1.5 times the fastest were run in the first two rounds only. "of floor": the part of pkm's time that its bytes and
flops take at the machine's own rates, which `pkm bench` measures in turn with the work.

The programs are in `bench/peers`, the options of each row in `bench/peers/sections.py`. Each section says how it was
run; `bench/compare --help` tells more.
"""


def speed(side, section):
    low_first = sorted(side["rounds"], reverse=section.unit.endswith("/s"))
    show = UNITS[section.unit]
    middle = show(statistics.median(low_first), side["items"])
    return middle, f"{show(low_first[0], side['items'])}-{show(low_first[-1], side['items'])}"


def median_ratio(slower, faster):
    return statistics.median(slower["rounds"]) / statistics.median(faster["rounds"])


def times(value, scale):
    """A ratio, with the digits that suit scale."""
    return f"{value:,.{0 if scale >= 100 else 1 if scale >= 10 else 2}f}"


def ratio(slower, faster):
    """Of the medians, with the lowest and the highest of a round."""
    single = [a / b for a, b in zip(slower["rounds"], faster["rounds"])]
    middle = median_ratio(slower, faster)
    return f"{times(middle, middle)} ({times(min(single), middle)}-{times(max(single), middle)})"


def cells(section, found, row):
    sides = found["rows"][row.name]
    ours, peers = sides["ours"], sorted(sides["peers"], key=lambda peer: statistics.median(peer["rounds"]))
    yield row.name
    yield "{} ({})".format(*speed(ours, section))
    yield f"{100 * statistics.median(ours['floor']):.0f} %" if ours["floor"] and section.has_floor else "-"
    yield "{} ({}), {}".format(*speed(peers[0], section), peers[0]["how"]) if peers else "-"
    yield f"**{ratio(peers[0], ours)}**" if peers else "-"
    others = [(speed(peer, section)[0], peer["how"], median_ratio(peer, ours)) for peer in peers[1:]]
    yield "; ".join(f"{shown}, {how}: {times(by, by)}" for shown, how, by in others) or "-"
    yield f"{ratio(sides['base'], ours)} of {row.base}" if row.base else "-"


def table(section, found):
    """Lines of Markdown; rows whose figures are not there, for they are new, are left out."""
    rows = [row for row in section.rows if row.name in found["rows"]]
    lines = [["", f"pkm, {section.unit}", "of floor", f"fastest peer, {section.unit}", "ratio", "other peers: ratio",
              "pkm's speed"]]
    lines += [list(cells(section, found, row)) for row in rows]
    used = [i for i in range(len(lines[0])) if i == 0 or any(line[i] != "-" for line in lines[1:])]
    lines.insert(1, ["---"] * len(lines[0]))
    return ["| " + " | ".join(line[i] for i in used) + " |" for line in lines]


def section_page(name, found):
    section = SECTIONS[name.partition("@")[0]]
    machine, programs = found["machine"], {}
    for sides in found["rows"].values():
        programs.update((peer["program"], None) for peer in sides["peers"])
    level = f", instructions up to {found['isa']}" if found["isa"] else ""
    return [f"## {section.title}{level}", "", section.note, *found["checks"], "",
            *table(section, found), "",
            f"`{found['command']}`: {found['threads']} thread{'s' * (found['threads'] > 1)}, {found['rounds']} rounds; "
            f"{machine['cpu']}, {machine['threads']['cores']} cores, {machine['isa']['used']}, "
            f"{machine['memory_mb']['limit'] / 1024:.0f} GiB; pkm {machine['version']} at {found['commit']} with "
            f"{machine['libraries']['dense']}; {', '.join(programs)}.", ""]


def page(kind, results):
    order = sorted(results, key=lambda name: (list(SECTIONS).index(name.partition("@")[0]), name))
    opening = [f"# Performance: {kind}", "", "How to read these tables: [performance.md](../performance.md).", ""]
    return "\n".join([*opening, *(line for name in order for line in section_page(name, results[name]))]).rstrip() + "\n"


def index(folder):
    pages = [f"- [{each.stem}](performance/{each.name})" for each in sorted(folder.glob("*.md"))]
    return OPENING.replace("{pages}", "\n".join(pages))
