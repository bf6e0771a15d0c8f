#!/usr/bin/env python3
"""Compares winnow's results with those of transformers and sentence-transformers on
model folders with odd but legal configurations.

    pip install torch transformers==5.24.0 sentence-transformers==6.2.0
    python bench/settings_differential.py [--jobs 600] [--seed 1] [--keep DIR] [FAMILY…]

Each job writes a folder: a config.json of a family with settings drawn at random,
in one of the spellings that libraries have had for them, perhaps without what the
class has defaults for; small random weights that the library's own class saves,
in a type drawn at random and perhaps with what pretraining leaves behind; the
tokenizer of a model of testdata/; and, for some, the modules, prompts and chat
templates of sentence-transformers. The library then loads the folder in float64,
and winnow's worker (bench/settings_worker, built by this script) loads it in
float32 and converts it to GGUF. A folder that the library does not load is counted
and left. Where its two ways to attention, sdpa and eager, differ, either is right.

What winnow computes has to be within 2e-4 of the library's; where it is not, twice
what the library in float32 is off is allowed. A folder that winnow refuses by an
error is counted apart, with its reason. The exit status is 1 if there was a
difference, or a panic.
"""

import argparse
import collections
import copy
import json
import math
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import zlib

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import torch
import transformers
from safetensors.torch import load_file, save_file

HERE = pathlib.Path(__file__).resolve().parent
TESTDATA = HERE.parent / "testdata"
TOLERANCE = 2e-4

QUERIES = ["What is deep learning?", "capitale de la France — naïve café", "how do I reset the router", "深度学习是什么", "", "what does [SEP] or </s> mean?", "a question of many words " * 40]
DOCUMENTS = [
    "Deep learning is a subset of machine learning based on artificial neural networks.",
    "word",
    "🚀 l'été à Paris, 深度学习是机器学习的一个分支",
    "To reset the router, hold the reset button for ten seconds; then open the page and sign in. " * 5,
    "a vector keeps its elements side by side in memory " * 30,
    "",
    " \t\n ",
    "Ends </s> in [SEP] the <eos> middle <|im_end|> of [MASK] a <mask> mark",
    "COVID-19\u00a0vaccines\u200b, naïve Façade; x²+y³=½ ＡＢＣ",
]


# ---- settings ----------------------------------------------------------------


def activation(r, usual):
    if r.random() < 0.5:
        return usual
    if r.random() < 0.8:
        return r.choice(["gelu", "gelu_new", "gelu_fast", "gelu_python", "gelu_pytorch_tanh", "relu", "silu", "swish", "tanh", "linear", "gelu_accurate", "gelu_python_tanh"])
    return r.choice(["gelu_10", "quick_gelu", "relu2", "relu6", "mish", "sigmoid", "leaky_relu", "laplace", "hardswish"])


def chance(r, p):
    return r.random() < p


def maybe(r, c, p=0.5, **settings):
    """Adds each setting with probability p."""
    for name, value in settings.items():
        if chance(r, p):
            c[name] = value


def leave_out(r, c, *names):
    """Removes settings for which the class has defaults."""
    for name in names:
        if chance(r, 0.15):
            c.pop(name, None)


def sizes(r, c, names=("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")):
    heads, width = r.choice([1, 2, 3, 4, 6]), r.choice([8, 12, 16, 20])
    for name, value in zip(names, (heads * width, r.choice([1, 2, 3, 4]), heads, r.choice([24, 40, 64, 72]))):
        c[name] = value
    return heads, width


EPS = [1e-12, 1e-12, 1e-7, 1e-6, 1e-5, 1e-3, 0.01, 0.1]


def bert(r, t, kind="bert", first=0):
    c = {"model_type": kind, "vocab_size": t.size + r.choice([0, 0, 5, 64])}
    sizes(r, c)
    c |= {"hidden_act": activation(r, "gelu"), "layer_norm_eps": r.choice(EPS), "type_vocab_size": r.choice([1, 2, 2, 2, 2, 2, 3]) if not first else r.choice([1, 1, 2]),
          "max_position_embeddings": r.choice([64, 100, 160, 300]) + first, "pad_token_id": t.pad}
    if chance(r, 0.12):
        c["is_decoder"] = True
    if chance(r, 0.03):
        c["add_cross_attention"] = True
    maybe(r, c, 0.3, position_embedding_type="absolute", classifier_dropout=r.choice([None, 0.1]), gradient_checkpointing=False, use_cache=chance(r, 0.5), chunk_size_feed_forward=r.choice([0, 1]))
    maybe(r, c, 0.03, position_embedding_type=r.choice(["relative_key", "relative_key_query"]))
    maybe(r, c, 0.05, pruned_heads={})
    leave_out(r, c, "hidden_act", "layer_norm_eps", "type_vocab_size", "intermediate_size", "num_hidden_layers")
    if not first:
        leave_out(r, c, "pad_token_id", "max_position_embeddings")
    return c


def roberta(kind):
    return lambda r, t: bert(r, t, kind, t.pad + 1)


def distilbert(r, t):
    c = {"model_type": "distilbert", "vocab_size": t.size}
    sizes(r, c, r.choice([("dim", "n_layers", "n_heads", "hidden_dim"), ("hidden_size", "num_hidden_layers", "num_attention_heads", "hidden_dim")]))
    c |= {"activation": r.choice(["gelu", "relu", "gelu", activation(r, "gelu")]), "max_position_embeddings": r.choice([64, 128, 300]), "sinusoidal_pos_embds": chance(r, 0.3), "pad_token_id": t.pad}
    leave_out(r, c, "activation", "sinusoidal_pos_embds", "hidden_dim", "n_layers", "pad_token_id")
    maybe(r, c, 0.3, tie_weights_=True, seq_classif_dropout=0.2)
    maybe(r, c, 0.1, is_decoder=True)
    return c


def electra(r, t):
    c = bert(r, t, "electra")
    c["embedding_size"] = r.choice([c.get("hidden_size", 256), 16, 24, 40])
    maybe(r, c, 0.4, summary_activation="gelu", summary_last_dropout=0.1, summary_type="first", summary_use_proj=True)
    leave_out(r, c, "embedding_size")
    return c


def ernie(r, t):
    c = bert(r, t, "ernie")
    maybe(r, c, 0.5, task_type_vocab_size=r.choice([3, 4]), use_task_id=chance(r, 0.5))
    return c


def albert(r, t):
    c = bert(r, t, "albert")
    c |= {"embedding_size": r.choice([16, 24, c.get("hidden_size", 64)]), "num_hidden_groups": r.choice([1, 1, 1, 2]), "inner_group_num": r.choice([1, 1, 1, 2])}
    c.setdefault("intermediate_size", 56)
    leave_out(r, c, "num_hidden_groups", "inner_group_num")
    maybe(r, c, 0.3, net_structure_type=0, gap_size=0, num_memory_blocks=0, down_scale_factor=1)
    return c


def mpnet(r, t):
    c = bert(r, t, "mpnet", t.pad + 1)
    c["relative_attention_num_buckets"] = r.choice([32, 32, 16, 48])
    leave_out(r, c, "relative_attention_num_buckets")
    return c


