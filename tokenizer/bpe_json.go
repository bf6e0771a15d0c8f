package tokenizer

import (
	"bytes"
	"cmp"
	"fmt"

	"github.com/winnow-rerank/winnow/internal/fault"
)

// newBPE reads the model of a tokenizer.json.
func newBPE(r *jsonReader) (model, error) {
	b := newBPEBuilder(r.path, bpeOptions{})
	opts := &b.m.opts
	var merges []byte // unparsed, if they precede what they depend on
	vocab, done := false, false
	var failed error
	optional := func() string {
		if r.null() {
			return ""
		}
		return string(r.str())
	}
	flag := func() bool { return !r.null() && r.bool() }
	r.object(func(key []byte) {
		if failed != nil {
			r.raw()
			return
		}
		name := string(key)
		r.field = "model." + name
		switch name {
		case "dropout":
			if !r.null() {
				if d := r.float(); d != 0 && r.err == nil {
					r.err = &fault.UnsupportedError{Path: r.path, What: fmt.Sprintf("BPE dropout %g", d), Hint: "it makes ids random; set it to null"}
				}
			}
		case "unk_token":
			opts.unkToken = optional()
		case "continuing_subword_prefix":
			if opts.prefix = optional(); done && opts.prefix != "" && r.err == nil {
				r.fail("a prefix after the merges", "the prefix before them")
			}
		case "end_of_word_suffix":
			opts.suffix = optional()
		case "fuse_unk":
			opts.fuseUnk = flag()
		case "byte_fallback":
			opts.byteFallback = flag()
		case "ignore_merges":
			opts.ignoreMerges = flag()
		case "vocab":
			if vocab {
				r.fail("a second vocabulary", "one")
			}
			vocab = true
			b.m.reserve(len(r.data))
			r.object(func(key []byte) { b.m.add(key, r.id()) })
			if r.err == nil {
				failed = b.index()
			}
		case "merges":
			if done = vocab; done {
				failed = b.readMerges(r)
			} else {
				merges = r.raw()
			}
		default:
			r.raw()
		}
		r.field = "model"
	})
	if err := cmp.Or(failed, r.err); err != nil {
		return nil, err
	}
	if !vocab {
		return nil, b.fail("model.vocab", "nothing", "an object")
	}
	if !done {
		if merges == nil {
			return nil, b.fail("model.merges", "nothing", "a list")
		}
		r := newJSONReader(r.path, "model.merges", merges)
		if err := cmp.Or(b.readMerges(r), r.end()); err != nil {
			return nil, err
		}
	}
	return b.finish(), nil
}

// readMerges reads a list of "left right" or of ["left", "right"].
func (b *bpeBuilder) readMerges(r *jsonReader) error {
	var err error
	r.array(func(i int) {
		if err != nil {
			r.raw()
			return
		}
		if r.next() != '[' {
			line := r.str()
			if r.err == nil && !bytes.HasPrefix(line, []byte("#version")) {
				err = b.pair(line)
			}
			return
		}
		number := [2]int{}
		parts := 0
		r.array(func(i int) {
			s := r.str()
			if parts++; parts > 2 || r.err != nil || err != nil {
				return
			}
			if number[i] = b.m.pieces.find(s); number[i] < 0 {
				err = b.unknown(s)
			}
		})
		if r.err == nil && err == nil {
			if parts != 2 {
				err = b.failMerge(i, fmt.Sprintf("%d pieces", parts), "2")
				return
			}
			err = b.merge(number[0], number[1])
		}
	})
	return err
}
