package engine

import (
	"strings"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
)

// likeQwen3 says whether an architecture has Qwen3-Reranker's prompt and answers.
func isQwen3(architecture string) bool { return architecture == "qwen3" || architecture == "qwen3vl" }

// calledQwenReranker says whether the model is a Qwen3-Reranker by its name or its
// card, which is all that tells it from a language model.
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

// qwenPrompt is that of the rerankers of Qwen 3, or of Qwen 3 VL if the model is one.
func (b *backbone) qwenPrompt() *prompt {
	if strings.HasPrefix(strings.ToLower(b.file.Architecture), "qwen3vl") {
		return qwen3VLPrompt()
	}
	return qwen3Prompt()
}
