# SPDX-License-Identifier: Apache-2.0
"""A training step of the same GPT on random token ids: the other side of `pkm bench train`."""

import torch
from torch import nn

import engine
import gpt
import timing


def prepare(args):
    engine.set_up(args)
    model = gpt.GPT(args)
    tables = model.tables()
    others = [p for p in model.parameters() if all(p is not table for table in tables)]
    made = engine.optimizers(others, tables, args.values)
    forward = engine.compiled(model, args)

    def run():
        ids = torch.randint(args.vocab_size, (args.batch, args.seq_len + 1))
        with engine.autocast(args):
            loss = forward(ids[:, :-1], ids[:, 1:])
        loss.backward()
        nn.utils.clip_grad_norm_(others, 1.0)
        engine.step(made)

    return engine.work(run, args.batch * args.seq_len, "tokens", args, *([args.values] if tables else []))


if __name__ == "__main__":
    parser = timing.options(__doc__, runs=3)
    gpt.add_options(parser)
    engine.add_options(parser)
    timing.main(parser, prepare)
