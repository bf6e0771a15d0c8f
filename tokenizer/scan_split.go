package tokenizer

import "slices"

// newSplit returns the Split pre-tokenizer: it splits text at the matches of p, or
// between them (invert); how determines what happens to the matches.
func newSplit(p pattern, how behaviour, invert bool) (preTokenizer, error) {
	if l, ok := p.(literal); ok && l == "" { // matches between all characters
		re, err := compileRegex("")
		if err != nil {
			return nil, err
		}
		p = re
	}
	if s, ok := p.(scan); ok && (how == isolated || how == removed && invert) {
		return s, nil
	}
	return split{p, how, invert}, nil
}

type split struct {
	pattern pattern
	how     behaviour
	invert  bool
}

func (s split) preTokenize(w *words) {
	w.resplit(func(dst []span, p span) []span {
		if w.err != nil {
			return dst
		}
		return s.cut(w, dst, p)
	})
}

// cut appends the parts of one span to dst.
func (s split) cut(w *words, dst []span, p span) []span {
	text := w.text[p.start:p.end]
	first := len(dst)
	// The parts are in text order; matches have a complemented end.
	add := func(start, end int, match bool) {
		part := span{p.start + int32(start), p.start + int32(end)}
		if match != s.invert {
			part.end = ^part.end
		}
		dst = append(dst, part)
	}
	done := 0
	w.err = forEachMatch(s.pattern, text, func(start, end int) {
		if done < start {
			add(done, start, false)
		}
		add(start, end, true)
		done = end
	})
	if done < len(text) {
		add(done, len(text), false)
	}
	parts := s.how.join(dst[first:])
	parts = slices.DeleteFunc(parts, func(p span) bool { return p.start == p.end })
	return dst[:first+len(parts)]
}

// join combines parts according to b, in place. Matches have a complemented end.
func (b behaviour) join(parts []span) []span {
	out := parts[:0]
	before := false // whether the previous part was a match
	switch b {
	case mergedWithNext:
		slices.Reverse(parts)
		for _, p := range parts {
			match := p.end < 0
			if match {
				p.end = ^p.end
			}
			if match && !before && len(out) > 0 {
				out[len(out)-1].start = p.start
			} else {
				out = append(out, p)
			}
			before = match
		}
		slices.Reverse(out)
		return out
	case removed:
		return slices.DeleteFunc(parts, func(p span) bool { return p.end < 0 })
	}
	for _, p := range parts {
		match := p.end < 0
		if match {
			p.end = ^p.end
		}
		joins := b == mergedWithPrevious && match && !before || b == contiguous && match == before
		if joins && len(out) > 0 {
			out[len(out)-1].end = p.end
		} else {
			out = append(out, p)
		}
		before = match
	}
	return out
}

// forEachMatch calls match for each match of p in text, from left to right. Matches do
// not overlap, and no empty one directly follows another.
func forEachMatch(p pattern, text []byte, match func(start, end int)) error {
	re, ok := p.(*regex)
	if !ok {
		eachMatch(p.find, text, match)
		return nil
	}
	m := re.matcher(text)
	defer m.release()
	eachMatch(func(_ []byte, from int) (start, end int, ok bool) { return m.find(from) }, text, match)
	if m.stopped {
		return errSteps
	}
	return nil
}

func eachMatch(find func(text []byte, from int) (start, end int, ok bool), text []byte, match func(start, end int)) {
	last := -1
	for from := 0; from <= len(text); {
		start, end, ok := find(text, from)
		if !ok {
			return
		}
		if start == end && end == last {
			for from++; from < len(text) && text[from]&0xc0 == 0x80; from++ {
			}
			continue
		}
		match(start, end)
		from, last = end, end
	}
}

// digits is the Digits pre-tokenizer: it separates numbers, or each digit, from other
// text.
type digits struct {
	*classTable
	individual bool
}

func (d digits) end(text []byte, i int) int {
	c, n := d.at(text, i)
	switch {
	case c&classNumber == 0:
		return d.runOther(text, i+n, classNumber)
	case !d.individual:
		return d.run(text, i+n, classNumber)
	}
	return i + n
}
