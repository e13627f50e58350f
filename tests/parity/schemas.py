# SPDX-License-Identifier: Apache-2.0
"""Validates what the tool writes as JSON against docs/schemas.

    python tests/parity/schemas.py PKM WORK SCHEMAS TEXT...
"""

import json
import pathlib
import shutil
import subprocess
import sys

import jsonschema
import referencing

from tool import run

SHAPE = "--layers 2 --dim 16 --seq-len 8 --batch 1".split()
SMALL = [*SHAPE, *"--steps 160 --eval-every 40 --log-every 40 --checkpoint-every 20 --spike-factor 1.05".split()]
MEMORY = "--memory-layers 1 --n-keys 16 --topk 4".split()
CEILINGS = "--table-mib 1 --visit-mib 1 --square 16 --tokens 16 --dim 16 --vocab-size 32 --runs 1".split()
BENCH = "--n-keys 16 --topk 4 --runs 1".split()


class Checker:
    def __init__(self, folder):
        self.schemas = {file.name.split(".")[0]: json.loads(file.read_text()) for file in folder.iterdir()}
        self.registry = referencing.Registry().with_resources(
            (schema["$id"], referencing.Resource.from_contents(schema)) for schema in self.schemas.values())
        self.checked = dict.fromkeys(self.schemas, 0)
        self.failed = 0

    def validator(self, name):
        kind = jsonschema.Draft202012Validator
        kind.check_schema(self.schemas[name])
        return kind(self.schemas[name], registry=self.registry)

    def fail(self, sentence):
        print(f"FAILED: {sentence}")
        self.failed += 1

    def check(self, name, value):
        validator = self.validator(name)
        for error in validator.iter_errors(value):
            self.fail(f"{name}: {error.json_path}: {error.message[:300]}")
        # A schema that lets anything pass would pass as well.
        if isinstance(value, dict):
            if validator.is_valid({**value, "surprise": 1}):
                self.fail(f"{name}: an unknown member is let in")
            for key in value:
                if key not in ("memory", "training", "config") and validator.is_valid(
                        {k: v for k, v in value.items() if k != key} | {key: {}}):
                    self.fail(f"{name}: {key} may be anything")
        self.checked[name] += 1

    def lines(self, name, text):
        for line in text.splitlines():
            self.check(name, json.loads(line, parse_constant=self.not_json))

    def not_json(self, constant):
        self.fail(f"{constant} is no JSON")


def main(pkm, work, schemas, *text):
    work, checker = pathlib.Path(work), Checker(pathlib.Path(schemas))
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)

    def check(name, *command):
        output = run(pkm, *command).decode()
        checker.lines(name, output if name not in ("info", "inspect", "inspect-text", "options") else output.replace("\n", " "))

    tokenizer, data = work / "tokenizer", work / "data"
    check("info", "info", "--json")
    check("tokenizer-train", "tokenizer", "train", "--vocab-size", 400, "--out", tokenizer, "--json", *text)
    check("data", "data", "--tokenizer", tokenizer, "--out", data, "--json", *text)
    check("options", "train", "--print-config")
    for name, event, options in (("plain", "spike", ["--on-spike", "warn"]),
                                 ("memory", "skip", ["--on-spike", "skip", *MEMORY]),
                                 ("unscored", None, [*MEMORY, "--eval-every", 0])):
        model = work / name
        check("train", "train", "--data", data, "--out", model, *SMALL, *options, "--json")
        check("inspect", "inspect", model, "--json")
        check("inspect", "inspect", model / "checkpoints" / "last", "--json")
        if MEMORY[0] in options:
            check("inspect-text", "inspect", model, "--text", text[0], "--max-tokens", 300, "--json")
        check("verify", "verify", model, "--json")
        check("eval", "eval", "--model", model, "--data", data, "--max-tokens", 500, "--json")
        check("eval", "eval", "--model", model, "--text", text[0], "--json")
        small = model.with_name(f"{name}-int8")
        check("quantize", "quantize", "--model", model, "--out", small, "--data", data, "--max-tokens", 500, "--json")
        check("quantize", "quantize", "--model", model, "--out", f"{small}-2", "--values", "bf16", "--json")
        check("inspect", "inspect", small, "--json")
        check("generate", "generate", "--model", model, "--prompt", 'a "b"\n', "--tokens", 20, "--json")
        log = (model / "metrics.jsonl").read_text()
        checker.lines("metrics", log)
        if event is not None and f'"event": "{event}"' not in log:
            checker.fail(f"{name}: no {event} in metrics.jsonl")
    # A run that goes back again and again, and then gives up.
    subprocess.run([pkm, "train", "--data", data, "--out", work / "wild", *SMALL, "--on-spike", "rewind"],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    log = (work / "wild" / "metrics.jsonl").read_text()
    checker.lines("metrics", log)
    if '"event": "rewind"' not in log:
        checker.fail("wild: no rewind in metrics.jsonl")

    check("bench", "bench", "ceilings", *CEILINGS, "--json")
    check("bench", "bench", "search", *BENCH, "--json")
    check("bench", "bench", "layer", *BENCH, "--json")
    check("bench", "bench", "score", *SHAPE, *MEMORY, "--runs", 1, "--vocab-size", 400, "--json")
    check("bench", "bench", "decode", *SHAPE, *MEMORY, "--runs", 1, "--context", 2, "--new-tokens", 2, "--json")
    check("bench", "bench", "decode", *SHAPE, *MEMORY, "--runs", 1, "--context", 2, "--new-tokens", 2,
          "--weights", "int8", "--json")
    check("bench", "bench", "tokenize", "--text", text[0], "--runs", 1, "--vocab-size", 300, "--json")
    check("bench", "bench", "kernels", "--rows", 32, "--width", 64, "--runs", 1, "--json")
    check("bench", "bench", "train", *SHAPE, *MEMORY, "--runs", 1, "--vocab-size", 400, "--json")

    for name, count in checker.checked.items():
        if count == 0 and name != "usage":
            checker.fail(f"{name}: nothing was checked")
    print(f"{sum(checker.checked.values())} outputs against {len(checker.schemas)} schemas, "
          f"{checker.failed} failures")
    return checker.failed > 0


sys.exit(main(*sys.argv[1:]))
