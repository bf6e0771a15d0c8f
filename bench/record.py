#!/usr/bin/env python3
"""Records a winnow binary's results, to the last bit, or compares them with a record.

    bench/record.py record WINNOW OUT.json MODEL_OR_FOLDER …
    bench/record.py compare WINNOW OUT.json MODEL_OR_FOLDER …

Each MODEL_OR_FOLDER is a model or a directory of models. For every model and precision,
this records the logits of some pairs (/rerank), the vectors of some texts
(/v1/embeddings) and the tokens and probabilities of a continuation (/completion), as far
as the model supports them. Numbers are written so that they can be read back exactly:
equal records mean equal bits. Finally it prints the number of values recorded or compared
and the largest differences.

It uses the machine's highest instruction set, unless WINNOW_KERNELS chooses another:

    WINNOW_KERNELS=avx2 bench/record.py record winnow avx2.json MODELS
    bench/record.py compare winnow avx2.json MODELS

For a record older than the distinction between int8 and int8a16, use --int8 int8a16.
"""
import json, os, socket, subprocess, sys, time, urllib.error, urllib.request

QUERIES = ["What is deep learning?", "Wie wird das Wetter morgen in München? 天气", ""]
DOCUMENTS = [
    "Deep learning is a subset of machine learning based on artificial neural networks.",
    "Apples are red and sweet fruits that grow on trees.",
    "",
    "Äpfel sind süß; Ḃ é ñ 中国 日本語 😀 [MASK] x",
    "The theory of relativity was developed by Albert Einstein. " * 30,
    "Morgen bleibt es in München überwiegend sonnig bei 21 Grad. " * 3,
]
PRECISIONS = ["f32", "f16", "int8", "auto"]


def models(paths):
    for path in paths:
        if os.path.isfile(path) or os.path.exists(os.path.join(path, "config.json")) or os.path.exists(os.path.join(path, "modules.json")):
            yield path
            continue
        for name in sorted(os.listdir(path)):
            p = os.path.join(path, name)
            if os.path.isdir(p) and os.path.exists(os.path.join(p, "model", "config.json")):
                yield os.path.join(p, "model")
            elif name.endswith(".gguf") or os.path.exists(os.path.join(p, "config.json")) or os.path.exists(os.path.join(p, "modules.json")):
                yield p


def post(port, route, body):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{route}", json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=120) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as e:
        e.read()
        return {"status": e.code}


def take(winnow, model, precision):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    args = [winnow, "serve", "--port", str(port), "--precision", precision, "--threads", "2", "--offline", "--log-disable"]
    if model != "builtin":
        args += ["--model", model]
    child = subprocess.Popen(args, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(600):
            if child.poll() is not None:
                return {"refused": True}
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            except OSError:
                time.sleep(0.02)
        out = {}
        for i, query in enumerate(QUERIES):
            r = post(port, "/rerank", {"query": query, "documents": DOCUMENTS, "raw_scores": True})
            if "results" in r:
                out[f"logits {i}"] = [x["relevance_score"] for x in sorted(r["results"], key=lambda x: x["index"])]
                out[f"tokens {i}"] = r["usage"]["total_tokens"]
            else:
                out[f"logits {i}"] = r.get("status")
        r = post(port, "/v1/embeddings", {"input": [d or " " for d in DOCUMENTS]})
        out["vectors"] = [x["embedding"] for x in r["data"]] if "data" in r else r.get("status")
        r = post(port, "/completion", {"prompt": QUERIES[0], "n_predict": 8, "temperature": 0, "n_probs": 3})
        if "completion_probabilities" in r:
            out["completion"] = [[t["id"], t["logprob"]] for t in r["completion_probabilities"]]
        else:
            out["completion"] = r.get("status")
        return out
    finally:
        child.kill()
        child.wait()


def count(v):
    if isinstance(v, dict):
        return sum(map(count, v.values()))
    if isinstance(v, list):
        return sum(map(count, v))
    return 1


def differences(old, new, path):
    if isinstance(old, dict) and isinstance(new, dict):
        for k in old.keys() | new.keys():
            yield from differences(old.get(k), new.get(k), f"{path} {k}")
    elif old != new:
        yield f"{path}: {str(old)[:120]} became {str(new)[:120]}"


def numbers(v):
    if isinstance(v, list):
        for x in v:
            yield from numbers(x)
    elif isinstance(v, (int, float)):
        yield v


def apart(old, new):
    """The largest difference of a logit, a vector component and a probability's
    logarithm in two models' values, and how many continuations choose other tokens."""
    largest, others = {"logit": 0.0, "vector": 0.0, "logprob": 0.0}, 0
    for key in old.keys() & new.keys():
        a, b = old[key], new[key]
        if not isinstance(a, list) or not isinstance(b, list):
            continue
        if key == "completion":
            same = [x for x in zip(a, b)]
            first = next((i for i, (x, y) in enumerate(same) if x[0] != y[0]), len(same))
            others += first < max(len(a), len(b))
            pairs, kind = [(x[1], y[1]) for x, y in same[:first]], "logprob"
        else:
            pairs, kind = list(zip(numbers(a), numbers(b))), "vector" if key == "vectors" else "logit"
        largest[kind] = max([largest[kind], *(abs(x - y) for x, y in pairs)])
    return largest, others


def main():
    arguments = sys.argv[1:]
    int8 = "int8"
    if "--int8" in arguments:
        at = arguments.index("--int8")
        int8 = arguments[at + 1]
        del arguments[at : at + 2]
    mode, winnow, out, *paths = arguments
    record = {}
    for model in ["builtin", *models(paths)]:
        for precision in PRECISIONS:
            asked = int8 if precision == "int8" else precision
            record["/".join(model.split("/")[-3:]) + " " + precision] = take(winnow, model, asked)
    if mode == "record":
        with open(out, "w") as f:
            json.dump(record, f)
        print(f"{len(record)} models in a precision, {count(record)} values recorded")
        return
    with open(out) as f:
        old = json.load(f)
    wrong = list(differences(old, record, ""))
    for line in wrong[:50]:
        print(line)
    for precision in PRECISIONS:
        of = {k: v for k, v in record.items() if k.endswith(" " + precision)}
        print(f"{precision}: {len(of)} models, {count(of)} values, {sum(1 for _ in differences({k: old.get(k) for k in of}, of, ''))} lists differ")
        far = {k: apart(old.get(k, {}), v) for k, v in of.items()}
        for kind in "logit", "vector", "logprob":
            model, (largest, _) = max(far.items(), key=lambda x: x[1][0][kind])
            if largest[kind] > 0:
                print(f"    a {kind} by {largest[kind]:.2g} at most ({model})")
        if others := sum(n for _, n in far.values()):
            print(f"    {others} continuations with another token")
    print(f"{len(record)} models in a precision, {count(record)} values compared, {len(wrong)} lists differ")
    sys.exit(bool(wrong))


main()