def deberta(kind):
    def settings(r, t):
        c = {"model_type": kind, "vocab_size": t.size}
        heads, width = sizes(r, c)
        c |= {"hidden_act": activation(r, "gelu"), "layer_norm_eps": r.choice(EPS), "type_vocab_size": r.choice([0, 0, 0, 1, 2]), "max_position_embeddings": r.choice([64, 128, 300]),
              "pad_token_id": t.pad, "relative_attention": chance(r, 0.8), "position_biased_input": chance(r, 0.3), "pooler_hidden_act": activation(r, "gelu"), "pooler_dropout": 0,
              "pos_att_type": r.choice([["p2c", "c2p"], ["c2p", "p2c"], "p2c|c2p", "c2p|p2c", "P2C | C2P", ["c2p"], "c2p", ["p2c"], "p2c", [], None]), "max_relative_positions": r.choice([-1, -1, 0, 40, 16])}
        if kind == "deberta-v2":
            c["position_buckets"] = r.choice([-1, 0, 8, 12, 32, 256])
            c["share_att_key"] = chance(r, 0.6)
            c["norm_rel_ebd"] = r.choice(["layer_norm", "layer_norm", "none", "None", "LAYER_NORM"])
            if chance(r, 0.3):
                c |= {"conv_kernel_size": r.choice([0, 3, 5, 4]), "conv_act": activation(r, "gelu"), "conv_groups": r.choice([1, 1, 2])}
            maybe(r, c, 0.15, embedding_size=r.choice([16, 24]), attention_head_size=r.choice([width, width + 4]))
        maybe(r, c, 0.3, pooler_hidden_size=c["hidden_size"], legacy=True)
        leave_out(r, c, "hidden_act", "layer_norm_eps", "type_vocab_size", "max_relative_positions", "position_buckets", "share_att_key", "norm_rel_ebd", "pos_att_type", "position_biased_input", "relative_attention", "pooler_hidden_act", "conv_act")
        return c

    return settings


