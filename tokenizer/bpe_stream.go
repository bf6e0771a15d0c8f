package tokenizer

import "strings"

// A Stream turns ids into text as they are generated. It holds back incomplete
// characters, which later ids may complete. The concatenated output equals Decode of
// all ids, unless these spell ill-formed characters.
type Stream struct {
	t           *Tokenizer
	skipSpecial bool
	ids         []int32 // the latest ones
	given       int     // number of ids whose text has been returned in full
	prefix      string  // the returned text of ids
}

// maxHeld is the largest number of ids that are held back. A character has at most four
// bytes, but the text may contain U+FFFD itself.
const maxHeld = 64

// Stream starts a text. With skipSpecial, special tokens are omitted.
func (t *Tokenizer) Stream(skipSpecial bool) *Stream {
	return &Stream{t: t, skipSpecial: skipSpecial}
}

// Add adds an id and returns the text that has become certain, which can be empty. The
// error is that of Decode.
func (s *Stream) Add(id int32) (string, error) {
	s.ids = append(s.ids, id)
	text, err := s.t.Decode(s.ids, s.skipSpecial)
	if err != nil {
		return "", err
	}
	whole := strings.TrimRight(text, "\ufffd")
	if len(whole) == len(text) || len(s.ids)-s.given > maxHeld {
		return s.give(text)
	}
	fresh, ok := strings.CutPrefix(whole, s.prefix)
	if !ok {
		return "", nil
	}
	s.prefix = whole
	return fresh, nil
}

// Rest ends the text and returns what was held back.
func (s *Stream) Rest() (string, error) {
	text, err := s.t.Decode(s.ids, s.skipSpecial)
	if err == nil {
		text, err = s.give(text)
	}
	*s = Stream{t: s.t, skipSpecial: s.skipSpecial}
	return text, err
}

// give returns the rest of text, which is the text of all ids.
func (s *Stream) give(text string) (string, error) {
	fresh, ok := strings.CutPrefix(text, s.prefix)
	if !ok { // ill-formed characters decode differently now
		var err error
		if fresh, err = s.t.Decode(s.ids[s.given:], s.skipSpecial); err != nil {
			return "", err
		}
	}
	// Keep the latest ids: the decoding of the following ones depends on them.
	s.ids = append(s.ids[:0], s.ids[s.given:]...)
	s.given = len(s.ids)
	var err error
	s.prefix, err = s.t.Decode(s.ids, s.skipSpecial)
	return fresh, err
}
