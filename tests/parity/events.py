# SPDX-License-Identifier: Apache-2.0
"""Reads event files back with TensorBoard's own reader and compares them with metrics.jsonl.

    python tests/parity/events.py PKM WORK TEXT...
"""

import json
import math
import pathlib
import shutil
import subprocess
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tool import run

OPTIONS = ("--layers 2 --dim 16 --seq-len 8 --batch 1 --memory-layers 0,1 --n-keys 16 --topk 4 --log-every 5 "
           "--eval-every 10 --checkpoint-every 20 --keep-checkpoints 9 --tensorboard").split()
STEP = {"loss": "train/loss", "lr": "train/lr", "grad_norm": "train/grad_norm", "tok_per_s": "train/tok_per_s"}
EVALUATION = {"val_loss": "val/loss", "val_perplexity": "val/perplexity"}
MEMORY = ("used", "kl", "top1_used")


def logged(text):
    """{tag: {step: value}} of metrics.jsonl."""
    out = {}
    for line in map(json.loads, text.splitlines()):
        for key, tag in {**STEP, **EVALUATION}.items():
            if key in line:
                out.setdefault(tag, {})[line["step"]] = line[key]
        for memory in line.get("memory", ()):
            for key in MEMORY:
                out.setdefault(f"memory.{memory['layer']}/{key}", {})[line["step"]] = memory[key]
    return out


def shown(folder):
    """The same as TensorBoard sees it; a step that comes twice is an error."""
    reader = EventAccumulator(str(folder), size_guidance={"tensors": 0, "scalars": 0})
    reader.Reload()
    out = {}
    for tag in reader.Tags()["scalars"]:
        events = reader.Scalars(tag)
        out[tag] = {event.step: event.value for event in events}
        if len(out[tag]) != len(events):
            sys.exit(f"{folder}: {tag}: steps come twice: {[event.step for event in events]}")
    return out


def compare(folder):
    want, got = logged((folder / "metrics.jsonl").read_text()), shown(folder / "tensorboard")
    if want.keys() != got.keys():
        sys.exit(f"{folder}: tags {sorted(got)}, expected {sorted(want)}")
    for tag, values in want.items():
        if values.keys() != got[tag].keys():
            sys.exit(f"{folder}: {tag}: steps {sorted(got[tag])}, expected {sorted(values)}")
        for step, value in values.items():
            # The log has 9 digits (tok_per_s one after the point), event files fp32.
            if not math.isclose(value, got[tag][step], rel_tol=1e-6, abs_tol=0.06 if tag == STEP["tok_per_s"] else 1e-9):
                sys.exit(f"{folder}: {tag}: step {step}: {got[tag][step]}, expected {value}")
    return sum(map(len, want.values()))


def main(pkm, work, *text):
    work = pathlib.Path(work)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    run(pkm, "tokenizer", "train", "--vocab-size", 300, "--out", work / "tokenizer", *text)
    run(pkm, "data", "--tokenizer", work / "tokenizer", "--out", work / "data", *text)
    train = [pkm, "train", "--data", work / "data", "--out", work / "run", *OPTIONS]
    run(*train, "--steps", 50)
    count = compare(work / "run")
    # As if the process had died before its last checkpoint: steps 41 to 50 are taken again, in a
    # file of its own. Then the same from further back, which makes that file void.
    for died_after in (40, 20):
        for folder in (work / "run" / "checkpoints").glob("step-*"):
            if int(folder.name[5:]) > died_after:
                shutil.rmtree(folder)
        run(*train, "--steps", 60, "--resume")
        count += compare(work / "run")
    names = sorted(file.name for file in (work / "run" / "tensorboard").iterdir())
    if [int(name.split(".")[3]) for name in names] != [0, 20]:
        sys.exit(f"event files {names}")
    # A run that goes back again and again in one process, and then gives up.
    subprocess.run([*train, "--out", work / "wild", "--steps", "160", "--spike-factor", "1.05", "--on-spike", "rewind"],
                   stderr=subprocess.DEVNULL, check=False)
    count += compare(work / "wild")
    if '"rewind"' not in (work / "wild" / "metrics.jsonl").read_text():
        sys.exit("wild: no rewind")
    print(f"{count} scalars as TensorBoard reads them")


main(*sys.argv[1:])
