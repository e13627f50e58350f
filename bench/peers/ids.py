# SPDX-License-Identifier: Apache-2.0
"""Compares the slots that libpkm finds with those of a flat FAISS index, and says how they agree."""

import argparse
import ctypes
import pathlib

import faiss
import numpy as np

import flat

LIBRARY = pathlib.Path(__file__).parents[2] / "build/release/libpkm.so"


class Config(ctypes.Structure):
    """pkm_search_config of include/pkm/memory.h."""

    _fields_ = [(name, ctypes.c_int64) for name in ("heads", "n_keys", "key_dim", "topk")] + [
        ("compute", ctypes.c_int), ("key_kind", ctypes.c_int)]


def pkm_search(keys, queries, topk):
    """keys [2, n, d], queries [N, 2d] -> ids [N, k]"""
    pkm = ctypes.CDLL(LIBRARY)
    pkm.pkm_search_workspace.restype = ctypes.c_size_t
    pointer = lambda array: array.ctypes.data_as(ctypes.c_void_p)
    search, n_rows = ctypes.c_void_p(), len(queries)
    ids, scores = np.empty((n_rows, topk), np.int32), np.empty((n_rows, topk), np.float32)
    assert pkm.pkm_search_create(ctypes.byref(search), ctypes.byref(
        Config(1, keys.shape[1], 2 * keys.shape[2], topk, 0, 0))) == 0
    pkm.pkm_search_pack(search, pointer(keys))
    room = np.empty(pkm.pkm_search_workspace(search) + 64, np.uint8)
    aligned = room[-room.ctypes.data % 64 :]
    assert pkm.pkm_search_run(search, pointer(ids), pointer(scores), pointer(queries), ctypes.c_int64(n_rows),
                              pointer(aligned)) == 0
    pkm.pkm_search_destroy(search)
    return ids


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in {"n-keys": 512, "key-dim": 128, "topk": 32, "queries": 256, "seed": 1}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    random = np.random.default_rng(args.seed)
    keys = random.standard_normal((2, args.n_keys, args.key_dim // 2), dtype=np.float32)
    queries = random.standard_normal((args.queries, args.key_dim), dtype=np.float32)
    ours = pkm_search(keys, queries, args.topk)
    theirs = flat.index(keys).search(queries, args.topk)[1]
    vectors = flat.slots(keys).astype(np.float64)
    score = lambda ids: np.einsum("nkd,nd->nk", vectors[ids], queries.astype(np.float64))
    same = np.mean([len(np.intersect1d(a, b)) for a, b in zip(ours, theirs)]) / args.topk
    gap = np.abs(score(ours) - score(theirs)).max()
    print(f"Of the {args.queries} x {args.topk} slots found among {args.n_keys**2:,} in f32, pkm and FAISS "
          f"{faiss.__version__} share {100 * same:.2f} %; rank by rank, the scores of what they found, computed in "
          f"f64, differ by at most {gap:.1g}.")


if __name__ == "__main__":
    main()
