# SPDX-License-Identifier: Apache-2.0
"""Writes golden files of memory layers: forward, backward, and optimiser steps, computed in double.

Each file holds inputs, initial parameters and results as fp32, its case in the metadata;
tests/test_golden.c computes the same through include/pkm/memory.h and compares.

    python tests/parity/golden.py OUT [--seed N]
"""

import argparse
import copy
import pathlib

import torch
from safetensors.torch import save_file
from torch import nn

from memory import Memory

torch.set_default_dtype(torch.float64)

BASE = {"dim": 20, "heads": 2, "n_keys": 12, "key_dim": 8, "topk": 4, "value_dim": 20,
        "query_norm": "batch", "gate": "softmax", "output_gate": "none", "key_kind": "product"}
RUN = {"layers": 1, "tokens": 12, "padded": 0, "steps": 20, "integers": 0,
       "lr": 0.01, "weight_decay": 0.1, "value_lr": 0.01}
CASES = {
    "softmax_batch": {},
    "softmax_layer": {"query_norm": "layer"},
    "relu_none": {"gate": "relu", "query_norm": "none"},
    "relu_batch": {"gate": "relu"},
    "raw_layer": {"gate": "raw", "query_norm": "layer"},
    "value_proj": {"value_dim": 9, "query_norm": "layer"},
    "swilu": {"value_dim": 9, "gate": "relu", "query_norm": "layer", "output_gate": "swilu"},
    "swilu_same_width": {"output_gate": "swilu"},
    "shared_store": {"layers": 2},
    "padding": {"padded": 4},
    "one_of_everything": {"heads": 1, "topk": 12, "tokens": 1},
    "flat": {"key_kind": "flat", "topk": 20, "query_norm": "layer"},
    "flat_ties": {"key_kind": "flat", "query_norm": "none", "integers": 1, "steps": 0},
    "ties": {"query_norm": "none", "integers": 1, "steps": 0},
}
# Some draws are ill-conditioned: nearly equal scores at the edge of the k best, or a gradient that
# is zero but for rounding, which Adam turns into a full step. A draw is used only if PyTorch itself
# comes to the same results in fp32, from parameters that differ in their last bit.
TRIALS, ONE_PASS, TRAINED = 4, 1e-5, 3e-5


class Stack(nn.Module):
    """Memory layers one after the other, with one store of values."""

    def __init__(self, config, layers):
        super().__init__()
        self.layers = nn.ModuleList(Memory(**config) for _ in range(layers))
        slots, width = config["n_keys"] ** 2, config["value_dim"]
        self.values = nn.Parameter(torch.randn(slots, width) * width**-0.5)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x, self.values)
        return x


def tensors(model, prefix):
    """Parameters and running statistics by their names in a golden file."""
    return {prefix + name.removeprefix("layers."): tensor.clone()
            for name, tensor in model.state_dict().items() if "num_batches" not in name}


def forward(model, x, mask):
    """Padding is left out of everything and gives zero."""
    y = torch.zeros_like(x)
    y[mask] = model(x[mask])
    return y


def loss(y, target, mask):
    return (y - target)[mask].square().sum() / 2


def first_step(model, x, target, mask):
    """All that one forward and backward leaves behind."""
    queries, scores, ids = copy.deepcopy(model.layers[0]).lookup(x[mask])
    x = x.clone().requires_grad_()
    y = forward(model, x, mask)
    loss(y, target, mask).backward()
    grads = {"grad." + name.removeprefix("layers."): parameter.grad.to_dense()
             for name, parameter in model.named_parameters()}
    running = {name: t for name, t in tensors(model, "after.").items() if ".running_" in name}
    y_eval = forward(model.eval(), x, mask)
    return {"queries": queries, "scores": scores, "ids": ids, "y": y, "y_eval": y_eval,
            "grad.x": x.grad, **grads, **running}


def is_matrix(name):
    return name.endswith(("query.weight", "value_proj.weight", "swilu.weight"))


def train(model, x, target, mask, run):
    """Steps of AdamW, which decays matrices only, and of SparseAdam on the rows that were read."""
    dense = [(name, p) for name, p in model.named_parameters() if name != "values"]
    groups = [{"params": [p for name, p in dense if is_matrix(name)]},
              {"params": [p for name, p in dense if not is_matrix(name)], "weight_decay": 0}]
    optimizers = [torch.optim.AdamW(groups, lr=run["lr"], weight_decay=run["weight_decay"]),
                  torch.optim.SparseAdam([model.values], lr=run["value_lr"])]
    for x_step, target_step in zip(x, target):
        model.zero_grad()
        y = forward(model, x_step, mask)
        loss(y, target_step, mask).backward()
        for optimizer in optimizers:
            optimizer.step()
    return {"y_last": y, **tensors(model, "final.")}


def results(model, draw, run):
    x, target, mask = draw["x"], draw["target"], draw["mask"]
    out = first_step(copy.deepcopy(model), x[0], target[0], mask)
    if run["steps"]:
        out |= train(copy.deepcopy(model), x, target, mask, run)
    return out


def is_noise(name, config):
    """Batch norm takes the query's bias out again: its gradient is nothing but rounding."""
    return config["query_norm"] == "batch" and (
        name.endswith("query.bias") or name.startswith("final") and "running_mean" in name)


def well_conditioned(model, draw, config, run, want):
    for _ in range(TRIALS):
        other = copy.deepcopy(model).float()
        for parameter in other.parameters():
            parameter.data *= 1 + torch.randint_like(parameter, -1, 2) * 2.0**-23
        got = results(other, {n: t.float() if t.is_floating_point() else t for n, t in draw.items()}, run)
        for name in want:
            tolerance = TRAINED if name.startswith(("final", "y_last")) else ONE_PASS
            if not is_noise(name, config) and not torch.allclose(
                    got[name].double(), want[name].double(), tolerance, tolerance):
                return False
    return True


def make(config, run, seed):
    """A case drawn at random with its results; None if it hangs on the last bits."""
    torch.manual_seed(seed)
    model = Stack(config, run["layers"])
    shape = (max(run["steps"], 1), run["tokens"], config["dim"])
    mask = torch.ones(run["tokens"], dtype=torch.bool)
    mask[torch.randperm(run["tokens"])[: run["padded"]]] = False
    draw = {"x": torch.randn(shape), "target": torch.randn(shape), "mask": mask}
    for tensor in (draw["x"], draw["target"], *model.state_dict().values()):
        # Integers make every sum exact and many scores equal; otherwise what fp32 can hold.
        tensor.copy_(torch.randint_like(tensor, -1, 2) if run["integers"] else tensor.float())
    want = results(model, draw, run)
    if not run["integers"] and not well_conditioned(model, draw, config, run, want):
        return None
    return draw | tensors(model, "init.") | want


def stored(tensor):
    kinds = {torch.float64: torch.float32, torch.int64: torch.int32, torch.bool: torch.uint8}
    return tensor.detach().to(kinds[tensor.dtype]).contiguous()


def write_all(folder, seed):
    folder.mkdir(parents=True, exist_ok=True)
    for name, changes in CASES.items():
        config = {key: changes.get(key, value) for key, value in BASE.items()}
        run = {key: changes.get(key, value) for key, value in RUN.items()}
        attempts = (make(config, run, 1000 * seed + i) for i in range(1000))
        out = next(attempt for attempt in attempts if attempt is not None)
        metadata = {key: str(value) for key, value in (config | run).items()}
        save_file({n: stored(t) for n, t in out.items()}, folder / f"{name}.safetensors", metadata)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Writes golden files of memory layers.")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    write_all(arguments.out, arguments.seed)
