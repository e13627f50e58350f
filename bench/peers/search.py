# SPDX-License-Identifier: Apache-2.0
"""Product-key search alone, on normal keys and queries: the other side of `pkm bench search`."""

import torch

import engine
import memory
import timing


def prepare(args):
    engine.set_up(args)
    dtype = torch.bfloat16 if args.precision == "bf16" else torch.float32
    half = args.key_dim // 2
    queries = torch.randn(args.tokens, args.memory_heads, 2, half).to(dtype)
    keys = torch.randn(args.memory_heads, 2, args.n_keys, half).to(dtype)
    search = engine.compiled(memory.search, args, inference=True)

    @torch.inference_mode()
    def run():
        return search(queries, keys, args.topk)

    return engine.work(run, args.tokens * args.memory_heads, "queries", args)


if __name__ == "__main__":
    parser = timing.options(__doc__, runs=20, tokens=512)
    memory.add_options(parser)
    engine.add_options(parser)
    timing.main(parser, prepare)
