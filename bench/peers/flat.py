# SPDX-License-Identifier: Apache-2.0
"""All n^2 slots as vectors in a flat FAISS index: what product keys save.

Slot (i, j) is the vector [c1_i, c2_j], whose inner product with a query is its score.
"""

import faiss
import numpy as np

import timing


def slots(keys):
    """[2, n, d] -> [n^2, 2d]"""
    n = keys.shape[1]
    return np.concatenate([np.repeat(keys[0], n, axis=0), np.tile(keys[1], (n, 1))], axis=1)


def index(keys):
    made = faiss.IndexFlatIP(2 * keys.shape[2])
    made.add(slots(keys))
    return made


def prepare(args):
    faiss.omp_set_num_threads(args.threads)
    random = np.random.default_rng(args.seed)
    flat = index(random.standard_normal((2, args.n_keys, args.key_dim // 2), dtype=np.float32))
    queries = random.standard_normal((args.queries, args.key_dim), dtype=np.float32)
    return timing.Work(lambda: flat.search(queries, args.topk), args.queries, "queries",
                       f"FAISS {faiss.__version__}", "FAISS IndexFlatIP")


if __name__ == "__main__":
    timing.main(timing.options(__doc__, runs=1, n_keys=512, key_dim=128, topk=32, queries=64), prepare)
