# SPDX-License-Identifier: Apache-2.0
"""Byte-level BPE, encoding and learning: the other side of `pkm bench tokenize`.

tiktoken and tokenizers encode with the vocabulary of a tokenizer.json that pkm wrote; tokenizers
also learns one.
"""

import os
import pathlib

import timing


def read_texts(args):
    """Files in order of their paths, up to the wanted size."""
    texts, room = [], args.max_kib << 10
    for path in sorted(path for path in pathlib.Path(args.text).rglob("*") if path.is_file()):
        room -= path.stat().st_size
        if room < 0 and texts:
            break
        texts.append(path.read_text(errors="replace"))
    return texts


def tokenizers_encoder(args):
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_file(f"{args.tokenizer}/tokenizer.json")
    return (lambda texts: [found.ids for found in tokenizer.encode_batch_fast(texts, add_special_tokens=False)],
            f"tokenizers {tokenizers.__version__}")


def tiktoken_encoder(args):
    import tiktoken
    import tokenizers
    from tiktoken_ext.openai_public import r50k_pat_str

    vocabulary = tokenizers.Tokenizer.from_file(f"{args.tokenizer}/tokenizer.json").get_vocab(with_added_tokens=False)
    letters = [*range(33, 127), *range(161, 173), *range(174, 256)]  # bytes that stand for themselves
    byte = {chr(b): b for b in letters} | {
        chr(256 + i): b for i, b in enumerate(b for b in range(256) if b not in letters)}
    ranks = {bytes(byte[letter] for letter in token): rank for token, rank in vocabulary.items()}
    encoding = tiktoken.Encoding("pkm", pat_str=r50k_pat_str, mergeable_ranks=ranks, special_tokens={})
    return (lambda texts: encoding.encode_ordinary_batch(texts, num_threads=args.threads),
            f"tiktoken {tiktoken.__version__}")


def learner(args, texts):
    import tokenizers
    from tokenizers import models, pre_tokenizers, trainers

    def learn():
        tokenizer = tokenizers.Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = trainers.BpeTrainer(vocab_size=args.vocab_size, show_progress=False,
                                      initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
        tokenizer.train_from_iterator(texts, trainer)

    return learn, f"tokenizers {tokenizers.__version__}"


def prepare(args):
    os.environ.update(RAYON_NUM_THREADS=str(args.threads), TOKENIZERS_PARALLELISM="true")
    texts = read_texts(args)
    if args.learn:
        run, program = learner(args, texts)
    else:
        encode, program = (tiktoken_encoder if args.tiktoken else tokenizers_encoder)(args)
        if args.tiktoken:
            few = texts[: max(1, len(texts) // 16)]
            assert encode(few) == tokenizers_encoder(args)[0](few), "tiktoken and tokenizers disagree"
        run = lambda: encode(texts)
    return timing.Work(run, sum(len(text.encode()) for text in texts), "bytes", program, program.split()[0])


if __name__ == "__main__":
    parser = timing.options(__doc__, runs=1, max_kib=8192, vocab_size=8192)
    parser.add_argument("--text", default="/usr/include", help="folder of files (default /usr/include)")
    parser.add_argument("--tokenizer", help="folder with tokenizer.json, to encode with")
    parser.add_argument("--tiktoken", action="store_true", help="encode with tiktoken")
    parser.add_argument("--learn", action="store_true", help="learn a vocabulary")
    timing.main(parser, prepare)
