"""Small models with random weights in the layouts of transformers and sentence-transformers, with
references in float64: rerankers that are chains of modules, late interaction, embeddings with a Dense,
a classifier of three labels (RoBERTa), ELECTRA and DistilBERT.

    python make_sentence_models.py          writes the folders beside itself

Made with torch 2.15, transformers 5.23, sentence-transformers 6.2. The tokenizers and the texts are those
of the models that are there already. Seeded: the same versions give the same weights.
"""
import json
import pathlib
import shutil

import torch
import transformers as tf
from safetensors.torch import save_file
from sentence_transformers import CrossEncoder, MultiVectorEncoder, SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import LayerNorm, Pooling
from tokenizers import Tokenizer

HERE = pathlib.Path(__file__).parent
TOKENIZER_FILES = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"]
BERT = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, max_position_embeddings=66, num_labels=1)


def texts(n=8):
    r = json.loads((HERE / "bert-minilm/reference.json").read_text())
    return r["queries"][:5], r["documents"][:n]


def scatter(model, seed):
    """Weights as uneven as trained ones, so that no part of the model is without effect."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=g)
            if p.ndim == 1:
                p.copy_((1 if "norm" in name.lower() and name.endswith("weight") else 0) + 0.2 * noise)
            elif "embeddings" in name:
                p.copy_(0.5 * noise)
            else:
                p.copy_(1.5 * noise / p.shape[1] ** 0.5)
    return model.eval()


def tokenizer(source, out, **config):
    out.mkdir(parents=True, exist_ok=True)
    for name in TOKENIZER_FILES:
        shutil.copyfile(HERE / source / name, out / name)
    c = json.loads((out / "tokenizer_config.json").read_text()) | config
    (out / "tokenizer_config.json").write_text(json.dumps(c, indent=1, ensure_ascii=False))
    return tf.AutoTokenizer.from_pretrained(out)


def vocabulary(out):
    """Rows that the embedding table needs: the tokenizer's ids, those added included."""
    return len(tf.PreTrainedTokenizerFast(tokenizer_file=str(out / "tokenizer.json")))


def backbone(out, source, kind, limit):
    """A saved encoder without a head, on which sentence-transformers builds."""
    tokenizer(source, out, model_max_length=limit)
    n = vocabulary(out)
    if kind == "modernbert":
        c = tf.ModernBertConfig(vocab_size=n, hidden_size=32, intermediate_size=48, num_hidden_layers=4, num_attention_heads=2,
                                max_position_embeddings=128, local_attention=96, global_attn_every_n_layers=3, pad_token_id=0,
                                bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2)
        m = tf.ModernBertModel(c)
    else:
        m = tf.BertModel(tf.BertConfig(vocab_size=n, **BERT), add_pooling_layer=False)
    scatter(m, len(out.name)).save_pretrained(out)
    return m


def saved(out, model):
    """Saves over the backbone, with the tokenizer's files as they were."""
    keep = {name: (out / name).read_bytes() for name in TOKENIZER_FILES}
    model.save(str(out), create_model_card=False)
    for name, data in keep.items():
        (out / name).write_bytes(data)


def write(out, **reference):
    (out / "reference.json").write_text(json.dumps({"model": out.name, **reference}, ensure_ascii=False))
    for name in ["README.md", "merges.txt", "vocab.json", "vocab.txt"]:
        (out / name).unlink(missing_ok=True)


def rounded(x):
    return [round(float(v), 10) for v in x]


def pair_ids(out, q, d, limit, typed):
    t = Tokenizer.from_file(str(out / "tokenizer.json"))
    t.no_padding()
    t.enable_truncation(limit, strategy="longest_first")
    e = t.encode(q, d)
    return e.ids, e.type_ids if typed and any(e.type_ids) else None


def pairs(out, limit, score, typed=False):
    queries, documents = texts()
    rows = []
    for i, q in enumerate(queries):
        for j, d in enumerate(documents):
            ids, types = pair_ids(out, q, d, limit, typed)
            logits = rounded(score(ids, types))
            rows.append({"query": i, "document": j, "truncation": "longest_first", "ids": ids, **({"types": types} if types else {}), "logits": logits})
    return dict(max_length=limit, queries=queries, documents=documents, pairs=rows)


