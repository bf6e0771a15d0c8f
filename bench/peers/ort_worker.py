"""ONNX Runtime as a worker of compare.py: one line in, the workload once, seconds out.

    python ort_worker.py MODEL.onnx WORK.json THREADS [still]

still: waiting threads do not spin, for compare.py --cpu.
Sequences are sorted by length and padded in batches of 32, as its users do.
"""
import json
import sys
import time

import numpy as np
import onnxruntime as ort


def batches(work, size=32):
    order = sorted(range(len(work)), key=lambda i: len(work[i]["ids"]))
    for at in range(0, len(order), size):
        rows = [work[i] for i in order[at: at + size]]
        width = max(len(r["ids"]) for r in rows)
        ids, mask, types = (np.zeros((len(rows), width), np.int64) for _ in range(3))
        for j, r in enumerate(rows):
            n = len(r["ids"])
            ids[j, :n], mask[j, :n], types[j, :n] = r["ids"], 1, r["types"]
        yield {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}


def main():
    path, work, threads = sys.argv[1], json.load(open(sys.argv[2])), int(sys.argv[3])
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    if sys.argv[4:] == ["still"]:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    takes = {i.name for i in session.get_inputs()}
    feeds = [{k: v for k, v in feed.items() if k in takes} for feed in batches(work)]
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        for feed in feeds:
            session.run(None, feed)
        print(time.perf_counter() - start, flush=True)


main()
