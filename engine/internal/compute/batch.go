package compute

import "slices"

// A Sequence is one input of a model as token ids. It has at least one token.
type Sequence struct {
	IDs     []int32
	Types   []int32 // token types; nil: all 0
	Visible int     // how many of its tokens, from the first, attention sees; 0: all
}

// Len is the number of tokens.
func (s Sequence) Len() int { return len(s.IDs) }

// A Prefix is what lies before a sequence of a batch, and where the sequence's own
// keys and values go. The zero value is nothing.
type Prefix struct {
	Cache  *KVCache // keys and values of what lies before, or nil
	Tokens int      // how many of its tokens do, from the first
	Store  *KVCache // takes the sequence's own keys and values, or nil; it may be Cache
}

// A Batch is some sequences end to end, without padding: sequence s is tokens
// Offsets[s] to Offsets[s+1]-1.
type Batch struct {
	IDs     []int32
	Types   []int32  // token types
	Offsets []int32  // one more than there are sequences
	Numbers []int32  // which sequence of the call each one is
	Visible []int32  // how many of its tokens, from the first, attention sees
	Prefix  []Prefix // what lies before each one

	// Positions are 0, 1, 2 … in each sequence, or go on from its prefix: what RoPE
	// turns by. A family with a table of positions computes its rows itself.
	Positions []int32

	// PositionRows is memory for the rows of a table, such as that of positions, for the
	// family.
	PositionRows []int32

	// Marks are the tokens that MarkedTokens wants: rows of the batch, ascending.
	Marks []int32
}

// Sequences is how many there are.
func (b *Batch) Sequences() int { return len(b.Offsets) - 1 }

// Range is the rows of sequence s: first to last-1.
func (b *Batch) Range(s int) (first, last int) { return int(b.Offsets[s]), int(b.Offsets[s+1]) }

func (b *Batch) reset() {
	b.IDs, b.Types, b.Numbers, b.Visible = b.IDs[:0], b.Types[:0], b.Numbers[:0], b.Visible[:0]
	b.Positions, b.Marks = b.Positions[:0], b.Marks[:0]
	clear(b.Prefix) // a worker between two calls holds no cache
	b.Prefix = b.Prefix[:0]
	b.Offsets = append(b.Offsets[:0], 0)
}

// Add appends a sequence, which is number in its call.
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
