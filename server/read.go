package server

import (
	"context"
	"slices"
	"unicode/utf8"

	"github.com/winnow-rerank/winnow"
)

// An extent is a part of a document, in characters.
type extent struct {
	Start int `json:"start"`
	End   int `json:"end"`
}

// longQuery is the number of bytes, for each token that a model takes, from which a query
// is assumed to fill the model.
const longQuery = 8

// readPart returns the part of a document that was read, of a pair that was truncated: by
// itself it becomes the same tokens, so the rest has no influence. Tokenizers do not
// report positions in the text, so the part is searched for. It is nil for a query that
// fills the model, which would be tokenised some ten times for every document.
func (c *call) readPart(ctx context.Context, query, document string, whole winnow.Encoding, o winnow.EncodeOptions) (*extent, error) {
	if len(query) > longQuery*c.info.MaxLength {
		return nil, nil
	}
	same := func(text string) (bool, error) {
		list, err := c.model.Encode(ctx, query, []string{text}, o)
		return err == nil && slices.Equal(list[0].IDs, whole.IDs) && slices.Equal(list[0].Types, whole.Types), err
	}
	// A first guess: the same share of the text as of its tokens.
	guess := int(int64(len(document)) * int64(whole.Tokens()) / int64(whole.Full))
	beginning := func(n int) string {
		for n < len(document) && !utf8.RuneStart(document[n]) {
			n++
		}
		return document[:n]
	}
	n, err := shortest(guess, len(document), func(n int) (bool, error) { return same(beginning(n)) })
	if err != nil {
		return nil, err
	}
	read := beginning(n)
	end := func(n int) string {
		n = len(read) - n
		for n > 0 && n < len(read) && !utf8.RuneStart(read[n]) {
			n--
		}
		return read[n:]
	}
	// Which end was cut depends on the tokenizer unless the request says so.
	if n, err = shortest(guess, len(read), func(n int) (bool, error) { return same(end(n)) }); err != nil {
		return nil, err
	}
	start := utf8.RuneCountInString(read) - utf8.RuneCountInString(end(n))
	return &extent{start, utf8.RuneCountInString(read)}, nil
}

// shortest returns the least length that is enough; most is known to be. It begins with a
// guess, so that a text of many times that length is not read repeatedly.
func shortest(guess, most int, enough func(n int) (bool, error)) (int, error) {
	if most == 0 {
		return 0, nil
	}
	if ok, err := enough(most - 1); !ok || err != nil {
		return most, err
	}
	low, high := -1, most-1 // not enough, and enough
	try := func(n int) error {
		ok, err := enough(n)
		if ok {
			high = n
		} else {
			low = n
		}
		return err
	}
	for n := guess; n < high; n = 2*n + 1 {
		if err := try(n); err != nil {
			return 0, err
		}
	}
	for high-low > 1 {
		if err := try(low + (high-low)/2); err != nil {
			return 0, err
		}
	}
	return high, nil
}
