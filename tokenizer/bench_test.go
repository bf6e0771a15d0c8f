package tokenizer

import (
	"bytes"
	"compress/gzip"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/winnow-rerank/winnow/internal/testenv"
)

// benchmarkText is the text that the benchmarks tokenize, cut to 100 KB as
// bench/tokenizer_speed.py cuts it:
//
//	go test ./tokenizer -run '^$' -bench Encode -args -text FILE DIR/tokenizer.json…
//
// Without it, it is the parity corpus, and the tokenizers are those there.
var benchmarkText = flag.String("text", "", "the `file` that the benchmarks tokenize")

const (
	benchmarkLength = 100_000
	benchmarkShort  = 200
)

// cutText cuts text into parts of at most size bytes that are whole characters.
func cutText(text string, size int) []string {
	var parts []string
	for len(text) > 0 {
		end := min(size, len(text))
		for end < len(text) && !utf8.RuneStart(text[end]) {
			end--
		}
		parts = append(parts, text[:end])
		text = text[end:]
	}
	return parts
}

// readPlain reads a file that may be compressed.
func readPlain(b *testing.B, path string) []byte {
	b.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	if !strings.HasSuffix(path, ".gz") {
		return data
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		b.Fatal(err)
	}
	if data, err = io.ReadAll(z); err != nil {
		b.Fatal(err)
	}
	return data
}

// benchmarkSet is the text and the tokenizers' files.
func benchmarkSet(b *testing.B) (text string, paths []string) {
	b.Helper()
	path := *benchmarkText
	if paths = flag.Args(); len(paths) == 0 {
		var err error
		if paths, err = filepath.Glob(filepath.Join(testenv.Parity(b), "tokenizers", "*", "tokenizer.json.gz")); err != nil {
			b.Fatal(err)
		}
	}
	if path == "" {
		path = filepath.Join(testenv.Parity(b), "corpus.txt.gz")
	}
	data := readPlain(b, path)
	if len(data) == 0 {
		b.Fatalf("%s is empty", path)
	}
	text = strings.Repeat(string(data), benchmarkLength/len(data)+1)[:benchmarkLength]
	return cutText(text+" ", benchmarkLength)[0], paths
}

// BenchmarkEncode tokenizes 100 KB as one text and as texts of 200 bytes, on
// one goroutine.
func BenchmarkEncode(b *testing.B) {
	text, paths := benchmarkSet(b)
	for _, path := range paths {
		tok, err := FromJSON(path, readPlain(b, path))
		if err != nil {
			b.Fatal(err)
		}
		for _, c := range []struct {
			name string
			size int
		}{{"100KB", benchmarkLength}, {"200B", benchmarkShort}} {
			texts := cutText(text, c.size)
			b.Run(filepath.Base(filepath.Dir(path))+"/"+c.name, func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				var e Encoding
				for _, s := range texts {
					tok.Encode(&e, s, 0)
				}
				for b.Loop() {
					for _, s := range texts {
						tok.Encode(&e, s, 0)
					}
				}
			})
		}
	}
}

// BenchmarkLoad reads tokenizer.json.
func BenchmarkLoad(b *testing.B) {
	_, paths := benchmarkSet(b)
	for _, path := range paths {
		data := readPlain(b, path)
		b.Run(filepath.Base(filepath.Dir(path)), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := FromJSON(path, data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
