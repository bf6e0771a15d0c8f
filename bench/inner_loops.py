#!/usr/bin/env python3
"""Estimates the cost of the arm64 kernels' inner loops on processors that are not available.

For each kernel: the instructions of its innermost loop in the built program; the cycles
per iteration in llvm-mca's model of each processor; and the utilisation of the multiply
ports, that is the time of the loop's multiplications alone divided by the loop's. All data
is assumed to be in the L1 cache.

    bench/inner_loops.py [--llvm -19] [--cpus apple-m1,neoverse-n1,neoverse-v1]

Requires Go and LLVM's llvm-objdump and llvm-mca (Debian: llvm-19; LLVM 14 lacks the
Neoverse models); --llvm is the suffix of their names.
"""
import argparse
import re
import subprocess
import tempfile
from pathlib import Path

PACKAGE = "github.com/winnow-rerank/winnow/kernels"
KERNELS = [
    "tileNEONF32", "tileNEONF16", "tileNEONBF16", "widenF16NEON", "widenBF16NEON",
    "tileI8MM", "tileDotProd", "tileNEON",
    "blocks32DotProd", "super16DotProd", "super32OffsetsDotProd", "blocks32NEON",
]
MULTIPLY = re.compile(r"(fmla|sdot|smmla|usdot|usmmla|[su]mull2?|[su]mlal2?)$")
LINE = re.compile(r"\s*([0-9a-f]+): [0-9a-f]{8}\s+(\S.*)")


def run(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


def loops(lines):
    """Innermost loops: instructions from a backward branch's target to the branch."""
    at = {address: i for i, (address, _) in enumerate(lines)}
    found = []
    for i, (address, text) in enumerate(lines):
        branch = re.match(r"(?:b\.\w+|cbn?z|tbn?z)\s.*?0x([0-9a-f]+) <", text)
        if branch and (target := int(branch[1], 16)) <= address and target in at:
            found.append((at[target], i))
    return [lines[a:b + 1] for a, b in found if not any(a <= c and d <= b and (a, b) != (c, d) for c, d in found)]


def simulate(mca, cpu, instructions, iterations=200):
    out = run(mca, "-mtriple=aarch64", f"-mcpu={cpu}", "-mattr=+dotprod,+i8mm,+bf16,+fullfp16", f"-iterations={iterations}",
              input="\n".join(instructions) + "\n")
    number = lambda name: float(re.search(name + r":\s+([\d.]+)", out)[1])
    return number("Total Cycles") / iterations, number("Block RThroughput")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--llvm", default="-19", help="suffix of LLVM's programs")
    parser.add_argument("--cpus", default="apple-m1,neoverse-n1,neoverse-v1")
    options = parser.parse_args()
    cpus = options.cpus.split(",")
    root = Path(__file__).resolve().parent.parent
    with tempfile.TemporaryDirectory() as directory:
        binary = Path(directory) / "kernels.test"
        subprocess.run(["go", "test", "-c", "-o", binary, "./kernels"], check=True, cwd=root,
                       env={**__import__("os").environ, "GOARCH": "arm64", "CGO_ENABLED": "0"})
        print("| kernel | instructions | that multiply | " + " | ".join(f"{c}: cycles, busy" for c in cpus) + " |")
        print("|---|---|---|" + "---|" * len(cpus))
        for kernel in KERNELS:
            text = run("llvm-objdump" + options.llvm, "-d", "--mattr=+all", f"--disassemble-symbols={PACKAGE}.{kernel}.abi0", binary)
            lines = [(int(m[1], 16), m[2].replace("\t", " ")) for m in map(LINE.match, text.splitlines()) if m]
            multiplies = lambda loop: [t for _, t in loop if MULTIPLY.match(t.split()[0])]
            body = max(loops(lines), key=lambda loop: len(multiplies(loop)))
            some = multiplies(body)
            # Branches get labels, since the assembler cannot use addresses.
            instructions = ["loop:"] + [re.sub(r"0x[0-9a-f]+ <.*>", "loop", t) for _, t in body]
            cells = []
            for cpu in cpus:
                cycles, _ = simulate("llvm-mca" + options.llvm, cpu, instructions)
                least = simulate("llvm-mca" + options.llvm, cpu, some)[1] if some else 0
                cells.append(f"{cycles:.1f}, {100 * least / cycles:.0f} %")
            print(f"| `{kernel}` | {len(body)} | {len(some)} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
