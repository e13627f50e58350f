# SPDX-License-Identifier: Apache-2.0
"""What bench/compare measures: sections of rows, each one piece of work done by pkm and by peers."""

from dataclasses import dataclass


@dataclass
class Row:
    """One piece of work."""

    name: str
    shape: str  # options that pkm bench and the peers share
    peers: list  # programs of this folder with options of their own; the fastest counts
    ours: str = ""  # options of pkm bench alone
    base: str = ""  # another row, with whose speed ours is compared as well
    threads: int = 0  # 0: those of the section
    figures: tuple = ()  # none: those of the section


@dataclass
class Section:
    title: str
    bench: str  # pkm bench NAME
    figures: tuple  # of that benchmark, whose times are added up
    unit: str  # of the table: a key of report.UNITS
    threads: int
    runs: tuple  # runs in a round: of pkm, of a peer
    rows: list
    note: str = ""
    has_floor: bool = True  # one that tells something
    checks: tuple = ()  # programs that print one sentence
    prepare: tuple = ()  # a path that is needed, and the options of pkm that make it


def ways(program, *each):
    """The program eager and compiled, with each of the option strings."""
    return [f"{program} {options} {how}" for options in each or ("",) for how in ("", "--compile")]


SMALL = "--layers 4 --dim 256 --attn-heads 4 --seq-len 128 --batch 32"
LARGE = "--dim 1024 --attn-heads 16 --seq-len 128 --batch 4"
LARGE_MEMORY = "--memory-layers 6 --n-keys 512"
TEXT, TOKENIZER = "--max-kib 2048", "build/compare-tokenizer"
VALUES = ("--values dense", "--values sparse")

SECTIONS = {
    "search": Section(
        "Exact search", "search", ("search",), "us/query", 1, (20, 3),
        [Row(f"{n * n:,} slots, {precision}", f"--n-keys {n} --precision {precision}", ways("search.py"))
         for precision in ("bf16", "f32") for n in (128, 512, 1024)]
        + [Row("262,144 slots, f32, against all slots scored by FAISS", "--n-keys 512", ["flat.py"],
               "--precision f32")],
        "Time per query and head: 512 tokens, 4 heads, halves of 64, the best 32.",
        checks=("ids.py",)),
    "layer": Section(
        "A memory layer: forward, backward and step", "layer",
        ("layer, all three",), "ms", 1, (5, 1),
        [Row("262,144 slots, dim 256, 512 tokens, bf16 products", "--n-keys 512 --precision bf16",
             ways("layer.py", *VALUES, "--values unfused")),
         Row("the same, f32 products", "--n-keys 512 --precision f32",
             ways("layer.py", *VALUES) + [f"layer.py --package {values}" for values in VALUES]),
         Row("the same, bf16 products, 2 threads", "--n-keys 512 --precision bf16", ways("layer.py", *VALUES),
             threads=2)],
        "Values and their Adam in f32; query network with batch norm."),
    "train": Section(
        "Training a GPT", "train", ("step",), "tokens/s", 2, (4, 1),
        [Row("plain, bf16", f"{SMALL} --precision bf16", ways("train.py")),
         Row("one memory of 65,536 slots, bf16", f"{SMALL} --memory-layers 2 --n-keys 256 --precision bf16",
             ways("train.py", *VALUES), base="plain, bf16"),
         Row("one memory of 262,144 slots, bf16", f"{SMALL} --memory-layers 2 --n-keys 512 --precision bf16",
             ways("train.py", *VALUES), base="plain, bf16"),
         Row("plain, f32", f"{SMALL} --precision f32", ways("train.py"))],
        "4 layers, dim 256, vocabulary 8192, 32 x 128 tokens a step."),
    "train-large": Section(
        "Training a larger GPT", "train", ("step",), "tokens/s", 2, (2, 1),
        [Row("plain", f"{LARGE} --layers 12 --batch 8 --precision bf16", ways("train.py")),
         Row("one memory of 262,144 slots", f"{LARGE} --layers 12 --batch 8 {LARGE_MEMORY} --precision bf16", [],
             base="plain"),
         Row("one memory of 1,048,576 slots, values in bf16, row-wise Adagrad",
             f"{LARGE} --layers 12 --batch 8 --memory-layers 6 --n-keys 1024 --precision bf16", [],
             "--value-dtype bf16 --value-optimizer adagrad", base="plain")],
        "12 layers, dim 1024, vocabulary 8192, 8 x 128 tokens a step, bf16. PyTorch with a memory of this size, its "
        "gradient and two moments dense, needs 4 GiB for them alone, and was left out."),
    "score": Section(
        "Scoring", "score", ("score",), "tokens/s", 2, (3, 1),
        [Row(name, f"{LARGE} {shape} --precision bf16", ways("score.py", "", "--cast"), base=base)
         for name, shape, base in [
             ("24 layers", "--layers 24", ""),
             ("12 layers", "--layers 12", "24 layers"),
             ("12 layers, one memory of 262,144 slots", f"--layers 12 {LARGE_MEMORY}", "24 layers")]],
        "dim 1024, vocabulary 8192, 4 x 128 tokens, bf16."),
    "decode": Section(
        "Decoding one sequence", "decode", ("decode",), "tokens/s", 2, (3, 1),
        [Row(f"{name}, {precision}", f"{LARGE} {shape} --precision {precision} --context 32 --tokens 8",
             ways("decode.py"), base=base)
         for name, shape, precision, base in [
             ("24 layers", "--layers 24", "bf16", ""),
             ("12 layers", "--layers 12", "bf16", "24 layers, bf16"),
             ("12 layers, one memory of 262,144 slots", f"--layers 12 {LARGE_MEMORY}", "bf16", "24 layers, bf16"),
             ("12 layers, one memory of 262,144 slots", f"--layers 12 {LARGE_MEMORY}", "f32", "")]],
        "dim 1024, vocabulary 8192, KV cache, one token at a time, from position 32 on."),
    "tokenize": Section(
        "Tokenizer", "tokenize", ("encode",), "MB/s", 1, (1, 1),
        [Row(f"encoding, {threads} thread{'s' * (threads > 1)}", f"{TEXT} --tokenizer {TOKENIZER}",
             ["bpe.py --tiktoken", "bpe.py"], threads=threads) for threads in (1, 2)]
        + [Row("learning 8192 tokens, 2 threads", TEXT, ["bpe.py --learn"], threads=2,
               figures=("learn a vocabulary",))],
        "C headers (/usr/include, 2 MiB of it), vocabulary 8192.", has_floor=False,
        prepare=(TOKENIZER, f"tokenizer train --vocab-size 8192 --max-bytes 16777216 --out {TOKENIZER} /usr/include")),
}
