# SPDX-License-Identifier: Apache-2.0
"""Training speed of the same GPT in PyTorch: the other side of `pkm bench train`.

One JSON line per measurement: tokens/s as the median over timed steps, random token ids. Plain, or
with one product-key memory (Lample et al. 2019) in place of a feed-forward block; its values are
trained by SparseAdam on sparse gradients or by Adam on dense ones, whichever is asked for.
"""

import argparse
import json
import statistics
import time

import torch
from torch import nn
from torch.nn import functional as F


class Memory(nn.Module):
    """Product-key memory: linear query with batch norm, exact top-k, softmax, sum over heads."""

    def __init__(self, dim, heads, n_keys, key_dim, topk, sparse):
        super().__init__()
        self.heads, self.n_keys, self.topk = heads, n_keys, topk
        self.query = nn.Linear(dim, heads * key_dim)
        self.norm = nn.BatchNorm1d(heads * key_dim)
        bound = (key_dim / 2) ** -0.5
        self.keys = nn.Parameter(torch.empty(heads, 2, n_keys, key_dim // 2).uniform_(-bound, bound))
        self.values = nn.EmbeddingBag(n_keys**2, dim, mode="sum", sparse=sparse)
        nn.init.normal_(self.values.weight, std=dim**-0.5)

    def forward(self, x):
        rows = x.reshape(-1, x.shape[-1])
        q = self.norm(self.query(rows)).view(len(rows), self.heads, 2, -1)
        half = torch.einsum("nhsd,hskd->nhsk", q, self.keys.to(q.dtype))
        best, index = half.topk(self.topk, dim=-1)
        sums = (best[:, :, 0, :, None] + best[:, :, 1, None, :]).flatten(2)
        ids = (index[:, :, 0, :, None] * self.n_keys + index[:, :, 1, None, :]).flatten(2)
        scores, at = sums.topk(self.topk, dim=-1)
        weights = scores.float().softmax(-1)
        ids = ids.gather(-1, at)
        with torch.autocast("cpu", enabled=False):
            out = self.values(ids.flatten(1), per_sample_weights=weights.flatten(1))
        return out.view_as(x)


class Block(nn.Module):
    """Pre-norm transformer block of GPT-2."""

    def __init__(self, dim, attn_heads, memory):
        super().__init__()
        self.attn_heads = attn_heads
        self.ln_1, self.ln_2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.c_attn, self.c_proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = memory or nn.Sequential(
            nn.Linear(dim, 4 * dim), nn.GELU(approximate="tanh"), nn.Linear(4 * dim, dim)
        )

    def forward(self, x):
        batch, length, dim = x.shape
        shape = (batch, length, self.attn_heads, dim // self.attn_heads)
        q, k, v = (t.view(shape).transpose(1, 2) for t in self.c_attn(self.ln_1(x)).split(dim, -1))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
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
        self.blocks = nn.ModuleList()
        for layer in range(args.layers):
            memory = None
            if layer in args.memory_layers:
                memory = Memory(args.dim, args.memory_heads, args.n_keys, args.key_dim, args.topk,
                                args.values == "sparse")
            self.blocks.append(Block(args.dim, args.attn_heads, memory))
        self.ln_f = nn.LayerNorm(args.dim)

    def forward(self, ids, targets):
        x = self.wte(ids) + self.wpe.weight[: ids.shape[1]]
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.ln_f(x), self.wte.weight)
        return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())


def make_optimizers(model, args):
    tables = [b.mlp.values.weight for b in model.blocks if isinstance(b.mlp, Memory)]
    others = [p for p in model.parameters() if all(p is not t for t in tables)]
    optimizers = [torch.optim.AdamW(others, lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1, fused=True)]
    if tables:
        values = torch.optim.SparseAdam if args.values == "sparse" else torch.optim.Adam
        optimizers.append(values(tables, lr=1e-3))
    return others, optimizers


def measure(args):
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    model = GPT(args)
    others, optimizers = make_optimizers(model, args)
    forward = torch.compile(model) if args.compile else model
    bf16 = args.precision == "bf16"
    seconds = []
    for step in range(args.warmup + args.steps):
        ids = torch.randint(args.vocab_size, (args.batch, args.seq_len + 1))
        start = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            loss = forward(ids[:, :-1], ids[:, 1:])
        loss.backward()
        nn.utils.clip_grad_norm_(others, 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if step >= args.warmup:
            seconds.append(time.perf_counter() - start)
    return args.batch * args.seq_len / statistics.median(seconds), loss.item()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in [("layers", 4), ("dim", 256), ("attn-heads", 4), ("seq-len", 128),
                        ("batch", 32), ("vocab-size", 8192), ("n-keys", 256), ("memory-heads", 4),
                        ("key-dim", 128), ("topk", 32), ("threads", 2), ("steps", 10),
                        ("warmup", 3), ("seed", 1)]:
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--memory-layers", default="", help="0-based, comma-separated")
    parser.add_argument("--precision", choices=["f32", "bf16"], default="bf16")
    parser.add_argument("--values", choices=["sparse", "dense"], default="sparse")
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()
    args.memory_layers = [int(i) for i in args.memory_layers.split(",") if i]
    tokens_per_second, loss = measure(args)
    print(json.dumps({"bench": "train", "engine": f"torch {torch.__version__}",
                      "memory": bool(args.memory_layers), "values": args.values,
                      "compile": args.compile, "precision": args.precision,
                      "threads": args.threads, "tok_per_s": tokens_per_second, "loss": loss}))


if __name__ == "__main__":
    main()
