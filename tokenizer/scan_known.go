package tokenizer

// A scanner is a pattern that matches everywhere, so that its matches partition a text.
// end returns the end of the match that begins at text[i], where i < len(text).
type scanner interface {
	end(text []byte, i int) int
}

// scan splits text into the matches of a scanner.
type scan struct{ scanner }

func (s scan) find(text []byte, from int) (start, end int, ok bool) {
	if from >= len(text) {
		return 0, 0, false
	}
	return from, s.end(text, from), true
}

func (s scan) preTokenize(w *words) {
	out := w.spareSpans[:0]
	for _, p := range w.spans {
		text := w.text[p.start:p.end]
		for i := 0; i < len(text); {
			end := s.end(text, i)
			out = append(out, span{p.start + int32(i), p.start + int32(end)})
			i = end
		}
	}
	w.spans, w.spareSpans = out, w.spans
}

const (
	gpt2Pattern = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

	contractions  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)`
	qwen2Pattern  = contractions + `|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	qwen35Pattern = contractions + `|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	llama3Pattern = contractions + `|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	cl100kPattern = `'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+`
	o200kPattern  = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+` + contractions + `?|` +
		`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*` + contractions + `?|` +
		`\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// knownPatterns are the expressions that have a scanner. Tests compare the scanners
// with the expressions.
var knownPatterns = map[string]func(t *classTable) scanner{
	gpt2Pattern:   func(t *classTable) scanner { return gpt2Scanner{t} },
	qwen2Pattern:  func(t *classTable) scanner { return cl100kScanner{t, classLetter, 1} },
	qwen35Pattern: func(t *classTable) scanner { return cl100kScanner{t, classLetter | classMark, 1} },
	llama3Pattern: func(t *classTable) scanner { return cl100kScanner{t, classLetter, 3} },
	cl100kPattern: func(t *classTable) scanner { return cl100kScanner{t, classLetter, 3} },
	o200kPattern:  func(t *classTable) scanner { return o200kScanner{t} },
}

// knownScan returns the scan for one of knownPatterns.
func knownScan(expr string) scan { return scan{knownPatterns[expr](classes())} }

// gpt2Scanner is gpt2Pattern: GPT-2, RoBERTa, GPT-NeoX, ModernBERT, and every ByteLevel
// pre-tokenizer with its default expression.
type gpt2Scanner struct{ *classTable }

func (s gpt2Scanner) end(text []byte, i int) int {
	c, n := s.at(text, i)
	j := i
	switch text[i] {
	case '\'':
		if n := contraction(text[i:], false); n > 0 {
			return i + n
		}
	case ' ':
		if i+1 == len(text) {
			return i + 1
		}
		j++
		c, n = s.at(text, j)
	}
	switch {
	case c&classLetter != 0:
		return s.run(text, j+n, classLetter)
	case c&classNumber != 0:
		return s.run(text, j+n, classNumber)
	case c&classSpace == 0:
		return s.runOther(text, j+n, classSpace|classLetter|classNumber)
	}
	return s.whitespace(text, i)
}

// contraction returns the length of the English contraction that text begins with. With
// anyCase, the long s (ſ) counts as s.
func contraction(text []byte, anyCase bool) int {
	if len(text) < 2 || text[0] != '\'' {
		return 0
	}
	var a, b byte
	a = text[1]
	if len(text) > 2 {
		b = text[2]
	}
	if anyCase {
		if a == 0xc5 && b == 0xbf {
			return 3
		}
		a, b = a|0x20, b|0x20
	}
	switch a {
	case 's', 't', 'm', 'd':
		return 2
	case 'r', 'v':
		if b == 'e' {
			return 3
		}
	case 'l':
		if b == 'l' {
			return 3
		}
	}
	return 0
}

// whitespace is \s+(?!\S)|\s+ from i, where there is whitespace: all of it except the last
// character, which belongs to the following word, if there are several.
func (t *classTable) whitespace(text []byte, i int) int {
	end := i
	last := i
	for end < len(text) {
		c, n := t.at(text, end)
		if c&classSpace == 0 {
			break
		}
		last = end
		end += n
	}
	if end < len(text) && last > i {
		return last
	}
	return end
}

