"""PyTorch (transformers) as a worker of compare.py: one line in, the workload once, seconds out.

    python torch_worker.py MODEL_DIR WORK.json THREADS [f32|bf16|int8]

int8 is PyTorch's dynamic quantization of all linear layers. Sequences are sorted by
length and padded in batches of 32, as its users do.
"""
import json
import sys
import time

import torch
from transformers import AutoModelForSequenceClassification


def main():
    path, work, threads = sys.argv[1], json.load(open(sys.argv[2])), int(sys.argv[3])
    precision = sys.argv[4] if len(sys.argv) > 4 and sys.argv[4] else "f32"
    torch.set_num_threads(threads)
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16, "int8": torch.float32}[precision]
    model = AutoModelForSequenceClassification.from_pretrained(path, dtype=dtype).eval()
    if precision == "int8":
        model = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)
    typed = getattr(model.config, "type_vocab_size", 1) > 1
    order = sorted(work, key=lambda r: len(r["ids"]))
    feeds = []
    for at in range(0, len(order), 32):
        rows = order[at: at + 32]
        width = max(len(r["ids"]) for r in rows)
        pad = [[0] * (width - len(r["ids"])) for r in rows]
        feed = {"input_ids": torch.tensor([r["ids"] + z for r, z in zip(rows, pad)]),
                "attention_mask": torch.tensor([[1] * len(r["ids"]) + z for r, z in zip(rows, pad)])}
        if typed:
            feed["token_type_ids"] = torch.tensor([r["types"] + z for r, z in zip(rows, pad)])
        feeds.append(feed)
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        with torch.inference_mode():
            for feed in feeds:
                model(**feed)
        print(time.perf_counter() - start, flush=True)


main()
