# SPDX-License-Identifier: Apache-2.0
"""A memory layer on its own, forward, backward and step: the other side of `pkm bench layer`.

The layer of memory.py, or with --package the one of PyPI's product-key-memory.
"""

import torch

import engine
import memory
import timing


def package_layer(args):
    import product_key_memory

    layer = product_key_memory.PKM(args.dim, heads=args.memory_heads, num_keys=args.n_keys, topk=args.topk,
                                   dim_head=args.key_dim // 2)
    layer.values.sparse = args.values == "sparse"
    return layer


def prepare(args):
    engine.set_up(args)
    layer = package_layer(args) if args.package else memory.Memory(args)
    others = [p for p in layer.parameters() if p is not layer.values.weight]
    made = engine.optimizers(others, [layer.values.weight], args.values)
    forward = engine.compiled(layer, args)
    x = torch.randn(1, args.tokens, args.dim, requires_grad=True)
    dy = torch.randn(1, args.tokens, args.dim)

    def run():
        with engine.autocast(args):
            y = forward(x)
        y.backward(dy.to(y.dtype))
        engine.step(made)
        x.grad = None

    return engine.work(run, args.tokens, "tokens", args, args.values, *(["product-key-memory"] if args.package else []))


if __name__ == "__main__":
    parser = timing.options(__doc__, runs=3, tokens=512, dim=256)
    parser.add_argument("--package", action="store_true", help="product-key-memory of PyPI")
    memory.add_options(parser)
    engine.add_options(parser)
    timing.main(parser, prepare)
