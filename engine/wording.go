package engine

import (
	"fmt"
	"strings"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
)

// A wording is how a causal model is given a query and a document: in a prompt, as
// messages that its chat template renders, or, with neither, as the bare pair.
type wording struct {
	prompt *prompt                  // or nil
	format checkpoint.MessageFormat // of messages; NoMessages: there are none
	reason string                   // why it is this one
}

// divisor is what the logits of answers are divided by.
func (w *wording) divisor() float32 {
	if w.prompt == nil {
		return 1
	}
	return w.prompt.divisor
}

// worded makes the ranker that reads pairs in this wording.
func (m *backbone) worded(s *scorer, w *wording, o Options) (ranker, error) {
	switch {
	case w.prompt != nil:
		if o.Instruction != "" {
			w.prompt.instruction = o.Instruction
		}
		if err := w.prompt.prepare(m.tokenizer); err != nil {
			return nil, fmt.Errorf("%s: %w", m.file.SettingsPath(), err)
		}
		return m.newPrompted(s, w.prompt), nil
	case w.format != checkpoint.NoMessages:
		return m.newChat(s, w.format, w.reason, o)
	}
	p, err := m.newPair(s)
	if err != nil {
		return nil, err
	}
	p.bare = w.reason
	return p, nil
}

// wording decides: what is asked for; what the files say; what is known of the
// model by its name; and, of a model of which nothing says anything, the usual
// prompt of its family's rerankers.
func (m *backbone) wording(o Options) (*wording, error) {
	w, err := m.findWording(o.Template)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.file.SettingsPath(), err)
	}
	return w, nil
}

func (m *backbone) findWording(template string) (*wording, error) {
	f := m.file
	switch {
	case template == barePair:
		return &wording{reason: "asked for"}, nil
	case template != "":
		p, err := m.askedPrompt(template)
		return &wording{prompt: p}, err
	case f.IsGGUF():
		if w, err := m.ggufWording(); w != nil || err != nil {
			return w, err
		}
	case f.Sentence.CrossEncoder():
		format, err := f.MessageFormat()
		if format != checkpoint.NoMessages || err != nil {
			return &wording{format: format, reason: "the folder has a chat template, and sentence-transformers renders it"}, err
		}
		return &wording{reason: "sentence-transformers gives this model the bare pair"}, nil
	}
	if p := m.knownPrompt(); p != nil {
		return &wording{prompt: p}, nil
	}
	if m.network.Classifier != nil {
		if format := m.ownTemplate(); format != checkpoint.NoMessages {
			return &wording{format: format, reason: "the folder's chat template has the roles query and document"}, nil
		}
	}
	if p := m.usualPrompt(); p != nil {
		return &wording{prompt: p}, nil
	}
	return &wording{reason: "nothing says that the model is to be asked in words"}, nil
}

// barePair is the name of the wording that is none.
const barePair = "none"

// keyPrompt is the name of the prompt that a GGUF file is to be used with, or barePair.
var keyPrompt = checkpoint.Key{GGUF: ".rerank.prompt"}

// ggufWording is the wording that a GGUF file carries, or nil.
func (m *backbone) ggufWording() (*wording, error) {
	f := m.file
	if text := f.String(checkpoint.Key{GGUF: "tokenizer.chat_template.rerank"}, ""); text != "" {
		p, err := m.ggufPrompt(text)
		return &wording{prompt: p}, err
	}
	if format, err := f.MessageFormat(); format != checkpoint.NoMessages || err != nil {
		return &wording{format: format, reason: "the file says so"}, err
	}
	name := f.String(keyPrompt, "")
	if name == barePair {
		return &wording{reason: "the file says so"}, nil
	}
	if named, ok := builtinPrompts[name]; ok {
		return &wording{prompt: named().because("the file names it")}, nil
	}
	return nil, nil
}

