package tokenizer

import (
	"bytes"
	"slices"
	"unicode/utf8"
)

// A normalizerSequence applies its members in order, until the text exceeds its bound.
type normalizerSequence []normalizer

// flat expands nested sequences and removes nil members; it returns nil for an empty
// sequence.
func (s normalizerSequence) flat() normalizer {
	var list normalizerSequence
	for _, n := range s {
		switch n := n.(type) {
		case nil:
		case normalizerSequence:
			list = append(list, n...)
		default:
			list = append(list, n)
		}
	}
	switch len(list) {
	case 0:
		return nil
	case 1:
		return list[0]
	}
	return list
}

func (s normalizerSequence) normalize(dst, text []byte, head bool, limit int) ([]byte, bool, error) {
	b := buffers.Get().(*[2][]byte)
	defer buffers.Put(b)
	for i, n := range s {
		if i == len(s)-1 {
			return n.normalize(dst, text, head, limit)
		}
		var err error
		if b[i&1], head, err = normalizeWithin(n, b[i&1][:0], text, head, limit); err != nil {
			return dst, head, err
		}
		text = b[i&1]
	}
	return append(dst, text...), head, nil // for an empty sequence
}

// normalizeWithin is n.normalize with an error if it appends more than limit bytes.
func normalizeWithin(n normalizer, dst, text []byte, head bool, limit int) ([]byte, bool, error) {
	before := len(dst)
	dst, head, err := n.normalize(dst, text, head, limit)
	if err == nil && len(dst)-before > limit {
		err = errLong
	}
	return dst, head, err
}

// A bertNormalizer is the normalization of BERT's basic tokenizer.
type bertNormalizer struct {
	u       *unidata
	clean   bool // remove control characters, replace whitespace with ' '
	chinese bool // surround ideographs with spaces
	strip   bool // decompose and remove accents
	lower   bool
	ascii   [utf8.RuneSelf]byte // results for ASCII; drop: removed
}

const drop = 0xff

func newBertNormalizer(clean, chinese, strip, lower bool) *bertNormalizer {
	n := &bertNormalizer{u: loadUnidata(), clean: clean, chinese: chinese, strip: strip, lower: lower}
	for c := range n.ascii {
		p, out := n.u.props[c], byte(c)
		switch {
		case clean && p&isControl != 0:
			out = drop
		case clean && p&isSpace != 0:
			out = ' '
		case lower && p&isUpper != 0:
			out = byte(n.u.lower[rune(c)])
		}
		n.ascii[c] = out
	}
	return n
}

