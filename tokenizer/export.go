package tokenizer

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/winnow-rerank/winnow/internal/fault"
)

// A Field is a key of GGUF metadata with its value: string, bool, uint32, []string,
// []float32, []int32 or []uint8.
type Field struct {
	Key   string
	Value any
}

// GGUF returns the tokenizer as GGUF metadata (tokenizer.ggml.*), like llama.cpp's
// converter. types is the number of token types (segments) in the model's embedding
// table, 0 if it has none. rows is the number of rows of the embedding table: llama.cpp
// requires a piece for each, so missing ids get placeholders.
//
// These keys name a scheme and its vocabulary; llama.cpp hard-codes the rest. exact
// reports whether FromGGUF restores the same tokenizer from them. If not, a file also
// needs the whole tokenizer.json under HuggingFaceKey, which FromGGUF prefers.
//
// It fails if llama.cpp has no such scheme.
func (t *Tokenizer) GGUF(types, rows int) (fields []Field, exact bool, err error) {
	x := newExport(t, rows)
	lossless := true
	switch m := t.model.(type) {
	case *wordPiece:
		x.wordPiece(m)
	case *unigram:
		lossless = x.unigram(m)
	case *bpe:
		switch {
		case m.opts.prefix != "" || m.opts.suffix != "":
			return nil, false, &fault.UnsupportedError{Path: "GGUF", What: "a BPE vocabulary with word prefixes or suffixes",
				Hint: "keep the model in its directory"}
		case t.byteLevel(m):
			x.byteLevel(m)
		default:
			x.sentencePiece(m)
		}
	}
	x.special()
	if types > 0 {
		x.set("token_type_count", uint32(types))
	}
	back, err := FromGGUF("", newFieldMap(x.fields))
	exact = err == nil && lossless && t.equals(back)
	if t.config != nil && !exact { // accompanies the tokenizer.json
		text, err := t.config.text()
		if err != nil {
			return nil, false, err
		}
		x.fields = append(x.fields, Field{configKey, text})
	}
	return x.fields, exact, nil
}

// The converter's piece and score of an unused id.
func placeholder(id int) string { return fmt.Sprintf("[PAD%d]", id) }

const placeholderScore = -10000

// An export is a tokenizer that is being converted to metadata.
type export struct {
	t      *Tokenizer
	tokens []string // by id
	types  []int32
	unk    int32 // -1: none
	fields []Field
}

func newExport(t *Tokenizer, rows int) *export {
	n := max(t.Size(), rows)
	x := &export{t: t, tokens: make([]string, n), types: make([]int32, n), unk: t.find("unk", "<unk>", "[UNK]")}
	for i := range n {
		id := int32(i)
		piece, ok := t.model.piece(id)
		x.tokens[i], x.types[i] = piece, ggufNormal
		switch added, special := t.added.byID[id]; {
		case special:
			token := &t.added.list[added]
			x.tokens[i], x.types[i] = token.content, ggufUserDefined
			if token.special {
				x.types[i] = ggufControl
			}
		case !ok:
			x.tokens[i], x.types[i] = placeholder(i), ggufUnused
		}
	}
	return x
}

func (x *export) set(key string, value any) {
	x.fields = append(x.fields, Field{"tokenizer.ggml." + key, value})
}

// vocabulary sets the keys that all schemes share.
func (x *export) vocabulary(model, pre string) {
	x.set("model", model)
	x.set("pre", pre)
	x.set("tokens", x.tokens)
	x.set("token_type", x.types)
}

// wordPiece writes pieces with the opposite convention to BERT's: "▁word" begins a
// word, and continuations are unmarked.
func (x *export) wordPiece(m *wordPiece) {
	x.unk = m.unknown
	for i, kind := range x.types {
		if kind != ggufNormal {
			continue
		}
		if rest, inner := strings.CutPrefix(x.tokens[i], "##"); inner {
			x.tokens[i] = rest
		} else {
			x.tokens[i] = underscore + x.tokens[i]
		}
	}
	x.vocabulary("bert", "bert-bge")
	lower, strip := false, false
	for _, n := range x.t.normalizers() {
		switch n := n.(type) {
		case *bertNormalizer:
			lower, strip = lower || n.lower, strip || n.strip
		case lowercase:
			lower = true
		case stripAccents:
			strip = true
		}
	}
	x.set("normalizer.lowercase", lower)
	x.set("normalizer.strip_accents", strip)
}

