package tokenizer

import (
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/winnow-rerank/winnow/internal/testenv"
)

// benchmarkText is 100 KB of the parity corpus: sentences in many languages,
// most of them English.
func benchmarkText(b *testing.B) string {
	text := string(readGzip(b, filepath.Join(testenv.Parity(b), "corpus.txt.gz")))
	text = strings.Repeat(text, 100_000/len(text)+1)[:100_000]
	for !utf8.ValidString(text) {
		text = text[:len(text)-1]
	}
	return text
}

// BenchmarkBPE tokenizes 100 KB in one text and in texts of 200 characters.
func BenchmarkBPE(b *testing.B) {
	for _, name := range bpeTokenizers {
		tok := realTokenizer(b, name)
		text := benchmarkText(b)
		var short []string
		for runes := []rune(text); len(runes) > 200; runes = runes[200:] {
			short = append(short, string(runes[:200]))
		}
		b.Run(name+"/100KB", func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			dst := tok.Tokens(nil, text)
			for b.Loop() {
				dst = tok.Tokens(dst[:0], text)
			}
		})
		b.Run(name+"/200B", func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			var dst []int32
			for b.Loop() {
				for _, s := range short {
					dst = tok.Tokens(dst[:0], s)
				}
			}
		})
	}
}
