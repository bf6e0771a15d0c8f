"""Creates full-size models with random weights, whose scores are meaningless.

    python make_models.py OUT NAME...

OUT/NAME gets config.json, model.safetensors (float32) and a tokenizer of some words,
letters and digits, which suffices to load the model: benchmarks pass tokens. Encoders
also get model.onnx, its dynamic int8 form model_int8.onnx (signed weights), and both as
fused by ONNX Runtime's transformers optimizer (fused*.onnx). NAME-spread is NAME with the
weight distribution of ms-marco-MiniLM-L12-v2: matrices 1.25 times the size that preserves
a state's, rows and columns that differ by 15 and 12 percent, norm gains with a few large
values, and logits about 2 apart. It serves to measure the errors of 8-bit products
(accuracy.py) and has no ONNX form.

Seeded: the same versions of the packages give the same bytes.
"""
import json
import pathlib
import sys

import torch
import transformers as tf

XLMR = dict(vocab_size=250002, type_vocab_size=1, num_labels=1, pad_token_id=1)


def bert(**kw):
    return tf.BertForSequenceClassification(tf.BertConfig(vocab_size=30522, num_labels=1, max_position_embeddings=512, **kw))


def xlmr(**kw):
    return tf.XLMRobertaForSequenceClassification(tf.XLMRobertaConfig(**XLMR, **kw))


MODELS = {
    # name: (constructor, has token types; None: a decoder, without ONNX form)
    "minilm": (lambda: bert(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536), True),
    "minilm-l12": (lambda: bert(hidden_size=384, num_hidden_layers=12, num_attention_heads=12, intermediate_size=1536), True),
    "base": (lambda: xlmr(hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072,
                          max_position_embeddings=514), False),
    "m3": (lambda: xlmr(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096,
                        max_position_embeddings=8194), False),
    "bert-base": (lambda: bert(hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072), True),
    "mpnet": (lambda: tf.MPNetForSequenceClassification(tf.MPNetConfig(max_position_embeddings=514, num_labels=1)), False),  # all-mpnet-base-v2
    "gte": (lambda: tf.GteForSequenceClassification(tf.GteConfig(vocab_size=250048, num_labels=1)), False),  # gte-multilingual-reranker-base
    "nomic": (lambda: tf.NomicBertForSequenceClassification(tf.NomicBertConfig(num_labels=1)), True),  # nomic-embed-text-v1.5
    "eurobert": (lambda: tf.EuroBertForSequenceClassification(tf.EuroBertConfig(num_labels=1)), False),  # EuroBERT-210m
    "modernbert": (lambda: tf.ModernBertForSequenceClassification(tf.ModernBertConfig(num_labels=1)), False),
    "deberta": (lambda: tf.DebertaV2ForSequenceClassification(tf.DebertaV2Config(
        vocab_size=128100, hidden_size=384, num_hidden_layers=12, num_attention_heads=6, intermediate_size=1536,
        max_position_embeddings=512, type_vocab_size=0, num_labels=1, relative_attention=True, max_relative_positions=-1,
        position_buckets=256, norm_rel_ebd="layer_norm", share_att_key=True, pos_att_type=["p2c", "c2p"],
        position_biased_input=False, layer_norm_eps=1e-7, pooler_hidden_size=384, pooler_hidden_act="gelu", pooler_dropout=0)), False),
    "qwen3": (lambda: tf.Qwen3ForCausalLM(tf.Qwen3Config(
        vocab_size=151669, hidden_size=1024, num_hidden_layers=28, num_attention_heads=16, num_key_value_heads=8, head_dim=128,
        intermediate_size=3072, tie_word_embeddings=True, rope_parameters={"rope_type": "default", "rope_theta": 1e6},
        max_position_embeddings=40960, bos_token_id=151643, eos_token_id=151645)), None),
}


