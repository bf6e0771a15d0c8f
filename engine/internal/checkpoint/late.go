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

// LateSettings says how texts are encoded for late interaction (ColBERT): which
// token marks a query or a document, what queries are filled up with, and which
// tokens of documents do not count.
type LateSettings struct {
	Query, Document LateText
	Expand          bool           // queries are filled up to their length
	Attend          bool           // tokens see the filling
	Mask            int32          // what they are filled with
	Skip            map[int32]bool // tokens of documents whose vectors do not count
	Raw             bool           // vectors keep the lengths that the modules give them
}

// A LateText is how a kind of text is encoded.
type LateText struct {
	Prefix string
	Length int   // most tokens
	Mark   int32 // the prefix as a token that is put behind the first one; -1: none
	Before bool  // the prefix is put before the text, not between its tokens
}

// colBERT is the class of the checkpoints of ColBERT's authors.
const colBERT = "HF_ColBERT"

// What PyLate takes where nothing is said, and what ColBERT does.
const (
	lateQueryLength    = 32
	lateDocumentLength = 180
	punctuation        = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
)

// Late says whether the chain of modules is for late interaction.
func (m *SentenceModel) Late() bool {
	if m == nil {
		return false
	}
	kind := m.Kind()
	similarity, _ := m.Settings.String("similarity_fn_name")
	return kind == "ColBERT" || kind == "MultiVectorEncoder" || similarity == "MaxSim" ||
		slices.ContainsFunc(m.Modules, func(e Module) bool { return e.PyLate })
}

// readColBERT makes the chain of a checkpoint of ColBERT's authors, whose
// projection is the tensor linear.weight beside the encoder's.
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

// beside reads the settings of another file of the folder as f reads its own.
func (f *File) beside(o *Object) *File {
	path := f.settingsPath
	if o != nil {
		path = o.path
	}
	return &File{Format: Safetensors, Config: o, values: o, settingsPath: path}
}

// lateLength is how many tokens a text may have.
func (f *File) lateLength(name string, fallback int) int {
	return f.Int(Key{HF: name}, 4, MaxPositions, fallback)
}

// The keys of late interaction in GGUF files, whose marks and skipped tokens are
// ids.
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

// Late reads how a model of late interaction, which takes up to maxLength tokens
// of a vocabulary of so many, encodes texts.
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
	return l, f.markless("[MASK]")
}

func (l *LateSettings) readGGUF(f *File, maxLength, vocab int) error {
	for _, t := range []struct {
		keys lateKeys
		text *LateText
	}{{keyLateQuery, &l.Query}, {keyLateDocument, &l.Document}} {
		t.text.Length = min(f.count(t.keys.length, 4, MaxPositions), maxLength)
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
		r = f.beside(s.Artifact)
		l.Query = LateText{Prefix: r.String(Key{HF: "query_token_id"}, "[unused0]"), Length: r.lateLength("query_maxlen", lateQueryLength)}
		l.Document = LateText{Prefix: r.String(Key{HF: "doc_token_id"}, "[unused1]"), Length: r.lateLength("doc_maxlen", lateDocumentLength)}
		l.Attend = r.Bool(Key{HF: "attend_to_mask_tokens"}, false)
		if !r.Bool(Key{HF: "mask_punctuation"}, true) {
			skip = nil
		}
	case s.Kind() == "MultiVectorEncoder":
		r = f.beside(s.Encoder)
		var err error
		if skip, err = l.multiVector(f, r, maxLength); err != nil {
			return err
		}
	default:
		r = f.beside(s.Settings)
		l.Query = LateText{Prefix: r.String(Key{HF: "query_prefix"}, "[Q] "), Length: r.lateLength("query_length", lateQueryLength)}
		l.Document = LateText{Prefix: r.String(Key{HF: "document_prefix"}, "[D] "), Length: r.lateLength("document_length", lateDocumentLength)}
		l.Expand, l.Attend = r.Bool(Key{HF: "do_query_expansion"}, true), r.Bool(Key{HF: "attend_to_expansion_tokens"}, false)
		skip = r.Strings(keySkipped, skip)
	}
	if r.err != nil {
		return r.err
	}
	return l.marks(f, t, maxLength, skip)
}

// keySkipped is the words of documents that do not count.
var keySkipped = Key{HF: "skiplist_words"}

// multiVector reads the settings of a MultiVectorEncoder, and gives the words that
// do not count.
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
			return nil, r.Refuse("query_expansion "+s.Encoder.Kind("query_expansion"), `winnow knows the strategy "fixed" with the mask token`)
		}
		x := f.beside(expansion)
		l.Query.Length, l.Attend = x.lateLength("length", lateQueryLength), x.Bool(Key{HF: "attend"}, false)
		if x.err != nil {
			return nil, x.err
		}
	}
	last := slices.DeleteFunc(slices.Clone(s.Modules), func(m Module) bool { return m.Class == multiVectorMask || m.Class == "Dropout" })
	l.Raw = last[len(last)-1].Class != "Normalize"
	m := s.Module(multiVectorMask)
	if m == nil {
		l.Expand = l.Expand && l.Attend // what nothing sees does not count either
		return nil, nil
	}
	return m.skipped(f)
}

// multiVectorMask is the class of the module that says which tokens count.
const multiVectorMask = "MultiVectorMask"

// skipped are the words that do not count in documents.
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
		return nil, m.refuse(skipTasks+" "+m.Config.Kind(skipTasks), "winnow leaves words out of documents only")
	}
	x := f.beside(m.Config)
	words := x.Strings(keySkipped, nil)
	if !slices.Contains(tasks, "document") {
		words = nil
	}
	return words, x.err
}

// skipTasks is for which texts words are left out.
const skipTasks = "skiplist_tasks"

// marks looks the special tokens up.
func (l *LateSettings) marks(f *File, t *tokenizer.Tokenizer, maxLength int, skip []string) error {
	for _, text := range []*LateText{&l.Query, &l.Document} {
		text.Length = min(text.Length, maxLength)
		text.Mark = -1
		if text.Prefix == "" || text.Before {
			continue
		}
		id, ok := t.ID(text.Prefix)
		if !ok {
			return f.markless(strconv.Quote(text.Prefix))
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

func (f *File) markless(name string) error {
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
