#!/usr/bin/env python3
"""Compares winnow's tokenizers with Hugging Face's library on odd but legal model folders
and on texts of every kind.

    pip install transformers==5.24.0 sentencepiece protobuf
    python -m venv older && older/bin/pip install transformers==4.57.6 sentencepiece protobuf
    python bench/tokenizer_differential.py --older older/bin/python [--jobs 2500] [--seed 1]

Each job makes a folder: a small tokenizer that is trained here, its parts changed
at random, with a tokenizer_config.json, special_tokens_map.json, added_tokens.json
and config.json of some class. Then some 150 texts and pairs are tokenized, cut or
whole, by winnow's worker (bench/tokenizer_worker, built by this script) and by
AutoTokenizer of both versions of the library, each in a process of its own.

Where both versions of the library agree, winnow has to agree with them; where they
do not, it has to agree with one (docs/tokenizers.md says with which and why). A
folder that winnow refuses by an error is counted apart. The exit status is 1 if
there was a difference.
"""

import argparse
import base64
import collections
import gzip
import io
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent

CORPUS = """All human beings are born free and equal in dignity and rights.
They are endowed with reason and conscience and should act towards one another in a spirit of brotherhood.
Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison et de conscience.
Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen begabt.
Todos los seres humanos nacen libres e iguales en dignidad y derechos y, dotados como están de razón y conciencia.
Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом и совестью.
すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。
人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。
모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.
يولد جميع الناس أحراراً متساوين في الكرامة والحقوق. सभी मनुष्यों को गौरव और अधिकारों के मामले में
What is the capital of France? Paris is the capital of France. How do I reset the password of my router?
The quick brown fox jumps over the lazy dog; 3.14159 and 1,234,567 are numbers, f(x) = x^2 isn't, it's we'll they'd.
""".splitlines()

DECODERS = {"modernbert", "llama", "mistral", "gemma", "gemma2", "gemma3_text", "qwen2", "qwen3", "gpt2", "gpt_neox"}


# ---- the library as a worker -------------------------------------------------


