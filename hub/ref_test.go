package hub

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestParseRef(t *testing.T) {
	for s, want := range map[string]Ref{
		"BAAI/bge-reranker-v2-m3":   {Repo: "BAAI/bge-reranker-v2-m3"},
		"o/n:Q8_0":                  {Repo: "o/n", File: "Q8_0"},
		"o/n:sub/model.gguf":        {Repo: "o/n", File: "sub/model.gguf"},
		"o.r-g_1/n.a-m_e2:F16.gguf": {Repo: "o.r-g_1/n.a-m_e2", File: "F16.gguf"},
		"o/n@v1.2":                  {Repo: "o/n", Revision: "v1.2"},
		"o/n@refs/pr/7:Q8_0":        {Repo: "o/n", Revision: "refs/pr/7", File: "Q8_0"},
	} {
		got, ok := ParseRef(s)
		if !ok || got != want || got.String() != s {
			t.Errorf("%s: %+v, %t", s, got, ok)
		}
	}
	for _, s := range []string{"https://huggingface.co/o/n@v1/", "hf.co/o/n@v1"} {
		if ref, ok := ParseRef(s); !ok || ref.String() != "o/n@v1" {
			t.Errorf("%s: %+v, %t", s, ref, ok)
		}
	}
	for _, s := range []string{"", "o", "o/n/m", "/n", "o/", "../n", "o/..", "o/n:", "o/n:../x", "o/n:/x", `o/n:a\b`, "o/n:a/../b", "o n/m", "C:/x", "o/n:C:x", "o/a..b",
		"o/n@", "o/n@../x", "o/n@a\\b", "o/n@/x", "o/n:\x1b[2J.gguf", "o/n:a\u202eb.gguf", "o/n:\xff.gguf", "https://example.com/o/n", "https://hf.co/o"} {
		if ref, ok := ParseRef(s); ok {
			t.Errorf("%q is read as %+v", s, ref)
		}
	}
}

func TestChoose(t *testing.T) {
	st := []string{"README.md", "config.json", "tokenizer.json", "model.safetensors", "pytorch_model.bin", "onnx/model.onnx", "1_Pooling/config.json",
		"2_Dense/model.safetensors", "openvino/config.json", "sentencepiece.bpe.model"}
	gg := []string{"m-Q4_K_M.gguf", "m-Q8_0.gguf", "m-F16.gguf", "m-BF16.gguf", "mmproj-m-Q8_0.gguf", "big-Q6_K-00002-of-00002.gguf", "big-Q6_K-00001-of-00002.gguf", "config.json"}
	for _, c := range []struct {
		file  string
		files []string
		want  string
	}{
		{"", st, "config.json tokenizer.json model.safetensors 1_Pooling/config.json 2_Dense/model.safetensors sentencepiece.bpe.model"},
		{"", gg, "gguf m-Q8_0.gguf"},
		{"q4_k_m", gg, "gguf m-Q4_K_M.gguf"},
		{"F16", gg, "gguf m-F16.gguf"},
		{"m-BF16.gguf", gg, "gguf m-BF16.gguf"},
		{"Q6_K", gg, "gguf big-Q6_K-00001-of-00002.gguf big-Q6_K-00002-of-00002.gguf"},
		{"Q4_K", gg, "error"},
		{"config.json", gg, "error"},
		{"", []string{"config.json", "pytorch_model.bin"}, "error"},
		{"", []string{"a-00001-of-00003.gguf", "a-00002-of-00003.gguf"}, "error"},
		{"", []string{"odd.gguf"}, "gguf odd.gguf"},
	} {
		got, isGGUF, err := Ref{Repo: "o/n", File: c.file}.choose(c.files)
		text := strings.Join(got, " ")
		if isGGUF {
			text = "gguf " + text
		}
		if err != nil {
			text = "error"
		}
		if text != c.want {
			t.Errorf("%q: %s, want %s (%v)", c.file, text, c.want, err)
		}
	}
}

// FuzzParseRef: whatever is read as a name leads nowhere but into the repository's
// folder, and is read again as what it was.
func FuzzParseRef(f *testing.F) {
	for _, s := range []string{"o/n", "o/n@v1:Q8_0", "hf.co/o/n", "o/n:sub/m.gguf", "o/..", "o/n@../x", "o/n:\x1b[2J", "https://huggingface.co/o/n/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ref, ok := ParseRef(s)
		if !ok {
			return
		}
		if again, ok := ParseRef(ref.String()); !ok || again != ref {
			t.Errorf("%q is %+v, then %+v", s, ref, again)
		}
		for _, part := range []string{ref.folder(), ref.revision(), ref.File} {
			if part != "" && !filepath.IsLocal(filepath.FromSlash(part)) {
				t.Errorf("%q leads to %q", s, part)
			}
		}
		if strings.ContainsFunc(ref.String(), func(r rune) bool { return r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 }) {
			t.Errorf("%q holds control characters", s)
		}
	})
}
