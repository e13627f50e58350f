# SPDX-License-Identifier: Apache-2.0
"""Scoring random tokens with the same GPT: the other side of `pkm bench score`."""

import torch

import engine
import gpt
import timing


def prepare(args):
    engine.set_up(args)
    model = gpt.GPT(args).eval()
    if args.cast:
        model.bfloat16()
    forward = engine.compiled(model, args, inference=True)
    ids = torch.randint(args.vocab_size, (args.batch, args.seq_len + 1))
    inputs, targets = ids[:, :-1].contiguous(), ids[:, 1:].contiguous()

    @torch.no_grad()
    def run():
        if args.cast:
            return forward(inputs, targets)
        with engine.autocast(args):
            return forward(inputs, targets)

    return engine.work(run, args.batch * args.seq_len, "tokens", args, *(["cast"] if args.cast else []))


if __name__ == "__main__":
    parser = timing.options(__doc__, runs=3)
    parser.add_argument("--cast", action="store_true", help="weights in bf16 instead of autocast")
    gpt.add_options(parser)
    engine.add_options(parser)
    timing.main(parser, prepare)
