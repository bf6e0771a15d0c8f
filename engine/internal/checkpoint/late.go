package checkpoint

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/kernels"
	"github.com/winnow-rerank/winnow/tokenizer"
)

// LateSettings configures the encoding of texts for late interaction (ColBERT): the
// tokens that mark a query or a document, query padding, and document tokens to skip.
type LateSettings struct {
	Query, Document LateText
	Expand          bool           // queries are padded to their length
	Attend          bool           // tokens see the padding
	Mask            int32          // the padding token
	Skip            map[int32]bool // document tokens whose vectors are skipped
	Raw             bool           // vectors are not normalised after the modules
}

// A LateText says how one kind of text is encoded.
type LateText struct {
	Prefix string
	Length int   // maximum tokens
	Mark   int32 // the prefix as a token, inserted after the first one; -1: none
	Before bool  // the prefix is prepended to the text, not inserted as a token
}

// colBERT is the class of the ColBERT authors' checkpoints.
const colBERT = "HF_ColBERT"

// PyLate's defaults, and ColBERT's.
const (
	lateQueryLength    = 32
	lateDocumentLength = 180
	punctuation        = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
)

// Late reports whether the chain of modules is for late interaction.
func (m *SentenceModel) Late() bool {
	if m == nil {
		return false
	}
	kind := m.Kind()
	similarity, _ := m.Settings.String("similarity_fn_name")
	return kind == "ColBERT" || kind == "MultiVectorEncoder" || similarity == "MaxSim" ||
		slices.ContainsFunc(m.Modules, func(e Module) bool { return e.PyLate })
}

// readColBERT builds the chain of a ColBERT authors' checkpoint, whose projection is
// the tensor linear.weight next to the encoder's.
func (c *Chain) readColBERT(f *File) error {
	t, ok := f.source.Tensor("linear.weight")
	if !ok || len(t.Shape) != 2 || t.Shape[0] < 1 || t.Shape[0] > MaxWidth {
		return &fault.FormatError{Path: f.Path, Field: "tensor linear.weight", Offset: -1, Found: fmt.Sprintf("shape %v", t.Shape), Want: fmt.Sprintf("shape [width %d]", c.Width)}
	}
	f.Alias("linear", "dense."+strconv.Itoa(firstStep)+".linear")
	s := Step{dense: true, inputs: c.Width, outputs: t.Shape[0], Activation: kernels.Identity, path: f.Path}
	_, s.bias = f.source.Tensor("linear.bias")
	c.add(s)
	c.Unit = true
	return nil
}

// withConfig reads another settings file of the folder the way f reads its own.
func (f *File) withConfig(o *Object) *File {
	path := f.settingsPath
	if o != nil {
		path = o.path
	}
	return &File{Format: Safetensors, Config: o, values: o, settingsPath: path}
}

// lateLength is the maximum length of a text in tokens.
func (f *File) lateLength(name string, fallback int) int {
	return f.Int(Key{HF: name}, 4, MaxPositions, fallback)
}

// The keys of late interaction in GGUF files; marks and skipped tokens are ids.
type lateKeys struct{ length, mark, prefix Key }

var (
	keyLateQuery    = lateKeysOf("query")
	keyLateDocument = lateKeysOf("document")
	keyLateExpand   = Key{GGUF: ".late_interaction.expand"}
	keyLateAttend   = Key{GGUF: ".late_interaction.attend"}
	keyLateSkip     = Key{GGUF: ".late_interaction.skip_tokens"}
	keyLateRaw      = Key{GGUF: ".late_interaction.raw"}
)

func lateKeysOf(kind string) lateKeys {
	stem := ".late_interaction." + kind
	return lateKeys{Key{GGUF: stem + "_length"}, Key{GGUF: stem + "_token_id"}, Key{GGUF: stem + "_prefix"}}
}