def serve():
    """Answers jobs like bench/tokenizer_worker, using AutoTokenizer."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    import warnings

    warnings.filterwarnings("ignore")
    import transformers

    transformers.logging.set_verbosity_error()
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        job = json.loads(line)
        try:
            t = transformers.AutoTokenizer.from_pretrained(job["dir"])
            if not t.is_fast:
                raise ValueError("a slow tokenizer")
        except BaseException as error:
            print(json.dumps({"error": f"{type(error).__name__}: {error}"[:300]}), file=out, flush=True)
            continue
        side, results, plain = t.truncation_side, [], None
        file = pathlib.Path(job["dir"], "tokenizer.json")
        if job.get("file") and file.exists():
            import tokenizers

            f = tokenizers.Tokenizer.from_file(str(file))
            known = f.get_added_tokens_decoder()
            f.add_tokens([token for i, token in sorted(t.added_tokens_decoder.items()) if i not in known])  # tokens of the other files
            plain = []
        for c in job["cases"]:
            if plain is not None:
                plain.append(as_it_stands(f, c, side))
            t.truncation_side = c["side"] or side
            cut = {"truncation": c["how"] or "longest_first", "max_length": c["limit"]} if c["limit"] else {}
            try:
                if c["limit"] and c["limit"] < t.num_special_tokens_to_add(c["pair"] is not None):
                    raise ValueError("no room")
                # A batch of one, since an empty second text would count as missing.
                e = t([c["text"]], None if c["pair"] is None else [c["pair"]], **cut)
                ids = e["input_ids"][0]
                r = {"ids": ids, "types": e["token_type_ids"][0] if "token_type_ids" in e else None, "decoded": t.backend_tokenizer.decode(ids, skip_special_tokens=True)}
                if c["limit"] and len(ids) > c["limit"]:
                    r = {"error": "not cut"}
            except BaseException as error:
                r = {"error": f"{type(error).__name__}: {error}"[:200]}
            results.append(r)
        print(json.dumps({"class": type(t).__name__, "results": results, "plain": plain}), file=out, flush=True)


def as_it_stands(t, c, side):
    """The result of tokenizer.json alone."""
    t.no_padding()
    t.no_truncation()
    try:
        if c["limit"]:
            t.enable_truncation(c["limit"], strategy=c["how"] or "longest_first", direction=c["side"] or side)
        e = t.encode(c["text"]) if c["pair"] is None else t.encode(c["text"], c["pair"])
        return {"ids": e.ids, "types": e.type_ids, "decoded": t.decode(e.ids, skip_special_tokens=True)}
    except BaseException as error:
        return {"error": f"{type(error).__name__}: {error}"[:200]}


class Worker:
    def __init__(self, *command):
        self.p = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf-8")

    def send(self, job):
        self.p.stdin.write(job)
        self.p.stdin.flush()

    def answer(self):
        line = self.p.stdout.readline()
        if not line:
            raise SystemExit(f"{self.p.args} ended")
        return json.loads(line)


# ---- tokenizers --------------------------------------------------------------


def trained(small=False):
    """Small tokenizers of every kind: (kind, tokenizer.json as an object, other files). With small, they are
    smaller yet and have no table of characters."""
    import sentencepiece
    from tokenizers import AddedToken, Regex, Tokenizer, decoders as D, models, normalizers as N, pre_tokenizers as P, trainers

    def specials(t, names, mask=None):
        t.add_special_tokens([AddedToken(n, special=True, lstrip=n == mask, normalized=False) for n in names])

    out = []
    for lower in True, False:
        t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        t.normalizer = N.BertNormalizer(lowercase=lower)
        t.pre_tokenizer = P.BertPreTokenizer()
        t.decoder = D.WordPiece("##")
        names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        t.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=500, special_tokens=names, show_progress=False))
        vocab = "".join(w + "\n" for w, _ in sorted(t.get_vocab().items(), key=lambda x: x[1]))
        out.append(("wordpiece", json.loads(t.to_str()), {"vocab.txt": vocab.encode()}))
    for names in (["<s>", "<pad>", "</s>", "<unk>", "<mask>"], ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]):
        t = Tokenizer(models.BPE())
        t.pre_tokenizer = P.ByteLevel(add_prefix_space=False)
        t.decoder = D.ByteLevel()
        t.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=500, special_tokens=names, initial_alphabet=sorted(P.ByteLevel.alphabet()), show_progress=False))
        specials(t, names, "<mask>")
        m = json.loads(t.to_str())["model"]
        merges = "#version: 0.2\n" + "".join(" ".join(x) + "\n" for x in m["merges"])
        out.append(("bytelevel", json.loads(t.to_str()), {"vocab.json": json.dumps(m["vocab"]).encode(), "merges.txt": merges.encode()}))

    def spm(**options):
        if small:
            options.update(normalization_rule_name="identity", vocab_size=options["vocab_size"] // 3 + 200)
        f = io.BytesIO()
        sentencepiece.SentencePieceTrainer.Train(sentence_iterator=iter(CORPUS), model_writer=f, minloglevel=2, num_threads=1, hard_vocab_limit=False, character_coverage=0.995, **options)
        return f.getvalue()

    def pieces(model):
        m = sentencepiece.SentencePieceProcessor(model_proto=model)
        return [(m.IdToPiece(i), m.GetScore(i)) for i in range(m.GetPieceSize())]

    from sentencepiece import sentencepiece_model_pb2 as pb

    def charsmap(model):
        table = pb.ModelProto.FromString(model).normalizer_spec.precompiled_charsmap
        return N.Precompiled(table) if table else N.Nmt()

    # XLM-R: ids moved, Metaspace with and without a split at blanks before it.
    model = spm(model_type="unigram", vocab_size=600)
    for pre in (P.Sequence([P.WhitespaceSplit(), P.Metaspace()]), P.Metaspace()):
        vocab = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)] + pieces(model)[3:] + [("<mask>", 0.0)]
        t = Tokenizer(models.Unigram(vocab, unk_id=3))
        t.normalizer = N.Sequence([charsmap(model), N.Replace(Regex(" {2,}"), " ")])
        t.pre_tokenizer, t.decoder = pre, D.Metaspace()
        specials(t, ["<s>", "<pad>", "</s>", "<unk>", "<mask>"], "<mask>")
        out.append(("xlmr", json.loads(t.to_str()), {"sentencepiece.bpe.model": model}))
    # T5 and ALBERT.
    model = spm(model_type="unigram", vocab_size=600, pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    t = Tokenizer(models.Unigram(pieces(model) + [(f"<extra_id_{i}>", 0.0) for i in range(99, -1, -1)], unk_id=2))
    t.normalizer, t.pre_tokenizer, t.decoder = charsmap(model), P.Sequence([P.WhitespaceSplit(), P.Metaspace()]), D.Metaspace()
    specials(t, ["<pad>", "</s>", "<unk>"] + [f"<extra_id_{i}>" for i in range(100)])
    out.append(("t5", json.loads(t.to_str()), {"spiece.model": model}))
    model = spm(model_type="unigram", vocab_size=600, pad_id=0, unk_id=1, bos_id=-1, eos_id=-1, control_symbols=["[CLS]", "[SEP]", "[MASK]"], normalization_rule_name="nmt_nfkc_cf")
    t = Tokenizer(models.Unigram(pieces(model), unk_id=1))
    t.normalizer = N.Sequence([N.Replace("``", '"'), N.Replace("''", '"'), N.NFKD(), N.StripAccents(), N.Lowercase(), charsmap(model)])
    t.pre_tokenizer, t.decoder = P.Sequence([P.WhitespaceSplit(), P.Metaspace()]), D.Metaspace()
    specials(t, ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"], "[MASK]")
    out.append(("albert", json.loads(t.to_str()), {"spiece.model": model}))
    # DeBERTa.
    model = spm(model_type="unigram", vocab_size=600, pad_id=0, bos_id=1, eos_id=2, unk_id=3, pad_piece="[PAD]", bos_piece="[CLS]", eos_piece="[SEP]", unk_piece="[UNK]")
    t = Tokenizer(models.Unigram(pieces(model), unk_id=3))
    t.normalizer = N.Sequence([N.Strip(), charsmap(model), N.Replace(Regex(" {2,}"), " ")])
    t.pre_tokenizer, t.decoder = P.Metaspace(), D.Metaspace()
    specials(t, ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"])
    out.append(("deberta", json.loads(t.to_str()), {"spm.model": model}))
    # Llama and Gemma.
    for names, options in (("<unk> <s> </s>", {}), ("<pad> <eos> <bos> <unk>", dict(pad_id=0, eos_id=1, bos_id=2, unk_id=3, eos_piece="<eos>", bos_piece="<bos>", add_dummy_prefix=False, remove_extra_whitespaces=False, user_defined_symbols=["<start_of_turn>", "\n", "▁▁", "▁▁▁"]))):
        model = spm(model_type="bpe", vocab_size=900, byte_fallback=True, **options)
        vocab = {p: i for i, (p, _) in enumerate(pieces(model))}
        merges = sorted((i, len(p[:k]), p[:k], p[k:]) for p, i in vocab.items() for k in range(1, len(p)) if p[:k] in vocab and p[k:] in vocab)
        t = Tokenizer(models.BPE(vocab, [(a, b) for _, _, a, b in merges], fuse_unk=True, byte_fallback=True, unk_token="<unk>"))
        llama = not options
        t.normalizer = N.Sequence([N.Prepend("▁"), N.Replace(" ", "▁")]) if llama else N.Replace(" ", "▁")
        t.decoder = D.Sequence([D.Replace("▁", " "), D.ByteFallback(), D.Fuse()] + ([D.Strip(" ", 1, 0)] if llama else []))
        specials(t, names.split())
        if not llama:
            t.add_tokens([AddedToken(s, normalized=False) for s in ("<start_of_turn>", "\n", "▁▁", "▁▁▁")])
        out.append(("llama" if llama else "gemma", json.loads(t.to_str()), {"tokenizer.model": model}))
    return out


# Classes and model types for each kind of tokenizer.
CLASSES = {
    "wordpiece": [("BertTokenizer", "bert"), ("BertTokenizerFast", "bert"), (None, "bert"), ("BertTokenizer", "nomic_bert"), ("BertTokenizer", "ernie"), ("DistilBertTokenizer", "distilbert"),
                  ("ElectraTokenizerFast", "electra"), ("PreTrainedTokenizerFast", "bert"), ("MPNetTokenizer", "mpnet"), ("BertTokenizer", "xlm-roberta")],
    "bytelevel": [("RobertaTokenizer", "roberta"), ("RobertaTokenizerFast", "roberta"), (None, "roberta"), ("PreTrainedTokenizerFast", "modernbert"), ("GPT2Tokenizer", "gpt2"), ("Qwen2Tokenizer", "qwen2"),
                  ("Qwen2TokenizerFast", "qwen3"), (None, "qwen3"), ("GPTNeoXTokenizer", "gpt_neox"), ("PreTrainedTokenizerFast", "llama"), ("DebertaTokenizer", "deberta"), ("LlamaTokenizerFast", "llama")],
    "xlmr": [("XLMRobertaTokenizer", "xlm-roberta"), ("XLMRobertaTokenizerFast", "xlm-roberta"), (None, "xlm-roberta"), ("XLMRobertaTokenizer", "bert"), ("PreTrainedTokenizerFast", "xlm-roberta"), ("CamembertTokenizer", "camembert")],
    "t5": [("T5Tokenizer", "t5"), ("T5TokenizerFast", "mt5"), (None, "t5")],
    "albert": [("AlbertTokenizer", "albert"), ("AlbertTokenizerFast", "albert"), (None, "albert")],
    "deberta": [("DebertaV2Tokenizer", "deberta-v2"), ("DebertaV2TokenizerFast", "deberta-v2"), (None, "deberta-v2")],
    "llama": [("LlamaTokenizer", "llama"), ("LlamaTokenizerFast", "mistral"), ("PreTrainedTokenizerFast", "llama"), ("LlamaTokenizer", "mistral")],
    "gemma": [("GemmaTokenizer", "gemma"), ("GemmaTokenizerFast", "gemma2"), (None, "gemma3_text"), ("PreTrainedTokenizerFast", "modernbert")],
}

ROLES = {
    "[CLS]": {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]", "mask_token": "[MASK]"},
    "<s>": {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>", "cls_token": "<s>", "sep_token": "</s>", "mask_token": "<mask>"},
    "<bos>": {"bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>", "pad_token": "<pad>"},
    "<|endoftext|>": {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
    "<pad>": {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"},
}


def ids_of(t):
    m = t["model"]["vocab"]
    vocab = dict(m) if isinstance(m, dict) else {p: i for i, (p, _) in reversed(list(enumerate(m)))}
    vocab.update({a["content"]: a["id"] for a in t["added_tokens"]})
    return vocab


def template(t, kind, r, odd, double):
    """A post-processor of the kind's usual shape, or an odd one."""
    vocab = ids_of(t)
    if kind in ("t5",):
        single, pair = "A:0 </s>:0", "A:0 </s>:0 B:0 </s>:0"
    elif "[CLS]" in vocab:
        single, pair = "[CLS]:0 A:0 [SEP]:0", "[CLS]:0 A:0 [SEP]:0 B:1 [SEP]:1"
    elif "<bos>" in vocab:
        single, pair = "<bos>:0 A:0", "<bos>:0 A:0 <bos>:1 B:1"
    elif kind == "llama":
        single, pair = "<s>:0 A:0", "<s>:0 A:0 <s>:1 B:1"
    elif "<s>" in vocab:
        single, pair = "<s>:0 A:0 </s>:0", "<s>:0 A:0 </s>:0 </s>:0 B:0 </s>:0"
    else:
        single, pair = "A:0 <|endoftext|>:0", "A:0 B:1 <|endoftext|>:0"
    if double:
        pair = pair.replace("[SEP]:0 B:1 [SEP]:1", "[SEP]:0 [SEP]:0 B:0 [SEP]:0")
    if odd:
        pair = " ".join(r.sample(pair.split(), k=len(pair.split())))
    part = lambda w: {"Sequence": {"id": w[0], "type_id": int(w[2:])}} if w[:2] in ("A:", "B:") else {"SpecialToken": {"id": w[:-2], "type_id": int(w[-1])}}
    names = {w[:-2] for w in (single + " " + pair).split() if w[:2] not in ("A:", "B:")}
    return {"type": "TemplateProcessing", "single": [part(w) for w in single.split()], "pair": [part(w) for w in pair.split()],
            "special_tokens": {n: {"id": n, "ids": [vocab[n]], "tokens": [n]} for n in sorted(names)}}


