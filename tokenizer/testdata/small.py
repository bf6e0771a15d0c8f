"""Writes small.json.gz: a small tokenizer of each scheme in each layout of files, and
what the Hugging Face library makes of texts and pairs with it.

    pip install tokenizers==0.23.3 transformers==5.23.0 sentencepiece
    python small.py | gzip -9n > small.json.gz

The trainers break ties at random: another run gives other vocabularies.
"""
import base64
import io
import json
import os
import random
import tempfile

import sentencepiece
from tokenizers import Regex, Tokenizer, decoders as D, models, normalizers as N, pre_tokenizers as P, processors, trainers
from transformers import AutoTokenizer

# The first article of the Universal Declaration of Human Rights, and some more.
CORPUS = """All human beings are born free and equal in dignity and rights.
They are endowed with reason and conscience and should act towards one another in a spirit of brotherhood.
Tous les êtres humains naissent libres et égaux en dignité et en droits.
Ils sont doués de raison et de conscience et doivent agir les uns envers les autres dans un esprit de fraternité.
Alle Menschen sind frei und gleich an Würde und Rechten geboren.
Sie sind mit Vernunft und Gewissen begabt und sollen einander im Geiste der Brüderlichkeit begegnen.
Todos los seres humanos nacen libres e iguales en dignidad y derechos y, dotados como están de razón y conciencia, deben comportarse fraternalmente los unos con los otros.
Все люди рождаются свободными и равными в своем достоинстве и правах.
すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。
人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。
모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.
يولد جميع الناس أحراراً متساوين في الكرامة والحقوق.
सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।
What is the capital of France? Paris is the capital of France. How do I reset the password of my router?
The quick brown fox jumps over the lazy dog; 3.14159 and 1,234,567 are numbers, f(x) = x^2 is not.
""".splitlines()

TEXTS = [
    "", " ", "   ", "a", "word", "  leading   and \t tabs\n\nnew\r\nlines \u00a0nbsp \u200bzero width   trailing   ", "What is the capital of France?",
    "DIGNITÉ Würde ÑANDÚ İstanbul Straße ΌΔΥΣΣΕΎΣ", "e\u0301galite\u0301 o\u0302\u0323 \u212bngstr\u00f6m \ufb00 \uff46\uff55\uff4c\uff4c \u3092\u3099", "人人生而自由，在尊严", "すべての人間は、ｶﾞｷﾞ",
    "모든 인간은 \u1112\u1161\u11ab", "यूनिकोड क्षि", "👩\u200d👩\u200d👧 🇫🇷🇩🇪 ❤\ufe0f", "\ufffd \u0000 \u0007 \u00ad \ufeff", "under_score-dash—dash…!!!???", "x" * 101, "supercalifragilisticexpialidocious" * 4,
    "a literal [MASK] and [SEP] and [CLS][PAD] [UNK] inside", "a literal <mask> and </s> and <s><pad> <unk>  <mask>  inside", "▁under ▁▁ lower", "##ing ##", "<0x41> <0xF0>", "ⅷ ½ ٣ 𝟘𝟙", "tail ", " <mask>", "\u0301\u0301x", "Ġ Ċ",
]


def files(**kinds):
    """Contents by name: text as it is, bytes in base64."""
    return {k: v if isinstance(v, str) else "base64:" + base64.b64encode(v).decode() for k, v in kinds.items()}


def texts(r):
    words = [w for line in CORPUS for w in line.split()] + [t for t in TEXTS if 0 < len(t) < 60]
    return TEXTS + ["".join(r.choice(words) + r.choice(["", " ", " ", " ", "  ", "\n"]) for _ in range(r.choice((2, 5, 12)))) for _ in range(24)]


def case(name, contents, t, r, decode=True):
    """t is the library's tokenizer, contents are the files that stand for it."""
    rows, pairs = [], []
    t.no_padding()
    t.no_truncation()
    strings = texts(r)
    for s in strings:
        e = t.encode(s)
        rows.append({"text": s, "ids": e.ids, "tokens": t.encode(s, add_special_tokens=False).ids})
        if decode:
            rows[-1]["decoded"] = t.decode(e.ids, skip_special_tokens=True)
    for i in range(24):
        a, b = r.choice(strings), r.choice(strings)
        size, how = r.choice([(0, ""), (8, "longest_first"), (15, "longest_first"), (16, "only_second"), (24, "only_second"), (12, "only_first")])
        if size:
            t.enable_truncation(size, strategy=how)
        else:
            t.no_truncation()
        row = {"a": a, "b": b, "max": size, "how": how}
        try:
            e = t.encode(a, b)
            row |= {"ids": e.ids, "types": e.type_ids}
        except Exception as error:
            row["error"] = str(error)
        pairs.append(row)
    return {"name": name, "files": files(**contents), "rows": rows, "pairs": pairs}


def bert(lower, strip, chinese):
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = N.BertNormalizer(clean_text=True, handle_chinese_chars=chinese, strip_accents=strip, lowercase=lower)
    t.pre_tokenizer = P.BertPreTokenizer()
    t.decoder = D.WordPiece("##", cleanup=True)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    t.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=500, special_tokens=special, continuing_subword_prefix="##", show_progress=False))
    pair_template(t, "[CLS]", "[SEP]", 1)
    return t


def pair_template(t, cls, sep, second, double=False):
    ids = [(cls, t.token_to_id(cls)), (sep, t.token_to_id(sep))]
    middle = f"{sep}:0 {sep}:0" if double else f"{sep}:0"
    t.post_processor = processors.TemplateProcessing(f"{cls}:0 $A:0 {sep}:0", f"{cls}:0 $A:0 {middle} $B:{second} {sep}:{second}", ids)