// newlines is \s*[\r\n]+ from i: the end of the last newline in the whitespace, or i if
// there is none.
func (t *classTable) newlines(text []byte, i int) int {
	end := i
	for i < len(text) {
		c, n := t.at(text, i)
		if c&classSpace == 0 {
			break
		}
		i += n
		if c&classNewline != 0 {
			end = i
		}
	}
	return end
}

// cl100kScanner is llama3Pattern and its relatives, which differ in the characters of a
// word and the number of digits in a number.
type cl100kScanner struct {
	*classTable
	letters class // classLetter, also classMark for qwen35Pattern
	digits  int
}

func (s cl100kScanner) end(text []byte, i int) int {
	if text[i] == '\'' {
		if n := contraction(text[i:], true); n > 0 {
			return i + n
		}
	}
	c, n := s.at(text, i)
	if c&s.letters != 0 {
		return s.run(text, i+n, s.letters)
	}
	if c&classNumber != 0 {
		return s.number(text, i+n, s.digits)
	}
	j := i + n
	if c&classNewline == 0 && j < len(text) {
		d, m := s.at(text, j)
		if d&s.letters != 0 {
			return s.run(text, j+m, s.letters)
		}
		if text[i] == ' ' && d&(classSpace|classNumber) == 0 {
			return s.run(text, s.runOther(text, j+m, classSpace|s.letters|classNumber), classNewline)
		}
	}
	if c&classSpace == 0 {
		return s.run(text, s.runOther(text, j, classSpace|s.letters|classNumber), classNewline)
	}
	if end := s.newlines(text, i); end > i {
		return end
	}
	return s.whitespace(text, i)
}

// number returns the end of a number of at most most digits, the first of which ends at
// i.
func (t *classTable) number(text []byte, i, most int) int {
	for ; most > 1 && i < len(text); most-- {
		c, n := t.at(text, i)
		if c&classNumber == 0 {
			break
		}
		i += n
	}
	return i
}

// o200kScanner is o200kPattern: GPT-4o and its successors, which split words before
// capitals.
type o200kScanner struct{ *classTable }

func (s o200kScanner) end(text []byte, i int) int {
	c, n := s.at(text, i)
	if c&classNumber != 0 {
		return s.number(text, i+n, 3)
	}
	end, capitals := 0, false
	if c&(classNewline|classLetter) == 0 {
		end, capitals = s.word(text, i+n)
	}
	if c&classLetter != 0 || c&classMark != 0 && (end == 0 || capitals) {
		// A mark is preferably a word without capitals, not the prefix of capitals.
		end, _ = s.word(text, i)
	}
	if end > 0 {
		return end + contraction(text[end:], true)
	}
	j := i
	if text[i] == ' ' && i+1 < len(text) {
		j++
		c, n = s.at(text, j)
	}
	if c&(classSpace|classLetter|classNumber) == 0 {
		end := s.runOther(text, j+n, classSpace|classLetter|classNumber)
		for end < len(text) && (text[end] == '\r' || text[end] == '\n' || text[end] == '/') {
			end++
		}
		return end
	}
	if end := s.newlines(text, i); end > i {
		return end
	}
	return s.whitespace(text, i)
}

// word returns the end of the word, without its prefix and contraction, that begins at
// i: capitals followed by lowercase letters, or capitals only. It returns 0 if there is
// none. Letters without case count as both, so that a run of capitals ends after the
// last of these if no lowercase letter follows.
func (s o200kScanner) word(text []byte, i int) (end int, capitals bool) {
	p := i
	for p < len(text) {
		c, n := s.at(text, p)
		if c&classUpper == 0 {
			if c&classLower != 0 {
				return s.run(text, p+n, classLower), false
			}
			break
		}
		p += n
		if c&classLower != 0 {
			end = p
		}
	}
	if end > 0 {
		return end, false
	}
	if p > i {
		return p, true
	}
	return 0, false
}
