#!/usr/bin/env python3
"""What transformers and tokenizers make of conversations with chat templates in the manner of ChatML, Gemma and
Llama 3, and of models that read parts: writes conversations.json. Each case is a template beside a
folder of testdata, with the text and the tokens of its conversations."""
import json, os, shutil, tempfile
from tokenizers import Tokenizer
from transformers import AutoTokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
CHATML = """{%- if messages[0]['role'] != 'system' %}{{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}{%- endif %}
{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}{%- endif %}"""
GEMMA = """{{ bos_token }}{%- if messages[0]['role'] == 'system' -%}{%- set first_user_prefix = messages[0]['content'] + '\\n\\n' -%}{%- set loop_messages = messages[1:] -%}
{%- else -%}{%- set first_user_prefix = "" -%}{%- set loop_messages = messages -%}{%- endif -%}
{%- for message in loop_messages -%}
{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}{{ raise_exception("Conversation roles must alternate user/assistant/user/assistant/...") }}{%- endif -%}
{%- set role = "model" if message['role'] == 'assistant' else message['role'] -%}
{{ '<start_of_turn>' + role + '\\n' + (first_user_prefix if loop.first else "") }}{{ message['content'] | trim }}{{ '<end_of_turn>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<start_of_turn>model\\n' }}{%- endif -%}"""
LLAMA = """{%- for message in messages %}{%- if loop.first %}{{- bos_token }}{%- endif %}
{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}"""
PARTS = """{% for message in messages %}{{ '<|im_start|>' + message.role + ':' }}{% for part in message.content %}{% if part.type == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}{% endfor %}<end>
{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"""
CASES = {
    "ChatML": ("qwen2-mxbai2", CHATML, "text"),
    "Gemma": ("gemma3-lm", GEMMA, "text"),
    "Llama 3": ("llama-lm", LLAMA, "text"),
    "parts": ("qwen2-mxbai2", PARTS, "parts"),
}
USER = {"role": "user", "content": "What is deep learning?"}
CONVERSATIONS = [
    [USER],
    [{"role": "system", "content": "Answer briefly."}, USER],
    [USER, {"role": "assistant", "content": "A kind of machine learning."}, {"role": "user", "content": "  Äpfel <|im_end|> 中国 \n"}],
]

out = {}
for name, (folder, template, form) in CASES.items():
    with tempfile.TemporaryDirectory() as dir:
        shutil.copytree(os.path.join(HERE, folder), dir, dirs_exist_ok=True)
        with open(os.path.join(dir, "chat_template.jinja"), "w") as f:
            f.write(template)
        tokenizer = AutoTokenizer.from_pretrained(dir)
        words = Tokenizer.from_file(os.path.join(dir, "tokenizer.json"))
        list = []
        for messages in CONVERSATIONS:
            given = messages if form == "text" else [{**m, "content": [{"type": "text", "text": m["content"]}]} for m in messages]
            for variables in ({"add_generation_prompt": True}, {"add_generation_prompt": False}, {"add_generation_prompt": True, "enable_thinking": False}):
                text = tokenizer.apply_chat_template(given, tokenize=False, **variables)
                ids = words.encode(text, add_special_tokens=False).ids
                list.append({"messages": messages, "variables": variables, "text": text, "ids": ids})
        out[name] = {"folder": folder, "template": template, "conversations": list}
with open(os.path.join(HERE, "conversations.json"), "w") as f:
    json.dump(out, f, ensure_ascii=False)
    f.write("\n")
