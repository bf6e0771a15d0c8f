package compute

import "slices"

// A Sequence is one model input as token ids. It has at least one token.
type Sequence struct {
	IDs     []int32
	Types   []int32 // token types; nil: all 0
	Visible int     // how many tokens, from the first, attention sees; 0: all
}

// Len returns the number of tokens.
func (s Sequence) Len() int { return len(s.IDs) }

// A Prefix is what precedes a sequence of a batch, and where the sequence's own keys
// and values are stored. The zero value is no prefix.
type Prefix struct {
	Cache  *KVCache // keys and values of the preceding tokens, or nil
	Tokens int      // how many of its tokens, from the first, precede the sequence
	Store  *KVCache // receives the sequence's own keys and values, or nil; may be Cache
}

// A Batch is sequences laid end to end, without padding: sequence s is tokens
// Offsets[s] to Offsets[s+1]-1.
type Batch struct {
	IDs     []int32
	Types   []int32  // token types
	Offsets []int32  // one more than there are sequences
	Numbers []int32  // each sequence's index in the call
	Visible []int32  // how many tokens, from the first, attention sees
	Prefix  []Prefix // what precedes each sequence

	// Positions are 0, 1, 2 … in each sequence, or continue from its prefix: the
	// positions that RoPE uses. A family with position embeddings computes its table
	// rows itself.
	Positions []int32

	// PositionRows is memory for the family's row numbers into a table, such as the
	// position embeddings.
	PositionRows []int32

	// Marks are the tokens selected by MarkedTokens: rows of the batch, ascending.
	Marks []int32
}

// Sequences returns the number of sequences.
func (b *Batch) Sequences() int { return len(b.Offsets) - 1 }

// Range returns the rows of sequence s: first to last-1.
func (b *Batch) Range(s int) (first, last int) { return int(b.Offsets[s]), int(b.Offsets[s+1]) }

func (b *Batch) reset() {
	b.IDs, b.Types, b.Numbers, b.Visible = b.IDs[:0], b.Types[:0], b.Numbers[:0], b.Visible[:0]
	b.Positions, b.Marks = b.Positions[:0], b.Marks[:0]
	clear(b.Prefix) // an idle worker holds no cache
	b.Prefix = b.Prefix[:0]
	b.Offsets = append(b.Offsets[:0], 0)
}

// Add appends a sequence, whose index in the call is number.
func (b *Batch) Add(number int, s Sequence, p Prefix) {
	b.IDs = append(b.IDs, s.IDs...)
	if s.Types != nil {
		b.Types = append(b.Types, s.Types...)
	} else {
		n := len(b.Types)
		b.Types = slices.Grow(b.Types, len(s.IDs))[:n+len(s.IDs)]
		clear(b.Types[n:])
	}
	for i := range s.IDs {
		b.Positions = append(b.Positions, int32(p.Tokens+i))
	}
	b.Offsets = append(b.Offsets, int32(len(b.IDs)))
	b.Numbers = append(b.Numbers, int32(number))
	visible := s.Visible
	if visible == 0 {
		visible = len(s.IDs)
	}
	b.Visible = append(b.Visible, int32(visible))
	b.Prefix = append(b.Prefix, p)
}