def tokenizer(out, kind):
    """A WordPiece tokenizer of some words, letters and digits, in tokenizer.json."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    words = "the of and to in is was for that on as with by it at from are this be which question answer document query model".split()
    pieces = special + list(letters + "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~") + ["##" + c for c in letters] + words
    # Also works for families that have no WordPiece tokenizer.
    t = Tokenizer(models.WordPiece({p: i for i, p in enumerate(pieces)}, unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(lowercase=True)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece()
    pair = ":1" if kind == "bert" else ":0"
    t.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair=f"[CLS]:0 $A:0 [SEP]:0 $B{pair} [SEP]{pair}", special_tokens=[(p, special.index(p)) for p in ("[CLS]", "[SEP]")])
    t.add_special_tokens(special)
    t.save(str(out / "tokenizer.json"))
    (out / "vocab.txt").write_text("\n".join(pieces) + "\n")
    (out / "tokenizer_config.json").write_text(json.dumps({
        "tokenizer_class": "BertTokenizer" if kind == "bert" else "PreTrainedTokenizerFast", "do_lower_case": True, "model_max_length": 512,
        **{f"{p[1:-1].lower()}_token": p for p in special}}, indent=1))


def spread(model):
    """Spreads the weights of a model as described above."""
    generator = torch.Generator().manual_seed(5)

    def normal(*shape):
        return torch.randn(*shape, generator=generator)

    ids = torch.randint(1000, 20000, (64, 48), generator=generator)
    with torch.no_grad():
        for name, p in model.named_parameters():
            lower = name.lower()
            if lower.startswith(("classifier", "score")):
                last = p if p.dim() == 2 else last
            elif p.dim() == 2 and "embeddings" not in lower:
                outputs, inputs = p.shape
                p.copy_(normal(outputs, inputs) * (1.25 / inputs ** 0.5) * torch.exp(0.12 * normal(1, inputs) + 0.15 * normal(outputs, 1)))
            elif p.dim() == 1 and "norm" in lower and lower.endswith("weight"):
                p.copy_(torch.exp(0.12 * normal(len(p))))
                p[torch.randperm(len(p), generator=generator)[:4]] *= 2.5
            elif p.dim() == 1:
                p.add_(0.05 * normal(len(p)))
        last *= 2 / model(input_ids=ids).logits.std()
        for name, p in model.named_parameters():
            if name.lower().startswith(("classifier", "score")) and p.dim() == 1:
                p -= model(input_ids=ids).logits.mean()
    return model


class Logits(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, token_type_ids=None):
        extra = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        return self.model(input_ids=input_ids, attention_mask=attention_mask, **extra).logits


def export(model, out, token_types):
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.transformers import optimizer
    from onnxruntime.transformers.fusion_options import FusionOptions
    ids = torch.randint(5, 1000, (2, 16))
    args = (ids, torch.ones_like(ids)) + ((torch.zeros_like(ids),) if token_types else ())
    names = ["input_ids", "attention_mask", "token_type_ids"][: len(args)]
    axes = {0: torch.export.Dim("b", min=1, max=512), 1: torch.export.Dim("l", min=2, max=512)}
    with torch.no_grad():
        program = torch.onnx.export(Logits(model).eval(), args, input_names=names, output_names=["logits"], dynamo=True,
                                    dynamic_shapes=tuple(axes for _ in names))
    large = sum(p.numel() for p in model.parameters()) * 4 > 1.9e9
    program.save(str(out / "model.onnx"), external_data=large)
    quantize_dynamic(out / "model.onnx", out / "model_int8.onnx", weight_type=QuantType.QInt8)
    if not large:
        c = model.config
        options = FusionOptions("bert")
        # The optimizer fails when fusing bias-free norms with a sum.
        options.enable_skip_layer_norm = getattr(c, "norm_bias", True)
        fused = optimizer.optimize_model(str(out / "model.onnx"), model_type="bert", num_heads=c.num_attention_heads,
                                         hidden_size=c.hidden_size, opt_level=0, optimization_options=options)
        fused.save_model_to_file(str(out / "fused.onnx"))
        print("  fused:", fused.get_fused_operator_statistics())
        quantize_dynamic(out / "fused.onnx", out / "fused_int8.onnx", weight_type=QuantType.QInt8)


def main():
    root = pathlib.Path(sys.argv[1])
    for name in sys.argv[2:] or MODELS:
        make, token_types = MODELS[name.removesuffix("-spread")]
        out = root / name
        out.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(0)
        model = make().eval()
        if name.endswith("-spread"):
            model = spread(model)
        model.save_pretrained(out)
        print(name, round(sum(p.numel() for p in model.parameters()) / 1e6), "M parameters", flush=True)
        if token_types is not None:
            tokenizer(out, model.config.model_type)
        if token_types is not None and not name.endswith("-spread"):
            model.config._attn_implementation = "eager"  # the attention implementation that every family can export
            export(model, out, token_types)


if __name__ == "__main__":
    main()
