"""Makes zoo/jina-code: a small JinaBERT with the layers of jina-embeddings-v2-base-code, and what it computes in float64.

  python make_jina_code.py        needs: numpy, safetensors, tokenizers

The equations are those of text-embeddings-inference (backends/candle/src/models/jina_code.rs), which its tests compare with the authors' code:
norms of queries and keys over all heads, attention's residual twice, and a gated layer whose second half is activated.
"""
import json, math, pathlib, shutil
import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE / "zoo" / "jina-code"
HIDDEN, HEADS, FFN, LAYERS, LIMIT, EPS = 48, 6, 80, 2, 256, 1e-12
R = np.random.default_rng(16)
TEXTS = ["def reset(router): return router.press(10)", "how do I reset the router", "", "word", "To reset the router, hold the reset button for ten seconds. " * 12]

source = HERE / "jina-v1-turbo"
t = Tokenizer.from_file(str(source / "tokenizer.json"))
t.no_padding(); t.enable_truncation(LIMIT)
vocab = max(t.get_vocab().values()) + 1

w = {}
def linear(name, out, inputs, gain=1.3, bias=True):
    w[name + ".weight"] = R.standard_normal((out, inputs)) * gain / math.sqrt(inputs)
    if bias: w[name + ".bias"] = R.standard_normal(out) * .15
def norm(name):
    w[name + ".weight"], w[name + ".bias"] = 1 + R.standard_normal(HIDDEN) * .25, R.standard_normal(HIDDEN) * .15
w["embeddings.word_embeddings.weight"] = R.standard_normal((vocab, HIDDEN)) * .6
w["embeddings.token_type_embeddings.weight"] = R.standard_normal((2, HIDDEN)) * .6
norm("embeddings.LayerNorm")
for i in range(LAYERS):
    l = f"encoder.layer.{i}."
    for name in ("query", "key", "value"): linear(l + "attention.self." + name, HIDDEN, HIDDEN)
    norm(l + "attention.self.layer_norm_q"); norm(l + "attention.self.layer_norm_k")
    linear(l + "attention.output.dense", HIDDEN, HIDDEN); norm(l + "attention.output.LayerNorm"); norm(l + "layer_norm_1")
    linear(l + "mlp.up_gated_layer", 2 * FFN, HIDDEN, bias=False); linear(l + "mlp.down_layer", HIDDEN, FFN); norm(l + "layer_norm_2")
w = {k: v.astype(np.float32) for k, v in w.items()}
W = {k: v.astype(np.float64) for k, v in w.items()}

erf = np.vectorize(math.erf)
def lin(x, name): return x @ W[name + ".weight"].T + W.get(name + ".bias", 0)
def ln(x, name):
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + EPS) * W[name + ".weight"] + W[name + ".bias"]
def slopes(n):
    m = 1 << (n.bit_length() - 1)
    return [2 ** (-8 * (h + 1) / m) for h in range(m)] + [2 ** (-8 * (2 * h + 1) / (2 * m)) for h in range(n - m)]

def run(ids):
    x = ln(W["embeddings.word_embeddings.weight"][ids] + W["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    n, d = len(ids), HIDDEN // HEADS
    distance = np.abs(np.arange(n)[:, None] - np.arange(n)[None])
    for i in range(LAYERS):
        l = f"encoder.layer.{i}."
        q, k = ln(lin(x, l + "attention.self.query"), l + "attention.self.layer_norm_q"), ln(lin(x, l + "attention.self.key"), l + "attention.self.layer_norm_k")
        v, heads = lin(x, l + "attention.self.value"), []
        for h, slope in enumerate(slopes(HEADS)):
            part = slice(h * d, (h + 1) * d)
            s = q[:, part] @ k[:, part].T / math.sqrt(d) - slope * distance
            p = np.exp(s - s.max(-1, keepdims=True))
            heads.append(p / p.sum(-1, keepdims=True) @ v[:, part])
        a = ln(lin(np.concatenate(heads, 1), l + "attention.output.dense") + x, l + "attention.output.LayerNorm")
        y = ln(a + x, l + "layer_norm_1")
        u = lin(y, l + "mlp.up_gated_layer")
        up, gate = u[:, :FFN], u[:, FFN:]
        x = ln(lin(up * gate * (1 + erf(gate / math.sqrt(2))) / 2, l + "mlp.down_layer") + y, l + "layer_norm_2")
    m = x.mean(0)
    return (m / np.linalg.norm(m)).tolist()

shutil.rmtree(OUT, ignore_errors=True); (OUT / "model" / "1_Pooling").mkdir(parents=True)
config = {"architectures": ["JinaBertModel"], "model_type": "bert", "hidden_size": HIDDEN, "num_attention_heads": HEADS, "intermediate_size": FFN, "num_hidden_layers": LAYERS,
          "max_position_embeddings": LIMIT, "type_vocab_size": 2, "vocab_size": vocab, "layer_norm_eps": EPS, "hidden_act": "gelu", "position_embedding_type": "alibi",
          "feed_forward_type": "geglu", "emb_pooler": "mean", "attention_probs_dropout_prob": 0.0, "hidden_dropout_prob": 0.1, "pad_token_id": 1}
for name, value in {"config.json": config, "1_Pooling/config.json": {"word_embedding_dimension": HIDDEN, "pooling_mode_mean_tokens": True},
                    "modules.json": [{"idx": i, "name": str(i), "path": path, "type": "sentence_transformers.models." + kind} for i, (path, kind) in enumerate([("", "Transformer"), ("1_Pooling", "Pooling")])]}.items():
    (OUT / "model" / name).write_text(json.dumps(value, indent=1) + "\n")
for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"): shutil.copy(source / name, OUT / "model" / name)
save_file(w, OUT / "model" / "model.safetensors", metadata={"format": "pt"})
case = {"model": "model", "reference": "testdata/make_jina_code.py, float64", "texts": TEXTS, "embeddings": [run(t.encode(x).ids) for x in TEXTS], "tolerance": 1e-4}
(OUT / "case.json").write_text(json.dumps(case, indent=1) + "\n")
