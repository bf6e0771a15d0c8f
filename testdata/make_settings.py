"""Writes settings.json: changes to the configurations of the models beside it, with what transformers
computes of them in float64. Each is a kind of setting that was once passed over or misread.

    python make_settings.py          (torch, transformers 5.24, the one of bench/settings_differential.py)
"""
import json
import pathlib
import random
import shutil
import tempfile

import torch
import transformers as tf

HERE = pathlib.Path(__file__).parent
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
PAIRS = {
    "query": "What is deep learning?",
    "documents": ["Deep learning is a subset of machine learning based on artificial neural networks.", "word",
                  "To reset the router, hold the reset button for ten seconds; then open the page and sign in. " * 5],
}

# What it is, the model, the change to config.json (null takes a setting out); whether it is written as GGUF, too.
CASES = [
    ("a band of one token", "modernbert-gte", {"local_attention": 1}, True),
    ("a band of nothing more", "modernbert-gte", {"local_attention": 0}, False),
    ("a scaling that goes for bands, too", "modernbert-gte", {"rope_scaling": YARN | {"truncate": False}}, False),
    ("a scaling under its old name, which is not read", "modernbert-gte", {"rope_scaling": {"type": "linear", "factor": 4.0}}, True),
    ("the same", "gemma3-lm", {"rope_scaling": {"type": "linear", "factor": 4.0}}, True),
    ("parameters by kinds of layers, of a class that has one kind", "llama-lm", {"rope_theta": None, "rope_parameters": {"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 300.0}}}, True),
    ("both ways, by is_causal", "llama-lm", {"is_causal": False}, True),
    ("both ways, by a name that the class does not read", "llama-lm", {"use_bidirectional_attention": True}, True),
    ("both ways in a window", "llama-lm", {"model_type": "mistral", "architectures": ["MistralForCausalLM"], "sliding_window": 16, "is_causal": False}, False),
    ("both ways in some layers' window", "qwen2-mxbai2", {"use_sliding_window": True, "sliding_window": 16, "max_window_layers": 1, "is_causal": False}, False),
    ("both ways, the window on each side", "gemma3-lm", {"is_causal": False}, True),
    ("both ways, half of the window on each side", "gemma3-lm", {"use_bidirectional_attention": True}, True),
    ("both, and a token more", "gemma3-lm", {"use_bidirectional_attention": True, "is_causal": False}, True),
    ("both ways in every second layer's window", "gemma2-lm", {"is_causal": False}, True),
    ("another activation", "gemma2-lm", {"hidden_activation": "relu"}, True),
    ("another activation", "gemma3-lm", {"hidden_activation": "silu"}, True),
    ("a cap that is not applied", "gemma3-lm", {"attn_logit_softcapping": 5.0}, True),
    ("a decoder's mask that the class does not have", "distilbert", {"is_decoder": True}, True),
    ("a decoder's mask that the class does not have", "zoo/mpnet/model", {"is_decoder": True}, True),
    ("a decoder's mask", "roberta-nli", {"is_decoder": True}, True),
]


def main():
    torch.set_num_threads(1)
    out = []
    for what, name, change, convert in CASES:
        with tempfile.TemporaryDirectory() as d:
            d = pathlib.Path(d) / "model"
            shutil.copytree(HERE / name, d)
            config = json.loads((d / "config.json").read_text("utf-8")) | change
            config = {k: v for k, v in config.items() if k not in change or v is not None}
            case = {"convert": convert, "tolerance": 2e-4}
            (d / "config.json").write_text(json.dumps(config))
            if config["architectures"][0].endswith("ForCausalLM"):
                model = tf.AutoModelForCausalLM.from_pretrained(d, dtype=torch.float64).eval()
                r, case["completions"] = random.Random(len(out)), []
                for n in (5, 60):
                    ids = [r.randrange(3, 900) for _ in range(n)]
                    with torch.no_grad():
                        p = torch.log_softmax(model(torch.tensor([ids])).logits[0, -1].double(), -1)
                    case["completions"].append({"prompt": ids, "logprobs": {str(i): round(p[i].item(), 9) for i in p.topk(6).indices.tolist()}})
            else:
                model = tf.AutoModelForSequenceClassification.from_pretrained(d, dtype=torch.float64).eval()
                t = tf.PreTrainedTokenizerFast(tokenizer_file=str(d / "tokenizer.json"), model_max_length=json.loads((d / "tokenizer_config.json").read_text())["model_max_length"])
                case |= PAIRS | {"logits": []}
                for document in PAIRS["documents"]:
                    types = getattr(model.config, "type_vocab_size", 0) > 1
                    e = t([PAIRS["query"]], [document], truncation="longest_first", max_length=min(t.model_max_length, 256), return_token_type_ids=types, return_tensors="pt")
                    with torch.no_grad():
                        z = model(**e).logits[0]
                    if len(z) > 1:
                        i = [k for k, v in model.config.id2label.items() if v == "entailment"][0]
                        z = (z[i] - torch.logsumexp(torch.cat([z[:i], z[i + 1:]]), 0))[None]
                    case["logits"].append(round(z.item(), 9))
        out.append({"what": what, "model": name, "config": change, "case": case})
        print(what, name, str(case.get("logits", case.get("completions", [{}])[0].get("logprobs")))[:100])
    (HERE / "settings.json").write_text("[\n" + ",\n".join(json.dumps(c, ensure_ascii=False) for c in out) + "\n]\n", "utf-8")


if __name__ == "__main__":
    main()
