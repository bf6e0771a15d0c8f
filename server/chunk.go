package server

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/rivo/uniseg"

	"github.com/winnow-rerank/winnow"
)

// A document that is longer than the model takes can be scored by windows; its score is
// that of the best window.

// A chunk identifies the window that determined a document's score.
type chunk struct {
	Index int `json:"index"`
	Of    int `json:"of"`    // number of windows
	Start int `json:"start"` // of the window in the document, in characters
	End   int `json:"end"`
}

// overlapPart is the fraction of a window, one eighth, that the next one repeats.
const overlapPart = 8

// chunks encodes a truncated document window by window, up to most windows, or all for 0.
func (c *call) chunks(ctx context.Context, query, document string, whole winnow.Encoding, o winnow.EncodeOptions, most int) ([]winnow.Encoding, []chunk, error) {
	count := func(text string) (int, error) {
		tokens, err := c.model.Tokenize(text, false)
		return len(tokens), err
	}
	all, err := count(document)
	if err != nil {
		return nil, nil, err
	}
	// The tokens kept of the document. Texts have slightly more tokens apart than
	// together.
	room := all - (whole.Full - whole.Tokens())
	room -= room / 16
	if room < 1 {
		return []winnow.Encoding{whole}, nil, nil
	}
	pieces, err := splitText(document, room, count)
	if err != nil {
		return nil, nil, err
	}
	var texts []string
	var list []chunk
	for _, w := range windows(pieces, room) {
		if most > 0 && len(texts) == most {
			break
		}
		start, end := pieces[w.from].start, pieces[w.to-1].end
		texts = append(texts, document[start:end])
		list = append(list, chunk{Index: len(list), Start: utf8.RuneCountInString(document[:start]), End: utf8.RuneCountInString(document[:end])})
	}
	for i := range list {
		list[i].Of = len(list)
	}
	encoded, err := c.model.Encode(ctx, query, texts, o)
	return encoded, list, err
}

// A textPiece is a part of a document that is not divided further.
type textPiece struct {
	start, end int // bytes
	tokens     int
}

// splitText divides a text at the ends of sentences. Sentences of more than room tokens
// are divided between words, or anywhere if they contain no white space.
func splitText(text string, room int, count func(string) (int, error)) (pieces []textPiece, err error) {
	var add func(start, end int) error
	add = func(start, end int) error {
		n, err := count(text[start:end])
		if err != nil {
			return err
		}
		if n <= room || end-start <= 1 {
			pieces = append(pieces, textPiece{start, end, n})
			return nil
		}
		middle := start + (end-start)/2
		if i := strings.LastIndexAny(text[start:middle], " \t\n"); i > 0 {
			middle = start + i + 1
		}
		for middle < end && !utf8.RuneStart(text[middle]) {
			middle++
		}
		if middle == end {
			pieces = append(pieces, textPiece{start, end, n})
			return nil
		}
		if err := add(start, middle); err != nil {
			return err
		}
		return add(middle, end)
	}
	state := -1
	for rest := text; rest != ""; {
		var sentence string
		start := len(text) - len(rest)
		sentence, rest, state = uniseg.FirstSentenceInString(rest, state)
		if err := add(start, start+len(sentence)); err != nil {
			return nil, err
		}
	}
	return pieces, nil
}

// A window is a range of pieces.
type window struct{ from, to int }

// windows groups pieces into windows of up to room tokens. Each begins with the last
// pieces of the previous one, as long as they fit overlapPart.
func windows(pieces []textPiece, room int) (list []window) {
	for from := 0; from < len(pieces); {
		to, tokens := from, 0
		for to < len(pieces) && (to == from || tokens+pieces[to].tokens <= room) {
			tokens += pieces[to].tokens
			to++
		}
		list = append(list, window{from, to})
		if to == len(pieces) {
			break
		}
		next, again := to, 0
		for next > from+1 && again+pieces[next-1].tokens <= room/overlapPart {
			next--
			again += pieces[next].tokens
		}
		from = next
	}
	return list
}
