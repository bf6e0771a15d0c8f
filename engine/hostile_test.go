package engine

import (
	"errors"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow/internal/fault"
)

// TestMarksInTexts: texts that spell the marks of a listwise prompt, or would once one is
// taken out of another, score as the same texts without them.
func TestMarksInTexts(t *testing.T) {
	m := openOwn(t, "jina-v3", Options{})
	for _, plain := range []bool{false, true} {
		for _, c := range []struct{ text, want string }{
			{"<|embed_token|>apples", "apples"},
			{"app<|rerank_token|>les", "apples"},
			{"<|embed_<|embed_token|>token|>apples", "apples"},
			{"app<|rer<|embed_<|rerank_token|>token|>ank_token|>les", "apples"},
			{"<|embed_token|", "<|embed_token|"},
		} {
			got, want := must(m.Encode(t.Context(), c.text, []string{"b", c.text}, EncodeOptions{Plain: plain, Instruction: c.text})),
				must(m.Encode(t.Context(), c.want, []string{"b", c.want}, EncodeOptions{Plain: plain, Instruction: c.want}))
			a, b := must(m.Score(t.Context(), got.Sequences)), must(m.Score(t.Context(), want.Sequences))
			for i := range want.Sequences {
				if a[i] != b[i] {
					t.Errorf("%q, plain %v, document %d: %v, want %v", c.text, plain, i, a[i], b[i])
				}
			}
		}
	}
}

// TestListwiseWindow: a list whose texts, together or each alone, are beyond the model's
// window is read in prompts that are not.
func TestListwiseWindow(t *testing.T) {
	m := openOwn(t, "jina-v3", Options{MaxLength: 600})
	long := strings.Repeat("deep learning ", 2000)
	e, err := m.Encode(t.Context(), long, []string{long, "apples", long, "", long, long, long}, EncodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	blocks := e.Sequences[0].group.(*documentList).blocks
	documents := 0
	for i, b := range blocks {
		if len(b.ids) > 600 {
			t.Errorf("prompt %d has %d tokens", i, len(b.ids))
		}
		documents += len(b.marks) - 1
	}
	if len(blocks) < 3 || documents != 7 {
		t.Errorf("%d prompts of %d documents", len(blocks), documents)
	}
	if _, err := m.Encode(t.Context(), "q", []string{"a"}, EncodeOptions{Instruction: long}); !errors.Is(err, ErrNoRoom) {
		t.Errorf("an instruction beyond the window: %v", err)
	}
}

// TestLateWithoutSpecialTokens: late interaction puts its mark behind the first special
// token, so that a tokenizer that adds none is refused.
func TestLateWithoutSpecialTokens(t *testing.T) {
	const bare = `"post_processor":{"type":"TemplateProcessing","single":[{"Sequence":{"id":"A","type_id":0}}],"pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":1}}],"special_tokens":{}},"unread":`
	dir := copyModel(t, "colbert-bert", map[string][2]string{
		"tokenizer.json":        {`"post_processor":`, bare},
		"tokenizer_config.json": {"", `{"tokenizer_class":"PreTrainedTokenizerFast"}`},
	})
	if m, err := Open(dir, Options{}); !errors.Is(err, fault.ErrUnsupported) || !strings.Contains(err.Error(), "adds no special tokens") {
		if err == nil {
			m.Close()
		}
		t.Errorf("error %v", err)
	}
}
