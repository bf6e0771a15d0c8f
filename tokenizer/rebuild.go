package tokenizer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/winnow-rerank/winnow/internal/fault"
)

// A builder makes a tokenizer of a class around a model.
type builder struct {
	*configuration
	t        *Tokenizer
	path     string
	charsmap normalizer // SentencePiece's table of characters; nil: none
	list     *tokenList
	anew     bool // the stages are the class's, not those of tokenizer.json

	normalizer any // of tokenizer.json, as JSON
}

// restage makes the stages anew, as the class does, if they are not what its
// arguments say.
func (b *builder) restage(contradicts bool) {
	if contradicts {
		b.charsmap = b.l.charsmap(b.normalizer)
		b.class.stages(b)
		b.anew = true
	}
}

// contradictsPrefix is contradicts for add_prefix_space.
func (b *builder) contradictsPrefix() bool {
	prefix, known := b.t.prefixes()
	return known && b.contradicts("add_prefix_space", prefix)
}

// build makes the tokenizer of a model from a vocabulary that is no
// tokenizer.json.
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

// addPlain adds the special tokens once more, without flags, if the class does.
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

// complete brings t, which is what a tokenizer.json says, to what stands beside
// that. file are the file's added tokens and normalizer its normalizer as JSON;
// framed says whether it has a post-processor.
func (c *configuration) complete(path string, t *Tokenizer, file []addedToken, framed bool, normalizer any) (*Tokenizer, error) {
	b := &builder{configuration: c, t: t, path: path, normalizer: normalizer, list: c.tokens(file)}
	switch {
	case !framed && c.class.kind == t.Kind(): // the file is not whole
		b.restage(true)
	case c.class.adjust != nil:
		c.class.adjust(b)
	}
	t.added.add(t.model, b.list.missing(t, true)...)
	if b.anew {
		b.addPlain()
	}
	if !framed || c.class.reframes || c.appendsEnd() {
		b.frame()
	}
	return b.finish()
}

// appendsEnd says whether the tokenizer is of the code that GTE's models of
// Qwen2 come with, which is Qwen2's class but for a token at the end of texts.
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

// normalizes says whether one of the steps of the normalizer is like n.
func normalizes[N normalizer](t *Tokenizer) bool {
	return slices.ContainsFunc(t.normalizers(), func(n normalizer) bool { _, ok := n.(N); return ok })
}

// prefixes says whether text gets a blank or ▁ in front. known is false where no
// step of the kind that does it is there.
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

// id is the id of a role's token, absent where there is none.
func (b *builder) id(role string, absent int32) int32 {
	v, ok := b.list.named[role]
	if !ok {
		return absent
	}
	id, ok := b.t.ID(v.token.content)
	if !ok {
		b.l.keep(&fault.FormatError{Path: b.path, Field: role, Offset: -1, Found: fmt.Sprintf("%q, which is no token", v.token.content), Want: "a token of the vocabulary"})
	}
	return id
}

// A mark is a role whose token stands around texts; absent is its id where it was
// taken away.
type mark struct {
	role   string
	absent int32
}

// around puts the tokens of begin (nil: none) and end around texts: two of the latter
// between those of a pair if doubled. second is the token type of the second text.
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

// twoTypes puts [CLS] and [SEP] around texts and the type 1 on the second. The
// arguments are their ids where they were taken away.
func (b *builder) twoTypes(cls, sep int32) {
	b.around(&mark{"cls_token", cls}, mark{"sep_token", sep}, false, 1)
}

// twoSeps is twoTypes with two [SEP] between the texts instead of types.
func (b *builder) twoSeps(cls, sep int32) {
	b.around(&mark{"cls_token", cls}, mark{"sep_token", sep}, true, 0)
}

// frameMarks puts the tokens that begin and end a text around texts, if the
// configuration asks for them. Beside a tokenizer.json the library passes over
// what it says.
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
