package engine

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/winnow-rerank/winnow/tokenizer"
)

// metaspace marks the start of a word in SentencePiece vocabularies. An answer that
// starts with it is looked up in the vocabulary under that spelling.
const metaspace = "▁"

// answerTokens returns the tokens whose logits make the score: "no" and "yes", in this
// order, or a single token.
func (p *prompt) answerTokens(t *tokenizer.Tokenizer, score string) (ids []int32, labels []string, err error) {
	tokenID := func(w string) int32 {
		if id, ok := t.ID(w); ok && strings.HasPrefix(w, metaspace) {
			return id
		}
		list, e := t.Tokens(nil, w)
		if e != nil {
			err = e
			return 0
		}
		if len(list) != 1 {
			err = fmt.Errorf("scores by the answer %q, which has %d tokens", w, len(list))
			return 0
		}
		return list[0]
	}
	trimMetaspace := func(w string) string { return cmp.Or(strings.TrimPrefix(w, metaspace), w) }
	if score == "" {
		score = p.score
	}
	switch {
	case score == "yes-no":
		ids, labels = []int32{tokenID(p.no), tokenID(p.yes)}, []string{trimMetaspace(p.no), trimMetaspace(p.yes)}
	case score == "yes":
		ids, labels = []int32{tokenID(p.yes)}, []string{trimMetaspace(p.yes)}
	case strings.HasPrefix(score, "token:"):
		n, e := strconv.ParseUint(score[len("token:"):], 10, 31)
		if e != nil {
			return nil, nil, fmt.Errorf("score %q: expected a token's number after the colon", score)
		}
		ids, labels = []int32{int32(n)}, []string{"token " + strconv.FormatUint(n, 10)}
	default:
		return nil, nil, fmt.Errorf("score %q: expected yes-no, yes or token:ID", score)
	}
	return ids, slices.Clip(labels), err
}

// answerTokens returns the tokens whose logits make the score: those named in the
// model's files, unless o.Score is set, or else those of the prompt.
func (b *backbone) answerTokens(p *prompt, o Options) (ids []int32, labels []string, err error) {
	yes, no, ok, err := b.file.LogitScore()
	if err != nil {
		return nil, nil, err
	}
	if ok && o.Score == "" {
		name := func(id int) string { return "token " + strconv.Itoa(id) }
		if no < 0 {
			return []int32{int32(yes)}, []string{name(yes)}, nil
		}
		return []int32{int32(no), int32(yes)}, []string{name(no), name(yes)}, nil
	}
	return p.answerTokens(b.tokenizer, o.Score)
}
