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
# Expressions, each rendered by itself: methods, filters, tests and operators, right and wrong.
EXPRESSIONS = r"""
'  x y '.strip() ~ '|' ~ 'xxaxx'.strip('x') ~ '|' ~ ' a '.lstrip() ~ '|' ~ ' a '.rstrip()
'abcXYZ'.upper() ~ 'ABC ÄÖ'.lower() ~ 'hello wORLD'.title() ~ 'hELLO'.capitalize()
'abc'.startswith('ab') ~ 'abc'.endswith('bc') ~ 'abc'.startswith(('x', 'a')) ~ 'abc'.endswith(('x', 'y'))
'a b  c'.split() | join('/')
'a,b,c'.split(',', 1) | join('/')
'a, b, c'.split(', ')[-1]
'aaa'.replace('a', 'b', 2) ~ 'abc'.replace('', '-') ~ 'abc'.replace('b', '')
'abcabc'.find('c') ~ 'abc'.find('z') ~ 'banana'.count('an') ~ 'x'.count('')
'-'.join(['a', 'b']) ~ ''.join([])
{'a': 1}.get('a') ~ {'a': 1}.get('b') ~ {'a': 1}.get('b', 'c')
{'a': 1, 'b': 2}.keys() | list | join
{'a': 1, 'b': 2}.values() | list | join
{'a': 1, 'b': 2}.items() | list | length
' a ' | trim ~ '|' ~ 'xax' | trim('x')
'aB' | upper ~ 'aB' | lower ~ 'aB c' | title ~ 'aB' | capitalize
5 | string ~ true | string ~ none | string ~ 1.5 | string ~ [1, 'a', none] | string ~ {'a': 'b'} | string
'<b>' | safe
'aaa' | replace('a', 'b') ~ 'aaa' | replace('a', 'b', 1)
nope | default ~ '|' ~ nope | default('x') ~ '' | d('y', true) ~ '' | d('y') ~ 0 | default(3, boolean=true)
'12' | int ~ '1.7' | int ~ 'x' | int ~ 'x' | int(7) ~ 3.9 | int ~ true | int ~ none | int
-5 | abs ~ 2.5 | abs
messages | tojson
{'a': [1, 2.5, true, none, 'ü<>&\'"\n']} | tojson
{'b': 1, 'a': {'c': []}} | tojson(indent=2)
[] | tojson ~ {} | tojson ~ 'é' | tojson ~ -0.5 | tojson
{'b': 1, 'a': 2} | items | map('join', '=') | join(' ')
{'b': 1, 'a': 2, 'C': 3} | dictsort | map('join', '=') | join(' ')
{'b': 1, 'a': 2} | dictsort(by='value') | map('join', '=') | join(' ') ~ {'B': 1, 'a': 2} | dictsort(true) | map('join', '=') | join(' ')
{'b': 1, 'a': 'x'} | dictsort(by='value')
{'b': 1} | dictsort(by='nothing')
[1] | dictsort
{'b': 1, 'a': 2} | dictsort(reverse=true) | map('join', '=') | join(' ')
[1, 2, 3] | length ~ 'abc' | count ~ {'a': 1} | length
[3, 1] | first ~ [3, 1] | last ~ 'xyz' | first ~ 'xyz' | last
[] | first
'abc' | list | string
[1, 2, 3] | join ~ [1, 2] | join(', ') ~ messages | join('|', attribute='role')
[1, 2, 3] | reverse | list | string ~ 'abc' | reverse
['b', 'a', 'B'] | unique | list | string ~ ['b', 'B'] | unique(true) | list | string ~ messages | unique(attribute='role') | map(attribute='role') | join
messages | map(attribute='role') | list | string
['a', 'b'] | map('upper') | join
messages | map(attribute='nope', default='x') | list | string
messages | selectattr('content') | list | length
messages | selectattr('role', 'in', ['user', 'query']) | list | length
messages | rejectattr('role', 'equalto', 'user') | map(attribute='role') | list | string
messages | selectattr('nope', 'defined') | list | length
messages | rejectattr('nope', 'undefined') | list | length
[1, 2, 3, 4] | select('odd') | list | string
[1, 2, 3, 4] | reject('divisibleby', 2) | list | string
[0, 1, '', 'a', none] | select | list | string
[1, 2, 3] | select('gt', 1) | list | string ~ [1, 2, 3] | select('<=', 2) | list | string
[1, 2] | select('==', 1) | list | string ~ [1, 2] | select('!=', 1) | list | string ~ [1, 2] | select('ge', 2) | list | string ~ [1, 2] | select('ne', 2) | list | string ~ [1, 2] | select('lt', 2) | list | string ~ [1, 2] | select('le', 1) | list | string
1 is odd ~ 2 is even ~ 9 is divisibleby 3 ~ 9 is divisibleby(2)
x is defined ~ bos_token is defined ~ x is undefined ~ tools is none ~ true is true ~ false is false ~ 1 is true
'a' is string ~ 1 is string ~ 1 is number ~ 1.5 is number ~ true is number ~ 'a' is number
[] is iterable ~ 'a' is iterable ~ {} is mapping ~ [] is mapping ~ [] is sequence ~ 'a' is sequence ~ 1 is iterable
true is boolean ~ 1 is boolean ~ 1 is integer ~ 1.5 is float ~ 1 is float
1 is eq 1 ~ 'a' is in ['a'] ~ 'b' is not in ['a'] ~ 2 is gt 1 ~ 2 is lt(1) ~ 1 is sameas 1 ~ 1 is ne 2
[1 == 1.0, 1 == true, 'a' == 'a', [1, [2]] == [1, [2]], [1] == [2], {'a': [1]} == {'a': [1]}, {'a': 1} == {'a': 2}, {'a': 1} == {'b': 1}, {'a': 1} == 1, 1 == [], none == none, none == 0, x == y]
['a' < 'b', 'a' > 'b', 'a' <= 'a', 'b' >= 'c', 1 < 2.5, 2 >= 2, 3 != 3, 1 <= 0, 2 > 1]
('b' in 'abc') ~ ('x' in 'abc') ~ (1 in [1, 2]) ~ ('a' in {'a': 1}) ~ ('b' not in {'a': 1}) ~ ([1] in [[1]]) ~ ('a' in x)
1 < 2 < 3 ~ ''
[1 < 2 < 3, 3 > 2 > 1, 1 < 3 < 2, 1 == 1 != 2, 'a' in 'ab' in ['ab'], 1 < 2 == true]
'b' in 'abc' ~ 'x'
- 5 | abs ~ (-5) | abs ~ -(5 | abs)
'x' ~ y is defined
1 + 2 ~ 5 - 7 ~ 2 * 3 ~ 7 / 2 ~ 7 // 2 ~ -7 // 2 ~ 7 % 3 ~ -7 % 3 ~ 1.5 + 1 ~ 2.0 * 2 ~ 7.5 // 2 ~ 7.5 % 2 ~ 6 / 2
[1] + [2, 3] ~ 'a' + 'b' ~ (1, 2) ~ -3 ~ - 3 + 1
'abcdef'[1:3] ~ 'abcdef'[:-1] ~ 'abcdef'[::-1] ~ 'abcdef'[-2:] ~ 'abcdef'[4:1:-2] ~ 'abc'[10:] ~ 'abc'[1]
[1, 2, 3, 4][1:] ~ [1, 2, 3][::2] ~ [1, 2, 3][-1] ~ [1, 2, 3][5:] ~ [1, 2, 3][-9:2]
{'a': {'b': [1, 2]}}.a.b[1] ~ {'a': 1}['a'] ~ {'a': 1}.nope ~ [1][7] ~ 'abc'[9]
(not x) ~ (not []) ~ (not {}) ~ (not '') ~ (not 0) ~ (not 0.0) ~ (not none) ~ (not 'a') ~ (not [0]) ~ (not {'a': 1})
x or 'y' ~ ('a' and '') ~ ('' or 0 or [] or 'z') ~ (1 and 2)
'a' if true ~ ('b' if false) ~ ('c' if x else 'd')
'\t\n\\\'\"\u00e9\x41\r' ~ "it's"
range(3) | list | string ~ range(1, 4) | list | string ~ range(5, 0, -2) | list | string
1000000 ~ 1.0 ~ 0.1 ~ 0.0000001 ~ 123456789.5 ~ -0.0
true ~ false ~ none ~ True ~ False ~ None
[true, none, 'a"b', "c'd", 'e\'f"g', 1.0, [], {}] ~ ''
{'a': none, 'b': "x'y"} ~ ''
'a'.nope ~ 1
1 + 'a'
[1] - [2]
1 < 'a'
'a' is divisibleby 2
1 / 0
1 % 0
{}.a.b
'abc' | first | upper
x.y
range(0, 10, 0)
1 in 2
5 | first
5 | length
5 | join
none | trim
x | upper
raise_exception('stop')
messages[0].content is string
messages[0]['role'] ~ messages[-1].role ~ messages | length
(messages | first).role ~ (messages | map(attribute='role') | list)[-1]
namespace(a=1, b='c').b
[[1, 2], [3, 4]] | map('first') | list | string ~ [[1, 2], [3]] | map('length') | list | string
[1, 2] | map('string') | join('+') ~ ['a', none] | map('default', 'z', true) | join
'%s' ~ 'x' ~ '{{' ~ '%}'
""".strip().split("\n")
STATEMENTS = [
    "{% for x in [1, 2, 3] %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ loop.revindex0 }};{% else %}none{% endfor %}",
    "{% for x in [] %}a{% else %}none{% endfor %}{% for c in 'ab' %}{{ c }}.{% endfor %}{% for k in {'a': 1} %}{{ k }}{% endfor %}{% for z in nope %}{{ z }}{% endfor %}",
    "{% for a, b in [[1, 2], [3, 4]] %}{{ a }}-{{ b }} {% endfor %}{% for x in [1, 2, 3, 4] if x is even %}{{ x }}{{ loop.index }}{% endfor %}",
    "{% for x in [1, 2, 3] %}{% if x == 2 %}{% continue %}{% endif %}{{ x }}{% if x == 3 %}{% break %}{% endif %}{% endfor %}",
    "{% for x in [1, 2] %}{{ loop.previtem }}{{ loop.nextitem }}{% endfor %}",
    "{% if 0 %}a{% elif '' %}b{% elif [] %}c{% else %}d{% endif %}{% if none %}{% else %}e{% endif %}",
    "{% set a = 1 %}{% for x in [1] %}{% set a = 2 %}{{ a }}{% endfor %}{{ a }}",
    "{% set n = namespace(x=0) %}{% for i in [1, 2, 3] %}{% set n.x = n.x + i %}{% endfor %}{{ n.x }}",
    "{% set t %}a{{ 1 }}b{% endset %}{{ t | upper }}{{ t | length }}",
    "{% generation %}x{% endgeneration %}",
    "a\n  {% if true %}\n    b\n  {% endif %}\nc\n{#- note -#}\n d {{- 1 -}} e\n",
    "{{ 'a' }}\n{{ 'b' }}\n\n",
    "{% for a, b in [[1]] %}{{ a }}{% endfor %}",
    "{% set x = 1 %}{% set x.y = 2 %}",
    "{% for x in 7 %}{% endfor %}",
    "{{ loop.index }}",
    "{% for m in messages %}{{ m.role }}{% if not loop.last %},{% endif %}{% endfor %}",
    "{% for m in messages | reverse %}{{ m['role'][0] }}{% endfor %}{{ messages[0].items() | list | length }}",
]

cases = []
for (name, source), messages, generate in itertools.product(TEMPLATES.items(), MESSAGES, [False, True]):
    variables = {"messages": messages, "add_generation_prompt": generate, "bos_token": "<s>", "eos_token": "</s>", "tools": None}
    try:
        want, error = _compile_jinja_template(source).render(**variables), False
    except Exception:
        want, error = "", True
    cases.append({"name": name, "template": source, "messages": messages, "generate": generate, "want": want, "error": error})
for name, list_ in {"expression": ["{{ " + e + " }}" for e in EXPRESSIONS], "statement": STATEMENTS}.items():
    for source in list_:
        variables = {"messages": MESSAGES[2], "add_generation_prompt": False, "bos_token": "<s>", "eos_token": "</s>", "tools": None}
        try:
            want, error = _compile_jinja_template(source).render(**variables), False
        except Exception:
            want, error = "", True
        cases.append({"name": name, "template": source, "messages": MESSAGES[2], "generate": False, "want": want, "error": error})
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "cases.json"), "w") as f:
    json.dump(cases, f, ensure_ascii=False, indent=0)
print(len(cases), sum(c["error"] for c in cases))
