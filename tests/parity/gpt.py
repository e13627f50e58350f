# SPDX-License-Identifier: Apache-2.0
"""GPT-2 (Radford et al. 2019) with product-key memories, opened from a model directory of pkm.

In double precision, for comparison with what pkm computes from the same weights.
"""

import json
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

from memory import Memory


class Conv1D(nn.Module):
    """x W + b; GPT-2 stores its projections as [in, out]."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.empty(n_in, n_out)), nn.Parameter(torch.empty(n_out))

    def forward(self, x):
        return x @ self.weight + self.bias


class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.c_attn, self.c_proj = Conv1D(dim, 3 * dim), Conv1D(dim, dim)

    def forward(self, x):
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(0, 1) for t in self.c_attn(x).chunk(3, -1))
        future = torch.ones(len(x), len(x), dtype=torch.bool).triu(1)
        scores = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).masked_fill(future, -torch.inf)
        return self.c_proj((scores.softmax(-1) @ v).transpose(0, 1).flatten(1))


class FeedForward(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.c_fc, self.c_proj = Conv1D(dim, 4 * dim), Conv1D(4 * dim, dim)

    def forward(self, x):
        return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))


class Block(nn.Module):
    def __init__(self, dim, heads, feed_forward, memory, store):
        super().__init__()
        self.ln_1, self.attn, self.ln_2 = nn.LayerNorm(dim), Attention(dim, heads), nn.LayerNorm(dim)
        self.mlp, self.pkm, self.store = feed_forward, memory, store

    def forward(self, x, stores):
        x = x + self.attn(self.ln_1(x))
        z = self.ln_2(x)
        if self.mlp is not None:
            x = x + self.mlp(z)
        if self.pkm is not None:
            x = x + self.pkm(z, stores[self.store])
        return x


class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        dim, pkm = config["n_embd"], config["pkm"]
        layers = pkm["memory_layers"]
        self.wte = nn.Embedding(config["vocab_size"], dim)
        self.wpe = nn.Embedding(config["n_positions"], dim)
        self.h = nn.ModuleList()
        for i in range(config["n_layer"]):
            replaced = i in layers and pkm["memory_mode"] == "replace"
            self.h.append(Block(dim, config["n_head"], None if replaced else FeedForward(dim),
                                memory_from(pkm, dim) if i in layers else None,
                                layers.index(i) if i in layers and not pkm["shared_values"] else 0))
        self.ln_f = nn.LayerNorm(dim)
        self.pkm = nn.Module()
        n_stores = 0 if not layers else 1 if pkm["shared_values"] else len(layers)
        self.pkm.values = nn.ParameterList(
            torch.empty(pkm["n_keys"] ** 2, pkm["value_dim"]) for _ in range(n_stores))

    def forward(self, ids):
        x = self.wte(ids) + self.wpe.weight[: len(ids)]
        for block in self.h:
            x = block(x, self.pkm.values)
        return self.ln_f(x) @ self.wte.weight.T


def memory_from(pkm, dim):
    names = ("n_keys", "key_dim", "topk", "value_dim", "query_norm", "gate", "output_gate", "key_kind")
    return Memory(dim, pkm["memory_heads"], **{name: pkm[name] for name in names})


def load(folder):
    folder = pathlib.Path(folder)
    model = GPT(json.loads((folder / "config.json").read_text()))
    weights = load_file(folder / "model.safetensors")
    missing, unexpected = model.load_state_dict(weights, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    assert not missing and not unexpected, f"missing {missing}, unexpected {unexpected}"
    return model.double().eval()
