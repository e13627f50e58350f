# SPDX-License-Identifier: Apache-2.0
"""Decoding one sequence with a KV cache: the other side of `pkm bench decode`."""

import torch

import engine
import gpt
import timing


def prepare(args):
    engine.set_up(args)
    model = gpt.GPT(args).eval()
    if args.precision == "bf16":
        model.bfloat16()
    model.start()
    decode = engine.compiled(model.decode, args, inference=True)
    positions = torch.arange(args.seq_len)

    @torch.no_grad()
    def run():
        token = torch.zeros(1, dtype=torch.long)
        for position in range(args.context, args.context + args.tokens):
            token = decode(token, positions[position : position + 1])

    return engine.work(run, args.tokens, "tokens", args)


if __name__ == "__main__":
    parser = timing.options(__doc__, runs=3, tokens=8, context=32)
    gpt.add_options(parser)
    engine.add_options(parser)
    timing.main(parser, prepare)
