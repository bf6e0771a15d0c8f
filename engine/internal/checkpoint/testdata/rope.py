"""Writes rope.json: configurations of RoPE in the forms that transformers has
written, with the frequencies and the factor that transformers makes of them.

python rope.py > rope.json        (transformers 5.24)
"""
import json
import torch
from transformers import Gemma3TextConfig, LlamaConfig, MistralConfig, ModernBertConfig, Phi3Config, Qwen3Config
from transformers.models.gemma3.modeling_gemma3 import Gemma3RotaryEmbedding
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding
from transformers.models.mistral.modeling_mistral import MistralRotaryEmbedding
from transformers.models.modernbert.modeling_modernbert import ModernBertRotaryEmbedding
from transformers.models.phi3.modeling_phi3 import Phi3RotaryEmbedding
from transformers.models.qwen3.modeling_qwen3 import Qwen3RotaryEmbedding

base = dict(hidden_size=64, num_attention_heads=2, num_key_value_heads=2, num_hidden_layers=6, max_position_embeddings=4096)
classes = {
    "llama": (LlamaConfig, LlamaRotaryEmbedding), "qwen3": (Qwen3Config, Qwen3RotaryEmbedding),
    "mistral": (MistralConfig, MistralRotaryEmbedding), "gemma3_text": (Gemma3TextConfig, Gemma3RotaryEmbedding),
    "modernbert": (ModernBertConfig, ModernBertRotaryEmbedding), "phi3": (Phi3Config, Phi3RotaryEmbedding),
}
cases = [
    ("llama", "", {}),
    ("llama", "", {"rope_theta": 500000.0}),
    ("llama", "", {"rope_theta": 500000.0, "rope_scaling": None}),
    ("llama", "", {"rope_parameters": {"rope_theta": 250000.0, "rope_type": "default"}}),
    ("llama", "", {"rope_theta": 5e5, "rope_parameters": {"rope_theta": 25e4, "rope_type": "linear", "factor": 4.0}}),
    ("llama", "", {"rope_theta": 5e5, "rope_parameters": {"rope_type": "linear", "factor": 4.0}}),
    ("llama", "", {"rope_scaling": {"type": "linear", "factor": 2.0}, "rope_parameters": {"rope_theta": 7e4, "rope_type": "default"}}),
    ("llama", "", {"rope_scaling": {"type": "linear", "factor": 2.5}}),
    ("llama", "", {"rope_scaling": {"type": "dynamic", "factor": 2.5}}),
    ("llama", "", {"rope_scaling": {"rope_type": "llama3", "type": "linear", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 1024}, "rope_theta": 5e5}),
    ("llama", "", {"rope_scaling": {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 2.0, "high_freq_factor": 6.0}}),
    ("qwen3", "", {"rope_theta": 1e6, "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 8192}}),
    ("qwen3", "", {"rope_theta": 1e6, "head_dim": 48, "rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 8192, "beta_fast": 16, "beta_slow": 2}}),
    ("llama", "", {"rope_parameters": {"rope_theta": 1e4, "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 512, "mscale": 1.0, "mscale_all_dim": 0.5}}),
    ("llama", "", {"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 512, "mscale": 0.707, "mscale_all_dim": 0}}),
    ("llama", "", {"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 512, "attention_factor": 1.25, "mscale": 2.0, "mscale_all_dim": 1.0}}),
    ("llama", "", {"rope_scaling": {"rope_type": "yarn", "factor": 8.0, "truncate": False}}),
    ("llama", "", {"rope_scaling": {"rope_type": "yarn", "factor": None, "original_max_position_embeddings": 2048}}),
    ("mistral", "", {"rope_theta": 1e6, "sliding_window": None}),
    ("mistral", "", {"rope_scaling": {"rope_type": "yarn", "factor": 4.0}, "original_max_position_embeddings": 1024}),
    ("gemma3_text", "full_attention", {"head_dim": 32}),
    ("gemma3_text", "sliding_attention", {"head_dim": 32}),
    ("gemma3_text", "full_attention", {"head_dim": 32, "rope_theta": 5e5, "rope_local_base_freq": 2e4, "rope_scaling": {"rope_type": "linear", "factor": 8.0}}),
    ("gemma3_text", "sliding_attention", {"head_dim": 32, "rope_theta": 5e5, "rope_local_base_freq": 2e4, "rope_scaling": {"rope_type": "linear", "factor": 8.0}}),
    ("gemma3_text", "full_attention", {"head_dim": 32, "rope_parameters": {"full_attention": {"rope_type": "yarn", "factor": 8.0, "rope_theta": 3e5, "truncate": False}, "sliding_attention": {"rope_type": "default", "rope_theta": 3e4}}}),
    ("gemma3_text", "sliding_attention", {"head_dim": 32, "rope_parameters": {"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 3e5}, "sliding_attention": {"rope_type": "default", "rope_theta": 3e4}}}),
    ("modernbert", "full_attention", {"global_rope_theta": 8e4, "local_rope_theta": 2e4}),
    ("modernbert", "sliding_attention", {"global_rope_theta": 8e4, "local_rope_theta": 2e4}),
    ("modernbert", "sliding_attention", {"global_rope_theta": 8e4, "rope_parameters": {"sliding_attention": {"rope_type": "default", "rope_theta": 1234.0}, "full_attention": {"rope_type": "default"}}}),
    ("modernbert", "full_attention", {"global_rope_theta": 8e4, "rope_parameters": {"sliding_attention": {"rope_type": "default", "rope_theta": 1234.0}, "full_attention": {"rope_type": "default"}}}),
    ("modernbert", "sliding_attention", {"rope_scaling": {"rope_type": "linear", "factor": 2.0}}),
    ("modernbert", "full_attention", {"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 512, "truncate": False}}),
    ("modernbert", "sliding_attention", {"local_rope_theta": 5e4, "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 512, "rope_theta": 9e4}}),
    ("gemma3_text", "full_attention", {"head_dim": 32, "rope_scaling": {"rope_type": "yarn", "factor": 4.0}, "rope_parameters": {"full_attention": {"type": "linear", "factor": 8.0}, "sliding_attention": {"rope_type": "default"}, "truncate": False}}),
    # What the class does not read.
    ("llama", "", {"rope_theta": 5e5, "rope_parameters": {"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 3e5}}}, ["rope_parameters.full_attention"]),
    ("gemma3_text", "full_attention", {"head_dim": 32, "rope_scaling": {"type": "linear", "factor": 8.0}}, ["rope_scaling.type"]),
    ("gemma3_text", "full_attention", {"head_dim": 32, "rope_parameters": {"rope_type": "linear", "factor": 8.0, "rope_theta": 3e5}}, ["rope_parameters.factor", "rope_parameters.rope_theta", "rope_parameters.rope_type"]),
    ("llama", "", {"rope_scaling": {"rope_type": "yarn", "factor": 8.0}, "rope_parameters": {"truncate": False}}),
    ("phi3", "", {"partial_rotary_factor": 0.5}),
    ("phi3", "", {"rope_parameters": {"rope_type": "longrope", "short_factor": [1.0 + i / 8 for i in range(16)], "long_factor": [2.0] * 16, "rope_theta": 1e4}, "original_max_position_embeddings": 4096}),
]
out = []
for model_type, kind, settings, *unread in cases:
    make, rotary = classes[model_type]
    written = json.loads(json.dumps(dict(base, model_type=model_type, **settings)))
    r = rotary(make(**json.loads(json.dumps(dict(base, pad_token_id=0, **settings)))))
    name = kind + "_inv_freq" if kind else "inv_freq"
    factor = getattr(r, kind + "_attention_scaling") if kind else r.attention_scaling
    out.append({"kind": kind, "config": written, "frequencies": getattr(r, name).tolist(), "factor": factor} | ({"unread": unread[0]} if unread else {}))
print("[\n" + ",\n".join(json.dumps(c) for c in out) + "\n]")