// unigram also reports whether float32, the type of GGUF's scores, represents them
// exactly.
func (x *export) unigram(m *unigram) (lossless bool) {
	lossless = true
	if x.unk = m.unknown; x.unk >= 0 {
		x.types[x.unk] = ggufUnknown
	}
	x.bytes(m.bytes)
	scores := make([]float32, len(x.tokens))
	for i := range scores {
		switch {
		case i < len(m.scores):
			scores[i] = float32(min(max(m.scores[i], -math.MaxFloat32), math.MaxFloat32))
			lossless = lossless && float64(scores[i]) == m.scores[i]
		case x.types[i] == ggufUnused:
			scores[i] = placeholderScore
		}
	}
	x.vocabulary("t5", "default")
	x.set("scores", scores)
	var charsmap *precompiled
	prefix, squeeze := false, false
	for _, n := range x.t.normalizers() {
		switch n := n.(type) {
		case *precompiled:
			charsmap = n
		case spaceRuns:
			squeeze = true
		}
	}
	for _, p := range x.t.preTokenizers() {
		switch p := p.(type) {
		case metaspace:
			prefix = prefix || p.prepend != prependNever
		case whitespaceSplit:
			squeeze = true
		}
	}
	x.set("add_space_prefix", prefix)
	x.set("remove_extra_whitespaces", squeeze)
	if charsmap != nil {
		x.set("precompiled_charsmap", charsmap.table())
	}
	return lossless
}

// bytes marks the pieces that represent bytes.
func (x *export) bytes(ids []int32) {
	for _, id := range ids {
		if id >= 0 && x.types[id] == ggufNormal {
			x.types[id] = ggufByte
		}
	}
}

// byteLevel reports whether the model's pieces spell bytes as visible characters.
func (t *Tokenizer) byteLevel(m *bpe) bool {
	if _, ok := m.symbols.(*byteSymbols); ok {
		return true
	}
	_, ok := t.decoder.(byteLevelDecoder)
	return ok
}

func (x *export) byteLevel(m *bpe) {
	if m.unk >= 0 {
		x.unk = m.unk
	}
	x.vocabulary("gpt2", x.preName(m))
	list := m.list()
	merges := make([]string, len(list))
	for i, g := range list {
		left, _ := m.piece(g.a)
		right, _ := m.piece(g.b)
		merges[i] = left + " " + right
	}
	x.set("merges", merges)
}

// preNames are the values of tokenizer.ggml.pre that are written, one for each kind.
// The first of several equally suitable ones is used.
var preNames = []string{
	"gpt-2", "roberta-bpe", "modern-bert", "smollm", "qwen2", "deepseek-r1-qwen", "qwen35",
	"llama-bpe", "dbrx", "glm4", "gpt-4o", "granite-embed-multi-97m",
}

// preName returns the value of tokenizer.ggml.pre that best matches how the tokenizer
// splits text, or "default".
func (x *export) preName(m *bpe) string {
	var stages []preTokenizer
	for _, p := range x.t.preTokenizers() {
		switch p := p.(type) {
		case byteLevel:
			if p.regex {
				stages = append(stages, gpt2())
			}
		case scan:
			stages = append(stages, p)
		default:
			return "default"
		}
	}
	nfc := slices.Contains(x.t.normalizers(), normalizer(newNormalForm(false, true)))
	normalized := slices.ContainsFunc(x.t.added.list, func(token addedToken) bool { return token.normalized && !token.special })
	name, most := "default", -1
	for _, candidate := range preNames {
		kind := preKinds[candidate]
		if !slices.Equal(stages, kind.stages()) {
			continue
		}
		alike := 0
		for _, same := range []bool{nfc == kind.nfc, normalized == kind.normalized, m.opts.ignoreMerges == kind.ignoreMerges, x.frame().addSep == kind.addSep} {
			if same {
				alike++
			}
		}
		if alike > most {
			name, most = candidate, alike
		}
	}
	return name
}

