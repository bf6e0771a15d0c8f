"""A server as a worker of compare.py: one line in, one rerank request with the workload, seconds out.

    python http_worker.py WORK.json COMMAND...

The server is COMMAND with --port. It gets text, so a sequence consists of words that are
single tokens in BERT's vocabulary: the first words of the first sequence are the query, the
rest of each sequence is a document. The last word of each document changes with every
request, so that nothing comes from a cache.
"""
import atexit
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.request

WORDS = ("time year people way day man thing woman life child world school state family student group country problem hand part place case week "
         "company system program question work government number night point home water room mother area money story fact month lot right study "
         "book eye job word business issue side kind head house service friend father power hour game line end member law car city community name").split()


def main():
    work, command = json.load(open(sys.argv[1])), sys.argv[2:]
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    env = dict(os.environ, LD_LIBRARY_PATH=str(pathlib.Path(command[0]).resolve().parent))
    server = subprocess.Popen([*command, "--port", str(port)], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    atexit.register(server.kill)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    base = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            urllib.request.urlopen(base + "/health")
            break
        except OSError:
            if server.poll() is not None:
                sys.exit(f"the server ended with status {server.returncode}")
            time.sleep(0.1)

    def words(ids):
        return [WORDS[i % len(WORDS)] for i in ids]

    # A pair has three special tokens in addition to its words.
    first = work[0]["types"].count(0) if 1 in work[0]["types"] else min(10, len(work[0]["ids"]) // 2)
    query = " ".join(words(work[0]["ids"][:first - 2]))
    documents = [words(r["ids"][first + 1:]) for r in work]
    print("ready", flush=True)
    for turn, _ in enumerate(sys.stdin):
        body = json.dumps({"query": query, "documents": [" ".join(d[:-1] + [WORDS[(turn + i) % len(WORDS)]]) for i, d in enumerate(documents)]}).encode()
        request = urllib.request.Request(base + "/v1/rerank", body, {"Content-Type": "application/json"})
        start = time.perf_counter()
        reply = json.load(urllib.request.urlopen(request))
        seconds = time.perf_counter() - start
        if turn == 0:
            print(f"{pathlib.Path(command[0]).name}: {reply['usage']['total_tokens']} tokens a request", file=sys.stderr)
        assert len(reply["results"]) == len(work)
        print(seconds, flush=True)


main()
