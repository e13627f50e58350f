# SPDX-License-Identifier: Apache-2.0
"""Whole models: trains small ones with pkm and compares logits with PyTorch and transformers.

    python tests/parity/models.py BUILD WORK TEXT...     BUILD: folder with pkm and tests/
"""

import pathlib
import shutil
import sys

import numpy as np
import torch
import transformers

import gpt
from tool import run

SMALL = ("--layers 3 --dim 48 --attn-heads 3 --seq-len 40 --batch 4 --steps 30 --precision f32 "
         "--lr 3e-3 --eval-every 0 --checkpoint-every 0")
MEMORY = "--n-keys 16 --memory-heads 2 --topk 6 --key-dim 16 --value-lr 0.01"
MODELS = {
    "plain": "",
    "replace": f"--memory-layers 1 {MEMORY}",
    "two_stores": f"--memory-layers 0,2 {MEMORY} --query-norm layer --gate relu",
    "add_shared": f"--memory-layers 0,2 --memory-mode add --shared-values {MEMORY} --value-dim 24 "
                  "--query-norm layer --output-gate swilu",
    "bf16_values": f"--memory-layers 2 {MEMORY} --value-dtype bf16 --query-norm none --gate raw",
    "flat_keys": f"--memory-layers 0,2 {MEMORY} --key-kind flat --topk 20 --query-norm layer",
}
TOLERANCE = 1e-4  # of fp32 against double, on logits of a few units


def compare(what, ours, theirs):
    difference = np.abs(ours - theirs.detach().numpy()).max()
    print(f"{what:36} {ours.shape[0]} x {ours.shape[1]} logits up to {np.abs(ours).max():.2f}, "
          f"largest difference {difference:.1e}")
    return difference < TOLERANCE


def check(name, folder, logits_program):
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    reference = gpt.load(folder)
    vocab, length = reference.wte.weight.shape[0], reference.wpe.weight.shape[0]
    ids = torch.randint(vocab, (length,), generator=torch.Generator().manual_seed(0))
    ours = np.frombuffer(run(logits_program, folder, *ids.tolist()), np.float32).reshape(length, vocab)
    same = compare(f"{name}: our PyTorch", ours, reference(ids))
    if name == "plain":
        model, loading = transformers.GPT2LMHeadModel.from_pretrained(folder, output_loading_info=True)
        assert not loading["missing_keys"] and not loading["unexpected_keys"], loading
        same &= compare(f"{name}: transformers", ours, model.eval()(ids.unsqueeze(0)).logits[0])
    return same


def main(build, work, *text):
    build, work = pathlib.Path(build), pathlib.Path(work)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    run(build / "pkm", "tokenizer", "train", "--vocab-size", 512, "--out", work / "tokenizer", *text)
    run(build / "pkm", "data", "--tokenizer", work / "tokenizer", "--out", work / "data", *text)
    same = True
    for name, options in MODELS.items():
        run(build / "pkm", "train", "--data", work / "data", "--out", work / name,
            *SMALL.split(), *options.split())
        same &= check(name, work / name, build / "tests" / "parity_logits")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