// Late reads how a late-interaction model with up to maxLength tokens and the given
// vocabulary size encodes texts.
func (f *File) Late(t *tokenizer.Tokenizer, maxLength, vocab int) (*LateSettings, error) {
	l := &LateSettings{Expand: true, Skip: make(map[int32]bool)}
	var err error
	if f.IsGGUF() {
		err = l.readGGUF(f, maxLength, vocab)
	} else {
		err = l.read(f, t, maxLength)
	}
	if err != nil || !l.Expand {
		return l, err
	}
	for _, name := range []string{"[MASK]", "<mask>"} {
		if id, ok := t.ID(name); ok {
			l.Mask = id
			return l, nil
		}
	}
	return l, f.missingToken("[MASK]")
}

func (l *LateSettings) readGGUF(f *File, maxLength, vocab int) error {
	for _, t := range []struct {
		keys lateKeys
		text *LateText
	}{{keyLateQuery, &l.Query}, {keyLateDocument, &l.Document}} {
		t.text.Length = min(f.requiredInt(t.keys.length, 4, MaxPositions), maxLength)
		t.text.Mark = int32(f.Int(t.keys.mark, 0, vocab-1, -1))
		t.text.Prefix = f.String(t.keys.prefix, "")
		t.text.Before = t.text.Prefix != ""
	}
	l.Expand, l.Attend, l.Raw = f.Bool(keyLateExpand, true), f.Bool(keyLateAttend, false), f.Bool(keyLateRaw, false)
	for _, id := range f.Ints(keyLateSkip) {
		l.Skip[int32(id)] = true
	}
	return f.err
}

// read reads the settings of a folder.
func (l *LateSettings) read(f *File, t *tokenizer.Tokenizer, maxLength int) error {
	s := f.Sentence
	skip := strings.Split(punctuation, "")
	var r *File
	switch {
	case f.Architecture == colBERT && s.Modules == nil:
		r = f.withConfig(s.Artifact)
		l.Query = LateText{Prefix: r.String(Key{HF: "query_token_id"}, "[unused0]"), Length: r.lateLength("query_maxlen", lateQueryLength)}
		l.Document = LateText{Prefix: r.String(Key{HF: "doc_token_id"}, "[unused1]"), Length: r.lateLength("doc_maxlen", lateDocumentLength)}
		l.Attend = r.Bool(Key{HF: "attend_to_mask_tokens"}, false)
		if !r.Bool(Key{HF: "mask_punctuation"}, true) {
			skip = nil
		}
	case s.Kind() == "MultiVectorEncoder":
		r = f.withConfig(s.Encoder)
		var err error
		if skip, err = l.multiVector(f, r, maxLength); err != nil {
			return err
		}
	default:
		r = f.withConfig(s.Settings)
		l.Query = LateText{Prefix: r.String(Key{HF: "query_prefix"}, "[Q] "), Length: r.lateLength("query_length", lateQueryLength)}
		l.Document = LateText{Prefix: r.String(Key{HF: "document_prefix"}, "[D] "), Length: r.lateLength("document_length", lateDocumentLength)}
		l.Expand, l.Attend = r.Bool(Key{HF: "do_query_expansion"}, true), r.Bool(Key{HF: "attend_to_expansion_tokens"}, false)
		skip = r.Strings(keySkipped, skip)
	}
	if r.err != nil {
		return r.err
	}
	return l.lookUpTokens(f, t, maxLength, skip)
}

// keySkipped lists the document words to skip.
var keySkipped = Key{HF: "skiplist_words"}

