package tokenizer

import (
	"sync"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// A normalForm is one of Unicode's four normal forms. The decompositions come from
// golang.org/x/text; ordering and composition are implemented here because that package
// limits runs of combining marks (it inserts U+034F into longer ones) and because its
// Unicode version is newer than the one that the models' vocabularies were made with.
type normalForm struct {
	compatible bool // NFKC, NFKD
	compose    bool // NFC, NFKC
	u          *unidata
}

func newNormalForm(compatible, compose bool) normalForm {
	return normalForm{compatible, compose, loadUnidata()}
}

// change returns the properties of code points that the form can change, alone or
// together with the one before.
func (n normalForm) change() uint16 {
	var mask uint16
	if n.compose {
		mask = isUnsettled
	} else {
		mask = isReordered | isCanonical
	}
	if n.compatible {
		mask |= isCompatible
	}
	return mask
}

func (n normalForm) normalize(dst, text []byte, head bool, _ int) ([]byte, bool, error) {
	mask := n.change()
	done := 0    // text[:done] is in dst
	starter := 0 // start of the last code point that the next one could change
	run := markRuns.Get().(*markRun)
	defer markRuns.Put(run)
	for i := 0; i < len(text); {
		if text[i] < utf8.RuneSelf {
			starter = i
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		if n.u.props[r]&mask == 0 {
			starter = i
			i += size
			continue
		}
		// Rewrite from the starter to the next code point that stays unchanged.
		dst = append(dst, text[done:starter]...)
		run.reset()
		j := starter
		for j < len(text) {
			r, size := utf8.DecodeRune(text[j:])
			if j > i && n.u.props[r]&mask == 0 {
				break
			}
			run.decompose(n.u, r, n.compatible)
			j += size
		}
		run.order()
		if n.compose {
			run.compose(n.u)
		}
		dst = run.append(dst)
		done, starter, i = j, j, j
	}
	return append(dst, text[done:]...), head, nil
}

var markRuns = sync.Pool{New: func() any { return new(markRun) }}

// A markRun is a sequence of code points with their combining classes.
type markRun struct {
	runes []rune
	class []uint8
}

func (m *markRun) reset() {
	m.runes, m.class = m.runes[:0], m.class[:0]
}

func (m *markRun) push(u *unidata, r rune) {
	class := uint8(0)
	if r >= utf8.RuneSelf && u.is(r, isReordered) {
		class = combiningClass(r)
	}
	m.runes = append(m.runes, r)
	m.class = append(m.class, class)
}

func combiningClass(r rune) uint8 {
	var b [utf8.UTFMax]byte
	return norm.NFD.Properties(b[:utf8.EncodeRune(b[:], r)]).CCC()
}

// maxDecomposed is the longest decomposition of a code point: U+FDFA becomes 18.
const maxDecomposed = 18

// decompose pushes the full decomposition of r.
func (m *markRun) decompose(u *unidata, r rune, compatible bool) {
	p := u.props[r]
	if p&isCanonical == 0 && (!compatible || p&isCompatible == 0) {
		m.push(u, r)
		return
	}
	var parts [maxDecomposed]rune
	for _, r := range u.appendParts(parts[:0], r, compatible) {
		m.push(u, r)
	}
}

// decompose appends the canonical decomposition of r, or r itself.
func (u *unidata) decompose(dst []rune, r rune) []rune {
	if u.props[r]&isCanonical == 0 {
		return append(dst, r)
	}
	return u.appendParts(dst, r, false)
}

// appendParts appends the decomposition of r, which must have one.
func (u *unidata) appendParts(dst []rune, r rune, compatible bool) []rune {
	if s := r - hangulS; s >= 0 && s < hangulSs {
		dst = append(dst, hangulL+s/(hangulVs*hangulTs), hangulV+s/hangulTs%hangulVs)
		if t := s % hangulTs; t != 0 {
			dst = append(dst, hangulT+t)
		}
		return dst
	}
	var b [utf8.UTFMax]byte
	form := norm.NFD
	if compatible {
		form = norm.NFKD
	}
	for d := form.Properties(b[:utf8.EncodeRune(b[:], r)]).Decomposition(); len(d) > 0; {
		r, size := utf8.DecodeRune(d)
		dst = append(dst, r)
		d = d[size:]
	}
	return dst
}

// order sorts each run of marks by class, stably.
func (m *markRun) order() {
	for i := 1; i < len(m.class); i++ {
		c, r := m.class[i], m.runes[i]
		if c == 0 || m.class[i-1] <= c {
			continue
		}
		// A run may be as long as the text: sort it as a whole.
		lo, hi := i-1, i+1
		for lo > 0 && m.class[lo-1] != 0 {
			lo--
		}
		for hi < len(m.class) && m.class[hi] != 0 {
			hi++
		}
		if hi-lo > 32 {
			m.countingSort(lo, hi)
			i = hi - 1
			continue
		}
		j := i
		for ; j > lo && m.class[j-1] > c; j-- {
			m.class[j], m.runes[j] = m.class[j-1], m.runes[j-1]
		}
		m.class[j], m.runes[j] = c, r
	}
}

// countingSort sorts one long run in linear time.
func (m *markRun) countingSort(lo, hi int) {
	var at [257]int
	for _, c := range m.class[lo:hi] {
		at[int(c)+1]++
	}
	for c := range 256 {
		at[c+1] += at[c]
	}
	runes := make([]rune, hi-lo)
	class := make([]uint8, hi-lo)
	for i := lo; i < hi; i++ {
		c := m.class[i]
		runes[at[c]], class[at[c]] = m.runes[i], c
		at[c]++
	}
	copy(m.runes[lo:], runes)
	copy(m.class[lo:], class)
}

// compose composes canonical pairs.
func (m *markRun) compose(u *unidata) {
	starter := -1 // index of the last starter in the result
	last := -1    // class of the last mark kept after it; -1: none
	n := 0
	for i, r := range m.runes {
		c := m.class[i]
		if starter >= 0 && last < int(c) {
			if p, ok := u.pair(m.runes[starter], r); ok {
				m.runes[starter] = p
				continue
			}
		}
		if c == 0 {
			starter, last = n, -1
		} else {
			last = int(c)
		}
		m.runes[n], m.class[n] = r, c
		n++
	}
	m.runes, m.class = m.runes[:n], m.class[:n]
}

// pair returns the primary composite of two code points.
func (u *unidata) pair(a, b rune) (rune, bool) {
	if l := a - hangulL; l >= 0 && l < hangulLs {
		if v := b - hangulV; v >= 0 && v < hangulVs {
			return hangulS + (l*hangulVs+v)*hangulTs, true
		}
		return 0, false
	}
	if s := a - hangulS; s >= 0 && s < hangulSs {
		if t := b - hangulT; s%hangulTs == 0 && t > 0 && t < hangulTs {
			return a + t, true
		}
		return 0, false
	}
	c, ok := u.composed[[2]rune{a, b}]
	return c, ok
}

func (m *markRun) append(dst []byte) []byte {
	for _, r := range m.runes {
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}
