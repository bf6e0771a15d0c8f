package engine

import (
	"context"
	"sync/atomic"

	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/tokenizer"
)

// truncationSide resolves ModelSide to the side that the tokenizer is configured for.
func (b *backbone) truncationSide(s Side) Side {
	switch {
	case s != ModelSide:
		return s
	case b.tokenizer.TruncationSide() == tokenizer.Left:
		return LeftSide
	}
	return RightSide
}

// truncateText truncates text to maxTokens (0: no limit); dropped is the number of tokens
// removed.
func (b *backbone) truncateText(text string, maxTokens int, o EncodeOptions) (truncated string, dropped int, err error) {
	if maxTokens <= 0 {
		return text, 0, nil
	}
	truncated, _, dropped, err = b.truncateAndCount(text, maxTokens, o)
	return truncated, dropped, err
}

// truncateAndCount truncates text to maxTokens; tokens is the number kept, dropped the
// number removed.
func (b *backbone) truncateAndCount(text string, maxTokens int, o EncodeOptions) (truncated string, tokens, dropped int, err error) {
	ids, err := o.tokens(b.tokenizer, nil, text)
	if err != nil || len(ids) <= maxTokens {
		return text, len(ids), 0, err
	}
	truncated, err = b.tokenizer.Decode(o.truncate(ids, maxTokens), false)
	return truncated, maxTokens, len(ids) - maxTokens, err
}

// encodeBatchSize is the number of documents that a worker encodes between two checks of
// the context.
const encodeBatchSize = 16

// encodeBatches calls encode for consecutive ranges of 0 … n-1, on the workers if there
// is more than one range, until a call fails or ctx is done.
func (b *backbone) encodeBatches(ctx context.Context, n int, encode func(from, to int) error) error {
	w := &encodeJob{n: n, encode: encode}
	if n <= encodeBatchSize {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return encode(0, n)
	}
	if err := b.runner.Run(ctx, w, (n+encodeBatchSize-1)/encodeBatchSize); err != nil {
		return err
	}
	if err := w.err.Load(); err != nil {
		return *err
	}
	return nil
}

// An encodeJob runs the batches of encodeBatches on the workers.
type encodeJob struct {
	n      int
	encode func(from, to int) error
	err    atomic.Pointer[error]
}

func (e *encodeJob) Tile(_ *compute.Context, i int) {
	if e.err.Load() != nil {
		return
	}
	if err := e.encode(i*encodeBatchSize, min((i+1)*encodeBatchSize, e.n)); err != nil {
		e.err.CompareAndSwap(nil, &err)
	}
}

// sequence copies e. It omits token types if the network ignores them or all are 0.
func (b *backbone) sequence(e *tokenizer.Encoding) Sequence {
	s := Sequence{IDs: append([]int32(nil), e.IDs...)}
	if b.network.OneType {
		return s
	}
	for _, t := range e.Types {
		if t != 0 {
			s.Types = append([]int32(nil), e.Types...)
			break
		}
	}
	return s
}

// Tokenize returns the tokens of text without truncation, with the special tokens that
// the model expects around it if special is set.
func (b *backbone) Tokenize(text string, special bool) (Sequence, error) {
	if !special {
		ids, err := b.tokenizer.Tokens(nil, text)
		return Sequence{IDs: ids}, err
	}
	var e tokenizer.Encoding
	if err := b.tokenizer.Encode(&e, text, 0); err != nil {
		return Sequence{}, err
	}
	return b.sequence(&e), nil
}

// PromptTokens returns the tokens of a prompt, including the special tokens that the
// model expects around a text.
func (b *backbone) PromptTokens(text string) ([]int32, error) {
	s, err := b.Tokenize(text, true)
	return s.IDs, err
}

// Piece returns the spelling of a token in the vocabulary, or "" for an unknown id.
func (b *backbone) Piece(id int32) string {
	return b.tokenizer.Piece(id)
}

// Detokenize returns the text of the tokens. It leaves out special tokens and ids outside
// the vocabulary.
func (b *backbone) Detokenize(ids []int) (string, error) {
	list := make([]int32, 0, len(ids))
	for _, id := range ids {
		if id >= 0 && id < b.network.Spec.VocabSize {
			list = append(list, int32(id))
		}
	}
	return b.tokenizer.Decode(list, true)
}
