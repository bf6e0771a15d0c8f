package tokenizer

import "strings"

// A Stream turns ids into text while they are being made. It holds back what
// later ids may complete: the first bytes of a character. All that it gives,
// one after the other, is what Decode makes of all the ids, unless these spell
// broken characters.
type Stream struct {
	t           *Tokenizer
	skipSpecial bool
	ids         []int32 // the latest
	given       int     // of ids: those whose text was given out whole
	prefix      string  // what was given out of the text of ids
}

// maxHeld is how many ids are waited for at most. Four bytes make a character;
// but the text may hold U+FFFD itself.
const maxHeld = 64

// Stream begins a text. With skipSpecial, special tokens are left out of it.
func (t *Tokenizer) Stream(skipSpecial bool) *Stream {
	return &Stream{t: t, skipSpecial: skipSpecial}
}

// Add takes the next id and gives the text that is certain now, which can be
// none. The error is that of Decode.
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

// Rest ends the text and gives what was held back.
func (s *Stream) Rest() (string, error) {
	text, err := s.t.Decode(s.ids, s.skipSpecial)
	if err == nil {
		text, err = s.give(text)
	}
	*s = Stream{t: s.t, skipSpecial: s.skipSpecial}
	return text, err
}

// give gives out the rest of text, which is that of all the ids.
func (s *Stream) give(text string) (string, error) {
	fresh, ok := strings.CutPrefix(text, s.prefix)
	if !ok { // broken characters read otherwise now
		var err error
		if fresh, err = s.t.Decode(s.ids[s.given:], s.skipSpecial); err != nil {
			return "", err
		}
	}
	// The ids given out last stay: how the next ones read depends on them.
	s.ids = append(s.ids[:0], s.ids[s.given:]...)
	s.given = len(s.ids)
	var err error
	s.prefix, err = s.t.Decode(s.ids, s.skipSpecial)
	return fresh, err
}
