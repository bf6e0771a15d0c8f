"""Measures the accuracy that 8-bit products cost winnow and ONNX Runtime on the same weights.

    python accuracy.py --winnow bench/worker/worker MODEL_DIR...

MODEL_DIR is the Hugging Face directory of a cross-encoder supported by transformers. Its
pairs come from reference.json, if present (a list "pairs" of ids, types and logits, or
"cases" of a query and documents); otherwise they are 96 sequences of 16 to 128 random
tokens, with float32 logits computed by PyTorch. ONNX Runtime gets the model as exported
by torch.onnx, with all weights quantized by quantize_dynamic to signed bytes, per matrix
and per channel; the better of the two counts, separately for each measure. Prints a
Markdown table: root mean square error of a logit, largest error of a score (the sigmoid
of the logit), and ratios of the two engines' errors.
"""
import argparse
import json
import pathlib
import random
import shutil
import subprocess
import tempfile

import numpy as np
import onnxruntime as ort
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from make_models import Logits

PRECISIONS = ("f32", "f16", "int8", "int8a16", "int16a8")


def pairs(folder, types):
    file = folder / "reference.json"
    if file.exists():
        known = json.loads(file.read_text())
        if "pairs" in known:
            return known["pairs"]
        tokenizer = AutoTokenizer.from_pretrained(folder)
        work = []
        for case in known["cases"]:
            tokens = tokenizer([case["query"]] * len(case["documents"]), case["documents"], truncation=True, return_token_type_ids=True)
            work += [{"ids": i, "types": t, "logits": [x]} for i, t, x in zip(tokens["input_ids"], tokens["token_type_ids"], case["logits"])]
        return work
    rng = random.Random(3)
    work = []
    for _ in range(96):
        n = rng.randint(16, 128)
        work.append({"ids": [rng.randint(1000, 20000) for _ in range(n)], "types": [0] * 10 + [int(types > 1)] * (n - 10)})
    return work


def logit(values):
    """For two labels, the difference."""
    return float(values[0] if len(values) == 1 else values[1] - values[0])


def feed(pair, names):
    ids = np.array([pair["ids"]], np.int64)
    every = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.array([pair.get("types") or [0] * ids.shape[1]], np.int64)}
    return {n: every[n] for n in names}


def errors(got, want):
    def sigmoid(x):
        return 1 / (1 + np.exp(-x))
    return float(np.sqrt(((got - want) ** 2).mean())), float(np.abs(sigmoid(got) - sigmoid(want)).max())


def shake(model):
    """Moves the weights of the linear layers by up to half a step of an 8-bit grid."""
    generator = torch.Generator().manual_seed(1)
    for m in model.modules():
        if isinstance(m, torch.nn.Linear):
            step = m.weight.abs().amax(1, keepdim=True) / 127
            m.weight += (torch.rand(m.weight.shape, generator=generator) - 0.5) * step


def measure(folder, winnow, tmp, shaken):
    model = AutoModelForSequenceClassification.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    where = folder
    if shaken:
        with torch.no_grad():
            shake(model)
        where = pathlib.Path(tmp) / "shaken"
        shutil.copytree(folder, where, ignore=lambda _, names: [n for n in names if n.endswith((".safetensors", ".onnx", ".bin"))])
        model.save_pretrained(where)
    types = getattr(model.config, "type_vocab_size", 1) or 1
    typed = types > 1
    names = ["input_ids", "attention_mask"] + ["token_type_ids"] * typed
    work = pairs(folder, types)
    with torch.inference_mode():
        exact = np.array([logit(model(**{k: torch.tensor(v) for k, v in feed(p, names).items()}).logits[0]) for p in work])
    want = np.array([logit(p["logits"]) for p in work]) if "logits" in work[0] and not shaken else exact

    ids = torch.randint(5, 50, (2, 16))
    args = (ids, torch.ones_like(ids)) + (torch.zeros_like(ids),) * typed
    axes = {0: torch.export.Dim("b", min=1, max=512), 1: torch.export.Dim("l", min=2, max=512)}
    with torch.no_grad():
        torch.onnx.export(Logits(model).eval(), args, input_names=names, output_names=["logits"], dynamo=True, verbose=False,
                          dynamic_shapes=tuple(axes for _ in names)).save(f"{tmp}/model.onnx")
    theirs = []
    for per_channel in (False, True):
        quantize_dynamic(f"{tmp}/model.onnx", f"{tmp}/int8.onnx", weight_type=QuantType.QInt8, per_channel=per_channel)
        session = ort.InferenceSession(f"{tmp}/int8.onnx", providers=["CPUExecutionProvider"])
        takes = [i.name for i in session.get_inputs()]
        theirs.append(errors(np.array([logit(session.run(None, feed(p, takes))[0][0]) for p in work]), want))
    theirs = tuple(map(min, zip(*theirs)))

    (pathlib.Path(tmp) / "work.json").write_text(json.dumps([{"ids": p["ids"], "types": p.get("types") or [0] * len(p["ids"])} for p in work]))
    result = {}
    for precision in PRECISIONS:
        out = subprocess.run([winnow, "-m", where, "-precision", precision, "-work", f"{tmp}/work.json", "-logits"], check=True, capture_output=True, text=True).stdout
        result[precision] = errors(np.array(json.loads(out)), want)
    return len(work), model.config.model_type, model.config.hidden_size, result, theirs


def main():
    p = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__)
    p.add_argument("--winnow", required=True, help="the built bench/worker")
    p.add_argument("--shake", action="store_true", help="move the weights off an 8-bit grid first, on which they may lie")
    p.add_argument("models", nargs="+", type=pathlib.Path)
    args = p.parse_args()
    print("| model | width | pairs | winnow f32: rms logit, largest score error | " + " | ".join(PRECISIONS[1:]) + " | ONNX Runtime int8 | ONNX Runtime to winnow: "
          + " | ".join(PRECISIONS[2:]) + " |")
    print("|---" * (7 + len(PRECISIONS)) + "|")
    for folder in args.models:
        with tempfile.TemporaryDirectory() as tmp:
            n, _, width, ours, theirs = measure(folder, args.winnow, tmp, args.shake)
        cells = [f"{v[0]:.2g}, {v[1]:.2g}" for v in (*ours.values(), theirs)]
        for precision in PRECISIONS[2:]:
            ratio = [t / max(o, 1e-12) for o, t in zip(ours[precision], theirs)]
            cells.append(f"{ratio[0]:.3g} ×, {ratio[1]:.3g} ×")
        print(f"| {folder.name}{', shaken' * args.shake} | {width} | {n} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
