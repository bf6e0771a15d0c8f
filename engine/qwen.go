package engine

import (
	"strings"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
)

// isQwen3 reports whether rerankers of an architecture have the answers of
// Qwen3-Reranker.
func isQwen3(architecture string) bool { return architecture == "qwen3" || architecture == "qwen3vl" }

// namedQwenReranker reports whether the model's name or card says that it is a
// Qwen3-Reranker or Qwen3-VL-Reranker. Nothing else distinguishes it from a language
// model.
func (b *backbone) namedQwenReranker() bool {
	for _, s := range []string{b.file.Name, checkpoint.Absolute(b.path), b.file.String(checkpoint.Key{HF: "_name_or_path"}, "")} {
		if s = strings.ReplaceAll(strings.ToLower(s), "-", ""); strings.Contains(s, "qwen3reranker") || strings.Contains(s, "qwen3vlreranker") {
			return true
		}
	}
	card, err := b.file.FileText("README.md")
	card = strings.ToLower(card)
	return err == nil && (strings.Contains(card, "# qwen3-reranker") || strings.Contains(card, "# qwen3-vl-reranker"))
}

// qwenPrompt returns the prompt of Qwen3-Reranker, or of Qwen3-VL-Reranker for that
// architecture.
func (b *backbone) qwenPrompt() *prompt {
	if strings.HasPrefix(strings.ToLower(b.file.Architecture), "qwen3vl") {
		return qwen3VLPrompt()
	}
	return qwen3Prompt()
}
