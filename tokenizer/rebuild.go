package tokenizer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/winnow-rerank/winnow/internal/fault"
)

// A builder builds a class's tokenizer around a model.
type builder struct {
	*configuration
	t        *Tokenizer
	path     string
	charsmap normalizer // SentencePiece's character table; nil: none
	list     *tokenList
	rebuilt  bool // the stages are those of the class, not those of tokenizer.json

	normalizer any // of tokenizer.json, as JSON
}

// restage rebuilds the stages as the class does if they contradict its arguments.
func (b *builder) restage(contradicts bool) {
	if contradicts {
		b.charsmap = b.l.charsmap(b.normalizer)
		b.class.stages(b)
		b.rebuilt = true
	}
}

// contradictsPrefix is contradicts for add_prefix_space.
func (b *builder) contradictsPrefix() bool {
	prefix, known := b.t.prefixes()
	return known && b.contradicts("add_prefix_space", prefix)
}

// build builds the tokenizer of a model whose vocabulary is not from a tokenizer.json.
func (c *configuration) build(path string, t *Tokenizer, charsmap normalizer) (*Tokenizer, error) {
	b := &builder{configuration: c, t: t, path: path, charsmap: charsmap, list: c.tokens(nil)}
	if c.class.stages != nil {
		c.class.stages(b)
	}
	t.added.add(t.model, b.list.missing(t, false)...)
	b.addPlain()
	b.frame()
	return b.finish()
}

// addPlain adds the special tokens again without flags, if the class requires it.
func (b *builder) addPlain() {
	if !b.class.plainSpecial {
		return
	}
	for _, v := range b.list.special() {
		if b.t.added.has(v.token.content) {
			b.t.added.add(b.t.model, addedToken{content: v.token.content, special: true})
		}
	}
}

// complete applies the files next to a tokenizer.json to t, which is the content of
// that file. file are its added tokens, normalizer is its normalizer as JSON, and
// framed says whether it has a post-processor.
func (c *configuration) complete(path string, t *Tokenizer, file []addedToken, framed bool, normalizer any) (*Tokenizer, error) {
	b := &builder{configuration: c, t: t, path: path, normalizer: normalizer, list: c.tokens(file)}
	switch {
	case !framed && c.class.kind == t.Kind(): // the file is incomplete
		b.restage(true)
	case c.class.adjust != nil:
		c.class.adjust(b)
	}
	t.added.add(t.model, b.list.missing(t, true)...)
	if b.rebuilt {
		b.addPlain()
	}
	if !framed || c.class.reframes || c.appendsEnd() {
		b.frame()
	}
	return b.finish()
}

// appendsEnd reports whether the tokenizer uses the custom code of GTE's Qwen2 models,
// which is Qwen2's class plus a token at the end of texts.
func (c *configuration) appendsEnd() bool {
	return strings.HasSuffix(c.customCode(), "tokenization_qwen.Qwen2TokenizerFast") && c.flag("add_eos_token", true)
}

func (b *builder) frame() {
	switch {
	case b.appendsEnd():
		b.around(nil, mark{"eos_token", -1}, false, 1)
	case b.class.frame != nil:
		b.class.frame(b)
	default:
		b.frameMarks()
	}
}

func (b *builder) finish() (*Tokenizer, error) {
	if b.l.err != nil {
		return nil, b.l.err
	}
	if err := b.t.finish(b.path); err != nil {
		return nil, err
	}
	b.apply(b.t)
	return b.t, b.l.err
}

// normalizes reports whether a step of the normalizer has type N.
func normalizes[N normalizer](t *Tokenizer) bool {
	return slices.ContainsFunc(t.normalizers(), func(n normalizer) bool { _, ok := n.(N); return ok })
}

// prefixes reports whether a space or ▁ is prepended to text. known is false if there
// is no step of a kind that does it.
func (t *Tokenizer) prefixes() (prefix, known bool) {
	for _, p := range t.preTokenizers() {
		switch p := p.(type) {
		case metaspace:
			return p.prepend != prependNever, true
		case byteLevel:
			return p.prefixSpace, true
		}
	}
	if normalizes[prepend](t) {
		return true, true
	}
	return false, normalizes[replace](t)
}

// id returns the id of a role's token, or absent if there is none.
func (b *builder) id(role string, absent int32) int32 {
	v, ok := b.list.named[role]
	if !ok {
		return absent
	}
	id, ok := b.t.ID(v.token.content)
	if !ok {
		b.l.keep(&fault.FormatError{Path: b.path, Field: role, Offset: -1, Found: fmt.Sprintf("%q, which is not a token", v.token.content), Want: "a token of the vocabulary"})
	}
	return id
}

// A mark is a role whose token is added to texts; absent is its id if the configuration
// removes it.
type mark struct {
	role   string
	absent int32
}

// around sets the special tokens: begin (nil: none) and end around each sequence, and
// end between the texts of a pair, twice if doubled. second is the token type of the
// second text.
func (b *builder) around(begin *mark, end mark, doubled bool, second int32) {
	f := frame{bos: -1, sep: -1}
	if begin != nil {
		f.bos = b.id(begin.role, begin.absent)
	}
	f.eos = b.id(end.role, end.absent)
	if begin != nil && f.bos < 0 {
		b.lacks(begin.role)
	}
	if f.eos < 0 {
		b.lacks(end.role)
	}
	if doubled {
		f.sep = f.eos
	}
	b.t.single, b.t.pair = f.templates(second)
}

func (b *builder) lacks(role string) {
	b.l.keep(&fault.FormatError{Path: b.path, Field: role, Offset: -1, Found: "nothing", Want: "a token of the vocabulary"})
}

// twoTypes sets [CLS] and [SEP] around texts and type 1 for the second. The arguments
// are their ids if the configuration removes them.
func (b *builder) twoTypes(cls, sep int32) {
	b.around(&mark{"cls_token", cls}, mark{"sep_token", sep}, false, 1)
}

// twoSeps is twoTypes with two [SEP] between the texts and a single type.
func (b *builder) twoSeps(cls, sep int32) {
	b.around(&mark{"cls_token", cls}, mark{"sep_token", sep}, true, 0)
}

// frameMarks adds the configured BOS and EOS tokens to each text. If there is a
// tokenizer.json, the library ignores the settings.
func (b *builder) frameMarks() {
	f := frame{bos: -1, eos: -1}
	if !b.whole {
		if b.flag("add_bos_token", false) {
			f.bos = b.id("bos_token", -1)
		}
		if b.flag("add_eos_token", false) {
			f.eos = b.id("eos_token", -1)
		}
	}
	b.t.single, b.t.pair = f.templatesOfEach()
}
