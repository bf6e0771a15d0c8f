"""Full-size models with random weights, for timing only: their scores mean nothing.

    python make_models.py OUT NAME...

OUT/NAME holds config.json and model.safetensors (float32); the encoders that ONNX
Runtime serves also get model.onnx, its dynamic int8 form model_int8.onnx (signed
weights), and both as fused by ONNX Runtime's transformers optimizer (fused*.onnx).
Seeded: the same versions of the packages give the same bytes.
"""
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
    # name: (constructor, takes token types; None: no ONNX form)
    "minilm": (lambda: bert(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536), True),
    "minilm-l12": (lambda: bert(hidden_size=384, num_hidden_layers=12, num_attention_heads=12, intermediate_size=1536), True),
    "base": (lambda: xlmr(hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072,
                          max_position_embeddings=514), False),
    "m3": (lambda: xlmr(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096,
                        max_position_embeddings=8194), False),
    "modernbert": (lambda: tf.ModernBertForSequenceClassification(tf.ModernBertConfig(num_labels=1)), None),
    "deberta": (lambda: tf.DebertaV2ForSequenceClassification(tf.DebertaV2Config(
        vocab_size=128100, hidden_size=384, num_hidden_layers=12, num_attention_heads=6, intermediate_size=1536,
        max_position_embeddings=512, type_vocab_size=0, num_labels=1, relative_attention=True, max_relative_positions=-1,
        position_buckets=256, norm_rel_ebd="layer_norm", share_att_key=True, pos_att_type=["p2c", "c2p"],
        position_biased_input=False, layer_norm_eps=1e-7, pooler_hidden_size=384, pooler_hidden_act="gelu", pooler_dropout=0)), None),
    "qwen3": (lambda: tf.Qwen3ForCausalLM(tf.Qwen3Config(
        vocab_size=151669, hidden_size=1024, num_hidden_layers=28, num_attention_heads=16, num_key_value_heads=8, head_dim=128,
        intermediate_size=3072, tie_word_embeddings=True, rope_parameters={"rope_type": "default", "rope_theta": 1e6},
        max_position_embeddings=40960, bos_token_id=151643, eos_token_id=151645)), None),
}


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
    ids = torch.randint(5, 1000, (2, 16))
    args = (ids, torch.ones_like(ids)) + ((torch.zeros_like(ids),) if token_types else ())
    names = ["input_ids", "attention_mask", "token_type_ids"][: len(args)]
    axes = {0: torch.export.Dim("b", min=1, max=512), 1: torch.export.Dim("l", min=2, max=512)}
    with torch.no_grad():
        program = torch.onnx.export(Logits(model), args, input_names=names, output_names=["logits"], dynamo=True,
                                    dynamic_shapes=tuple(axes for _ in names))
    large = sum(p.numel() for p in model.parameters()) * 4 > 1.9e9
    program.save(str(out / "model.onnx"), external_data=large)
    quantize_dynamic(out / "model.onnx", out / "model_int8.onnx", weight_type=QuantType.QInt8)
    if not large:
        c = model.config
        fused = optimizer.optimize_model(str(out / "model.onnx"), model_type="bert", num_heads=c.num_attention_heads,
                                         hidden_size=c.hidden_size, opt_level=0)
        fused.save_model_to_file(str(out / "fused.onnx"))
        print("  fused:", fused.get_fused_operator_statistics())
        quantize_dynamic(out / "fused.onnx", out / "fused_int8.onnx", weight_type=QuantType.QInt8)


def main():
    root = pathlib.Path(sys.argv[1])
    for name in sys.argv[2:] or MODELS:
        make, token_types = MODELS[name]
        out = root / name
        out.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(0)
        model = make().eval()
        model.save_pretrained(out)
        print(name, round(sum(p.numel() for p in model.parameters()) / 1e6), "M parameters", flush=True)
        if token_types is not None:
            export(model, out, token_types)


if __name__ == "__main__":
    main()
