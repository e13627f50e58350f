# SPDX-License-Identifier: Apache-2.0
"""The product-key memory layer in PyTorch, from the equations of Lample et al. 2019, section 3.

Written to be read beside the paper and to be right, not fast: the search ranks all n^2 slots. What
the paper leaves open follows docs of this project: the order among equal scores, layer norm over
each half of each head, the relu and raw gates, the swilu output gate (Berges et al. 2024).
Parameters carry the names under which pkm saves them.
"""

import torch
import torch.nn.functional as F
from torch import nn


def search(scores1, scores2, topk):
    """The k best of all slots (i, j), scored scores1[i] + scores2[j]: (scores, ids) [..., k].

    Sub-keys are ranked by (score descending, index ascending), slots by (sum descending, rank in
    half 1 ascending, rank in half 2 ascending); a stable sort of the rank grid does just that.
    """
    n = scores1.shape[-1]
    ranked1, i = scores1.sort(dim=-1, descending=True, stable=True)
    ranked2, j = scores2.sort(dim=-1, descending=True, stable=True)
    sums = (ranked1.unsqueeze(-1) + ranked2.unsqueeze(-2)).flatten(-2)
    best, at = sums.sort(dim=-1, descending=True, stable=True)
    best, at = best[..., :topk], at[..., :topk]
    return best, i.gather(-1, at // n) * n + j.gather(-1, at % n)


def flat_search(scores, topk):
    """The k best of all slots by (score descending, index ascending): (scores, ids) [..., k]."""
    best, ids = scores.sort(dim=-1, descending=True, stable=True)
    return best[..., :topk], ids[..., :topk]


class HalfNorm(nn.Module):
    """Layer norm over each half of each head's query, with a weight and a bias per feature."""

    def __init__(self, heads, key_dim):
        super().__init__()
        self.half = key_dim // 2
        self.weight = nn.Parameter(torch.ones(heads * key_dim))
        self.bias = nn.Parameter(torch.zeros(heads * key_dim))

    def forward(self, query):
        halves = F.layer_norm(query.unflatten(-1, (-1, self.half)), (self.half,))
        return halves.flatten(-2) * self.weight + self.bias


class BatchNorm(nn.BatchNorm1d):
    """Batch norm over all features; a batch of one row has no statistics and uses the running ones."""

    def forward(self, query):
        if self.training and query.shape[0] > 1:
            return super().forward(query)
        return F.batch_norm(query, self.running_mean, self.running_var, self.weight, self.bias)


NORMS = {
    "batch": lambda heads, key_dim: BatchNorm(heads * key_dim),
    "layer": HalfNorm,
    "none": lambda heads, key_dim: nn.Identity(),
}
GATES = {"softmax": lambda s: s.softmax(-1), "relu": torch.relu, "raw": lambda s: s}


class Memory(nn.Module):
    """One memory layer. `values` [slots, D_v] may be shared with others; given to forward."""

    def __init__(self, dim, heads, n_keys, key_dim, topk, value_dim, query_norm, gate, output_gate,
                 key_kind="product"):
        super().__init__()
        self.heads, self.topk, self.gate = heads, topk, GATES[gate]
        self.query = nn.Linear(dim, heads * key_dim)
        self.query_norm = NORMS[query_norm](heads, key_dim)
        shape = (heads, n_keys**2, key_dim) if key_kind == "flat" else (heads, 2, n_keys, key_dim // 2)
        bound = shape[-1] ** -0.5
        self.keys = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
        self.swilu = nn.Linear(dim, value_dim) if output_gate == "swilu" else None
        projected = value_dim != dim or output_gate == "swilu"
        self.value_proj = nn.Linear(value_dim, dim) if projected else None

    def lookup(self, x):
        """Queries [N, H, d_k] of x [N, D], and scores and ids [N, H, k] of their best slots."""
        query = self.query_norm(self.query(x)).unflatten(-1, (self.heads, -1))
        if self.keys.dim() == 3:
            return (query, *flat_search(torch.einsum("nhd,hvd->nhv", query, self.keys), self.topk))
        halves = query.unflatten(-1, (2, -1))
        scores = torch.einsum("nhcd,hcid->nhci", halves, self.keys)
        return (query, *search(scores[:, :, 0], scores[:, :, 1], self.topk))

    def forward(self, x, values):
        _, scores, ids = self.lookup(x)
        weights = self.gate(scores)
        # All heads read the same table, and their results are summed: one bag of H * k rows.
        y = F.embedding_bag(ids.flatten(1), values, per_sample_weights=weights.flatten(1),
                            mode="sum", sparse=True)
        if self.swilu is not None:
            y = y * F.silu(self.swilu(x))
        return y if self.value_proj is None else self.value_proj(y)