func (n *bertNormalizer) normalize(dst, text []byte, head bool, _ int) ([]byte, bool, error) {
	begin := len(dst)
	run := len(dst) // start of the run of combining marks at the end of dst
	last := uint8(0)
	disorder := false
	for i := 0; i < len(text); {
		if text[i] < utf8.RuneSelf {
			end := i + 1
			for end < len(text) && text[end] < utf8.RuneSelf {
				end++
			}
			if disorder {
				dst, disorder = n.order(dst, run), false
			}
			if len(dst) == begin && n.ascii[text[i]] == drop {
				head = false
			}
			dst = slices.Grow(dst, end-i)
			out := dst[len(dst) : len(dst)+end-i]
			k := 0
			for _, c := range text[i:end] {
				c = n.ascii[c&0x7f]
				out[k] = c
				if c != drop {
					k++
				}
			}
			dst = dst[:len(dst)+k]
			run, last = len(dst), 0
			i = end
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		i += size
		p := n.u.props[r]
		if n.clean && p&(isControl|isSpace) != 0 {
			if p&isControl == 0 {
				if disorder {
					dst, disorder = n.order(dst, run), false
				}
				dst = append(dst, ' ')
				run, last = len(dst), 0
			} else if len(dst) == begin {
				head = false
			}
			continue
		}
		ideograph := n.chinese && p&isIdeograph != 0
		if p&(isUpper|isCanonical|isAccent|isReordered) == 0 && !ideograph {
			if disorder {
				dst, disorder = n.order(dst, run), false
			}
			dst = append(dst, text[i-size:i]...)
			run, last = len(dst), 0
			continue
		}
		if ideograph {
			dst = append(dst, ' ')
		}
		if !n.strip {
			dst = n.appendLower(dst, r, p)
		} else {
			var parts [maxDecomposed]rune
			for _, r := range n.u.decompose(parts[:0], r) {
				p := n.u.props[r]
				class := uint8(0)
				if p&isReordered != 0 {
					class = combiningClass(r)
				}
				if class == 0 && disorder {
					dst, disorder = n.order(dst, run), false
				}
				if p&isAccent != 0 {
					if len(dst) == begin {
						head = false
					}
				} else {
					disorder = disorder || class != 0 && class < last
					last = max(last, class)
					dst = n.appendLower(dst, r, p)
				}
				if class == 0 {
					run, last = len(dst), 0
				}
			}
		}
		if ideograph {
			dst = append(dst, ' ')
			run, last = len(dst), 0
		}
	}
	if disorder {
		dst = n.order(dst, run)
	}
	return dst, head, nil
}

func (n *bertNormalizer) appendLower(dst []byte, r rune, props uint16) []byte {
	if n.lower && props&isUpper != 0 {
		return n.u.appendLower(dst, r)
	}
	return utf8.AppendRune(dst, r)
}

// order sorts the marks in dst[run:] into canonical order. It is rarely needed: nearly
// all marks are accents, which are removed.
func (n *bertNormalizer) order(dst []byte, run int) []byte {
	m := markRuns.Get().(*markRun)
	defer markRuns.Put(m)
	m.reset()
	for _, r := range view(dst[run:]) {
		m.push(n.u, r)
	}
	m.order()
	return m.append(dst[:run])
}

// lowercase lowers each code point separately: a final sigma is not special.
type lowercase struct{ u *unidata }

func (n lowercase) normalize(dst, text []byte, head bool, _ int) ([]byte, bool, error) {
	for i := 0; i < len(text); {
		if c := text[i]; c < utf8.RuneSelf {
			if c >= 'A' && c <= 'Z' {
				c += 'a' - 'A'
			}
			dst = append(dst, c)
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		if n.u.is(r, isUpper) {
			dst = n.u.appendLower(dst, r)
		} else {
			dst = append(dst, text[i:i+size]...)
		}
		i += size
	}
	return dst, head, nil
}

// LowerCase lowers texts before any other step, as sentence-transformers does if a
// model's settings outside the tokenizer say so, unless a step does it anyway. Added
// tokens are still matched as spelled. It must not be called while the tokenizer is in
// use. The error wraps ErrTooMuch, for an added token.
func (t *Tokenizer) LowerCase() error {
	if normalizes[lowercase](t) {
		return nil
	}
	steps := t.normalizers()
	if len(steps) > 0 {
		if first, ok := steps[0].(*bertNormalizer); ok && first.lower {
			return nil // equivalent, as its test shows
		}
	}
	t.normalizer = append(normalizerSequence{lowercase{loadUnidata()}}, steps...)
	return t.added.index(t.normalizer)
}

// stripAccents removes combining marks without decomposing.
type stripAccents struct{ u *unidata }

func (n stripAccents) normalize(dst, text []byte, head bool, _ int) ([]byte, bool, error) {
	return filter(dst, text, head, func(r rune) rune {
		if n.u.is(r, isMark) {
			return -1
		}
		return r
	})
}

// nmt cleans text as neural machine translation systems do.
type nmt struct{}

func (nmt) normalize(dst, text []byte, head bool, _ int) ([]byte, bool, error) {
	return filter(dst, text, head, func(r rune) rune {
		switch {
		case r >= 0x01 && r <= 0x08, r == 0x0b, r >= 0x0e && r <= 0x1f, r == 0x7f, r == 0x8f, r == 0x9f:
			return -1
		case r == 0x09, r == 0x0a, r == 0x0c, r == 0x0d, r == 0x1680, r >= 0x200b && r <= 0x200f,
			r == 0x2028, r == 0x2029, r == 0x2581, r == 0xfeff, r == 0xfffd:
			return ' '
		}
		return r
	})
}

// filter appends text with change applied to each code point; -1 removes it.
func filter(dst, text []byte, head bool, change func(r rune) rune) ([]byte, bool, error) {
	begin := len(dst)
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		i += size
		if r = change(r); r >= 0 {
			dst = utf8.AppendRune(dst, r)
		} else if len(dst) == begin {
			head = false
		}
	}
	return dst, head, nil
}

// stripSpace removes White_Space at the ends.
type stripSpace struct {
	u           *unidata
	left, right bool
}

func (n stripSpace) normalize(dst, text []byte, head bool, _ int) ([]byte, bool, error) {
	space := func(r rune) bool { return n.u.is(r, isSpace) }
	if n.left {
		before := len(text)
		text = bytes.TrimLeftFunc(text, space)
		head = head && len(text) == before
	}
	if n.right {
		text = bytes.TrimRightFunc(text, space)
	}
	return append(dst, text...), head, nil
}

// prepend prepends itself to non-empty text.
type prepend string

func (n prepend) normalize(dst, text []byte, head bool, _ int) ([]byte, bool, error) {
	if len(text) > 0 {
		dst = append(dst, n...)
	}
	return append(dst, text...), head, nil
}

// replace replaces each match with content.
type replace struct {
	pattern pattern
	content string
}

func (n replace) normalize(dst, text []byte, head bool, limit int) ([]byte, bool, error) {
	if len(text) == 0 {
		return dst, head, nil // even a pattern that matches the empty string does not match here
	}
	done := 0
	limit += len(dst)
	err := forEachMatch(n.pattern, text, func(start, end int) {
		if len(dst) > limit {
			return
		}
		if start == 0 && (n.content == "" || utf8.RuneCountInString(view(text[:end])) > 1) {
			head = false
		}
		dst = append(dst, text[done:start]...)
		dst = append(dst, n.content...)
		done = end
	})
	return append(dst, text[done:]...), head, err
}

// whitespaceRuns matches \s{2,}|[\n\r\t].
type whitespaceRuns struct{ u *unidata }

func (p whitespaceRuns) find(text []byte, from int) (start, end int, ok bool) {
	for i := from; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if !p.u.is(r, isSpace) {
			i += size
			continue
		}
		end := i + size
		for end < len(text) {
			r, size := utf8.DecodeRune(text[end:])
			if !p.u.is(r, isSpace) {
				break
			}
			end += size
		}
		if end > i+size || r == '\n' || r == '\r' || r == '\t' {
			return i, end, true
		}
		i = end
	}
	return 0, 0, false
}
