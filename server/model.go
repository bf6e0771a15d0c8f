package server

import (
	"context"

	"github.com/winnow-rerank/winnow"
)

// A Model is what the server needs of a *winnow.Model, which implements it. Methods must
// be safe for concurrent use.
type Model interface {
	Info() winnow.Info
	Encode(ctx context.Context, query string, documents []string, o winnow.EncodeOptions) ([]winnow.Encoding, error)
	ScoreEncoded(ctx context.Context, pairs []winnow.Encoding) ([]winnow.Result, error)
	EncodeTexts(ctx context.Context, texts []string, o winnow.TextOptions) ([]winnow.Encoding, error)
	EmbedEncoded(ctx context.Context, texts []winnow.Encoding) ([]winnow.Embedding, error)
	ChatPrompt(messages []winnow.Message, variables map[string]any) (string, error)
	CompleteTokens(ctx context.Context, prompt []int, o winnow.CompleteOptions) (*winnow.Completion, error)
	Tokenize(text string, special bool) ([]winnow.Token, error)
	Detokenize(ids []int) (string, error)
	Close() error
}

var _ Model = (*winnow.Model)(nil)