// stages returns the stages of a kind whose expressions all have scanners.
func (k preKind) stages() []preTokenizer {
	var stages []preTokenizer
	if k.digits {
		stages = append(stages, scan{digits{classes(), true}})
	}
	for _, e := range k.expressions {
		stages = append(stages, knownScan(e))
	}
	return stages
}

// sentencePiece converts the ranks of merges back into scores of the pieces that they
// make.
func (x *export) sentencePiece(m *bpe) {
	if x.unk = m.unk; x.unk >= 0 {
		x.types[x.unk] = ggufUnknown
	}
	if m.opts.byteFallback {
		x.bytes(m.bytes[:])
	}
	list := m.list()
	first := map[int32]int{}
	for i, g := range list {
		if i > 0 && g.rank == list[i-1].rank {
			i = first[list[i-1].id] // pieces with equal scores
		}
		if _, ok := first[g.id]; !ok {
			first[g.id] = i
		}
	}
	scores := make([]float32, len(x.tokens))
	for i, kind := range x.types {
		switch kind {
		case ggufByte:
		case ggufNormal:
			scores[i] = -float32(len(list))
			if rank, ok := first[int32(i)]; ok {
				scores[i] = -float32(rank)
			}
		default:
			scores[i] = -1000
			if kind == ggufUserDefined { // llama.cpp matches these in the original text
				x.tokens[i] = strings.ReplaceAll(x.tokens[i], underscore, " ")
			}
		}
	}
	x.vocabulary("llama", "default")
	x.set("scores", scores)
	prefix := false
	for _, n := range x.t.normalizers() {
		prefix = prefix || n == normalizer(prepend(underscore))
	}
	for _, p := range x.t.preTokenizers() {
		if p, ok := p.(metaspace); ok {
			prefix = prefix || p.prepend != prependNever
		}
	}
	x.set("add_space_prefix", prefix)
}

// normalizers returns the stages of the normalizer.
func (t *Tokenizer) normalizers() normalizerSequence {
	switch n := t.normalizer.(type) {
	case nil:
		return nil
	case normalizerSequence:
		return n
	default:
		return normalizerSequence{n}
	}
}

// preTokenizers returns the stages of the pre-tokenizer, with nested sequences
// expanded.
func (t *Tokenizer) preTokenizers() []preTokenizer {
	var stages []preTokenizer
	var flatten func(p preTokenizer)
	flatten = func(p preTokenizer) {
		switch p := p.(type) {
		case nil:
		case preTokenizerSequence:
			for _, p := range p {
				flatten(p)
			}
		default:
			stages = append(stages, p)
		}
	}
	flatten(t.pre)
	return stages
}

// list returns the merges by rank.
func (m *bpe) list() []bpeMerge {
	var list []bpeMerge
	for _, s := range m.merges.slots {
		if s.merge != noMerge {
			list = append(list, bpeMerge{a: int32(s.pair >> 32), b: int32(uint32(s.pair)), id: int32(uint32(s.merge)), rank: uint32(s.merge >> 32)})
		}
	}
	slices.SortFunc(list, func(g, h bpeMerge) int {
		return cmp.Or(cmp.Compare(g.rank, h.rank), cmp.Compare(g.id, h.id), cmp.Compare(g.a, h.a))
	})
	return list
}

// table returns the bytes that newPrecompiled reads.
func (n *precompiled) table() []byte {
	data := make([]byte, 0, 4+4*len(n.units)+len(n.text))
	data = binary.LittleEndian.AppendUint32(data, uint32(4*len(n.units)))
	for _, u := range n.units {
		data = binary.LittleEndian.AppendUint32(data, u)
	}
	return append(data, n.text...)
}
