package tokenizer

// find returns the id of the token that the configuration gives a role, or else of the
// first spelling that is an added token; -1 if there is none.
func (t *Tokenizer) find(role string, spellings ...string) int32 {
	if id, ok := t.roles[role]; ok {
		return id
	}
	for _, s := range spellings {
		if i, ok := t.added.byName[s]; ok {
			return t.added.list[i].id
		}
	}
	return -1
}

// A ggufFrame is what GGUF can express about templates: the tokens of a frame and which
// of them are added.
type ggufFrame struct {
	frame
	addBOS, addEOS, addSep bool
}

func (x *export) frame() ggufFrame {
	f := ggufFrame{frame: frame{-1, -1, -1}}
	seen := false // the text was seen
	for _, p := range x.t.single.parts {
		switch {
		case p.kind == partA:
			seen = true
		case !seen && !f.addBOS:
			f.bos, f.addBOS = p.id, true
		case seen:
			f.eos, f.addEOS = p.id, true
		}
	}
	if f.bos < 0 {
		f.bos = x.t.find("bos", "<s>", "<bos>", "[CLS]", "<|begin_of_text|>", "<|endoftext|>")
	}
	if f.eos < 0 {
		f.eos = x.t.find("eos", "</s>", "<eos>", "[SEP]", "<|im_end|>", "<|end_of_text|>", "<|endoftext|>")
	}
	var between []int32
	for _, p := range x.t.pair.parts {
		switch {
		case p.kind == partA:
			between = []int32{}
		case p.kind == partB:
			return f.separated(between, x.t.find("sep"))
		case between != nil:
			between = append(between, p.id)
		}
	}
	return f
}

// separated adds the tokens between the texts of a pair. role is the configured
// separator token, -1 for none.
func (f ggufFrame) separated(between []int32, role int32) ggufFrame {
	f.sep = role
	if len(between) == 0 || between[0] == f.bos && !f.addEOS {
		return f
	}
	f.sep = between[0]
	if f.addEOS && between[0] == f.eos {
		between = between[1:]
	}
	if len(between) > 0 {
		f.sep, f.addSep = between[0], true
	}
	return f
}

// special sets the special tokens and where they are added.
func (x *export) special() {
	f := x.frame()
	pad := x.t.pad
	if pad < 0 {
		pad = x.t.find("pad", "<pad>", "[PAD]")
	}
	for _, s := range []struct {
		key string
		id  int32
	}{
		{"bos_token_id", f.bos},
		{"eos_token_id", f.eos},
		{"unknown_token_id", x.unk},
		{"seperator_token_id", f.sep}, // sic
		{"padding_token_id", pad},
		{"mask_token_id", x.t.find("mask", "<mask>", "[MASK]")},
	} {
		if s.id >= 0 {
			x.set(s.key, uint32(s.id))
		}
	}
	x.set("add_bos_token", f.addBOS)
	x.set("add_eos_token", f.addEOS)
	x.set("add_sep_token", f.addSep)
}
