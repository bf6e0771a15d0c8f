"""Draw the output of compare.py --json: python chart.py RESULTS.jsonl > chart.svg

One bar per engine and workload: its time relative to winnow's.
"""
import html
import json
import pathlib
import sys

NAMES = {"winnow": "winnow", "winnow-http": "winnow serve", "ort": "ONNX Runtime", "ct2": "CTranslate2", "hugot": "hugot", "torch": "PyTorch", "llama-server": "llama-server"}
rows = []
for line in pathlib.Path(sys.argv[1]).read_text().splitlines():
    r = json.loads(line)
    title = f"{r['model']}, {r['work']}, {r['threads']} threads"
    if r["ratio_min"] == r["ratio_max"] == 1:  # the first engine of a run
        rows.append((title, []))
    rows[-1][1].append((r["engine"], r["median_ms"], r["ratio"]))
y, parts = 10, []
for title, engines in rows:
    most = max(ratio for _, _, ratio in engines)
    parts.append(f'<text x="10" y="{y + 14}" class="t">{html.escape(title)}</text>')
    y += 22
    for name, ms, ratio in engines:
        kind, _, what = name.partition(":")
        width = 400 * ratio / most
        parts.append(f'<text x="10" y="{y + 13}">{html.escape(NAMES.get(kind, kind))} {html.escape(what)}</text>'
                     f'<rect x="230" y="{y + 2}" width="{width:.1f}" height="14" class="{"w" if kind.startswith("winnow") else "o"}"/>'
                     f'<text x="{236 + width:.1f}" y="{y + 13}">{ms:.1f} ms, {ratio:.2f} ×</text>')
        y += 20
    y += 12
print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 820 {y}" role="img" aria-label="Time for the same work, winnow and others">'
      '<style>text{font:12px sans-serif;fill:#333}.t{font-weight:bold}.w{fill:#1f6f43}.o{fill:#9db0a5}'
      '@media (prefers-color-scheme:dark){text{fill:#ddd}.w{fill:#4fb581}.o{fill:#5b6b62}}</style>' + "".join(parts) + "</svg>")
