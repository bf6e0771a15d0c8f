#!/usr/bin/env python3
"""Breaks down the time of a layer: microseconds of one core per token and layer.

    python layers.py --models DIR [--winnow bench/worker/worker] [--kernels avx2,avxvnni,…] [--rounds N]

For MiniLM-L6 and bge-reranker-base's shape (make_models.py's minilm and base), with
texts of 128 and of 512 tokens, in int8, on each set of kernels. The numbers come from a
profile of the worker, which samples processor time: other load affects them only through
caches and memory.
"""
import argparse
import json
import os
import pathlib
import random
import re
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
# A function's own time, or including its callees.
PARTS = {
    "products": ("flat", r"kernels\.(tile(AVX|AMX|I8MM|DotProd|NEON)|widenBytes)"),
    "attention": ("cum", r"kernels\.\(\*Attention\)\.Run$"),
    "quantise": ("cum", r"kernels\.\(\*int8Weights\)\.Prepare$"),
    "GELU": ("cum", r"kernels\.applyActivation"),
    "norms": ("cum", r"compute\.\(\*Context\)\.Norm"),
    "layers": ("cum", r"compute\.\(\*Context\)\.Layers$"),
}


def seconds(text):
    number, unit = re.match(r"([\d.]+)(\D*)", text).groups()
    return float(number) * {"": 0, "ms": 1e-3, "s": 1, "mins": 60}[unit]


def profile(args, model, count, tokens, kernels, folder):
    rng = random.Random(7)
    work = folder / "work.json"
    work.write_text(json.dumps([{"ids": [rng.randint(1000, 20000) for _ in range(tokens)], "types": [0] * tokens} for _ in range(count)]))
    out = folder / "cpu.out"
    subprocess.run([args.winnow, "-m", pathlib.Path(args.models) / model, "-precision", "int8", "-threads", "1", "-work", work,
                    "-rounds", str(args.rounds), "-cpuprofile", out], check=True, stdout=subprocess.DEVNULL,
                   env={**os.environ, "WINNOW_KERNELS": kernels})
    top = subprocess.run(["go", "tool", "pprof", "-top", "-cum", "-nodecount=500", "-nodefraction=0", out],
                         check=True, capture_output=True, text=True).stdout
    sums = dict.fromkeys(PARTS, 0.0)
    for line in top.splitlines():
        if m := re.match(r"\s*([\d.]+m?s|0)\s+[\d.]+%\s+[\d.]+%\s+([\d.]+m?s|0)\s+[\d.]+%\s+(\S+)", line):
            for part, (kind, name) in PARTS.items():
                if re.search(name, m[3]):
                    sums[part] += seconds(m[1] if kind == "flat" else m[2])
    return sums


def main():
    p = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__)
    p.add_argument("--models", required=True)
    p.add_argument("--winnow", default=str(HERE / "worker/worker"), help="the built bench/worker")
    p.add_argument("--kernels", default="avx512vnni,avxvnni,avx2")
    p.add_argument("--rounds", type=int, default=20)
    args = p.parse_args()
    names = ["products", "attention", "quantise", "GELU", "norms"]
    print("| model | tokens | kernels | " + " | ".join(names) + " | the rest | a layer |")
    print("|---|---|---|" + "---|" * (len(names) + 2))
    for model, layers, count, tokens in [("minilm", 6, 32, 128), ("minilm", 6, 8, 512), ("base", 12, 8, 128), ("base", 12, 2, 512)]:
        for kernels in args.kernels.split(","):
            with tempfile.TemporaryDirectory() as folder:
                sums = profile(args, model, count, tokens, kernels, pathlib.Path(folder))
            each = {k: 1e6 * v / (args.rounds * layers * count * tokens) for k, v in sums.items()}
            rest = each["layers"] - sum(each[n] for n in names)
            print(f"| {model} | {tokens} | {kernels} | " + " | ".join(f"{each[n]:.2f}" for n in names) + f" | {rest:.2f} | {each['layers']:.2f} |", flush=True)


main()