def vocab_txt(t):
    return "".join(w + "\n" for w, _ in sorted(t.get_vocab().items(), key=lambda x: x[1]))


def spm(**options):
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.Train(sentence_iterator=iter(CORPUS), model_writer=out, minloglevel=2, num_threads=1, **options)
    return out.getvalue()


def unigram(byte_fallback):
    """A Unigram tokenizer.json; its scores are those of a SentencePiece model."""
    m = sentencepiece.SentencePieceProcessor(model_proto=spm(model_type="unigram", vocab_size=600 if byte_fallback else 350, byte_fallback=byte_fallback, character_coverage=0.98, hard_vocab_limit=False))
    vocab = [(m.IdToPiece(i), m.GetScore(i)) for i in range(m.GetPieceSize())]
    t = Tokenizer(models.Unigram(vocab, unk_id=0, byte_fallback=byte_fallback))
    t.normalizer = N.Sequence([N.Nmt(), N.NFKC(), N.Replace(Regex(" {2,}"), " ")])
    t.pre_tokenizer = P.Metaspace()
    t.decoder = D.Sequence([D.ByteFallback(), D.Metaspace()]) if byte_fallback else D.Metaspace()
    t.add_special_tokens(["<unk>", "<s>", "</s>"])
    pair_template(t, "<s>", "</s>", 0, double=True)
    return t


def xlmr(directory):
    """As the library reads a bare sentencepiece.bpe.model."""
    return AutoTokenizer.from_pretrained(directory).backend_tokenizer


def deberta(model):
    """As the published tokenizer.json of DeBERTa-v3 has it."""
    m = sentencepiece.SentencePieceProcessor(model_proto=model)
    from sentencepiece import sentencepiece_model_pb2 as pb
    proto = pb.ModelProto.FromString(model)
    t = Tokenizer(models.Unigram([(m.IdToPiece(i), m.GetScore(i)) for i in range(m.GetPieceSize())], unk_id=m.unk_id()))
    t.normalizer = N.Sequence([N.Strip(), N.Precompiled(proto.normalizer_spec.precompiled_charsmap), N.Replace(Regex(" {2,}"), " ")])
    t.pre_tokenizer = P.Metaspace()
    t.decoder = D.Metaspace()
    from tokenizers import AddedToken
    t.add_special_tokens([AddedToken(s, normalized=s == "[UNK]", special=True) for s in ("[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]")])
    pair_template(t, "[CLS]", "[SEP]", 1)
    return t


def roberta():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = P.ByteLevel(add_prefix_space=False)
    t.decoder = D.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=500, special_tokens=special, initial_alphabet=sorted(P.ByteLevel.alphabet()), show_progress=False))
    from tokenizers import AddedToken
    t.add_special_tokens(special[:4] + [AddedToken("<mask>", lstrip=True, special=True)])
    pair_template(t, "<s>", "</s>", 0, double=True)
    return t


def main():
    r = random.Random(5)
    cases = []
    t = bert(True, None, True)
    cases.append(case("wordpiece", {"tokenizer.json": t.to_str()}, t, r))
    cases.append(case("wordpiece-vocab", {"vocab.txt": vocab_txt(t), "tokenizer_config.json": '{"model_max_length":512}'}, t, r))
    t = bert(False, False, False)
    config = {"do_lower_case": False, "strip_accents": False, "tokenize_chinese_chars": False}
    cases.append(case("wordpiece-cased-vocab", {"vocab.txt": vocab_txt(t), "tokenizer_config.json": json.dumps(config)}, t, r))
    for fallback in False, True:
        t = unigram(fallback)
        cases.append(case("unigram-fallback" if fallback else "unigram", {"tokenizer.json": t.to_str()}, t, r))
    with tempfile.TemporaryDirectory() as d:
        model = spm(model_type="unigram", vocab_size=400, hard_vocab_limit=False)
        config = json.dumps({"tokenizer_class": "XLMRobertaTokenizer", "model_max_length": 512})
        with open(os.path.join(d, "sentencepiece.bpe.model"), "wb") as f:
            f.write(model)
        with open(os.path.join(d, "tokenizer_config.json"), "w") as f:
            f.write(config)
        cases.append(case("xlmr-spm", {"sentencepiece.bpe.model": model, "tokenizer_config.json": config}, xlmr(d), r))
    model = spm(model_type="unigram", vocab_size=400, hard_vocab_limit=False, pad_id=0, bos_id=1, eos_id=2, unk_id=3, pad_piece="[PAD]", bos_piece="[CLS]", eos_piece="[SEP]", unk_piece="[UNK]")
    config = json.dumps({"tokenizer_class": "DebertaV2Tokenizer", "do_lower_case": False, "split_by_punct": False, "cls_token": "[CLS]", "mask_token": {"content": "[MASK]"}})
    cases.append(case("deberta-spm", {"spm.model": model, "tokenizer_config.json": config}, deberta(model), r))
    t = roberta()
    bpe = json.loads(t.to_str())["model"]
    config = {"tokenizer_class": "RobertaTokenizer", "add_prefix_space": False}
    merges = "#version: 0.2\n" + "".join(" ".join(m) + "\n" for m in bpe["merges"])
    cases.append(case("roberta-merges", {"vocab.json": json.dumps(bpe["vocab"]), "merges.txt": merges, "tokenizer_config.json": json.dumps(config)}, t, r))
    text = json.dumps(cases, ensure_ascii=True, separators=(",", ":"))
    print(text.replace('{"name"', '\n{"name"'))


main()
