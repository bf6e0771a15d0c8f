package tokenizer

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// A decoderSequence applies its members in order.
type decoderSequence []decoder

func (s decoderSequence) decode(pieces []string) ([]string, error) {
	limit := bound(length(pieces))
	for _, d := range s {
		var err error
		if pieces, err = d.decode(pieces); err != nil {
			return nil, err
		}
		if length(pieces) > limit {
			return nil, errLong
		}
	}
	return pieces, nil
}

// length returns the total length of the pieces.
func length(pieces []string) int {
	n := 0
	for _, p := range pieces {
		n += len(p)
	}
	return n
}

// wordPieceDecoder joins continuation pieces to the ones before them.
type wordPieceDecoder struct {
	prefix  string
	cleanup bool
}

// cleanups are the spaces that tokenizing inserts into English text, in the order in
// which they are removed.
var cleanups = []string{
	" .", ".", " ?", "?", " !", "!", " ,", ",", " ' ", "'", " n't", "n't", " 'm", "'m",
	" do not", " don't", " 's", "'s", " 've", "'ve", " 're", "'re",
}

func (d wordPieceDecoder) decode(pieces []string) ([]string, error) {
	for i, p := range pieces {
		if i > 0 {
			if rest, ok := strings.CutPrefix(p, d.prefix); ok {
				p = rest
			} else {
				p = " " + p
			}
		}
		if d.cleanup {
			for j := 0; j < len(cleanups); j += 2 {
				p = strings.ReplaceAll(p, cleanups[j], cleanups[j+1])
			}
		}
		pieces[i] = p
	}
	return pieces, nil
}

// metaspaceDecoder turns marks back into spaces; with prefix, those in the first piece
// are removed.
type metaspaceDecoder struct {
	mark   rune
	prefix bool
}

func (d metaspaceDecoder) decode(pieces []string) ([]string, error) {
	for i, p := range pieces {
		blank := " "
		if i == 0 && d.prefix {
			blank = ""
		}
		pieces[i] = strings.ReplaceAll(p, string(d.mark), blank)
	}
	return pieces, nil
}

// byteFallbackDecoder turns runs of byte pieces ("<0x41>") into text.
type byteFallbackDecoder struct{}

func (byteFallbackDecoder) decode(pieces []string) ([]string, error) {
	out := make([]string, 0, len(pieces))
	var raw []byte
	flush := func() {
		if utf8.Valid(raw) {
			if len(raw) > 0 {
				out = append(out, string(raw))
			}
		} else {
			for range raw {
				out = append(out, string(utf8.RuneError))
			}
		}
		raw = raw[:0]
	}
	for _, p := range pieces {
		if b, ok := bytePiece(p); ok {
			raw = append(raw, b)
			continue
		}
		flush()
		out = append(out, p)
	}
	flush()
	return out, nil
}

// bytePiece reads "<0x41>".
func bytePiece(p string) (byte, bool) {
	if len(p) != 6 || p[:3] != "<0x" || p[5] != '>' {
		return 0, false
	}
	b, err := strconv.ParseUint(p[3:5], 16, 8)
	return byte(b), err == nil
}

// fuseDecoder joins all pieces.
type fuseDecoder struct{}

func (fuseDecoder) decode(pieces []string) ([]string, error) {
	return []string{strings.Join(pieces, "")}, nil
}

// replaceDecoder replaces the matches of a pattern in each piece.
type replaceDecoder struct {
	pattern pattern
	content string
}

func (d replaceDecoder) decode(pieces []string) ([]string, error) {
	for i, p := range pieces {
		text, err := d.replace(p)
		if err != nil {
			return nil, err
		}
		pieces[i] = text
	}
	return pieces, nil
}

// replace returns one decoded piece.
func (d replaceDecoder) replace(piece string) (string, error) {
	text, _, err := normalizeWithin(replace(d), nil, []byte(piece), false, bound(len(piece)))
	return string(text), err
}

// stripDecoder removes up to start and stop copies of a character from the ends of each
// piece.
type stripDecoder struct {
	content     rune
	start, stop int
}

func (d stripDecoder) decode(pieces []string) ([]string, error) {
	c := string(d.content)
	for i, p := range pieces {
		for n := 0; n < d.start && strings.HasPrefix(p, c); n++ {
			p = p[len(c):]
		}
		for n := 0; n < d.stop && strings.HasSuffix(p, c); n++ {
			p = p[:len(p)-len(c)]
		}
		pieces[i] = p
	}
	return pieces, nil
}

// bpeDecoder turns the suffix that ends words into spaces.
type bpeDecoder string

func (d bpeDecoder) decode(pieces []string) ([]string, error) {
	for i, p := range pieces {
		blank := " "
		if i == len(pieces)-1 {
			blank = ""
		}
		pieces[i] = strings.ReplaceAll(p, string(d), blank)
	}
	return pieces, nil
}
