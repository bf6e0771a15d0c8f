#!/usr/bin/env python3
"""Measures the speed of Hugging Face's tokenizers library on one thread.

    pip install tokenizers
    python bench/tokenizer_speed.py TEXT TOKENIZER.json[.gz]...

TEXT (UTF-8, .gz allowed) is cut to 100 KB, which are tokenized as one text and
as texts of about 200 bytes. For each tokenizer the fastest of several rounds of
`encode`, `encode_batch` and `encode_batch_fast` is printed in MB/s, so that the
library is seen from its best side. `go test -bench Encode ./tokenizer` prints
the other side on the same texts.
"""

import os

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import gzip
import sys
import time

# This file's name would otherwise shadow the library.
sys.path[:] = [p for p in sys.path if os.path.abspath(p or ".") != os.path.dirname(os.path.abspath(__file__))]

import tokenizers

LENGTH, SHORT, SECONDS = 100_000, 200, 1.0


def read(path):
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as f:
        return f.read()


def cut(data, size):
    """Splits text into pieces of at most size bytes, at character boundaries."""
    pieces, start = [], 0
    while start < len(data):
        end = min(start + size, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        pieces.append(data[start:end].decode())
        start = end
    return pieces


def rate(function, size):
    """Best throughput of function over a number of rounds, in MB/s."""
    function()
    best, until = float("inf"), time.perf_counter() + SECONDS
    while time.perf_counter() < until:
        begin = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - begin)
    return size / best / 1e6


def main(text, *paths):
    data = read(text)
    data = cut((data * (LENGTH // len(data) + 1))[:LENGTH] + b" ", LENGTH)[0].encode()
    print(f"tokenizers {tokenizers.__version__}, {len(data)} bytes of {text}, MB/s")
    print(f"{'tokenizer':40} {'100 KB':>8} {'200 B':>8}")
    for path in paths:
        tokenizer = tokenizers.Tokenizer.from_str(read(path).decode())
        tokenizer.no_padding()
        tokenizer.no_truncation()
        row = []
        for texts in cut(data, LENGTH), cut(data, SHORT):
            row.append(max(rate(f, len(data)) for f in (
                lambda: [tokenizer.encode(t) for t in texts],
                lambda: tokenizer.encode_batch(texts),
                lambda: tokenizer.encode_batch_fast(texts),
            )))
        name = os.path.basename(os.path.dirname(os.path.abspath(path)))
        print(f"{name:40} {row[0]:8.2f} {row[1]:8.2f}")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