NORMALIZERS = [
    {"type": "NFC"}, {"type": "NFD"}, {"type": "NFKC"}, {"type": "NFKD"}, {"type": "Lowercase"}, {"type": "StripAccents"}, {"type": "Nmt"},
    {"type": "Strip", "strip_left": True, "strip_right": False}, {"type": "Strip", "strip_left": True, "strip_right": True},
    {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}, {"type": "Replace", "pattern": {"String": "e"}, "content": "ee"},
    {"type": "Replace", "pattern": {"Regex": r"\s+|[\d.]+"}, "content": " "}, {"type": "Replace", "pattern": {"Regex": r"(?i)the|\bis\b"}, "content": ""}, {"type": "Prepend", "prepend": "▁"},
    {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True},
    {"type": "BertNormalizer", "clean_text": False, "handle_chinese_chars": False, "strip_accents": True, "lowercase": False},
    {"type": "Sequence", "normalizers": []}, {"type": "Sequence", "normalizers": [{"type": "Sequence", "normalizers": []}, {"type": "NFKC"}]},
    {"type": "Precompiled", "precompiled_charsmap": ""}, {"type": "Precompiled", "precompiled_charsmap": None},
]
PRETOKENIZERS = [
    {"type": "BertPreTokenizer"}, {"type": "Whitespace"}, {"type": "WhitespaceSplit"}, {"type": "Punctuation", "behavior": "Isolated"}, {"type": "Punctuation", "behavior": "MergedWithNext"},
    {"type": "Digits", "individual_digits": True}, {"type": "Digits", "individual_digits": False}, {"type": "CharDelimiterSplit", "delimiter": "e"},
    {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}, {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": False},
    {"type": "Split", "pattern": {"Regex": r"\w+|[^\w\s]+"}, "behavior": "Isolated", "invert": False}, {"type": "Split", "pattern": {"Regex": r"(?<=\p{L})\p{N}|[A-Z](?=[a-z])"}, "behavior": "MergedWithPrevious", "invert": False},
    {"type": "Split", "pattern": {"Regex": r"\s+(?!\S)|\s+"}, "behavior": "Removed", "invert": False}, {"type": "Split", "pattern": {"String": " "}, "behavior": "Contiguous", "invert": True},
    {"type": "Sequence", "pretokenizers": []}, {"type": "Sequence", "pretokenizers": [{"type": "Sequence", "pretokenizers": []}, {"type": "WhitespaceSplit"}]},
]
ADDED = ["foo", "New York", "\n", "  ", "<think>", "é", "ß", "[X]", "ing", "人", "▁the", "E", "<|tool|>", " x"]


PLAIN = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}


