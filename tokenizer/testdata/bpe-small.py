"""Writes bpe-small.json.gz: small byte-pair tokenizers of every make, and the ids
that the Hugging Face library gives with them.

    pip install tokenizers==0.23.3 && python bpe-small.py | gzip -9n > bpe-small.json.gz
"""
import json
import random

from tokenizers import AddedToken, Regex, Tokenizer, decoders as D, models, normalizers as N, pre_tokenizers as P

LETTERS = ["a", "b", "c", "é", "中", "▁", "\n", "1", "ß"]
TEXT = LETTERS + ["d", " ", " ", "  ", "🚀", "'s", "A", "\u0301", "É", "ab", "abc", "aa", "bb", ".", "<unk>", "[X]", "12", "\t", "x"]


def vocabulary(r, letters, merges, prefix="", suffix="", extra=()):
    """A random vocabulary and merges that it can express."""
    vocab = {}
    for t in extra:
        vocab.setdefault(t, len(vocab))
    def forms(c):
        return {c, prefix + c, c + suffix, prefix + c + suffix}
    for c in letters:
        for f in sorted(forms(c)):
            vocab.setdefault(f, len(vocab))
    out = []
    for _ in range(merges * 20):
        if len(out) == merges:
            break
        a, b = r.choice(list(vocab)), r.choice(list(vocab))
        if a in extra or b in extra or not b.startswith(prefix) or suffix and a.endswith(suffix) or len(a) > 8:
            continue
        new = a + b[len(prefix):]
        if (a, b) in out:
            continue
        vocab.setdefault(new, len(vocab))
        out.append((a, b))
    r.shuffle(out)
    return vocab, out


def byte_level_letters():
    return [x for x in P.ByteLevel.alphabet()]


def make(r):
    spelt = byte_level_letters()
    fallback = ["<unk>"] + [f"<0x{i:02X}>" for i in range(256)]
    some = ["<unk>"] + [f"<0x{i:02X}>" for i in range(0, 256, 3)]
    for i in range(26):
        opts, letters, extra = {}, LETTERS, ["<unk>"]
        norm = pre = dec = None
        added = []
        name = ["plain", "unk", "unk-fused", "fallback", "fallback-some", "ignore-merges", "prefix", "suffix", "both", "byte-level", "byte-level-prefix", "byte-level-holes", "byte-level-noregex",
                "digits-byte-level", "split-byte-level", "byte-level-normalizer", "llama", "gemma", "byte-level-added", "split-removed", "byte-level-first", "ignore-merges-byte-level", "underscore-unk", "underscore-none", "many-merges", "suffix-ignore-merges"][i]
        merges = 40
        if name in ("unk", "unk-fused", "prefix", "suffix", "both", "underscore-unk", "suffix-ignore-merges"):
            opts["unk_token"] = "<unk>"
        if name in ("unk-fused", "both", "underscore-unk"):
            opts["fuse_unk"] = True
        if name.startswith("fallback"):
            opts |= dict(byte_fallback=True, unk_token="<unk>", fuse_unk=i % 2 == 0)
            extra = fallback if name == "fallback" else some
            dec = D.Sequence([D.ByteFallback(), D.Fuse()])
        if "ignore-merges" in name:
            opts["ignore_merges"] = True
        if name in ("prefix", "both"):
            opts["continuing_subword_prefix"] = "##"
        if name in ("suffix", "both", "suffix-ignore-merges"):
            opts["end_of_word_suffix"] = "</w>"
            dec = D.BPEDecoder("</w>")
        if name in ("prefix", "suffix", "both", "suffix-ignore-merges"):
            pre = P.Whitespace()
        if "byte-level" in name:
            letters, extra, dec, merges = spelt, [], D.ByteLevel(), 150
            pre = P.ByteLevel(add_prefix_space=False)
        if name == "byte-level-prefix":
            pre = P.ByteLevel(add_prefix_space=True)
        if name == "byte-level-holes":
            letters = spelt[::2]
        if name == "byte-level-noregex":
            pre = P.ByteLevel(add_prefix_space=True, use_regex=False)
        if name == "digits-byte-level":
            pre = P.Sequence([P.Digits(individual_digits=True), P.ByteLevel(add_prefix_space=False)])
        if name == "split-byte-level":
            pre = P.Sequence([P.Split(Regex(r"\p{N}{1,3}|[a-z]+(?=b)"), "merged_with_next"), P.ByteLevel(add_prefix_space=True, use_regex=False)])
        if name == "byte-level-normalizer":
            norm, pre = N.Sequence([N.NFC(), N.ByteLevel()]), None
        if name == "byte-level-first":
            pre = P.Sequence([P.ByteLevel(add_prefix_space=False), P.Split(Regex("a|b"), "isolated")])
        if name in ("llama", "gemma"):
            opts |= dict(byte_fallback=True, unk_token="<unk>", fuse_unk=True)
            extra = fallback
            norm = N.Replace(" ", "▁") if name == "gemma" else N.Sequence([N.Prepend("▁"), N.Replace(" ", "▁")])
            pre = P.Split(" ", "merged_with_previous") if name == "gemma" else None
            dec = [D.Replace("▁", " "), D.ByteFallback(), D.Fuse()]
            dec = D.Sequence(dec + ([] if name == "gemma" else [D.Strip(" ", 1, 0)]))
        if name.startswith("underscore"):
            norm = N.Replace(" ", "▁")
        if name == "split-removed":
            pre = P.Split(" ", "removed")
        if name == "many-merges":
            merges = 120
        vocab, m = vocabulary(r, letters, merges, opts.get("continuing_subword_prefix", ""), opts.get("end_of_word_suffix", ""), extra)
        if name in ("gemma", "underscore-unk", "underscore-none"):  # as real ones: no merge reaches into the next word
            m = [x for x in m if not x[1].startswith("▁") or x[0].endswith("▁")]
        t = Tokenizer(models.BPE(vocab, m, **opts))
        if norm:
            t.normalizer = norm
        if pre:
            t.pre_tokenizer = pre
        if dec:
            t.decoder = dec
        t.add_special_tokens(["[X]"])
        if name == "byte-level-added":
            t.add_tokens([AddedToken("  ", normalized=True), AddedToken("é", normalized=False, lstrip=True)])
        yield name, t


def main():
    r = random.Random(11)
    cases = []
    for name, t in make(r):
        strings = ["", " ", "aaaaaaaaa", "abcabc  abc", "don't a12 b's\n\n"] + ["".join(r.choice(TEXT) for _ in range(r.choice((3, 8, 20, 60)))) for _ in range(19)]
        rows = []
        for s in strings:
            e = t.encode(s)
            rows.append({"text": s, "ids": e.ids, "decoded": t.decode(e.ids, skip_special_tokens=False)})
        cases.append({"name": name, "tokenizer": json.loads(t.to_str()), "rows": rows})
    text = json.dumps(cases, ensure_ascii=True, separators=(",", ":"))
    print(text.replace('{"name"', '\n{"name"'))


main()
