"""CTranslate2 int8 as a worker of compare.py: one line in, the workload once, seconds out.

    python ct2_worker.py MODEL_DIR WORK.json THREADS

MODEL_DIR is made by ct2_convert.py. CTranslate2 encoders have no classification head,
so the head's small cost is omitted in its favour.
"""
import json
import sys
import time

import ctranslate2


def main():
    path, work, threads = sys.argv[1], json.load(open(sys.argv[2])), int(sys.argv[3])
    encoder = ctranslate2.Encoder(path, device="cpu", compute_type="int8", intra_threads=threads)
    order = sorted(work, key=lambda r: len(r["ids"]))
    batches = [order[i: i + 32] for i in range(0, len(order), 32)]
    types = max(max(r["types"]) for r in work) > 0
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        for rows in batches:
            extra = {"token_type_ids": [r["types"] for r in rows]} if types else {}
            encoder.forward_batch([r["ids"] for r in rows], **extra)
        print(time.perf_counter() - start, flush=True)


main()
