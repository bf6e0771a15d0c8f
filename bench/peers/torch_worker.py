"""PyTorch (transformers, float32) as a worker of compare.py: one line in, the workload once, seconds out.

    python torch_worker.py MODEL_DIR WORK.json THREADS
"""
import json
import sys
import time

import torch
from transformers import AutoModelForSequenceClassification


def main():
    path, work, threads = sys.argv[1], json.load(open(sys.argv[2])), int(sys.argv[3])
    torch.set_num_threads(threads)
    model = AutoModelForSequenceClassification.from_pretrained(path).eval()
    order = sorted(work, key=lambda r: len(r["ids"]))
    feeds = []
    for at in range(0, len(order), 32):
        rows = order[at: at + 32]
        width = max(len(r["ids"]) for r in rows)
        pad = [[0] * (width - len(r["ids"])) for r in rows]
        feeds.append({"input_ids": torch.tensor([r["ids"] + z for r, z in zip(rows, pad)]),
                      "attention_mask": torch.tensor([[1] * len(r["ids"]) + z for r, z in zip(rows, pad)])})
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        with torch.inference_mode():
            for feed in feeds:
                model(**feed)
        print(time.perf_counter() - start, flush=True)


main()
