# SPDX-License-Identifier: Apache-2.0
"""Product-key memory (Lample et al. 2019) as one writes it in PyTorch to be fast."""

import torch
from torch import nn


def search(queries, keys, topk):
    """Exact: the best of each half, then the best of their sums.

    queries [N, H, 2, d], keys [H, 2, n, d] -> scores, ids [N, H, k]
    """
    half = torch.einsum("nhsd,hskd->nhsk", queries, keys)
    best, index = half.topk(topk, dim=-1)
    sums = (best[:, :, 0, :, None] + best[:, :, 1, None, :]).flatten(2)
    ids = (index[:, :, 0, :, None] * keys.shape[2] + index[:, :, 1, None, :]).flatten(2)
    scores, at = sums.topk(topk, dim=-1)
    return scores, ids.gather(-1, at)


class Memory(nn.Module):
    """Linear query with batch norm, search, softmax, weighted sum over heads and slots."""

    def __init__(self, args):
        super().__init__()
        self.heads, self.topk = args.memory_heads, args.topk
        self.query = nn.Linear(args.dim, args.memory_heads * args.key_dim)
        self.norm = nn.BatchNorm1d(args.memory_heads * args.key_dim)
        half, bound = args.key_dim // 2, (args.key_dim / 2) ** -0.5
        self.keys = nn.Parameter(torch.empty(args.memory_heads, 2, args.n_keys, half).uniform_(-bound, bound))
        self.values = nn.EmbeddingBag(args.n_keys**2, args.dim, mode="sum", sparse=args.values == "sparse")
        nn.init.normal_(self.values.weight, std=args.dim**-0.5)
        if args.values == "sparse" and args.compile:  # it cannot be traced through
            self.read = torch.compiler.disable(self.read)

    def read(self, ids, weights):
        with torch.autocast("cpu", enabled=False):
            return self.values(ids, per_sample_weights=weights)

    def forward(self, x):
        rows = x.flatten(0, -2)
        queries = self.norm(self.query(rows)).view(len(rows), self.heads, 2, -1)
        scores, ids = search(queries, self.keys.to(queries.dtype), self.topk)
        weights = scores.float().softmax(-1).to(self.values.weight.dtype)
        return self.read(ids.flatten(1), weights.flatten(1)).view_as(x)


def add_options(parser):
    for name, value in {"n_keys": 256, "memory_heads": 4, "key_dim": 128, "topk": 32}.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=value)
    parser.add_argument("--values", choices=["sparse", "dense", "unfused"], default="dense",
                        help="gradients of the values: sparse for SparseAdam, dense for Adam, fused or as it comes")