def classifier(out, model, limit):
    model.save_pretrained(out)
    model = model.double()

    kinds = getattr(model.config, "type_vocab_size", 0)

    def score(ids, types):
        more = {"token_type_ids": torch.tensor([types or [0] * len(ids)])} if kinds else {}
        with torch.no_grad():
            return model(input_ids=torch.tensor([ids]), **more).logits[0]

    write(out, **pairs(out, limit, score, kinds > 1))


def roberta():
    out = HERE / "roberta-nli"
    tokenizer("jina-v1-turbo", out, model_max_length=64)
    t = tf.PreTrainedTokenizerFast(tokenizer_file=str(out / "tokenizer.json"))
    pad = t.convert_tokens_to_ids("<pad>")
    c = tf.RobertaConfig(vocab_size=len(t), type_vocab_size=1, pad_token_id=pad, layer_norm_eps=1e-5,
                         **{**BERT, "max_position_embeddings": 64 + pad + 1, "num_labels": 3},
                         id2label={0: "contradiction", 1: "entailment", 2: "neutral"}, label2id={"contradiction": 0, "entailment": 1, "neutral": 2})
    classifier(out, scatter(tf.RobertaForSequenceClassification(c), 11), 64)


def electra():
    out = HERE / "electra"
    tokenizer("bert-minilm", out, model_max_length=64)
    c = tf.ElectraConfig(vocab_size=vocabulary(out), embedding_size=16, **BERT)
    classifier(out, scatter(tf.ElectraForSequenceClassification(c), 12), 64)


def distilbert():
    out = HERE / "distilbert"
    tokenizer("bert-minilm", out, model_max_length=64)
    c = tf.DistilBertConfig(vocab_size=vocabulary(out), dim=32, n_layers=2, n_heads=4, hidden_dim=64, max_position_embeddings=66, num_labels=1)
    classifier(out, scatter(tf.DistilBertForSequenceClassification(c), 13), 64)


def cross(name, source, kind):
    """The chain of the ettin rerankers."""
    out = HERE / name
    backbone(out, source, kind, 64)
    h, inner = 32, 32 if kind == "modernbert" else 24
    torch.manual_seed(5)
    chain = [Transformer(str(out)), Pooling(h, "cls" if kind == "modernbert" else "mean"),
             Dense(h, inner, bias=False, activation_function=torch.nn.GELU()), LayerNorm(inner),
             Dense(inner, 1, bias=True, activation_function=torch.nn.Identity(), module_output_name="scores")]
    for i, m in enumerate(chain[2:]):
        scatter(m, i)
    model = CrossEncoder(modules=chain, activation_fn=torch.nn.Identity())
    saved(out, model)
    model = CrossEncoder(str(out)).double().eval()
    queries, documents = texts()
    logits = model.predict([(q, d) for q in queries for d in documents], convert_to_tensor=True)
    it = iter(logits.flatten().tolist())
    write(out, **pairs(out, 64, lambda ids, types: [next(it)], kind == "bert"))


def embed():
    out = HERE / "embed-dense"
    backbone(out, "bert-minilm", "bert", 48)
    dense = scatter(Dense(32, 24, activation_function=torch.nn.Tanh()), 3)
    model = SentenceTransformer(modules=[Transformer(str(out)), Pooling(32, "lasttoken"), dense, Normalize()],
                                prompts={"query": "question: ", "document": ""}, default_prompt_name="query")
    saved(out, model)
    model = SentenceTransformer(str(out)).double().eval()
    tok = tf.PreTrainedTokenizerFast(tokenizer_file=str(out / "tokenizer.json"))
    rows = []
    for prompt in ["query", "document"]:
        for t in sum(map(list, texts()), []):
            v = model.encode(t, prompt_name=prompt, convert_to_tensor=True)
            ids = tok(model.prompts[prompt] + t, truncation=True, max_length=48)["input_ids"]
            rows.append({"prompt": prompt, "text": t, "ids": ids, "embedding": rounded(v)})
    write(out, max_length=48, texts=rows)


def add_tokens(out, *names):
    t = tf.PreTrainedTokenizerFast(tokenizer_file=str(out / "tokenizer.json"))
    t.add_tokens([tf.AddedToken(n, normalized=False, special=False) for n in names])
    t.backend_tokenizer.save(str(out / "tokenizer.json"))


