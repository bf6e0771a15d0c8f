"""Writes bpe-regex.json.gz: how the Hugging Face library cuts text by regular
expressions (its Split pre-tokenizer, which runs Oniguruma).

    pip install tokenizers==0.23.3 && python bpe-regex.py | gzip -9n > bpe-regex.json.gz
"""
import json
import random
import sys

from tokenizers import Regex, pre_tokenizers as P

EXPRESSIONS = [
    # published tokenizers
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))*((?=[\p{L}])([^A-Z]))+|[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))+((?=[\p{L}])([^A-Z]))*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"\d{1,3}(?=(?:\d{3})*\b)", r"[\r\n]", r"\s?\p{L}+", r"[一-龥ࠀ-一가-퟿]+", r"\p{N}{1,3}", r" ?[^(\s|.,!?…。，、।۔،)]+",
    r"(?:\r?\n)+(?!\r?\n)", r" {2,}", r"[0-9][0-9][0-9]", r"(?=(\d{3})+(?!\d))",
    r"'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|\w+|[^\w\s]+|\s+(?!\S)|\s",
    # the syntax, piece by piece
    r"a", r"", r"x*", r"\b", r"\B", r"^", r"$", r"^\w+", r"\w+$", r"\A.", r".\z", r".\Z", r"(?m:.+)", r".+",
    r"(?<=a)b|c", r"(?<!\s)[A-Z]", r"(?<=\p{Lu}{1,2})\p{Ll}", r"(?<=a|bc)\w", r"(?>\p{L}+)\d|\p{L}", r"\p{L}++\d|\p{L}", r"a*?b", r"a+?", r"\w{2,3}?", r"\w{2}?", r"\w{,2}",
    r"a{,}", r"x{a}", r"(?:ab|a)(?:c|bcd)?", r"(?:a|b)*c?", r"(?:a*)*b", r"(?:a?){3}", r"(?:\s|$)+", r"(?i)straße|HTTP", r"(?i:[^a-f])+", r"(?i:k)", r"(?-i:K)k",
    r"(?x: \d + # digits\n | [a-z] )", r"(?#comment)a+", r"(?<name>\d+)-\d+", r"[[:alpha:]]+", r"[[:^space:]]+", r"[[:punct:]]", r"\p{Punct}", r"[a-z&&[^aeiou]]+",
    r"[^\W\d_]+", r"[\w&&\p{Lu}]", r"[]a]+", r"[a-]+", r"[\-a]+", r"[\[\]]+", r"[a-c-e]+", r"\p{^L}+", r"\P{L}+", r"\P{^L}+", r"\p{Han}+|\p{Hiragana}+|\p{Katakana}+", r"\p{Script_Extensions}|a"[-1:],
    r"\p{Alnum}+", r"\p{Upper}\p{Lower}*", r"\p{Letter}", r"\p{Lowercase_Letter}+", r"\p{Mn}", r"\h+", r"\H+", r"\R", r"\N+", r"\O", r"\x41|\x{1F600}|\u4e2d|\t|\v", r"\101", r"\e|\a|\0",
    r"a|ab|abc", r"(a)(b)?", r"((a|b)+c|d)*", r"(?=a)\w{3}", r"(?!a)\w", r"(?=\w*1)\w", r"(?!)|z", r"()|b", r"\/|\.|\-", r"\p{S}+|\p{P}", r"[\s\S]{5}", r"(?i:'S|'RE)", r"(?i)[sdmt]", r"ſ(?i:ſ)",
    r"\p{Cyrillic}+|\p{Greek}+|\p{Latin}+", r"[[:cntrl:]]|[[:graph:]]+|[[:print:]]", r"[[:blank:]]+", r"[[:xdigit:]]+", r"[[:word:]]+", r"\p{Cn}|\p{Co}|\p{Cf}", r"[\p{L}--a]+", r"a{2}{3}|a", r"(?:a{1,2})+?b",
]

ALPHABET = ["a", "b", "c", "ab", "abc", "A", "B", "K", "s", "S", "'s", "'S", "'ll", "'LL", "'Re", "'ſ", "ſ", "t", "x", "z", " ", " ", "  ", "\n", "\r\n", "\t", "1", "12", "345", "0", ".", ",", "!", "?", "-", "_", "/", "(", ")", "[", "]",
            "é", "E\u0301", "ß", "ẞ", "Straße", "HTTPServer", "中", "文", "あ", "カ", "ー", "한", "д", "Ж", "λ", "Σ", "ς", "١", "Ⅷ", "½", "😀", "👩\u200d👧", "\u00a0", "\u3000", "\u2028", "\u0085", "\u200b", "\ufeff", "\u0301", "ǅ", "ʰ", "ª",
            "\u1c8a", "\U0002ebf0", "\U00010d40", "\U000e0001", "\ue000", "\u0000", "\u001b", "\u0378", "^", "$", "+", "|", "&"]
BEHAVIOURS = ["isolated", "removed", "merged_with_previous", "merged_with_next", "contiguous"]


def main():
    r = random.Random(7)
    strings = ["", "a", " ", "Hello, World! It's 12345 o'clock.\n\n  Don'T  STOP\t", "aaaa", "abcabc", "a\nb\n", "\n", "camelCaseHTTPServer2000x", "日本HTTP中文abc", "I'Ve  we'LL  \r\n x", "12345678 1,234.5", "x" * 9]
    strings += ["".join(r.choice(ALPHABET) for _ in range(r.choice((2, 5, 9, 20)))) for _ in range(27)]
    cases = []
    for n, e in enumerate(EXPRESSIONS):
        known = n < 20
        try:
            P.Split(Regex(e), "isolated")
        except Exception as err:
            print("refused", repr(e), err, file=sys.stderr)
            continue
        for how in BEHAVIOURS if not known else BEHAVIOURS[:1]:
            for invert in (False, True) if how == "removed" or n == 22 else (False,):
                if how != "isolated" and n % 4:
                    continue
                split = P.Split(Regex(e), how, invert)
                cuts = []
                for s in strings:
                    flat = []
                    for _, (a, b) in split.pre_tokenize_str(s):
                        flat += [a, b]
                    cuts.append(flat)
                cases.append({"expression": e, "behaviour": how, "invert": invert, "cuts": cuts})
    text = json.dumps({"about": "cuts: start and end of each piece of each string, counted in characters", "strings": strings, "cases": cases}, ensure_ascii=True, separators=(",", ":"))
    print(text.replace('{"expression"', '\n{"expression"'))


main()
