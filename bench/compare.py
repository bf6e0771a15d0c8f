"""Time winnow and other engines alternately on the same workload, in one run.

    python compare.py --models DIR --model minilm --work 32x128 --threads 2 \
        winnow:f32 winnow:int8 ort:model.onnx ort:model_int8.onnx

Each engine runs in its own process with the model loaded. A round runs every engine
once, in an order that alternates between rounds, so that changes in machine speed affect
all of them equally. Prints median seconds, tokens and sequences per second, and the
median over the rounds of the ratio to the first engine (above 1: the first engine is that
many times faster), its range, and the ratio of the fastest rounds, which other load
disturbs least. A pause precedes each turn: threads may spin for a while after finishing
(ONNX Runtime's for up to 20 ms), which would cost the next engine a core.
winnow:PRECISION/KERNELS sets WINNOW_KERNELS, the instruction set winnow uses.

On a machine under other load, --cpu counts processor time (user and system) of an engine's
process, divided by the number of threads, instead of wall-clock time. That hides time that
threads spend waiting for each other: ONNX Runtime's are told not to spin, and --threads 1
has none. Caches and memory are still shared, so use the ratio of the fastest of many
rounds. Child processes do not count, so servers cannot be timed this way.

The two servers get words instead of tokens and are timed from request to reply.

WORK is COUNTxTOKENS, or "mixed" (100 documents of 10 to 190 words, 1.3 tokens a
word, with a query of 8 tokens), or "example" (the four short documents of the 4D
example: 18 to 21 tokens each).
"""
import argparse
import atexit
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent


def workload(spec, types):
    rng = random.Random(7)
    if spec == "mixed":
        lengths = [11 + int(1.3 * rng.randint(10, 190)) for _ in range(100)]
    elif spec == "example":
        lengths = [21, 19, 18, 18]
    else:
        count, tokens = map(int, spec.split("x"))
        lengths = [tokens] * count
    work = []
    for n in lengths:
        query = min(10, n // 2)
        work.append({"ids": [rng.randint(1000, 20000) for _ in range(n)], "types": [0] * query + [int(types > 1)] * (n - query)})
    return work


class Engine:
    def __init__(self, spec, args, work_file):
        self.spec = spec
        kind, _, what = spec.partition(":")
        environment = dict(os.environ)
        model = pathlib.Path(args.models) / args.model
        threads = str(args.threads)
        precision, _, other = what.partition("@")
        precision, _, path = precision.partition("/")
        if path:  # "winnow:int8/avx2"
            environment["WINNOW_KERNELS"] = path
        gguf = model / what
        command = {
            "winnow": lambda: [args.winnow, "-m", other or model, "-precision", precision, "-work", work_file, "-threads", threads],
            "ort": lambda: [sys.executable, HERE / "peers/ort_worker.py", model / what, work_file, threads, *["still"] * args.cpu],
            "ct2": lambda: [sys.executable, HERE / "peers/ct2_worker.py", str(model) + "-ct2", work_file, threads],
            "torch": lambda: [sys.executable, HERE / "peers/torch_worker.py", model, work_file, threads, what],
            "winnow-http": lambda: [sys.executable, HERE / "peers/http_worker.py", work_file, args.winnow_server, "serve", "-m", gguf, "-t", threads,
                                    "--cache-size", "0"],
            "llama-server": lambda: [sys.executable, HERE / "peers/http_worker.py", work_file, args.llama_server, "-m", gguf, "-t", threads,
                                     "-tb", threads, "--reranking", "--pooling", "rank", *args.llama_flags.split()],
            "hugot": lambda: [args.hugot, "-model", model, "-work", work_file, "-file", what],
        }[kind]()
        self.seconds = []
        self.process = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        atexit.register(self.process.terminate)
        first = self.process.stdout.readline().strip()
        if first != "ready":
            sys.exit(f"{spec} did not start: {first!r}")
        self.cpu_threads = args.threads if args.cpu else 0

    def run(self):
        before = self.spent()
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        seconds = float(self.process.stdout.readline())
        return (self.spent() - before) / self.cpu_threads if self.cpu_threads else seconds

    def spent(self):
        """Processor seconds of all threads of the process (Linux)."""
        return time.clock_gettime(~self.process.pid << 3 | 2) if self.cpu_threads else 0


def main():
    p = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__)
    p.add_argument("--models", required=True, help="folder that make_models.py filled")
    p.add_argument("--model", default="minilm")
    p.add_argument("--work", default="32x128")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=9)
    p.add_argument("--pause", type=float, default=0.1, help="seconds before each turn")
    p.add_argument("--cpu", action="store_true", help="count the processors' time (Linux)")
    p.add_argument("--winnow", default=str(HERE / "worker/worker"), help="the built bench/worker")
    p.add_argument("--hugot", default=str(HERE / "peers/hugot/hugot"), help="the built bench/peers/hugot")
    p.add_argument("--winnow-server", default="winnow", help="winnow, for winnow-http")
    p.add_argument("--llama-server", default="llama-server")
    p.add_argument("--llama-flags", default="-c 8192 -b 8192 -ub 8192 -np 1 --no-repack", help="--no-repack: the weights as they are in the file")
    p.add_argument("--json", help="append the result to this file, one JSON object a line")
    p.add_argument("engines", nargs="+", help="winnow:PRECISION[/KERNELS][@MODEL] ort:FILE ct2: torch:f32|bf16|int8 hugot:FILE "
                   "winnow-http:GGUF llama-server:GGUF (a file's path, from the model's folder)")
    args = p.parse_args()
    if args.cpu and any(e.startswith(("winnow-http:", "llama-server:")) for e in args.engines):
        sys.exit("--cpu cannot time servers")

    config = pathlib.Path(args.models) / args.model / "config.json"
    work = workload(args.work, json.loads(config.read_text()).get("type_vocab_size", 1) if config.exists() else 1)
    tokens = sum(len(r["ids"]) for r in work)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
        json.dump(work, f)
        f.flush()
        engines = [Engine(spec, args, f.name) for spec in args.engines]
        for e in engines:  # warm up caches and arenas
            e.run(), e.run()
        for r in range(args.rounds):
            turn = r % len(engines)
            for e in engines[turn:] + engines[:turn]:
                time.sleep(args.pause)
                e.seconds.append(e.run())
    first = engines[0]
    print(f"{args.model} {args.work}: {len(work)} sequences, {tokens} tokens, {args.threads} threads, {args.rounds} rounds{', processor time' * args.cpu}")
    rows = []
    for e in engines:
        ratios = sorted(b / a for a, b in zip(first.seconds, e.seconds))
        median = statistics.median(e.seconds)
        row = {"model": args.model, "work": args.work, "threads": args.threads, "cpu": args.cpu, "engine": e.spec, "median_ms": median * 1e3,
               "tokens_per_s": tokens / median, "sequences_per_s": len(work) / median,
               "best_ms": min(e.seconds) * 1e3, "ratio_best": min(e.seconds) / min(first.seconds),
               "ratio": statistics.median(ratios), "ratio_min": ratios[0], "ratio_max": ratios[-1]}
        rows.append(row)
        print(f"  {e.spec:24} {row['median_ms']:9.2f} ms  {row['tokens_per_s']:9.0f} tokens/s  {row['sequences_per_s']:7.1f} seq/s"
              f"  {row['ratio']:6.2f} x ({row['ratio_min']:.2f} to {row['ratio_max']:.2f})"
              f"  best {row['best_ms']:.2f} ms, {row['ratio_best']:.2f} x")
    if args.json:
        with open(args.json, "a") as out:
            for row in rows:
                out.write(json.dumps(row) + "\n")


main()
