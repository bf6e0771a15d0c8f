"""What transformers continues prompts by, greedily, for 32 tokens: the references of TestGreedy32.

    python make_greedy.py CORPUS          writes greedy.json beside itself

CORPUS is a folder with the models: this one, or the full corpus' models/, which has one more (qwen3-256). What
greedy.json has of a model that is not there stays. The prompts are those of each model's reference.json and, so that sliding windows slide, the
tokens of its longest pair, cut so that 32 more fit into the window. Everything is in float32, without a key/value cache; each choice is made again in
float64, which must agree. margins are how far the best logit is above the second best: where it is near 0, a
difference in rounding could decide.

"mistral" is llama-lm read as MistralForCausalLM with a window of 24 tokens.

Made with torch 2.15, transformers 5.23.
"""
import json
import pathlib
import sys

import torch
from transformers import AutoModelForCausalLM, MistralConfig, MistralForCausalLM

HERE = pathlib.Path(__file__).parent
MODELS = ["qwen3-reranker", "qwen3-256", "qwen2-mxbai2", "gemma-reranker", "gemma2-lm", "gemma3-lm", "llama-lm", "mistral"]
STEPS = 32


def continue_by(model, ids):
    tokens, margins = [], []
    for _ in range(STEPS):
        with torch.no_grad():
            best = torch.topk(model(torch.tensor([ids + tokens]), use_cache=False).logits[0, -1], 2)
        tokens.append(int(best.indices[0]))
        margins.append(round(float(best.values[0] - best.values[1]), 6))
    return tokens, margins


def load(folder, dtype):
    if folder.name != "mistral":
        return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="eager").eval()
    folder = folder.parent / "llama-lm"
    config = json.loads((folder / "config.json").read_text()) | {"sliding_window": 24}
    del config["architectures"], config["model_type"]
    return MistralForCausalLM.from_pretrained(folder, config=MistralConfig(**config), dtype=dtype, attn_implementation="eager").eval()


def main():
    corpus = pathlib.Path(sys.argv[1])
    out, before = {}, json.loads((HERE / "greedy.json").read_text())
    for name in MODELS:
        folder = corpus / name
        texts = corpus / "llama-lm" if name == "mistral" else folder
        if not texts.exists():
            out[name] = before[name]
            continue
        reference = json.loads((texts / "reference.json").read_text())
        prompts = [g["prompt_ids"] for g in reference["greedy"]]
        room = json.loads((texts / "config.json").read_text())["max_position_embeddings"] - STEPS
        prompts.append(max((p["ids"] for p in reference["pairs"]), key=len)[:room])
        model = {t: load(folder, t) for t in (torch.float32, torch.float64)}
        out[name] = []
        for ids in prompts:
            tokens, margins = continue_by(model[torch.float32], ids)
            again, _ = continue_by(model[torch.float64], ids)
            if tokens != again:
                sys.exit(f"{name}: float32 and float64 differ")
            out[name].append({"prompt_ids": ids, "tokens": tokens, "margins": margins})
        print(name, [len(p) for p in prompts], min(min(c["margins"]) for c in out[name]))
    lines = ",\n".join(json.dumps(name) + ": [\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in list_) + "\n]"
                       for name, list_ in out.items())
    (HERE / "greedy.json").write_text("{\n" + lines + "\n}\n")


main()
