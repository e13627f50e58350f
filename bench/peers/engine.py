# SPDX-License-Identifier: Apache-2.0
"""How the PyTorch programs are run: threads, precision, eager or compiled."""

import contextlib

import torch

import timing


def add_options(parser):
    parser.add_argument("--precision", choices=["f32", "bf16"], default="bf16")
    parser.add_argument("--compile", action="store_true")


def set_up(args):
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)


def work(run, items, unit, args, *more):
    """more: what else tells this way of doing it from others."""
    how = ["torch.compile" if args.compile else "eager", *more]
    return timing.Work(run, items, unit, f"PyTorch {torch.__version__}", ", ".join(how))


def autocast(args):
    """Mixed precision where bf16 was asked for."""
    if args.precision == "f32":
        return contextlib.nullcontext()
    return torch.autocast("cpu", dtype=torch.bfloat16)


def compiled(function, args, inference=False):
    """function itself, or compiled; for inference its weights become constants, packed once."""
    if not args.compile:
        return function
    if inference:
        import torch._inductor.config as inductor

        inductor.freezing = True
    return torch.compile(function, dynamic=False)


def optimizers(others, tables, values):
    """Fused AdamW for the dense parameters; for value tables what values says (memory.add_options)."""
    made = [torch.optim.AdamW(others, lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1, fused=True)]
    if tables:
        made.append(torch.optim.SparseAdam(tables, lr=1e-3) if values == "sparse"
                    else torch.optim.Adam(tables, lr=1e-3, fused=values == "dense" or None))
    return made


def step(made):
    for optimizer in made:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