def flags(r, special=None):
    f = {"single_word": r.random() < 0.2, "lstrip": r.random() < 0.25, "rstrip": r.random() < 0.25, "normalized": r.random() < 0.4, "special": r.random() < 0.4}
    if special:
        f.update(special=True, normalized=False, single_word=False)
    return f


# A double array in which no character leads anywhere.
NOTHING = base64.b64encode((1024).to_bytes(4, "little") + bytes(1024)).decode()


def tables(normalizer):
    """The character tables in a normalizer."""
    if not normalizer:
        return []
    if normalizer["type"] == "Precompiled":
        return [normalizer]
    return [table for step in normalizer.get("normalizers", []) for table in tables(step)]


def for_library(files):
    """The files as the library can read them: it panics on an empty table of characters, so it gets one that
    changes nothing. None if there is no empty table."""
    t = json.loads(files.get("tokenizer.json", b"{}"))
    empty = [table for table in tables(t.get("normalizer")) if not table["precompiled_charsmap"]]
    for table in empty:
        table["precompiled_charsmap"] = NOTHING
    return {**files, "tokenizer.json": json.dumps(t, ensure_ascii=False).encode()} if empty else None


def folder(base, r):
    """The files of an odd but legal model: name → bytes; and its class."""
    kind, t, files = base
    t = json.loads(json.dumps(t))
    files = dict(files)
    cls, model_type = r.choice(CLASSES[kind])
    whole = r.random() < 0.85
    vocab = ids_of(t)
    first = next(n for n in ROLES if n in vocab)
    roles = dict(ROLES[first])
    config = {"model_max_length": r.choice([64, 512, 1000000000000000019884624838656])}
    # The parts of tokenizer.json.
    plain = cls == "PreTrainedTokenizerFast"
    t["post_processor"] = template(t, kind, r, plain and r.random() < 0.4, cls == "MPNetTokenizer")
    what = r.random()
    if what < 0.12:
        t["post_processor"] = None
    elif what < 0.2:
        t["post_processor"] = {"type": "Sequence", "processors": [{"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}, t["post_processor"]]}
    elif what < 0.3 and "[SEP]" in vocab and plain:
        t["post_processor"] = {"type": r.choice(["BertProcessing", "RobertaProcessing"]), "sep": ["[SEP]", vocab["[SEP]"]], "cls": ["[CLS]", vocab["[CLS]"]]}
        if t["post_processor"]["type"] == "RobertaProcessing":
            t["post_processor"].update(trim_offsets=True, add_prefix_space=False)
    if kind == "wordpiece" and r.random() < 0.4:
        t["normalizer"] = {"type": "BertNormalizer", "clean_text": r.random() < 0.9, "handle_chinese_chars": r.random() < 0.7, "strip_accents": r.choice([None, True, False]), "lowercase": r.random() < 0.5}
    for table in tables(t["normalizer"]):
        if r.random() < 0.1:
            table["precompiled_charsmap"] = r.choice(["", None])
    # A class builds its own stages in 5.24, and its own frame by its arguments in 4.57: one at a time.
    stages = plain or r.random() < 0.1
    if stages and r.random() < (0.4 if plain else 1):
        steps = [t["normalizer"]] if t["normalizer"] and r.random() < 0.5 else []
        t["normalizer"] = r.choice([{"type": "Sequence", "normalizers": steps + r.sample(NORMALIZERS, r.randrange(4))}, r.choice(NORMALIZERS)])
    if stages and r.random() < 0.3 and kind != "wordpiece":
        if kind == "bytelevel":
            last = {"type": "ByteLevel", "add_prefix_space": r.random() < 0.3, "trim_offsets": True, "use_regex": r.random() < 0.5}
            t["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": r.sample(PRETOKENIZERS, r.randrange(3)) + [last]}
        else:
            t["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": r.sample(PRETOKENIZERS, r.randrange(4))}
    if kind == "bytelevel" and t["pre_tokenizer"]["type"] == "ByteLevel":
        t["pre_tokenizer"]["add_prefix_space"] = r.random() < 0.3
    if cls and cls.startswith("Qwen2") and r.random() < 0.8:
        pattern = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        t["normalizer"] = {"type": "NFC"}
        t["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False},
                                                                   {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}]}
    if kind == "llama" and r.random() < 0.4:
        t["normalizer"], t["pre_tokenizer"] = None, {"type": "Metaspace", "replacement": "▁", "prepend_scheme": r.choice(["first", "always"]), "split": False}
    if r.random() < 0.3:
        for content in r.sample(ADDED, r.randrange(1, 4)):
            if content not in {a["content"] for a in t["added_tokens"]}:
                at = vocab.get(content, max(list(ids_of(t).values()) + [len(t["model"]["vocab"]) - 1]) + 1)
                t["added_tokens"].append({"id": at, "content": content, **flags(r)})
                if not content.strip():  # a token with an empty normal form matches everywhere
                    t["added_tokens"][-1]["normalized"] = False
    if r.random() < 0.15:
        t["truncation"] = {"direction": r.choice(["Left", "Right"]), "max_length": 512, "strategy": "LongestFirst", "stride": 0}
    # tokenizer_config.json and related files.
    if cls:
        config["tokenizer_class"] = cls
    for role, name in roles.items():
        if r.random() < 0.6 or cls == "MPNetTokenizer":
            config[role] = name if r.random() < 0.7 else {"__type": "AddedToken", "content": name, **(flags(r, True) if whole else PLAIN)}
    arguments = {
        "wordpiece": {"do_lower_case": (True, False), "strip_accents": (None, True, False), "tokenize_chinese_chars": (True, False)},
        "bytelevel": {"add_prefix_space": (True, False)}, "xlmr": {"add_prefix_space": (True, False)},
        "albert": {"do_lower_case": (True, False), "keep_accents": (True, False), "add_prefix_space": (True, False)},
        "deberta": {"do_lower_case": (True, False), "split_by_punct": (True, False)},
        "llama": {"add_bos_token": (True, False), "add_eos_token": (True, False), "legacy": (True, False)}, "gemma": {"add_bos_token": (True, False), "add_eos_token": (True, False)}, "t5": {},
    }[kind]
    for key, values in arguments.items():
        if r.random() < 0.35 and (plain or not stages):
            config[key] = r.choice(values)
    if r.random() < 0.2:
        config["truncation_side"] = r.choice(["left", "right"])
    if r.random() < 0.25:
        config["model_input_names"] = r.choice([["input_ids", "attention_mask"], ["input_ids", "token_type_ids", "attention_mask"]])
    if r.random() < 0.05:
        config["split_special_tokens"] = True
    if r.random() < 0.25:
        config["added_tokens_decoder"] = {str(a["id"]): {k: a[k] for k in ("content", "lstrip", "normalized", "rstrip", "single_word", "special")} for a in t["added_tokens"]}
        for v in config["added_tokens_decoder"].values():
            if r.random() < 0.1:
                v.update(lstrip=r.random() < 0.5, rstrip=r.random() < 0.5)
    if r.random() < 0.12 and not (kind == "t5" and not whole):
        config["additional_special_tokens"] = r.sample(ADDED, r.randrange(3))
    if r.random() < 0.2:
        files["special_tokens_map.json"] = json.dumps({role: name if r.random() < 0.5 else {"content": name, **{k: v for k, v in (flags(r, True) if whole else PLAIN).items() if k != "special"}} for role, name in roles.items()}).encode()
    if r.random() < 0.1 and whole:
        files["added_tokens.json"] = json.dumps({a["content"]: a["id"] for a in t["added_tokens"] if r.random() < 0.8}).encode()
    if whole:
        files["tokenizer.json"] = json.dumps(t, ensure_ascii=False).encode()
    files["tokenizer_config.json"] = json.dumps(config).encode()
    files["config.json"] = json.dumps({"model_type": model_type}).encode()
    return files, cls, [a["content"] for a in t["added_tokens"]] + list(roles.values())


# ---- texts -------------------------------------------------------------------

FRAGMENTS = [
    "\u00a0", "\u3000", "\u200b", "\ufeff", "\u2028", "\x00", "\x07", "\x1f", "\x7f", "\x85", "\u00ad", "\r\n", "\t", "\n\n", "\v", "\f", "   ", "      ", "\u202e", "\u200f", "\u2060",
    "👩\u200d👩\u200d👧", "🇫🇷🇩🇪", "❤\ufe0f", "👍🏽", "🏴\U000e0067\U000e0062\U000e007f", "e\u0301", "o\u0302\u0323", "\u0323\u0302", "\u212b", "ﬀ", "ﬃ", "ｆｕｌｌ", "を\u3099", "ｶﾞ", "각", "\u1112\u1161\u11ab",
    "क्षि", "ﷺ", "שָׁלוֹם", "אבג", "Ⅷ", "½", "①", "𝟘", "٣", "²", "İ", "ı", "ß", "ẞ", "ſ", "ΌΔΥΣΣΕΎΣ", "ǅ", "ŉ", "ꭓ", "𐐀", "\U00020000", "中", "文。", "、", "「", "…", "—", "''", "``", "'s", "'LL", "n't", "_", "-", "@", "€", "\u20bf",
    "\ufffd", "\ue000", "\U0010ffff", "\u0378", "▁", "▁▁", "##ing", "Ġ", "<0x41>", "</", "[", "]", "<|", "|>", "0", "123", "1,234.5", "x" * 120, "ab" * 70, "a", "I", "THE", "http://a.b/c?d=e&f", "C++", "λx.x", "\u0301", "\u0345", "\u1e9b\u0323", "\ufdfa",
]


def text(r, special):
    n = r.choice((0, 1, 1, 2, 3, 5, 8, 12, 20))
    out = []
    for _ in range(n):
        what = r.random()
        if what < 0.5:
            line = r.choice(CORPUS).split()
            i = r.randrange(len(line))
            out.append(" ".join(line[i : i + r.randrange(1, 4)]))
        elif what < 0.8:
            out.append(r.choice(FRAGMENTS))
        elif what < 0.93:
            out.append(r.choice(special))
        else:
            out.append("".join(chr(r.choice([r.randrange(32, 127), r.randrange(0xA0, 0x600), r.randrange(0x900, 0x1200), r.randrange(0x2000, 0x2C00), r.randrange(0x3000, 0xD7FF), r.randrange(0xF900, 0xFFFE), r.randrange(0x10000, 0x1FBFF)])) for _ in range(r.randrange(1, 6))))
        out.append(r.choice(["", "", " ", " ", " ", "  ", "\n"]))
    s = "".join(out)
    return s.upper() if r.random() < 0.05 else s


def cases(r, special):
    out = []
    for _ in range(r.randrange(120, 180)):
        pair = r.random() < 0.4
        limit = r.choice([0, 0, 0, 8, 12, 20, 33])
        out.append({"text": text(r, special), "pair": text(r, special) if pair else None, "limit": limit,
                    "how": r.choice(["longest_first", "only_second", "only_first"]) if pair and limit else "longest_first", "side": r.choice(["", "", "left", "right"]) if limit else ""})
    return out


# ---- comparison --------------------------------------------------------------


def fits(got, want):
    """Whether winnow's ids are the library's."""
    if "error" in want or "error" in got:
        return "error" in want and "error" in got
    return (got["ids"] or []) == want["ids"]


def types_fit(got, wanted, decoder):
    """Whether winnow's token types are those of a version that gives any for these ids, or 0 where none does.
    Decoders have no use for them."""
    if "error" in got or decoder:
        return True
    same = [w for w in wanted if w.get("ids") == (got["ids"] or [])]
    given = [w["types"] for w in same if w["types"] is not None]
    return (got["types"] or []) in given if given else len(same) < len(wanted) or not any(got["types"] or [])


def record(n, base, files, list_, loaded):
    """Writes a folder for --write: files missing from its base, and the correct results."""
    t = json.loads(files["tokenizer.json"]) if "tokenizer.json" in files else None
    if t:
        del t["model"]
    wanted = []
    for i in range(len(list_)):
        results = [w["results"][i] for w in loaded]
        if len({json.dumps(x.get("ids")) for x in results}) > 1 and loaded[0].get("plain"):
            results.append({**loaded[0]["plain"][i], "types": None})
        right = []
        for x in results:
            r = {"ids": x["ids"], "types": x["types"]} if "ids" in x else {"error": True}
            if r not in right:
                right.append(r)
        wanted.append(right)
    return {"base": n, "tokenizer": t, "files": {name: data.decode() for name, data in files.items() if name != "tokenizer.json" and name not in base[2]}, "cases": list_, "wanted": wanted}


def main():
    a = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    a.add_argument("--older", help="a Python with transformers 4.57")
    a.add_argument("--jobs", type=int, default=2500)
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--keep", help="a folder for those that differ")
    a.add_argument("--write", help="a file for folders, texts and the library's results, which go test compares")
    a.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    o = a.parse_args()
    if o.serve:
        return serve()
    work = pathlib.Path(tempfile.mkdtemp())
    subprocess.run(["go", "build", "-o", work / "worker", "./bench/tokenizer_worker"], cwd=HERE.parent, check=True)
    names = ["winnow", "newer"] + (["older"] if o.older else [])
    workers = [Worker(work / "worker"), Worker(sys.executable, __file__, "--serve")] + ([Worker(o.older, __file__, "--serve")] if o.older else [])
    bases = trained(small=o.write)
    written = []
    count, reasons, differences = collections.Counter(), collections.Counter(), 0
    for n in range(o.jobs):
        r = random.Random(o.seed * 1000003 + n)
        base = r.randrange(len(bases))
        files, cls, special = folder(bases[base], r)
        list_ = cases(r, special)[: 10 if o.write else None]
        d = library = work / f"job{n}"
        folders = {d: files}
        if readable := for_library(files):
            library = work / f"job{n}-library"
            folders[library] = readable
            count["folders with an empty table of characters"] += 1
        for path, content in folders.items():
            path.mkdir()
            for name, data in content.items():
                (path / name).write_bytes(data)
        job = json.dumps({"dir": str(library), "cases": list_, "file": True}) + "\n"
        workers[0].send(json.dumps({"dir": str(d), "cases": list_, "file": True}) + "\n")
        for w in workers[1:]:
            w.send(job)
        got, *wanted = [w.answer() for w in workers]
        count["folders"] += 1
        loaded = [w for w in wanted if "error" not in w]
        if "error" in got:
            count["folders refused by winnow" if loaded else "folders refused by all"] += 1
            if loaded:
                reasons[got["error"].split(": ", 1)[-1][:110].replace(str(d), "")] += 1
            if got["error"].startswith("panic"):
                differences += 1
                print(f"job {n}: {got['error']}")
        elif not loaded:
            count["folders refused by the library alone"] += 1
        else:
            bad = []
            for i, c in enumerate(list_):
                results = [w["results"][i] for w in loaded]
                if all("panic" in x.get("error", "").lower() for x in results):
                    count["texts that the library panics at"] += 1
                    continue
                count["comparisons"] += 1
                match = [fits(got["results"][i], x) for x in results]
                if not types_fit(got["results"][i], results, json.loads(files["config.json"])["model_type"] in DECODERS):
                    bad.append(i)
                elif all(match):
                    count["equal to both versions" if len(match) > 1 else "equal to the one version that loads it"] += 1
                elif any(match):
                    count["equal to 5.24 alone" if match[0] else "equal to 4.57 alone"] += 1
                elif wanted[0].get("plain") and (len(match) == 1 or results[0].get("ids") != results[1].get("ids")) and fits(got["results"][i], wanted[0]["plain"][i]):
                    count["versions differ, equal to tokenizer.json as it stands"] += 1
                else:
                    bad.append(i)
            # Of two added tokens with one normal form the library takes either, by the order of
            # a table that differs each time it is started.
            for _ in range(8 if bad else 0):
                again = Worker(sys.executable, __file__, "--serve")
                again.send(job)
                results = again.answer().get("results")
                again.p.stdin.close()
                if results and all(fits(got["results"][i], results[i]) for i in bad):
                    count["the library's answer changes when it is started again"] += len(bad)
                    bad = []
                    break
            differences += len(bad)
            if o.write and not bad:
                written.append(record(base, bases[base], files, list_, loaded))
            if bad:
                i = bad[0]
                print(f"job {n} ({cls}, {', '.join(sorted(files))}): {len(bad)} differ")
                print("  case", json.dumps(list_[i], ensure_ascii=False)[:600])
                ids = [x["results"][i].get("ids") or [] for x in [got] + loaded]
                at = max(0, min(next((k for k, (x, y) in enumerate(zip(ids[0], z)) if x != y), min(len(ids[0]), len(z))) for z in ids[1:]) - 4)
                for name, x in zip(["winnow"] + [w.get("class") for w in wanted], [got] + wanted):
                    y = x["results"][i] if "results" in x else x
                    print("  ", name, y.get("error", f"from {at}: {(y.get('ids') or [])[at:at + 16]} types {(y.get('types') or [])[at:at + 16]} of {len(y.get('ids') or [])}"))
                if o.keep:
                    shutil.copytree(d, pathlib.Path(o.keep) / f"job{n}", dirs_exist_ok=True)
        for path in folders:
            shutil.rmtree(path)
        if n % 250 == 249:
            print(f"{n + 1} folders, {count['comparisons']} comparisons, {differences} differences", flush=True)
    if o.write:
        with gzip.GzipFile(o.write, "wb", 9, mtime=0) as f:
            vocabularies = [{"model": t["model"], "files": {name: base64.b64encode(data).decode() for name, data in files.items()}} for _, t, files in bases]
            f.write(json.dumps({"bases": vocabularies, "folders": written}, separators=(",", ":")).encode())
    for w in workers:
        w.p.stdin.close()
    shutil.rmtree(work)
    for name, value in sorted(count.items()):
        print(f"{value:8} {name}")
    for reason, value in reasons.most_common(20):
        print(f"{value:8} refused: {reason}")
    print(f"{differences:8} differences")
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main()
