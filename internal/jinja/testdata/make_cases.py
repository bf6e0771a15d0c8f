#!/usr/bin/env python3
"""Renders templates with Jinja2 as transformers sets it up, and writes cases.json."""
import json, os, itertools
from transformers.utils.chat_template_utils import _compile_jinja_template

MESSAGES = [
    [{"role": "query", "content": "What is it?"}, {"role": "document", "content": "  A thing.\n"}],
    [{"role": "system", "content": "Be brief"}, {"role": "query", "content": "q's \"x\""}, {"role": "document", "content": "über 中文 {{ x }}"}],
    [{"role": "system", "content": "S"}, {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "<think>\nhm\n</think>\n\nHello"}, {"role": "user", "content": "Bye"}],
    [{"role": "query", "content": [{"type": "text", "text": "structured"}]}, {"role": "document", "content": [{"type": "text", "text": "list"}]}],
    [{"role": "user", "content": "one"}],
]
TEMPLATES = {
    "pair": "<|im_start|>system\nJudge.<|im_end|>\n<|im_start|>user\n<Query>: {{ messages | selectattr(\"role\", \"eq\", \"query\") | map(attribute=\"content\") | first }}\n<Document>: {{ messages | selectattr(\"role\", \"eq\", \"document\") | map(attribute=\"content\") | first }}<|im_end|>\n",
    "structured": "<Query>: {{ (messages | selectattr('role', 'eq', 'query') | first).content[0].text }} | {{ (messages | selectattr('role','equalto','document') | list)[0]['content'][0]['text'] | trim }}",
    "chatml": "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "namespace": "{%- set ns = namespace(system='none', n=0) %}\n{%- for m in messages %}\n    {%- if m.role == 'system' %}\n        {%- set ns.system = m.content %}\n    {%- else %}{% set ns.n = ns.n + 1 %}\n    {%- endif %}\n{%- endfor %}\n{{- ns.system }}: {{ ns.n }}",
    "blocks": "  {% if messages %}\n  yes\n  {% else %}\n  no\n  {% endif %}\nend\n",
    "loop": "{% for m in messages %}{{ loop.index0 }}/{{ loop.length }}{% if not loop.last %}, {% endif %}{% endfor %}{% for x in [] %}x{% else %}none{% endfor %}",
    "qwen3": """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
{%- else %}
    {%- if messages[0].role == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- else %}
            {%- if '</think>' in content %}
                {%- set reasoning_content = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
                {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
            {%- endif %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index %}
            {{- '<|im_start|>' + message.role + '\\n<think>\\n' + reasoning_content.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}""",
    "gemma": "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}",
    "llama3": "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}",
    "filters": "{{ ['b','a','b'] | unique | join('-') }} {{ 'abc' | length }} {{ 'x' | default('y') }} {{ nope | default('y') }} {{ none | default('z', true) }} {{ 'a,b' .split(',') | last }} {{ {'k': [1, 2.0, true, none, 'é<\"']} | tojson }} {{ {'b': 1, 'a': 2} | dictsort | first | join('=') }} {{ 'Hello World'|upper|lower|title|capitalize }} {{ 'aXbX'.replace('X','-',1) }} {{ 'abc'|reverse }} {{ [1,2,3][1:] }} {{ 'abcdef'[::-2] }} {{ range(3)|list }} {{ -3 // 2 }} {{ 7 % 3 }} {{ 7 / 2 }} {{ 1 ~ 'a' ~ none }} {{ 'a' in 'cat' }} {{ 3 is odd }} {{ [1,2,3]|select('gt', 1)|list }} {{ [{'a': {'b': 5}}]|map(attribute='a.b')|first }}",
    "whitespace": "a  {%- if true -%}  b  {%- endif -%}  c\n{# comment #}\nd {{- ' e ' -}} f\n\n{%+ if true %} g{% endif %}\n",
    "capture": "{% set x %}[{{ messages|length }}]{% endset %}{{ x }}{{ x }}{{ 'a' if false }}{{ 1 if messages else 2 }}{% for a, b in {'k': 'v', 'l': 'w'}.items() %}{{ a }}={{ b }};{% endfor %}{% for i in range(5) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}",
    "precedence": "{{ 1 + 2 * 3 - 4 }} {{ not 1 == 2 }} {{ 1 < 2 and 2 < 3 or false }} {{ 'a' + 'b' ~ 'c' }} {{ -2 + 5 }} {{ (1, 2)[1] }} {{ [] or 'empty' }} {{ 1 if 0 else 2 if 0 else 3 }} {{ messages[-1]['role'] }} {{ messages[0].get('name', 'anon') }} {{ 'x' is string and 1 is not string }} {{ 2 not in [1, 3] }}",
}
cases = []
for (name, source), messages, generate in itertools.product(TEMPLATES.items(), MESSAGES, [False, True]):
    variables = {"messages": messages, "add_generation_prompt": generate, "bos_token": "<s>", "eos_token": "</s>", "tools": None}
    try:
        want, error = _compile_jinja_template(source).render(**variables), False
    except Exception:
        want, error = "", True
    cases.append({"name": name, "template": source, "messages": messages, "generate": generate, "want": want, "error": error})
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "cases.json"), "w") as f:
    json.dump(cases, f, ensure_ascii=False, indent=0)
print(len(cases), sum(c["error"] for c in cases))
