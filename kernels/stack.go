package kernels

import (
	"slices"
	"strings"
)

// A stack is weights in several block types whose outputs are concatenated.
type stack struct {
	parts []*blockWeights
	ends  []int // the first output after each part
	forms []int // the index in Input.forms that each part reads
	n     int   // number of forms
	panel int
	name  string
}

// Stack concatenates the outputs of several matrices with the same inputs: a fused layer,
// such as QKV, whose parts are quantised with different block types. It returns nil if a
// part is not quantised in blocks, or if one before the last does not end with a whole
// panel.
func Stack(parts ...Weights) Weights {
	s := new(stack)
	var names []string
	for i, part := range parts {
		w, ok := part.(*blockWeights)
		if !ok {
			return nil
		}
		s.panel = w.Panel()
		form := s.n
		for j, other := range s.parts {
			if other.kind == w.kind {
				form = s.forms[j]
			}
		}
		if form == s.n {
			s.n++
		}
		if !slices.Contains(names, w.name) {
			names = append(names, w.name)
		}
		if i > 0 && s.ends[i-1]%s.panel != 0 {
			return nil
		}
		s.parts, s.forms = append(s.parts, w), append(s.forms, form)
		s.ends = append(s.ends, s.from(i)+w.n)
	}
	s.name = strings.Join(names, "+")
	return s
}

// from returns the first output of part i.
func (s *stack) from(i int) int {
	if i == 0 {
		return 0
	}
	return s.ends[i-1]
}

func (s *stack) Outputs() int { return s.ends[len(s.ends)-1] }
func (s *stack) Inputs() int  { return s.parts[0].Inputs() }
func (s *stack) Kind() string { return s.name }
func (s *stack) Panel() int   { return s.panel }

func (s *stack) Bytes() int {
	bytes := 0
	for _, w := range s.parts {
		bytes += w.Bytes()
	}
	return bytes
}

func (s *stack) Reserve(in *Input, rows int) {
	in.rows = rows
	for len(in.forms) < s.n {
		in.forms = append(in.forms, new(Input))
	}
	for i, w := range s.parts {
		w.Reserve(in.forms[s.forms[i]], rows)
	}
}

func (s *stack) Prepare(in *Input, x Matrix, from, to int) {
	done := 0 // forms prepared
	for i, w := range s.parts {
		if s.forms[i] == done {
			w.Prepare(in.forms[done], x, from, to)
			done++
		}
	}
}

func (s *stack) Multiply(y Matrix, in *Input, from, to int, e *Epilogue) {
	for i, w := range s.parts {
		first, end := s.from(i), s.ends[i]
		lo, hi := max(from, first), min(to, end)
		if lo >= hi || y.Rows == 0 {
			continue
		}
		part := Epilogue{Act: e.Act, Residual: e.Residual}
		if e.Bias != nil {
			part.Bias = e.Bias[first:end]
		}
		if e.Residual.Rows > 0 {
			part.Residual = e.Residual.Columns(first, end)
		}
		w.Multiply(y.Columns(first, end), in.forms[s.forms[i]], lo-first, hi-first, &part)
	}
}
