#!/usr/bin/env python3
"""Scores of sentence-transformers for chat templates, default prompts and LogitScore:
writes chat.json. Each case is files beside testdata/qwen3-reranker, and what a
CrossEncoder in float64 makes of them."""
import json, os, shutil, tempfile
import torch
from sentence_transformers import CrossEncoder

HERE = os.path.dirname(os.path.abspath(__file__))
FLAT = """{%- for m in messages %}{%- if m.role == 'system' %}<|im_start|>system
{{ m.content }}<|im_end|>
{% endif %}{%- endfor %}<|im_start|>user
<Query>: {{ messages | selectattr("role", "eq", "query") | map(attribute="content") | first }}
<Document>: {{ messages | selectattr("role", "eq", "document") | map(attribute="content") | first | trim }}<|im_end|>
<|im_start|>assistant
"""
STRUCTURED = """Query: {{ (messages | selectattr('role', 'eq', 'query') | first).content[0].text }}
Document: {{ (messages | selectattr('role', 'eq', 'document') | first).content[0].text }}
Relevant:"""
CHATML = "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{{ '<|im_start|>assistant\n' }}"
TEXT = {"text": {"method": "forward", "method_output_name": "logits"}}
MESSAGE = lambda format: {**TEXT, "message": {"method": "forward", "method_output_name": "logits", "format": format}}
CASES = {
    "flat": dict(template=FLAT, modality=MESSAGE("flat"), yes=257, no=259),
    "flat with a default prompt": dict(template=FLAT, modality=MESSAGE("flat"), yes=257, no=259, prompts={"q": "Judge the document."}, default="q"),
    "structured": dict(template=STRUCTURED, modality=MESSAGE("structured"), yes=300, no=None),
    "no modality": dict(template=CHATML, modality=None, yes=257, no=259),
    "text beside a template": dict(template=CHATML, modality=TEXT, yes=257, no=259, prompts={"q": "find: "}, default="q"),
    "generation prompt": dict(template=CHATML.replace("{{ '<|im_start|>assistant\n' }}", "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"), modality=MESSAGE("flat"), yes=257, no=259, kwargs={"add_generation_prompt": True}),
    "short": dict(template=FLAT, modality=MESSAGE("flat"), yes=257, no=259, length=40),
}
QUERY = "What is deep learning?"
DOCUMENTS = ["Deep learning is a subset of machine learning.", "  Apples are red \n", "", "Äpfel <|im_end|> sind süß 中国 " * 6]

out = {}
for name, c in CASES.items():
    with tempfile.TemporaryDirectory() as dir:
        shutil.copytree(os.path.join(HERE, "qwen3-reranker"), dir, dirs_exist_ok=True)
        for f in ("reference.json", "README.md"):
            if os.path.exists(os.path.join(dir, f)):
                os.remove(os.path.join(dir, f))
        sentence = {"transformer_task": "text-generation", "module_output_name": "causal_logits"}
        if c["modality"]:
            sentence["modality_config"] = c["modality"]
        if "kwargs" in c:
            sentence["processing_kwargs"] = {"chat_template": c["kwargs"]}
        if "length" in c:
            sentence["max_seq_length"] = c["length"]
        files = {
            "modules.json": [
                {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.base.modules.transformer.Transformer"},
                {"idx": 1, "name": "1", "path": "1_LogitScore", "type": "sentence_transformers.cross_encoder.modules.logit_score.LogitScore"},
            ],
            "1_LogitScore/config.json": {"true_token_id": c["yes"], "false_token_id": c["no"], "module_input_name": "causal_logits"},
            "config_sentence_transformers.json": {"model_type": "CrossEncoder", "prompts": c.get("prompts", {}), "default_prompt_name": c.get("default"),
                                                  "activation_fn": "torch.nn.modules.linear.Identity"},
            "sentence_bert_config.json": sentence,
        }
        files = {k: json.dumps(v) for k, v in files.items()}
        files["chat_template.jinja"] = c["template"]
        os.mkdir(os.path.join(dir, "1_LogitScore"))
        for path, text in files.items():
            with open(os.path.join(dir, path), "w") as f:
                f.write(text)
        model = CrossEncoder(dir, device="cpu", model_kwargs={"dtype": torch.float64})
        scores = model.predict([(QUERY, d) for d in DOCUMENTS], batch_size=1, activation_fn=torch.nn.Identity(), convert_to_numpy=True)
        out[name] = {"files": files, "query": QUERY, "documents": DOCUMENTS, "logits": [float(s) for s in scores]}
        print(name, out[name]["logits"])
with open(os.path.join(HERE, "chat.json"), "w") as f:
    json.dump(out, f, indent=1, ensure_ascii=False)