def late_reference(out, model, query_length):
    model = model.double().eval()
    queries, documents = texts()
    q = model.encode_query(queries)
    d = model.encode_document(documents)
    rows = []
    for i in range(len(queries)):
        for j in range(len(documents)):
            rows.append({"query": i, "document": j, "logits": [float((q[i] @ d[j].T).amax(1).sum())]})
    write(out, query_length=query_length, queries=queries, documents=documents, pairs=rows, query_vectors=[len(v) for v in q], document_vectors=[len(v) for v in d])


def pylate():
    """A folder as PyLate writes it."""
    out = HERE / "colbert-modernbert"
    out.mkdir(exist_ok=True)
    for name in TOKENIZER_FILES:
        shutil.copyfile(HERE / "modernbert-granite" / name, out / name)
    add_tokens(out, "[Q] ", "[D] ")
    grown = (out / "tokenizer.json").read_bytes()
    n = vocabulary(out)
    c = tf.ModernBertConfig(vocab_size=n, hidden_size=32, intermediate_size=48, num_hidden_layers=4, num_attention_heads=2,
                            max_position_embeddings=128, local_attention=96, global_attn_every_n_layers=3, pad_token_id=0)
    scatter(tf.ModernBertModel(c), 21).save_pretrained(out)
    (out / "tokenizer.json").write_bytes(grown)
    d = out / "1_Dense"
    d.mkdir(exist_ok=True)
    dense = scatter(torch.nn.Linear(32, 16, bias=False), 22)
    save_file({"linear.weight": dense.weight.detach().contiguous()}, d / "model.safetensors")
    (d / "config.json").write_text(json.dumps({"in_features": 32, "out_features": 16, "bias": False, "activation_function": "torch.nn.modules.linear.Identity", "use_residual": False}))
    (out / "modules.json").write_text(json.dumps([
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Dense", "type": "pylate.models.Dense.Dense"}]))
    (out / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 63, "do_lower_case": False}))
    (out / "config_sentence_transformers.json").write_text(json.dumps({
        "model_type": "ColBERT", "prompts": {}, "default_prompt_name": None, "similarity_fn_name": "MaxSim", "query_prefix": "[Q] ", "document_prefix": "[D] ", "query_length": 24,
        "document_length": 64, "attend_to_expansion_tokens": False, "skiplist_words": list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"), "do_query_expansion": True}))
    late_reference(out, MultiVectorEncoder(str(out)), 24)


def stanford():
    """A checkpoint of ColBERT's authors."""
    out = HERE / "colbert-bert"
    tokenizer("bert-minilm", out)
    add_tokens(out, "[unused90]", "[unused91]")
    grown = (out / "tokenizer.json").read_bytes()
    c = tf.BertConfig(vocab_size=vocabulary(out), architectures=["HF_ColBERT"], **BERT)
    m = scatter(tf.BertModel(c, add_pooling_layer=True), 31)
    dense = scatter(torch.nn.Linear(32, 12, bias=False), 32)
    c.save_pretrained(out)
    save_file({"linear.weight": dense.weight.detach().contiguous(), **{"bert." + k: v.contiguous() for k, v in m.state_dict().items()}}, out / "model.safetensors", metadata={"format": "pt"})
    (out / "artifact.metadata").write_text(json.dumps({"query_token_id": "[unused90]", "doc_token_id": "[unused91]", "query_maxlen": 32, "doc_maxlen": 60,
                                                       "attend_to_mask_tokens": False, "mask_punctuation": True, "dim": 12}))
    (out / "tokenizer.json").write_bytes(grown)
    config = json.loads((out / "config.json").read_text())
    config["architectures"] = ["HF_ColBERT"]
    (out / "config.json").write_text(json.dumps(config, indent=1))
    late_reference(out, MultiVectorEncoder(str(out)), 32)


def multi_vector():
    """The same as sentence-transformers writes it."""
    out = HERE / "colbert-multivector"
    MultiVectorEncoder(str(HERE / "colbert-bert")).save(str(out), create_model_card=False)
    late_reference(out, MultiVectorEncoder(str(out)), 32)


if __name__ == "__main__":
    import sys

    torch.set_num_threads(1)
    makers = {"roberta": roberta, "electra": electra, "distilbert": distilbert, "ettin": lambda: cross("ettin", "modernbert-granite", "modernbert"),
              "chain-bert": lambda: cross("chain-bert", "bert-minilm", "bert"), "embed": embed, "pylate": pylate, "stanford": stanford, "multi-vector": multi_vector}
    for name in sys.argv[1:] or makers:
        makers[name]()