// multiVector reads a MultiVectorEncoder's settings and returns the words to skip.
func (l *LateSettings) multiVector(f, r *File, maxLength int) (skip []string, err error) {
	s := f.Sentence
	prompts, _, err := s.Prompts()
	if err != nil {
		return nil, err
	}
	l.Query = LateText{Prefix: prompts["query"], Length: r.lateLength("query_length", maxLength), Before: true}
	l.Document = LateText{Prefix: prompts["document"], Length: r.lateLength("document_length", maxLength), Before: true}
	expansion := s.Encoder.Object("query_expansion")
	if l.Expand = expansion != nil; l.Expand {
		if how, _ := expansion.String("strategy"); how != "fixed" || expansion.Has("token") {
			return nil, r.Refuse("query_expansion "+s.Encoder.Kind("query_expansion"), `winnow supports the strategy "fixed" with the mask token`)
		}
		x := f.withConfig(expansion)
		l.Query.Length, l.Attend = x.lateLength("length", lateQueryLength), x.Bool(Key{HF: "attend"}, false)
		if x.err != nil {
			return nil, x.err
		}
	}
	last := slices.DeleteFunc(slices.Clone(s.Modules), func(m Module) bool { return m.Class == multiVectorMask || m.Class == "Dropout" })
	l.Raw = last[len(last)-1].Class != "Normalize"
	m := s.Module(multiVectorMask)
	if m == nil {
		l.Expand = l.Expand && l.Attend // padding that nothing attends to does not count either
		return nil, nil
	}
	return m.skipped(f)
}

// multiVectorMask is the class of the module that masks skipped tokens.
const multiVectorMask = "MultiVectorMask"

// skipped returns the words to skip in documents.
func (m *Module) skipped(f *File) ([]string, error) {
	ids, ok := m.Config.Ints("keep_only_token_ids")
	if m.Config.Has("keep_only_token_ids") && (!ok || len(ids) > 0) {
		return nil, m.refuse("keep_only_token_ids "+m.Config.Kind("keep_only_token_ids"), "")
	}
	tasks := []string{"document"}
	if m.Config.Has(skipTasks) {
		if tasks, ok = m.Config.Texts(skipTasks); !ok {
			return nil, m.wrong(skipTasks, m.Config.Kind(skipTasks), "names of tasks")
		}
	}
	if slices.Contains(tasks, "query") {
		return nil, m.refuse(skipTasks+" "+m.Config.Kind(skipTasks), "winnow skips words in documents only")
	}
	x := f.withConfig(m.Config)
	words := x.Strings(keySkipped, nil)
	if !slices.Contains(tasks, "document") {
		words = nil
	}
	return words, x.err
}

// skipTasks says for which texts words are skipped.
const skipTasks = "skiplist_tasks"

// lookUpTokens looks up the special tokens.
func (l *LateSettings) lookUpTokens(f *File, t *tokenizer.Tokenizer, maxLength int, skip []string) error {
	for _, text := range []*LateText{&l.Query, &l.Document} {
		text.Length = min(text.Length, maxLength)
		text.Mark = -1
		if text.Prefix == "" || text.Before {
			continue
		}
		id, ok := t.ID(text.Prefix)
		if !ok {
			return f.missingToken(strconv.Quote(text.Prefix))
		}
		text.Mark = id
	}
	for _, word := range skip {
		if id, ok := t.ID(word); ok {
			l.Skip[id] = true
		}
	}
	return nil
}

func (f *File) missingToken(name string) error {
	return f.wrong("vocabulary", "no token "+name, "the marks of late interaction")
}

// Late writes the settings of late interaction.
func (e *Export) Late(l *LateSettings) {
	e.Set(keyPoolingType.GGUF, uint32(PoolingTypeNone))
	for _, t := range []struct {
		keys lateKeys
		text LateText
	}{{keyLateQuery, l.Query}, {keyLateDocument, l.Document}} {
		e.Set(t.keys.length.GGUF, uint32(t.text.Length))
		if t.text.Mark >= 0 {
			e.Set(t.keys.mark.GGUF, uint32(t.text.Mark))
		}
		if t.text.Before && t.text.Prefix != "" {
			e.Set(t.keys.prefix.GGUF, t.text.Prefix)
		}
	}
	e.Set(keyLateExpand.GGUF, l.Expand)
	e.Set(keyLateAttend.GGUF, l.Attend)
	if l.Raw {
		e.Set(keyLateRaw.GGUF, true)
	}
	e.Set(keyLateSkip.GGUF, slices.Sorted(maps.Keys(l.Skip)))
}
