# SPDX-License-Identifier: Apache-2.0
"""GPT-2 with product-key memories in place of feed-forward blocks, in PyTorch."""

import torch
from torch import nn
from torch.nn import functional as F

import memory
from memory import Memory


class Cache(nn.Module):
    """Keys and values of one sequence, for decoding."""

    def __init__(self, attn_heads, seq_len, head_dim, dtype):
        super().__init__()
        for name in "kv":
            self.register_buffer(name, torch.zeros(1, attn_heads, seq_len, head_dim, dtype=dtype))

    def put(self, k, v, position):
        return self.k.index_copy_(2, position, k), self.v.index_copy_(2, position, v)


class Block(nn.Module):
    """Pre-norm transformer block of GPT-2."""

    def __init__(self, args, with_memory):
        super().__init__()
        dim = args.dim
        self.attn_heads = args.attn_heads
        self.cache = None
        self.ln_1, self.ln_2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.c_attn, self.c_proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = Memory(args) if with_memory else nn.Sequential(
            nn.Linear(dim, 4 * dim), nn.GELU(approximate="tanh"), nn.Linear(4 * dim, dim))

    def forward(self, x, position=None, mask=None):
        batch, length, dim = x.shape
        shape = (batch, length, self.attn_heads, dim // self.attn_heads)
        q, k, v = (t.view(shape).transpose(1, 2) for t in self.c_attn(self.ln_1(x)).split(dim, -1))
        if position is not None:
            k, v = self.cache.put(k, v, position)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        x = x + self.c_proj(y.transpose(1, 2).reshape(x.shape))
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    """GPT-2 with tied embeddings."""

    def __init__(self, args):
        super().__init__()
        self.wte = nn.Embedding(args.vocab_size, args.dim)
        self.wpe = nn.Embedding(args.seq_len, args.dim)
        nn.init.normal_(self.wte.weight, std=0.02)
        nn.init.normal_(self.wpe.weight, std=0.02)
        memories = [int(i) for i in args.memory_layers.split(",") if i]
        self.blocks = nn.ModuleList(Block(args, i in memories) for i in range(args.layers))
        self.ln_f = nn.LayerNorm(args.dim)

    def forward(self, ids, targets):
        """Mean loss; ids and targets [batch, seq_len]."""
        x = self.wte(ids) + self.wpe.weight[: ids.shape[1]]
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.ln_f(x), self.wte.weight)
        return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())

    def start(self):
        """Makes room for a sequence to decode."""
        length = self.wpe.num_embeddings
        weight = self.wte.weight
        for block in self.blocks:
            block.cache = Cache(block.attn_heads, length, weight.shape[1] // block.attn_heads, weight.dtype)
        self.register_buffer("seen", torch.ones(length, length, dtype=torch.bool).tril())

    def decode(self, token, position):
        """The token that follows, the likeliest one; token and position [1]."""
        x = (self.wte(token) + self.wpe(position)).unsqueeze(0)
        for block in self.blocks:
            x = block(x, position, self.seen[position])
        return F.linear(self.ln_f(x[:, -1]), self.wte.weight).argmax(-1)

    def tables(self):
        return [block.mlp.values.weight for block in self.blocks if isinstance(block.mlp, Memory)]


def add_options(parser):
    shape = {"layers": 4, "dim": 256, "attn_heads": 4, "seq_len": 128, "batch": 32, "vocab_size": 8192}
    for name, value in shape.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=value)
    parser.add_argument("--memory-layers", default="", help="0-based, comma-separated")
    memory.add_options(parser)