// knownPrompts are parts of models' names, without punctuation, and their prompts.
var knownPrompts = []struct{ part, prompt string }{
	{"zerank", "zerank"}, {"ctxlrerank", "ctxl-rerank-v2"}, {"mxbairerank", "mxbai-rerank-v2"}, {"qwen3reranker", "qwen3-reranker"},
	{"qwen3vlreranker", "qwen3-vl-reranker"},
	{"bgererankerv2gemma", "bge-reranker-gemma"}, {"nemotronrerank", "nemotron-rerank"}, {"nvrerankqa", "nemotron-rerank"},
}

// knownT5Prompts are the same of T5, which is called so in most of its names: the
// first that fits, in the order of pygaggle's and rerankers' lists.
var knownT5Prompts = []struct{ part, prompt string }{
	{"monoptt5", "monoptt5"}, {"ptt5", "ptt5"}, {"mt53b", "monot5-true"}, {"mt513b", "monot5-true"}, {"mt5base", "monot5-yes-no"},
}

// knownPrompt is the prompt of a model that is known by its name or class, or nil.
func (m *backbone) knownPrompt() *prompt {
	name := strings.NewReplacer("-", "", "_", "", " ", "", ".", "").Replace(strings.ToLower(m.file.Name + " " + m.path))
	list := knownPrompts
	if m.network.Decoder.OneStep {
		list = knownT5Prompts
	}
	for _, known := range list {
		if strings.Contains(name, known.part) {
			return builtinPrompts[known.prompt]().because("the model's name is known")
		}
	}
	if named, ok := builtinPrompts[m.network.Prompt]; ok {
		return named().because("the model's class is known")
	}
	if m.network.Classifier != nil && m.network.Pooling == compute.PoolMean {
		return nemotronPrompt().because("the model's class is known")
	}
	return nil
}

// ownTemplate is the format of the messages of a chat template that carries the roles
// query and document in a folder that says nothing else.
func (m *backbone) ownTemplate() checkpoint.MessageFormat {
	if m.file.IsGGUF() {
		return checkpoint.NoMessages
	}
	format, err := m.file.MessageFormat()
	if err != nil || format == checkpoint.NoMessages {
		return checkpoint.NoMessages
	}
	if _, err := m.newChat(&scorer{backbone: m}, format, "", Options{}); err != nil {
		return checkpoint.NoMessages
	}
	return format
}

// usualPrompt is that of the rerankers of the model's family: of language models, and
// of a classifier of Qwen 3, Qwen 2 or Gemma whose folder has no chat template.
func (m *backbone) usualPrompt() *prompt {
	f := m.file
	usual := "bge-reranker-gemma"
	switch name := strings.ToLower(f.Architecture); {
	case m.network.Decoder.OneStep:
		usual = "monot5"
	case strings.HasPrefix(name, "qwen3"):
		usual = m.qwenPrompt().name
	case strings.HasPrefix(name, "qwen2"):
		usual = "mxbai-rerank-v2"
	case m.network.Classifier != nil && !strings.HasPrefix(name, "gemma"):
		return nil
	}
	if m.network.Classifier != nil {
		if template, err := f.ChatTemplate(); err != nil || template != "" && !f.IsGGUF() {
			return nil
		}
	}
	return builtinPrompts[usual]().because("rerankers of this family usually have it")
}

// classifiesByWords says whether a GGUF file's classifier is rows of the embedding
// table, up to what the two lose in quantization. Converters leave the language
// model's head out where it is that table, without a word of which kind the file
// is.
func (m *backbone) classifiesByWords(labels []string) bool {
	words := m.network.Decoder.Words
	score, _ := m.file.Tensor("cls.output.weight")
	if len(labels) != 2 || !strings.EqualFold(labels[0], "yes") || len(score.Shape) != 2 || score.Shape[0] != 2 || score.Shape[1] != words.Cols || !score.Type.CanDequantize() {
		return false
	}
	rows := compute.NewEmbedding(score)
	a, b := make([]float32, words.Cols), make([]float32, words.Cols)
	for i, label := range labels {
		ids, err := m.tokenizer.Tokens(nil, label)
		if err != nil || len(ids) != 1 || int(ids[0]) >= words.Rows {
			return false
		}
		rows.Row(a, int32(i))
		words.Row(b, ids[0])
		if cosine(doubles(a), doubles(b)) < 0.9 {
			return false
		}
	}
	return true
}