def rope_dict(r, width, limit, old):
    kind = r.choice(["default", "linear", "linear", "dynamic", "yarn", "yarn", "yarn", "llama3", "llama3", "longrope", "proportional"])
    d = {r.choice(["type", "rope_type"]) if old else "rope_type": kind}
    if chance(r, 0.1):
        d["type"] = kind
    if kind in ("linear", "dynamic", "yarn", "llama3", "proportional"):
        d["factor"] = r.choice([1.0, 2, 4.0, 8.0, 3.5])
    if kind == "dynamic":
        maybe(r, d, 0.2, alpha=1.0)
    if kind in ("yarn", "llama3", "longrope") and chance(r, 0.8):
        d["original_max_position_embeddings"] = r.choice([limit, limit // 2, limit // 4, 16])
    if kind == "yarn":
        maybe(r, d, 0.3, attention_factor=r.choice([1.0, 0.7, 1.3]), beta_fast=r.choice([32, 16.0, None]), beta_slow=r.choice([1, 2.0, None]), mscale=r.choice([1.0, 0.707, 0]), mscale_all_dim=r.choice([1.0, 0.5, 0]), truncate=chance(r, 0.5))
    if kind == "llama3":
        d |= {"low_freq_factor": r.choice([1.0, 1]), "high_freq_factor": r.choice([4.0, 2])}
    if kind == "longrope":
        d |= {"short_factor": [round(r.uniform(1, 2), 3) for _ in range(width // 2)], "long_factor": [round(r.uniform(1, 4), 3) for _ in range(width // 2)]}
        maybe(r, d, 0.4, factor=r.choice([1.0, 4.0]), attention_factor=r.choice([1.0, 1.2]))
    return d


def rope(r, c, width, limit, default):
    """Rotary settings common to all layers, in one of their spellings."""
    theta = r.choice([default, 10000, 500000.0, 1000000.0, 250.0])
    form = r.choice(["none", "theta", "old", "old", "new", "new", "new without theta", "both", "nested"])
    if form in ("theta", "old", "both", "new without theta") and chance(r, 0.85):
        c["rope_theta"] = theta
    if form in ("old", "both"):
        c["rope_scaling"] = r.choice([None, rope_dict(r, width, limit, True), rope_dict(r, width, limit, True), {}])
        if c["rope_scaling"] and chance(r, 0.2):
            c["rope_scaling"]["rope_theta"] = r.choice([123.0, 20000])
    if form == "theta" and chance(r, 0.3):
        c["rope_scaling"] = None
    if form in ("new", "new without theta", "both"):
        c["rope_parameters"] = rope_dict(r, width, limit, False) | ({} if form != "new" else {"rope_theta": theta})
        maybe(r, c, 0.1, rope_parameters=None)
    if form == "nested":
        c["rope_parameters"] = {"full_attention": rope_dict(r, width, limit, False) | {"rope_theta": theta}}
    maybe(r, c, 0.05, original_max_position_embeddings=limit // 2)
    if chance(r, 0.06):
        (c.get("rope_parameters") or c)["partial_rotary_factor"] = r.choice([0.5, 1.0])


def two_ropes(r, c, width, limit, names):
    """The same for a class whose sliding-window layers use another base."""
    form = r.choice(["none", "old", "old", "new", "new", "half", "flat"])
    if form == "old":
        maybe(r, c, 0.8, **{names[0]: r.choice([80000, 160000.0, 1000000.0]), names[1]: r.choice([10000.0, 500.0])})
        maybe(r, c, 0.5, rope_scaling=r.choice([None, rope_dict(r, width, limit, True)]))
    elif form in ("new", "half"):
        c["rope_parameters"] = {"full_attention": rope_dict(r, width, limit, False), "sliding_attention": r.choice([{"rope_type": "default"}, {"rope_type": "default"}, rope_dict(r, width, limit, False), None])}
        for d in c["rope_parameters"].values():
            if d is not None:
                maybe(r, d, 0.6, rope_theta=r.choice([80000, 10000.0, 300.0]))
        if form == "half":
            del c["rope_parameters"][r.choice(["full_attention", "sliding_attention"])]
            maybe(r, c, 0.5, **{names[0]: 70000.0, names[1]: 700.0})
    elif form == "flat":
        c["rope_parameters"] = rope_dict(r, width, limit, False)


def layer_types(r, c, n):
    if chance(r, 0.3):
        c["layer_types"] = r.choice([None, [r.choice(["full_attention", "sliding_attention"]) for _ in range(n)], ["full_attention"] * n, ["sliding_attention"] * n])


def modernbert(r, t):
    c = {"model_type": "modernbert", "vocab_size": t.size}
    heads, width = sizes(r, c)
    limit = r.choice([64, 200, 300])
    c |= {"max_position_embeddings": limit, "hidden_activation": activation(r, "gelu"), "norm_eps": r.choice(EPS), "local_attention": r.choice([1, 2, 3, 8, 17, 32, 128]), "global_attn_every_n_layers": r.choice([1, 2, 3, 4]),
          "pad_token_id": t.pad, "bos_token_id": t.bos, "eos_token_id": t.eos, "cls_token_id": t.bos, "sep_token_id": t.eos,
          "norm_bias": chance(r, 0.3), "attention_bias": chance(r, 0.3), "mlp_bias": chance(r, 0.3), "classifier_bias": chance(r, 0.3), "classifier_activation": activation(r, "gelu"), "classifier_pooling": r.choice(["cls", "mean"])}
    two_ropes(r, c, width, limit, ("global_rope_theta", "local_rope_theta"))
    layer_types(r, c, c["num_hidden_layers"])
    maybe(r, c, 0.2, layer_norm_eps=1e-5, position_embedding_type="absolute", repad_logits_with_grad=False, reference_compile=False, decoder_bias=True, sparse_prediction=False)
    leave_out(r, c, "hidden_activation", "norm_eps", "local_attention", "global_attn_every_n_layers", "norm_bias", "attention_bias", "mlp_bias", "classifier_bias", "classifier_activation", "classifier_pooling", "intermediate_size")
    return c


def eurobert(r, t):
    c = decoder("eurobert", 32)(r, t)
    c["classifier_pooling"] = r.choice(["bos", "mean", "late"])
    c["mask_token_id"], c["pad_token_id"] = 4, t.pad
    leave_out(r, c, "classifier_pooling")
    for name in ("is_causal", "use_bidirectional_attention", "sliding_window", "layer_types"):
        c.pop(name, None)
    return c


def rotated_bert(kind, default):
    def settings(r, t):
        c = bert(r, t, kind)
        c.pop("is_decoder", None)
        for name, value in (("hidden_size", 48), ("num_attention_heads", 4), ("max_position_embeddings", 200)):
            c.setdefault(name, value)
        rope(r, c, c["hidden_size"] // c["num_attention_heads"], c["max_position_embeddings"], default)
        return c

    return settings


def decoder(kind, heads_by_default):
    def settings(r, t):
        c = {"model_type": kind, "vocab_size": t.size + r.choice([0, 0, 7, 64]), "hidden_act": activation(r, "silu"), "rms_norm_eps": r.choice(EPS), "max_position_embeddings": (limit := r.choice([64, 200, 300]))}
        heads, width = sizes(r, c)
        c["num_key_value_heads"] = r.choice([k for k in range(1, heads + 1) if heads % k == 0])
        if chance(r, 0.1):
            c["num_key_value_heads"] = None
        if chance(r, 0.5):
            c["head_dim"] = r.choice([width, 8, 24, None])
            width = c["head_dim"] or width
        maybe(r, c, 0.15, attention_bias=chance(r, 0.6), mlp_bias=chance(r, 0.6))
        c |= {"bos_token_id": t.bos, "eos_token_id": r.choice([t.eos, [t.eos, 5]])}
        maybe(r, c, 0.4, pad_token_id=t.pad)
        c["tie_word_embeddings"] = chance(r, 0.5)
        if chance(r, 0.12):
            c["is_causal"] = chance(r, 0.3)
        if chance(r, 0.08):
            c["use_bidirectional_attention"] = r.choice([True, True, False, None])
        if kind in ("mistral",):
            c["sliding_window"] = r.choice([None, 1, 3, 16, 64, 4096])
        if kind in ("qwen2", "qwen3"):
            maybe(r, c, 0.6, sliding_window=r.choice([None, 1, 5, 16, 4096]), use_sliding_window=chance(r, 0.6), max_window_layers=r.choice([0, 1, 2, 28]))
            layer_types(r, c, c["num_hidden_layers"])
        rope(r, c, width, limit, 10000.0)
        maybe(r, c, 0.2, attention_dropout=0.0, pretraining_tp=1, use_cache=True)
        leave_out(r, c, "hidden_act", "rms_norm_eps", "tie_word_embeddings", "max_position_embeddings")
        if kind != "qwen2" and kind != "qwen3" or chance(r, 0.1):
            leave_out(r, c, "num_key_value_heads")
        return c

    return settings


def gemma(kind):
    def settings(r, t):
        c = decoder(kind, 16)(r, t)
        for name in ("rope_theta", "rope_scaling", "rope_parameters", "sliding_window", "layer_types", "original_max_position_embeddings", "partial_rotary_factor"):
            if kind == "gemma3_text" or name in ("sliding_window", "layer_types"):
                c.pop(name, None)
        c["head_dim"] = c.get("head_dim") or r.choice([8, 16])
        c["num_key_value_heads"] = c.get("num_key_value_heads") or 1
        limit = c.setdefault("max_position_embeddings", 300)
        act = c.pop("hidden_act", None)
        c[r.choice(["hidden_act", "hidden_activation"])] = r.choice(["gelu_pytorch_tanh", "gelu", act or "relu"])
        maybe(r, c, 0.15, hidden_act="gelu", hidden_activation=r.choice([None, "gelu_pytorch_tanh", "relu"]))
        if kind in ("gemma2", "gemma3_text"):
            c["sliding_window"] = r.choice([1, 4, 9, 16, 4096])
            c["query_pre_attn_scalar"] = r.choice([8, 16, 24, 256])
            maybe(r, c, 0.5, attn_logit_softcapping=r.choice([None, 50.0, 5.0]), final_logit_softcapping=r.choice([None, 30.0, 4.0]))
            layer_types(r, c, c["num_hidden_layers"])
            leave_out(r, c, "query_pre_attn_scalar", "sliding_window")
        if kind == "gemma3_text":
            maybe(r, c, 0.5, sliding_window_pattern=r.choice([1, 2, 3, 6]))
            two_ropes(r, c, c["head_dim"], limit, ("rope_theta", "rope_local_base_freq"))
        leave_out(r, c, "hidden_act", "hidden_activation")
        return c

    return settings


def t5(kind):
    def settings(r, t):
        heads, width = r.choice([1, 2, 3, 4]), r.choice([8, 10, 12])
        c = {"model_type": kind, "vocab_size": t.size + r.choice([0, 28]), "d_model": r.choice([16, 24, 40, 36]), "d_kv": width, "d_ff": r.choice([24, 50, 64]), "num_layers": r.choice([1, 2, 3]), "num_heads": heads, "num_decoder_layers": r.choice([1, 2]),
             "relative_attention_num_buckets": r.choice([32, 16, 8]), "relative_attention_max_distance": r.choice([128, 128, 64, 20]), "layer_norm_epsilon": r.choice([1e-6, 1e-5, 0.01]), "tie_word_embeddings": chance(r, 0.5),
             "feed_forward_proj": r.choice(["relu", "gated-gelu", "relu", "gated-gelu", "gated-silu", "gelu", "gelu_new", "gated-relu", "silu", "gated-gelu_new", "gated-tanh", "quick_gelu"]), "pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": r.choice([0, 0, 3])}
        leave_out(r, c, "num_decoder_layers", "relative_attention_max_distance", "layer_norm_epsilon", "tie_word_embeddings", "relative_attention_num_buckets", "feed_forward_proj")
        maybe(r, c, 0.2, is_gated_act=chance(r, 0.5), dense_act_fn=r.choice(["relu", "gelu_new", "silu"]), n_positions=512, use_cache=True, classifier_dropout=0.0, initializer_factor=1.0, scale_decoder_outputs=chance(r, 0.5))
        return c

    return settings


class Borrowed:
    """A tokenizer of testdata/."""

    def __init__(self, name):
        self.folder = TESTDATA / name
        t = json.loads((self.folder / "tokenizer.json").read_text("utf-8"))
        vocab = t["model"]["vocab"]
        ids = dict(vocab) if isinstance(vocab, dict) else {p: i for i, (p, _) in enumerate(vocab)}
        ids |= {a["content"]: a["id"] for a in t["added_tokens"]}
        self.size = max(ids.values()) + 1
        find = lambda *names: next((ids[n] for n in names if n in ids), 0)
        self.pad = find("[PAD]", "<pad>", "<|endoftext|>", "<unk>")
        self.bos = find("[CLS]", "<s>", "<bos>", "<|endoftext|>")
        self.eos = find("[SEP]", "</s>", "<eos>", "<|im_end|>")


# Name, tokenizer, settings, kinds of folders.
T5 = ["one step", "one step", "classifier", "embedder"]
ENCODER, DECODER = ["classifier", "classifier", "classifier", "cross-encoder", "chain", "embedder", "multi-vector"], ["lm", "lm", "lm", "classifier", "cross-encoder", "logit score", "embedder", "chat"]
FAMILIES = {
    "bert": ("bert-minilm", bert, ENCODER),
    "xlm-roberta": ("xlmr-mmarco", roberta("xlm-roberta"), ENCODER),
    "roberta": ("jina-v1-turbo", roberta("roberta"), ENCODER),
    "camembert": ("xlmr-mmarco", roberta("camembert"), ENCODER),
    "distilbert": ("bert-minilm", distilbert, ENCODER),
    "electra": ("bert-minilm", electra, ENCODER),
    "deberta-v2": ("deberta-xsmall", deberta("deberta-v2"), ENCODER),
    "modernbert": ("modernbert-gte", modernbert, ENCODER),
    "llama": ("llama-lm", decoder("llama", 32), DECODER),
    "mistral": ("llama-lm", decoder("mistral", 32), DECODER),
    "qwen2": ("qwen2-mxbai2", decoder("qwen2", 32), DECODER),
    "qwen3": ("qwen3-reranker", decoder("qwen3", 32), DECODER),
    "gemma": ("gemma-reranker", gemma("gemma"), DECODER),
    "gemma2": ("gemma-reranker", gemma("gemma2"), DECODER),
    "gemma3_text": ("gemma-reranker", gemma("gemma3_text"), DECODER),
    "albert": ("deberta-xsmall", albert, ENCODER),
    "deberta": ("jina-v1-turbo", deberta("deberta"), ENCODER),
    "ernie": ("bert-minilm", ernie, ENCODER),
    "eurobert": ("modernbert-gte", eurobert, ENCODER),
    "gte": ("xlmr-mmarco", rotated_bert("gte", 160000.0), ENCODER),
    "mpnet": ("xlmr-mmarco", mpnet, ENCODER),
    "nomic_bert": ("bert-minilm", rotated_bert("nomic_bert", 1000.0), ENCODER),
    "t5": ("zoo/t5/model", t5("t5"), T5),
    "mt5": ("zoo/t5/model", t5("mt5"), T5),
    "umt5": ("zoo/t5/model", t5("umt5"), ["one step", "embedder"]),
}


def labels(r, c):
    """Labels in one of the forms used by configurations, and their number."""
    n = r.choice([1, 1, 1, 2, 3])
    form = r.choice(["id2label", "id2label", "num_labels", "numbers", "booleans", "both"])
    names = r.sample(["LABEL_0", "LABEL_1", "relevant", "irrelevant", "entailment", "neutral", "contradiction", "yes", "no", "0", "1"], n)
    if form in ("num_labels", "both"):
        c["num_labels"] = n
    if form in ("id2label", "both"):
        c["id2label"] = {str(i): name for i, name in enumerate(names)}
        maybe(r, c, 0.7, label2id={name: i for i, name in enumerate(names)})
    if form == "numbers":
        c["id2label"] = {str(i): i for i in range(n)}
        c["label2id"] = {str(i): i for i in range(n)}
    if form == "booleans":
        c["id2label"] = {str(i): bool(i) for i in range(n)}
    if chance(r, 0.15):
        c["problem_type"] = r.choice(["single_label_classification", "multi_label_classification", "regression", None])


CLASSES = {
    "bert": "Bert", "xlm-roberta": "XLMRoberta", "roberta": "Roberta", "camembert": "Camembert", "distilbert": "DistilBert", "electra": "Electra", "deberta-v2": "DebertaV2", "modernbert": "ModernBert", "llama": "Llama", "mistral": "Mistral",
    "qwen2": "Qwen2", "qwen3": "Qwen3", "gemma": "Gemma", "gemma2": "Gemma2", "gemma3_text": "Gemma3Text", "albert": "Albert", "deberta": "Deberta", "ernie": "Ernie", "eurobert": "EuroBert", "gte": "Gte", "mpnet": "MPNet", "nomic_bert": "NomicBert", "t5": "T5", "mt5": "MT5", "umt5": "UMT5",
}


def architecture(r, c, kind, family):
    name = CLASSES[family]
    base = "Gemma3TextModel" if family == "gemma3_text" else name + "Model"
    usual = {"lm": ("Gemma3" if family == "gemma3_text" else name) + "ForCausalLM", "classifier": name + "ForSequenceClassification"}.get(kind, base)
    if kind == "one step":
        usual = name + "ForConditionalGeneration"
    if kind == "cross-encoder":
        usual = name + "ForSequenceClassification"
    if kind in ("logit score", "chat"):
        usual = ("Gemma3" if family == "gemma3_text" else name) + "ForCausalLM"
    if kind == "embedder" and family in DECODERS and chance(r, 0.3):
        usual = name + "ForCausalLM"
    c["architectures"] = [usual]
    if kind in ("classifier", "cross-encoder", "embedder") and chance(r, 0.12):
        form = r.choice(["missing", "null", "empty", "other"])
        if form == "missing":
            del c["architectures"]
        else:
            c["architectures"] = {"null": None, "empty": [], "other": [base]}[form]


DECODERS = {name for name, (_, _, kinds) in FAMILIES.items() if kinds is DECODER}

AUTO = {
    "lm": transformers.AutoModelForCausalLM, "logit score": transformers.AutoModelForCausalLM, "chat": transformers.AutoModelForCausalLM,
    "classifier": transformers.AutoModelForSequenceClassification, "cross-encoder": transformers.AutoModelForSequenceClassification,
    "chain": transformers.AutoModel, "embedder": transformers.AutoModel, "multi-vector": transformers.AutoModel, "one step": transformers.AutoModelForSeq2SeqLM,
}


# ---- folders -----------------------------------------------------------------


def write_json(path, value):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1), "utf-8")


def scatter(model, seed, gemma):
    """Makes weights as uneven as trained ones, so that every setting has an effect."""
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            g = torch.Generator().manual_seed(seed + zlib.crc32(name.encode()) % 100003)
            x, low = torch.randn(p.shape, generator=g), name.lower()
            if p.ndim == 1 and "norm" in low and name.endswith("weight"):
                x = 0.25 * x + (0 if gemma else 1)
            elif p.ndim == 1:
                x = 0.15 * x
            elif "embed" in low or "shared" in low:
                x = x * (0.15 if gemma else 0.6)
            else:
                x = x * (1.7 if re.search(r"query|key|q_proj|k_proj|q_lin|k_lin|wqkv", low) else 1.3) / math.sqrt(p.shape[-1])
            p.copy_(x)
    model.tie_weights()
    return model.eval()


LEFT_BEHIND = {
    "bert": ["cls.predictions.bias", "cls.predictions.transform.dense.weight", "cls.seq_relationship.weight", "bert.embeddings.position_ids"],
    "roberta": ["lm_head.bias", "lm_head.dense.weight", "roberta.embeddings.position_ids", "roberta.embeddings.token_type_ids"],
    "xlm-roberta": ["lm_head.bias", "lm_head.layer_norm.weight", "roberta.embeddings.position_ids", "roberta.pooler.dense.weight"],
    "distilbert": ["vocab_layer_norm.weight", "vocab_transform.weight", "vocab_projector.bias"],
    "electra": ["discriminator_predictions.dense.weight", "discriminator_predictions.dense_prediction.weight", "generator_predictions.dense.weight"],
    "deberta-v2": ["lm_predictions.lm_head.bias", "mask_predictions.dense.weight", "deberta.embeddings.position_ids"],
    "modernbert": ["decoder.bias", "decoder.weight"],
    "llama": ["model.layers.0.self_attn.rotary_emb.inv_freq", "model.rotary_emb.inv_freq", "rotary_emb.cos_cached"],
}


def weights(d, r, model, family):
    """Saves the weights as the library does, then perhaps in another type, with leftovers, or sharded."""
    if chance(r, 0.15):
        model.save_pretrained(d, max_shard_size=r.choice(["20KB", "100KB"]))
        return
    model.save_pretrained(d)
    file = d / "model.safetensors"
    tensors = load_file(file)
    kind = r.choice([torch.float32, torch.float32, torch.float16, torch.bfloat16])
    tensors = {k: (v.to(kind) if v.is_floating_point() else v) for k, v in tensors.items()}
    if chance(r, 0.3):
        for name in LEFT_BEHIND.get("llama" if family in DECODERS else family, []):
            if name not in tensors and chance(r, 0.6):
                tensors[name] = torch.arange(6).reshape(1, 6) if name.endswith("_ids") else torch.randn(4)
    save_file(tensors, file, metadata={"format": "pt"})


TRANSFORMER = "sentence_transformers.base.modules.transformer.Transformer"
OLD = "sentence_transformers.models."


def modules(d, r, kind, c, model, limit, messages):
    """Writes the files of sentence-transformers; returns what the reference needs."""
    old = chance(r, 0.5)
    width = model.config.hidden_size
    chain = [(OLD + "Transformer" if old else TRANSFORMER, "")]
    settings = {"prompts": {}, "default_prompt_name": None}
    encoder = {}
    if kind in ("cross-encoder", "logit score", "chat", "chain"):
        settings["model_type"] = "CrossEncoder"
        settings["activation_fn"] = r.choice(["torch.nn.modules.activation.Sigmoid", "torch.nn.modules.linear.Identity"])
        old = False
        chain = [(TRANSFORMER, "")]
        task, output = ("text-generation", "causal_logits") if kind in ("logit score", "chat") else ("feature-extraction", "token_embeddings") if kind == "chain" else ("sequence-classification", "scores")
        modality = {"text": {"method": "forward", "method_output_name": "logits" if kind != "chain" else "last_hidden_state"}}
        if kind == "chat":
            modality["message"] = {"method": "forward", "method_output_name": "logits", "format": messages}
        encoder = {"transformer_task": task, "modality_config": modality, "module_output_name": output}
    if kind in ("logit score", "chat"):
        score = {"true_token_id": r.randrange(c["vocab_size"]), "false_token_id": r.choice([r.randrange(c["vocab_size"]), None]), "module_input_name": "causal_logits"}
        chain.append(("sentence_transformers.cross_encoder.modules.logit_score.LogitScore", "1_LogitScore"))
        write_json(d / "1_LogitScore/config.json", score)
    if kind in ("embedder", "chain"):
        mode = r.choice(["cls", "mean", "max", "lasttoken", "mean", "weightedmean", "mean_sqrt_len_tokens"])
        if old or chance(r, 0.4):
            pooling = {"word_embedding_dimension": width, "pooling_mode_cls_token": mode == "cls", "pooling_mode_mean_tokens": mode == "mean", "pooling_mode_max_tokens": mode == "max", "pooling_mode_lasttoken": mode == "lasttoken",
                       "pooling_mode_mean_sqrt_len_tokens": mode == "mean_sqrt_len_tokens", "pooling_mode_weightedmean_tokens": mode == "weightedmean"}
            if chance(r, 0.1):
                width *= 1 if pooling["pooling_mode_max_tokens"] else 2
                pooling["pooling_mode_max_tokens"] = True  # both at once
            leave_out(r, pooling, "pooling_mode_max_tokens", "pooling_mode_mean_sqrt_len_tokens", "pooling_mode_lasttoken")
            maybe(r, pooling, 0.5, include_prompt=True)
        else:
            pooling = {"embedding_dimension": width, "pooling_mode": r.choice([mode, mode, [mode]]), "include_prompt": True}
            if chance(r, 0.1):
                pooling["pooling_mode"] = r.sample(["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"], 2)
                width *= 2
        if chance(r, 0.1):
            pooling["include_prompt"] = False
        chain.append((OLD + "Pooling" if old else "sentence_transformers.sentence_transformer.modules.pooling.Pooling", "1_Pooling"))
        write_json(d / "1_Pooling/config.json", pooling)
        n = 2
        steps = r.choice([[], ["Normalize"], ["Dense"], ["Dense", "Normalize"], ["LayerNorm"], ["Dense", "LayerNorm", "Dense"], ["Dropout", "Dense"]]) if kind == "embedder" else r.choice([["Dense"], ["Dense", "LayerNorm", "Dense"], ["Dense", "Dense"]])
        for i, step in enumerate(steps):
            folder = d / f"{n}_{step}"
            if step == "Dense":
                last = kind == "chain" and i == len(steps) - 1
                out = 1 if last else r.choice([8, width, 20])
                bias = chance(r, 0.7)
                dense = {"in_features": width, "out_features": out, "bias": bias, "activation_function": r.choice(["torch.nn.modules.activation.Tanh", "torch.nn.modules.linear.Identity", "torch.nn.modules.activation.GELU", "torch.nn.modules.activation.ReLU", "torch.nn.modules.activation.SiLU", "torch.nn.modules.activation.Sigmoid"])}
                if not old:
                    dense |= {"module_input_name": "sentence_embedding", "module_output_name": "scores" if last else "sentence_embedding"}
                    maybe(r, dense, 0.2, use_residual=chance(r, 0.5))
                leave_out(r, dense, "bias") if bias else None
                write_json(folder / "config.json", dense)
                tensors = {"linear.weight": torch.randn(out, width) / math.sqrt(width)} | ({"linear.bias": 0.2 * torch.randn(out)} if bias else {})
                if dense.get("use_residual") and out != width:
                    tensors["residual.weight"] = torch.randn(out, width) / math.sqrt(width)
                save_file(tensors, folder / "model.safetensors")
                width = out
            elif step == "LayerNorm":
                write_json(folder / "config.json", {"dimension": width})
                save_file({"norm.weight": 1 + 0.2 * torch.randn(width), "norm.bias": 0.2 * torch.randn(width)}, folder / "model.safetensors")
            elif step == "Dropout":
                write_json(folder / "config.json", {"dropout": 0.1})
            places = {"Dense": "sentence_transformers.base.modules.dense.Dense", "Normalize": "sentence_transformers.base.modules.normalize.Normalize",
                      "LayerNorm": "sentence_transformers.sentence_transformer.modules.layer_norm.LayerNorm", "Dropout": "sentence_transformers.sentence_transformer.modules.dropout.Dropout"}
            chain.append((OLD + step if old else places[step], f"{n}_{step}"))
            n += 1
    if chance(r, 0.4):
        settings["prompts"] = {"query": "query: ", "document": "", "odd": "Instruct: x\nQuery:"}
        if chance(r, 0.5):
            settings["default_prompt_name"] = r.choice(["query", "odd"])
    write_json(d / "modules.json", [{"idx": i, "name": str(i), "path": path, "type": kind} for i, (kind, path) in enumerate(chain)])
    if not old or chance(r, 0.7):
        write_json(d / "config_sentence_transformers.json", settings)
    if old:
        encoder = {"max_seq_length": r.choice([None, 40, limit]), "do_lower_case": chance(r, 0.15)}
    elif chance(r, 0.2):
        encoder["max_seq_length"] = r.choice([40, limit])
    if encoder:
        write_json(d / "sentence_bert_config.json", encoder)


def multi_vector(d, r, model):
    """The files of sentence-transformers' MultiVectorEncoder."""
    width = model.config.hidden_size
    chain = [(TRANSFORMER, "")]
    steps = r.choice([["Dense"], ["Dense", "Normalize"], ["Normalize"], ["Dense", "Dense", "Normalize"], ["Dense", "MultiVectorMask", "Normalize"], ["Dense", "MultiVectorMask"], ["MultiVectorMask"]])
    for i, step in enumerate(steps, 1):
        folder = d / f"{i}_{step}"
        if step == "Dense":
            out, bias = r.choice([8, 12]), chance(r, 0.3)
            c = {"in_features": width, "out_features": out, "bias": bias, "activation_function": r.choice(["torch.nn.modules.linear.Identity"] * 3 + ["torch.nn.modules.activation.Tanh"]), "module_input_name": "token_embeddings"}
            maybe(r, c, 0.3, module_output_name="token_embeddings", use_residual=chance(r, 0.5))
            tensors = {"linear.weight": torch.randn(out, width) / math.sqrt(width)} | ({"linear.bias": 0.1 * torch.randn(out)} if bias else {})
            if c.get("use_residual") and out != width:
                tensors["residual.weight"] = torch.randn(out, width) / math.sqrt(width)
            write_json(folder / "config.json", c)
            save_file(tensors, folder / "model.safetensors")
            width = out
        elif step == "Normalize":
            write_json(folder / "config.json", {"module_input_name": "token_embeddings"})
        else:
            c = {}
            maybe(r, c, 0.6, skiplist_words=r.choice([["!", ",", "."], ["the"], list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")]))
            maybe(r, c, 0.3, skiplist_tasks=r.choice(["document", ["document"], ["query", "document"], []]))
            write_json(folder / "config.json", c)
        places = {"Dense": "base.modules.dense.Dense", "Normalize": "base.modules.normalize.Normalize", "MultiVectorMask": "multi_vector_encoder.modules.multi_vector_mask.MultiVectorMask"}
        chain.append(("sentence_transformers." + places[step], folder.name))
    encoder = {"transformer_task": "feature-extraction", "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}, "module_output_name": "token_embeddings"}
    maybe(r, encoder, 0.4, query_length=r.choice([8, 16, 32]), document_length=r.choice([20, 40, 60]), query_expansion={"strategy": r.choice(["fixed", "fixed", "min"]), "length": r.choice([8, 16]), "attend": chance(r, 0.5)})
    write_json(d / "modules.json", [{"idx": i, "name": str(i), "path": path, "type": kind} for i, (kind, path) in enumerate(chain)])
    write_json(d / "config_sentence_transformers.json", {"model_type": "MultiVectorEncoder", "prompts": r.choice([{}, {"query": "[Q] ", "document": "[D] "}, {"query": "search: ", "document": ""}]), "default_prompt_name": None, "similarity_fn_name": "maxsim"})
    write_json(d / "sentence_bert_config.json", encoder)


def odd_sentence(d, r, kind, limit):
    """Rare settings of sentence-transformers' own files; the library's behaviour is authoritative."""
    own, encoder = ({} if not (d / n).exists() else json.loads((d / n).read_text("utf-8")) for n in ("config_sentence_transformers.json", "sentence_bert_config.json"))
    steps = sorted(d.glob("[0-9]_*/config.json"))
    choice = r.choice(["truncate", "default", "nulls", "text", "common", "arguments", "output", "names", "names", "folder", "similarity", "versions", "lower", "untrusted"] + ["variables"] * (6 if kind == "chat" else 0))
    if choice == "truncate":
        own["truncate_dim"] = r.choice([None, 1, 5, 8, 1000])
    elif choice == "default":
        own["default_prompt_name"] = r.choice(["query", "document"])
        own["prompts"] = r.choice([{}, {"query": "ask: "}, {"document": "doc: "}])
    elif choice == "nulls":
        own |= {"prompts": {"query": None, "document": "x: "}, "default_prompt_name": r.choice([None, "query", "document"])}
    elif choice == "text":
        encoder["processing_kwargs"] = {"text": r.choice([{"max_length": 12}, {"add_special_tokens": False}, {"truncation": "only_second"}, {"padding": "longest"}, {"truncation": True, "max_length": limit - 3}])}
    elif choice == "variables":
        encoder["processing_kwargs"] = {"chat_template": r.choice([{"add_generation_prompt": True}, {"add_generation_prompt": False}, {"instruction": "Judge <it>."}, {"restore_suffix": True, "add_generation_prompt": True}, {"restore_suffix": False}, {"max_length": 20}, {"padding": True}])}
    elif choice == "common":
        encoder["processing_kwargs"] = {r.choice(["common", "unknown"]): r.choice([{"padding": True}, {"return_token_type_ids": False}, {}])}
    elif choice == "arguments":
        name, value = r.choice([("tokenizer_args", {"model_max_length": 21}), ("processor_kwargs", {"truncation_side": "left", "model_max_length": 25}), ("config_args", {"hidden_act": "relu"}), ("config_kwargs", {"output_hidden_states": True}),
                                ("model_args", {"attn_implementation": "eager"}), ("model_kwargs", {}), ("tokenizer_args", {"padding_side": "left"})])
        encoder[name] = value
    elif choice == "output" and kind in ("embedder", "chain"):
        encoder["modality_config"] = {"text": {"method": "forward", "method_output_name": r.choice(["pooler_output", ["hidden_states", 1], ["hidden_states", 0], ["last_hidden_state"]])}}
        encoder["module_output_name"] = "token_embeddings"
    elif choice == "names" and steps:
        for path in r.sample(steps, 1):
            c = json.loads(path.read_text("utf-8"))
            c |= r.choice([{"module_input_name": "token_embeddings", "module_output_name": "token_embeddings"}, {"module_output_name": "elsewhere"}, {"module_input_name": "sentence_embedding"}])
            write_json(path, c)
    elif choice == "folder" and kind == "embedder":  # where versions before 2020 kept the transformer
        (d / "0_Transformer").mkdir()
        for path in list(d.iterdir()):
            if path.is_file() and path.name not in ("modules.json", "config_sentence_transformers.json"):
                path.rename(d / "0_Transformer" / path.name)
        chain = json.loads((d / "modules.json").read_text("utf-8"))
        chain[0]["path"] = "0_Transformer"
        write_json(d / "modules.json", chain)
        return choice
    elif choice == "similarity":
        own["similarity_fn_name"] = r.choice(["cosine", "dot", "euclidean", "manhattan"])
    elif choice == "versions":
        own["__version__"] = {"sentence_transformers": "2.0.0", "transformers": "4.6.1", "pytorch": "1.8.1"}
    elif choice == "lower":
        encoder["do_lower_case"] = True
    elif choice == "untrusted":
        for path in steps:
            c = json.loads(path.read_text("utf-8"))
            if "activation_function" in c:
                c["activation_function"] = r.choice(["mine.Activation", "torch.nn.Tanh", "torch.nn.modules.activation.Softplus", "torch.nn.modules.activation.LeakyReLU", "torch.nn.modules.activation.Hardtanh", "torch.nn.modules.activation.ELU"])
                write_json(path, c)
    if own:
        write_json(d / "config_sentence_transformers.json", own)
    if encoder:
        write_json(d / "sentence_bert_config.json", encoder)
    return choice + " " + json.dumps({"own": own, "encoder": encoder})


TEMPLATES = [
    "{% for message in messages %}{% if message.role == 'query' %}Query: {{ message.content }}\n{% elif message.role == 'document' %}Document: {{ message.content }}\n{% else %}{{ message.content }}\n{% endif %}{% endfor %}Answer:",
    "{{ bos_token or '' }}{%- set q = messages | selectattr('role', 'eq', 'query') | map(attribute='content') | first -%}{%- set d = messages | selectattr('role', 'eq', 'document') | map(attribute='content') | first -%}<q>{{ q }}</q> <d>{{ d | trim }}</d>",
    "{%- for m in messages %}{{ '<|' + m['role'] + '|>' }}{{ m['content'] if m['content'] is string else m['content'][0]['text'] }}{%- endfor %}{% if instruction is defined %}{{ instruction }}{% endif %}{% if add_generation_prompt %} yes?{% endif %}",
]


def tokenizer_files(d, r, t, kind, limit, messages):
    for name in ("tokenizer.json", "special_tokens_map.json"):
        if (t.folder / name).exists():
            shutil.copy(t.folder / name, d)
    config = json.loads((t.folder / "tokenizer_config.json").read_text("utf-8"))
    config["model_max_length"] = limit
    config.pop("chat_template", None)
    config.setdefault("pad_token", "<pad>" if t.folder.name == "model" else "<unk>")  # required by the library for pairs
    if t.folder.name in ("model", "llama-lm", "deberta-xsmall", "jina-v1-turbo", "gemma-reranker"):
        # Of which releases of the library make different tokenizers; see tokenizer_differential.py.
        config["tokenizer_class"] = "PreTrainedTokenizerFast"
        types = [] if t.folder.name in ("model", "llama-lm", "gemma-reranker") else ["token_type_ids"]
        config["model_input_names"] = ["input_ids", *types, "attention_mask"]
    if kind == "chat":
        template = r.choice(TEMPLATES) if messages == "flat" else TEMPLATES[-1]
        if chance(r, 0.5):
            (d / "chat_template.jinja").write_text(template, "utf-8")
        else:
            config["chat_template"] = template
    write_json(d / "tokenizer_config.json", config)


FOREIGN = {
    "activation": "relu", "hidden_act": "relu", "hidden_activation": "relu", "activation_function": "relu", "hidden_dim": 24, "dim": 24, "n_layers": 1, "n_layer": 1, "n_heads": 2, "n_head": 2, "n_embd": 24, "n_inner": 24, "d_model": 24, "d_ff": 24,
    "intermediate_size": 24, "layer_norm_epsilon": 0.3, "layer_norm_eps": 0.3, "norm_eps": 0.3, "norm_epsilon": 0.3, "rms_norm_eps": 0.3, "num_key_value_heads": 1, "head_dim": 6, "attention_head_size": 6, "embedding_size": 10, "n_positions": 20, "rope_theta": 123.0,
    "rotary_emb_base": 123.0, "sliding_window": 3, "local_attention": 3, "is_causal": False, "causal": True, "is_decoder": True, "partial_rotary_factor": 0.5, "query_pre_attn_scalar": 5, "attn_logit_softcapping": 2.0, "final_logit_softcapping": 2.0,
    "classifier_pooling": "mean", "pooling": "avg", "temperature": 3.0, "logits_scaling": 8.0, "embedding_multiplier": 12.0, "residual_multiplier": 0.2, "attention_multiplier": 0.1, "scale_emb": 12, "dim_model_base": 256, "scale_depth": 1.4, "scale_embedding": True,
    "type_vocab_size": 1, "layer_types": None, "use_sliding_window": True, "global_attn_every_n_layers": 1, "sliding_window_pattern": 2, "position_embedding_type": "rope", "norm_rel_ebd": "none", "share_att_key": True, "position_buckets": 8, "relative_attention": True,
    "num_hidden_groups": 1, "use_task_id": True, "pooler_hidden_act": "relu", "classifier_activation": "relu", "normalize": True, "max_length": 7, "num_experts": 4, "attn_scale": 0.5, "scale_attn_by_inverse_layer_idx": True, "use_bias": False,
    "rope_scaling": {"type": "linear", "factor": 3.0}, "rope_parameters": {"rope_type": "linear", "factor": 3.0, "rope_theta": 500.0}, "original_max_position_embeddings": 16, "summary_type": "mean", "use_qk_norm": True, "tie_word_embeddings": False, "num_labels": 2,
}


def foreign(r, c):
    """Settings of other families: those unknown to the class must have no effect."""
    for name in r.sample(sorted(FOREIGN), r.choice([1, 2, 3, 12])):
        if name != "n_positions" or "d_kv" not in c:  # winnow's length limit for T5
            c.setdefault(name, FOREIGN[name])


def folder(d, r, family):
    source, settings, kinds = FAMILIES[family]
    t, kind = Borrowed(source), r.choice(kinds)
    c = settings(r, t)
    if kind in ("classifier", "cross-encoder"):
        labels(r, c)
    architecture(r, c, kind, family)
    maybe(r, c, 0.15, torch_dtype="float32", transformers_version="4.40.0", _name_or_path="somewhere/else", tokenizer_class=None, license="mit")
    if chance(r, 0.4):
        foreign(r, c)
    told = "my_own_setting" if chance(r, 0.05) else None
    if told:
        c[told] = 3
    if chance(r, 0.05):
        c["initializer_factor"] = r.choice([math.nan, math.inf])  # as Python writes them
    if family == "xlm-roberta" and chance(r, 0.1):
        c["model_type"] = "roberta"
    items = list(c.items())
    r.shuffle(items)
    write_json(d / "config.json", dict(items))
    config = transformers.AutoConfig.from_pretrained(d)
    model = AUTO[kind].from_config(copy.deepcopy(config), dtype=torch.float32)
    positions = getattr(model.config, "max_position_embeddings", 512)
    if family in ("roberta", "xlm-roberta", "camembert", "mpnet"):
        positions -= t.pad + 1
    limit = min(positions, 300)
    scatter(model, r.randrange(1 << 30), family.startswith("gemma"))
    text = (d / "config.json").read_text("utf-8")
    weights(d, r, model, family)
    (d / "config.json").write_text(text, "utf-8")
    messages, odd = r.choice(["flat", "structured"]), ""
    tokenizer_files(d, r, t, kind, limit, messages)
    if kind == "one step":
        (d / "README.md").write_text("# castorini/monot5-base-msmarco")
    elif kind == "multi-vector":
        multi_vector(d, r, model)
    elif kind not in ("lm", "classifier"):
        modules(d, r, kind, c, model, limit, messages)
        if chance(r, 0.5):
            odd = odd_sentence(d, r, kind, limit)
    return kind, c, limit, told, odd


# ---- references --------------------------------------------------------------


def loaded(auto, d, how):
    model, info = auto.from_pretrained(d, output_loading_info=True, **how)
    if info["missing_keys"] or info.get("mismatched_keys"):
        raise ValueError(f"missing {sorted(info['missing_keys'])[:3]}")
    return model.eval()


def classify(d, job, limit, how):
    model = loaded(AUTO["classifier"], d, how)
    t = transformers.AutoTokenizer.from_pretrained(d)
    rows = []
    for document in job["documents"]:
        e = t([job["query"]], [document], truncation="longest_first", max_length=limit, return_tensors="pt")
        with torch.no_grad():
            rows.append(model(**e).logits[0].double().tolist())
    return rows, model.config


def predict(d, job, how):
    from sentence_transformers import CrossEncoder

    m = CrossEncoder(str(d), device="cpu", model_kwargs=how).to(how["dtype"])
    m.eval()
    with torch.no_grad():
        out = m.predict([(job["query"], x) for x in job["documents"]], activation_fn=torch.nn.Identity(), convert_to_tensor=True, batch_size=1, show_progress_bar=False)
    out = out.double()
    return (out if out.ndim == 2 else out[:, None]).tolist(), m[0].auto_model.config


def encode(d, job, how):
    from sentence_transformers import SentenceTransformer

    m = SentenceTransformer(str(d), device="cpu", model_kwargs=how).to(how["dtype"])
    m.eval()
    return m.encode(job["texts"], convert_to_tensor=True, batch_size=1, show_progress_bar=False).double().tolist()


def interact(d, job, how):
    from sentence_transformers import MultiVectorEncoder

    m = MultiVectorEncoder(str(d), device="cpu", model_kwargs=how).to(how["dtype"])
    m.eval()
    query = torch.as_tensor(m.encode_query([job["query"]], show_progress_bar=False)[0]).double()
    return [[(query @ torch.as_tensor(m.encode_document([x], show_progress_bar=False)[0]).double().T).max(1).values.sum().item()] for x in job["documents"]]


def answer(d, job, how):
    """The difference of true and false at the first step of a T5 decoder."""
    from tokenizers import Tokenizer

    m, t, rows = loaded(AUTO["one step"], d, how), Tokenizer.from_file(str(d / "tokenizer.json")), []
    for document in job["documents"]:
        ids = torch.tensor([t.encode(f"Query: {job['query']} Document: {document} Relevant:").ids])
        with torch.no_grad():
            z = m(input_ids=ids, decoder_input_ids=torch.tensor([[m.config.decoder_start_token_id]])).logits[0, -1].double()
        rows.append([(z[t.token_to_id("▁true")] - z[t.token_to_id("▁false")]).item()])
    return rows


def continue_(d, job, how):
    model = loaded(AUTO["lm"], d, how)
    rows = []
    for ids in job["prompts"]:
        with torch.no_grad():
            rows.append(torch.log_softmax(model(torch.tensor([ids])).logits[0, -1].double(), -1).tolist())
    return rows


def score(row, relevant, config, names):
    """The logit winnow should return: the relevant label's, minus the other's unless labels are independent."""
    if len(row) == 1:
        return row[0]
    i = names.index(relevant)
    if getattr(config, "problem_type", None) == "multi_label_classification":
        return row[i]
    others = [z for j, z in enumerate(row) if j != i]
    return row[i] - (max(others) + math.log(sum(math.exp(z - max(others)) for z in others)))


def reference(d, kind, job, limit, how):
    """Returns a function that maps winnow's reply to pairs of numbers that must be equal."""
    if kind == "lm":
        rows = continue_(d, job, how)
        return lambda a: [(top["Logprob"], rows[i][top["ID"]]) for i, list_ in enumerate(a["logprobs"]) for top in list_]
    if kind == "embedder":
        rows = encode(d, job, how)

        def pairs(a):
            out = []
            for got, want in zip(a["vectors"], rows):
                if len(got) != len(want):
                    return [(0, math.inf)]
                if a.get("unit"):
                    norm = math.sqrt(sum(x * x for x in got)) or 1
                    got = [x / norm for x in got]
                out += zip(got, want)
            return out

        return pairs
    if kind in ("multi-vector", "one step"):
        rows = (interact if kind == "multi-vector" else answer)(d, job, how)
        return lambda a: [(got, row[0]) for got, row in zip(a["scores"], rows)]
    rows, config = classify(d, job, limit, how) if kind == "classifier" else predict(d, job, how)
    names = [str(config.id2label[i]) for i in range(len(rows[0]))] if len(rows[0]) > 1 else []
    return lambda a: [(got, score(row, a.get("relevant"), config, names)) for got, row in zip(a["scores"], rows)]


def off(pairs):
    """The largest distance as a multiple of the tolerance, ignoring equal infinities."""
    worst = 0.0
    for got, want in pairs:
        if not got == want:
            x = abs(got - want) / (TOLERANCE * (1 + abs(want)))
            worst = max(worst, x if x == x else math.inf)
    return worst


# ---- the comparison ----------------------------------------------------------


def job_of(d, r, kind, c, told):
    query, documents = r.choice(QUERIES), r.sample(DOCUMENTS, 3)
    job = {"dir": str(d), "convert": True}
    if kind == "lm":
        size = c["vocab_size"]
        return job | {"prompts": [[r.randrange(size) for _ in range(n)] for n in (1, 7, r.choice([40, 60]))], "probs": 12}
    if kind == "embedder":
        return job | {"texts": documents + [query or "x"]}
    job |= {"query": query, "documents": documents}
    if kind == "one step":  # overlong input loses more than its end
        return job | {"query": QUERIES[0], "documents": [x for x in documents if len(x) < 150] or ["word"], "template": "monot5"}
    if kind == "multi-vector":
        return job
    if kind == "classifier":
        job["template"] = "none"
    names = [str(x) for x in (c.get("id2label") or {}).values()]
    n = len(names) or c.get("num_labels", 2)
    if n > 2:
        job["label"] = r.choice(names) if names and len(set(n.lower() for n in names)) == n and not any(x.isdigit() for x in names) else "1"
    elif "entailment" in names or "relevant" in names or "yes" in names:
        if kind in ("classifier", "cross-encoder"):
            job["label"] = "1" if n == 2 and not any(x.isdigit() for x in names) else None
    job.setdefault("label", None)
    if job["label"] is None:
        del job["label"]
    return job


class Worker:
    def __init__(self, command):
        self.p = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")

    def ask(self, job):
        self.p.stdin.write(json.dumps(job) + "\n")
        self.p.stdin.flush()
        line = self.p.stdout.readline()
        if not line:
            raise SystemExit("the worker ended at " + json.dumps(job))
        return json.loads(line)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("families", nargs="*", metavar="FAMILY", help="of " + " ".join(FAMILIES))
    p.add_argument("--jobs", type=int, default=600)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--only", type=int, help="one job by its number")
    p.add_argument("--verbose", action="store_true", help="tell of each folder that winnow refuses")
    p.add_argument("--keep", help="copy folders that differ into this one")
    p.add_argument("--worker", help="a worker that is built already")
    o = p.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    import logging
    import warnings

    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    work = pathlib.Path(tempfile.mkdtemp(prefix="winnow-settings-"))
    if not o.worker:
        subprocess.run(["go", "build", "-o", str(work / "worker"), "./bench/settings_worker"], cwd=HERE.parent, check=True)
    worker = Worker([o.worker or str(work / "worker")])
    count, refused, illegal, unconverted, told_names, by_family = (collections.Counter() for _ in range(6))
    families = o.families or list(FAMILIES)
    faults = 0
    for n in range(o.jobs) if o.only is None else [o.only]:
        r = random.Random(o.seed * 1000003 + n)
        torch.manual_seed(o.seed * 1000003 + n)
        family = families[n % len(families)]
        d = work / f"job{n}"
        d.mkdir()
        count["folders"] += 1
        try:
            kind, c, limit, told, odd = folder(d, r, family)
            job = job_of(d, r, kind, c, told)
            want = reference(d, kind, job, limit, {"dtype": torch.float64})
        except Exception as error:
            count["that the library does not take"] += 1
            illegal[f"{family}: {type(error).__name__}: {error}".replace(str(d), "").replace("\n", " ")[:120]] += 1
            shutil.rmtree(d)
            continue
        answer = worker.ask(job)
        verdicts = [("", answer)] + ([("converted ", answer["converted"])] if "converted" in answer else [])
        for prefix, a in verdicts:
            error = a.get("error", "")
            if error.startswith("panic"):
                verdict = "PANIC"
            elif error:
                verdict = "refused"
                if o.verbose:
                    print(f"job {n} {family} {kind} {prefix}refused: {error}")
                (unconverted if prefix else refused)[re.sub(r"\d+", "N", error.replace(str(d), "").split(": ", 1)[-1])[:130]] += 1
            else:
                x = off(want(a))
                if x > 1:
                    # With some weights float32 itself is inaccurate.
                    narrow = reference(d, kind, job, limit, {"dtype": torch.float32})
                    x = min(x, x / max(1e-9, 2 * off([(g, w) for (_, g), (_, w) in zip(narrow(a), want(a))])))
                if x > 1:
                    eager = reference(d, kind, job, limit, {"dtype": torch.float64, "attn_implementation": "eager"})
                    if off([(g, w) for (_, g), (_, w) in zip(eager(a), want(a))]) > 1:
                        count[prefix + "that the library computes in two ways"] += 1
                        x = min(x, off(eager(a)))
                unread = [u for u in a.get("unread", []) if u != told]
                verdict = "agree" if x <= 1 else "differ, but a setting was told to be unread" if unread and not prefix else "DIFFER"
                if told and not prefix and told not in a.get("unread", []):
                    verdict = "PASSED OVER " + told
                told_names.update(unread)
            count[prefix + verdict] += 1
            if not prefix:
                by_family[f"{family}: {verdict}"] += 1
            if verdict.isupper() or verdict.startswith(("PASSED", "differ")):
                faults += verdict.split()[0].isupper()
                print(f"job {n} {family} {kind} {prefix}{verdict} {error} {a.get('unread', '')}")
                if not error:
                    print("  winnow, library:", [(round(g, 5), round(w, 5)) for g, w in want(a)[:4]], "label", a.get("relevant"))
                if odd:
                    print("  " + odd)
                print("  " + json.dumps({k: v for k, v in c.items()})[:1500], flush=True)
                if o.keep:
                    shutil.copytree(d, pathlib.Path(o.keep) / f"job{n}", dirs_exist_ok=True)
                    write_json(pathlib.Path(o.keep) / f"job{n}.json", job)
        if o.only is None:
            shutil.rmtree(d)
        if n % 50 == 49:
            print(f"{n + 1} folders, {faults} faults", flush=True)
    worker.p.stdin.close()
    if o.only is None:
        shutil.rmtree(work)
    for name, value in sorted(count.items()):
        print(f"{value:6} {name}")
    for title, counter in (("refused", refused), ("not converted", unconverted), ("not taken by the library", illegal), ("told to be unread", told_names), ("by family", by_family)):
        print(title)
        for reason, value in sorted(counter.items()) if title == "by family" else counter.most_common(40):
            print(f"{value:6} {reason}")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
