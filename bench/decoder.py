"""Time winnow's server and llama-server alternately on a causal model, in one run.

    python decoder.py --models DIR --llama PATH/llama-server --winnow PATH/winnow

DIR is make_gguf.py's output. Both servers use the same file and number of threads; the order alternates between
rounds. Texts and tokens are new in every request, so that nothing is cached except the common prompt prefix, which
both servers keep. Measured are

    rerank      a request with 20 documents of 150 tokens: seconds as seen by the client
    prefill     a prompt of 512 tokens and one generated token
    generate    64 tokens after a prompt of 16, minus the time for one

and the memory bandwidth of as many threads, which limits generation: each token reads each weight once. --memory
prints the resident memory of both servers afterwards. Ratios are medians over the rounds; above 1, winnow is that many
times faster.
"""
import argparse
import atexit
import json
import os
import pathlib
import random
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request

import numpy as np

from make_gguf import WORDS


class Server:
    def __init__(self, name, command):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.name = name
        env = dict(os.environ, LD_LIBRARY_PATH=str(pathlib.Path(command[0]).resolve().parent))
        self.process = subprocess.Popen([*command, "--port", str(self.port)], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        atexit.register(self.stop)
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health")
                return
            except OSError:
                if self.process.poll() is not None:
                    sys.exit(f"{name} ended with status {self.process.returncode}")
                time.sleep(0.1)
        sys.exit(f"{name} does not answer")

    def ask(self, route, body):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{route}", json.dumps(body).encode(), {"Content-Type": "application/json"})
        start = time.perf_counter()
        reply = json.load(urllib.request.urlopen(request))
        return time.perf_counter() - start, reply

    def resident(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return {line.split()[0]: int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith(("VmRSS", "VmHWM", "RssAnon"))}

    def stop(self):
        self.process.terminate()
        self.process.wait()


def bandwidth(threads):
    """Bytes per second at which the given number of threads read 1 GiB."""
    data = np.ones(1 << 27, np.int64)
    parts = np.array_split(data, threads)

    def read(part):
        for block in np.array_split(part, 64):
            np.bitwise_or.reduce(block)

    best = 0.0
    for _ in range(5):
        work = [threading.Thread(target=read, args=(p,)) for p in parts]
        start = time.perf_counter()
        for t in work:
            t.start()
        for t in work:
            t.join()
        best = max(best, data.nbytes / (time.perf_counter() - start))
    return best


def main():
    p = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__)
    p.add_argument("--models", required=True, type=pathlib.Path)
    p.add_argument("--type", default="Q8_0", help="Q8_0 or Q4_K_M, part of the files' names")
    p.add_argument("--llama", required=True, help="llama-server")
    p.add_argument("--winnow", required=True, help="the built winnow")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--documents", type=int, default=20)
    p.add_argument("--tokens", type=int, default=150, help="of a document")
    p.add_argument("--only", choices=["rerank", "complete"])
    p.add_argument("--memory", action="store_true")
    p.add_argument("--llama-flags", default="--no-repack", help="more flags of llama-server; --no-repack: the weights as they are in the file")
    args = p.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    rng = random.Random(time.time_ns())

    def text(words):
        return " ".join(rng.choice(WORDS) for _ in range(words))

    def pair(file, llama_flags):
        threads = str(args.threads)
        winnow = Server("winnow", [args.winnow, "serve", "-m", file, "-t", threads])
        llama = Server("llama-server", [args.llama, "-m", file, "-t", threads, *llama_flags, *args.llama_flags.split()])
        return winnow, llama

    def measure(what, servers, once, size, unit):
        seconds = {s.name: [] for s in servers}
        for r in range(args.rounds):
            for s in servers if r % 2 == 0 else servers[::-1]:
                seconds[s.name].append(once(s))
        a, b = (seconds[s.name] for s in servers)
        ratios = sorted(y / x for x, y in zip(a, b))
        rates = [size / statistics.median(x) for x in (a, b)]
        print(f"{args.type} {what:9} winnow {rates[0]:8.1f} {unit}  llama-server {rates[1]:8.1f} {unit}  "
              f"{statistics.median(ratios):5.2f} x ({ratios[0]:.2f} to {ratios[-1]:.2f})", flush=True)
        return rates

    if args.only != "complete":
        file = args.models / f"rerank-{args.type}.gguf"
        servers = pair(file, ["--reranking", "--pooling", "rank", "-c", "8192", "-b", "2048", "-ub", "512"])

        def rerank(s, documents=args.documents):
            seconds, reply = s.ask("/v1/rerank", {"query": text(8), "documents": [text(args.tokens) for _ in range(documents)]})
            rerank.tokens = reply["usage"]["total_tokens"] / documents
            return seconds

        for s in servers:  # the first request pages in the file
            rerank(s, 1)

        measure("rerank", servers, rerank, args.documents, "documents/s")
        print(f"  {rerank.tokens:.0f} tokens a document with the prompt")
        if args.memory:
            for s in servers:
                print(f"  {s.name}: file {file.stat().st_size / 1e6:.0f} MB,", ", ".join(f"{k} {v / 1e6:.0f} MB" for k, v in s.resident().items()))
        for s in servers:
            s.stop()

    if args.only != "rerank":
        file = args.models / f"lm-{args.type}.gguf"
        servers = pair(file, ["-c", "2048", "-np", "1"])

        def complete(s, prompt, tokens):
            ids = [rng.randrange(300, 3000) for _ in range(prompt)]
            seconds, reply = s.ask("/completion", {"prompt": ids, "n_predict": tokens, "temperature": 0, "ignore_eos": True, "cache_prompt": False})
            assert reply["tokens_predicted"] == tokens and reply["tokens_evaluated"] == prompt, reply
            return seconds

        for s in servers:
            complete(s, 16, 2)
        measure("prefill", servers, lambda s: complete(s, 512, 1), 512, "tokens/s")
        rates = measure("generate", servers, lambda s: complete(s, 16, 65) - complete(s, 16, 1), 64, "tokens/s")
        if args.memory:
            for s in servers:
                print(f"  {s.name}: file {file.stat().st_size / 1e6:.0f} MB,", ", ".join(f"{k} {v / 1e6:.0f} MB" for k, v in s.resident().items()))
        for s in servers:
            s.stop()
        # A token reads every weight; the embedding table is also the head.
        memory, weights = bandwidth(args.threads), file.stat().st_size
        print(f"  memory is read at {memory / 1e9:.1f} GB/s: {memory / weights:.1f} tokens/s at most; winnow reaches {rates[0] * weights / memory:.0%}, "
              f"llama-server {rates[1] * weights / memory:.0%}")


main()
