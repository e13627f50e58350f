# SPDX-License-Identifier: Apache-2.0
"""Token ids of pkm against those of Hugging Face's `tokenizers`, from the same tokenizer.json, on
mixed text; and bytes that are no UTF-8, through encode and decode and back.

    python tests/parity/tokens.py PKM WORK TEXT...       TEXT: files and folders of C and English
"""

import itertools
import pathlib
import random
import shutil
import sys
import unicodedata

from tokenizers import Tokenizer

from tool import run

SENTENCES = (
    "Größe, Öl und Straße: ça va, garçon? El niño comió piñones; què és això? Žluťoučký kůň pěl.",
    "Съешь ещё этих мягких французских булок, да выпей чаю. Ξεσκεπάζω την ψυχοφθόρα βδελυγμία.",
    "天地玄黃，宇宙洪荒。日月盈昃，辰宿列張。いろはにほへと ちりぬるを。키스의 고유조건은 입술끼리 만나야 한다.",
    "नमस्ते दुनिया, مرحبا بالعالم، שלום עולם, สวัสดีชาวโลก, გამარჯობა, ሰላም ለዓለም.",
    "👩‍👩‍👧‍👦 🇩🇪🇯🇵 👍🏽 😀😂 ☃️ ①②③ ½ ⅷ x² ＡＢＣ１２３ e\u0301 a\u030a ﬁ ſ İ ß 𝒳 𐍈",
    "I'm, you're, we'll, they've, he'd, it's, don't; I'M YOU'RE 'tis ''s '''ll ’s isn’t 123'456",
    "a  b   c\t\td \t e\n\n\nf\r\ng \u00a0h\u3000i \u2003 j\u2028k\u0085l\x0b\x0cm   \n   n    ",
)


def readable(paths, limit):
    """Text of files under the paths, in order of name, up to so many characters."""
    files = itertools.chain.from_iterable(
        sorted(p.rglob("*")) if p.is_dir() else [p] for p in map(pathlib.Path, paths))
    text = ""
    for file in files:
        if file.is_file() and len(text) < limit:
            text += file.read_text("utf-8", "ignore")
    return text[:limit].replace("<|endoftext|>", "") # which tokenizers recognises in text, we do not


def mixed(paths):
    """Over 5 MB: C and English, then sentences and characters of all kinds in random order."""
    rng = random.Random(0)
    characters = [chr(c) for c in range(sys.maxunicode) if unicodedata.category(chr(c)) not in ("Cs", "Cn", "Co")]
    blanks = [" ", "  ", "\n", "\t", "", "", "'", "-"]
    parts = []
    for _ in range(8000):
        parts.append(rng.choice(SENTENCES))
        parts += rng.choices(characters, k=20)
        parts += rng.choices(blanks, k=3)
    word = "".join(rng.choices("etaoinshrdlu", k=1_000_000))
    return readable(paths, 3_000_000) + "".join(parts) + "\n" + word + "\n" + rng.choice(SENTENCES)


def main(pkm, work, *paths):
    work = pathlib.Path(work)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    text = mixed(paths)
    document, noise = work / "mixed.txt", work / "noise.bin"
    document.write_bytes(text.encode())
    noise.write_bytes(random.Random(1).randbytes(200_000) + document.read_bytes()[-1_500_000:-1_400_001])

    def ours(*command):
        return run(pkm, "tokenizer", *command)

    ours("train", "--vocab-size", 8192, "--out", work, document)
    ids = [int(word) for word in ours("encode", "--tokenizer", work, document).split()]
    theirs = Tokenizer.from_file(str(work / "tokenizer.json"))
    expected = theirs.encode(text).ids
    print(f"{len(text.encode()):,} bytes of text, {len(ids):,} ids of ours, {len(expected):,} of tokenizers")
    for at, (a, b) in enumerate(itertools.zip_longest(ids, expected)):
        if a != b:
            print(f"first difference at id {at}: {a}, expected {b}, after {theirs.decode(expected[max(0, at - 5):at + 1])!r}")
            return 1
    for file in (document, noise):
        (work / "ids").write_bytes(ours("encode", "--tokenizer", work, file))
        if ours("decode", "--tokenizer", work, work / "ids") != file.read_bytes():
            print(f"{file} does not come back byte for byte")
            return 1
    print("ids equal; text and random bytes come back byte for byte")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
