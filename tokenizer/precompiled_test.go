package tokenizer

import (
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// TestPrecompiledLoners compares the quick way through runs of characters that
// stay as they are with the way through all clusters one by one.
func TestPrecompiledLoners(t *testing.T) {
	var quick, slow precompiled
	for _, c := range fileCases(t) {
		if c.Name == "xlmr-spm" {
			m, err := parseSentencePiece(c.Name, c.file(t, "sentencepiece.bpe.model"))
			if err != nil {
				t.Fatal(err)
			}
			n, err := newPrecompiled(c.Name, "charsmap", m.charsmap)
			if err != nil {
				t.Fatal(err)
			}
			quick = *n.(*precompiled)
		}
	}
	slow = quick
	clear(slow.loners[:])
	letters := []rune("a \t\r\n\u0301\u0302\u200d\u200b\u0600\u0e33\u3099かがﾞｶ中한\u1100\u1161\u11a8🇫🇩👩é\ufb00Ⅷ\u0300\ufe0f\u00a0ßя")
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.OneOf(rapid.SampledFrom(letters), rapid.Rune())).Draw(t, "text")
		if !utf8.ValidString(text) {
			return
		}
		got, _, _ := quick.normalize(nil, []byte(text), true, bound(len(text)))
		want, _, _ := slow.normalize(nil, []byte(text), true, bound(len(text)))
		if string(got) != string(want) {
			t.Fatalf("%q: %q, expected %q", text, got, want)
		}
	})
}
