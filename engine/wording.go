package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/engine/internal/family"
)

// A wording is how a causal model is given a query and a document: in a prompt, as
// messages that its chat template renders, or, with neither, as the bare pair.
type wording interface {
	// ranker makes the ranker that reads pairs in this wording.
	ranker(s *scorer, o Options) (ranker, error)
	// answers is the prompt whose answers make the score of a language model.
	answers() *prompt
}

// inPrompt is the wording of a prompt.
type inPrompt struct{ *prompt }

func (w inPrompt) answers() *prompt { return w.prompt }

func (w inPrompt) ranker(s *scorer, o Options) (ranker, error) {
	if o.Instruction != "" {
		w.instruction = o.Instruction
	}
	if err := w.prepare(s.tokenizer); err != nil {
		return nil, fmt.Errorf("%s: %w", s.file.SettingsPath(), err)
	}
	return s.newPrompted(s, w.prompt), nil
}

// inMessages is the wording of messages of that format; reason says why it is this one.
type inMessages struct {
	format checkpoint.MessageFormat
	reason string
}

func (w inMessages) answers() *prompt { return qwen3Prompt() }

func (w inMessages) ranker(s *scorer, o Options) (ranker, error) {
	return s.newChat(s, w.format, w.reason, o)
}

// inPairs is the bare pair.
type inPairs struct{ reason string }

func (w inPairs) answers() *prompt { return qwen3Prompt() }

func (w inPairs) ranker(s *scorer, o Options) (ranker, error) {
	p, err := s.newPair(s)
	if err != nil {
		return nil, err
	}
	p.bare = w.reason
	return p, nil
}

// wording decides: what is asked for; what the files say; what is known of the
// model by its name; and, of a model of which nothing says anything, the usual
// prompt of its family's rerankers.
func (m *backbone) wording(o Options) (wording, error) {
	w, err := m.findWording(o.Template)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.file.SettingsPath(), err)
	}
	return w, nil
}

func (m *backbone) findWording(template string) (wording, error) {
	f := m.file
	switch {
	case template == barePair:
		return inPairs{"asked for"}, nil
	case template != "":
		p, err := m.askedPrompt(template)
		return inPrompt{p}, err
	case f.IsGGUF():
		if w, err := m.ggufWording(); w != nil || err != nil {
			return w, err
		}
	case f.Sentence.CrossEncoder():
		format, err := f.MessageFormat()
		if format != checkpoint.NoMessages || err != nil {
			return inMessages{format, "the folder has a chat template, and sentence-transformers renders it"}, err
		}
		return inPairs{"sentence-transformers gives this model the bare pair"}, nil
	}
	if p := m.knownPrompt(); p != nil {
		return inPrompt{p}, nil
	}
	if m.task == family.Classify {
		if format := m.ownTemplate(); format != checkpoint.NoMessages {
			return inMessages{format, "the folder's chat template has the roles query and document"}, nil
		}
	}
	if p := m.usualPrompt(); p != nil {
		return inPrompt{p}, nil
	}
	return inPairs{"nothing says that the model is to be asked in words"}, nil
}

// ggufWording is the wording that a GGUF file carries, or nil.
func (m *backbone) ggufWording() (wording, error) {
	f := m.file
	if text := f.String(checkpoint.Key{GGUF: "tokenizer.chat_template.rerank"}, ""); text != "" {
		p, err := m.ggufPrompt(text)
		return inPrompt{p}, err
	}
	if format, err := f.MessageFormat(); format != checkpoint.NoMessages || err != nil {
		return inMessages{format, "the file says so"}, err
	}
	name := f.String(keyPrompt, "")
	if name == barePair {
		return inPairs{"the file says so"}, nil
	}
	if named, ok := builtinPrompts[name]; ok {
		return inPrompt{named().because("the file names it")}, nil
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
	if m.task == family.Classify && m.network.Pooling == compute.PoolMean {
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
	case m.task == family.Classify && !strings.HasPrefix(name, "gemma"):
		return nil
	}
	if m.task == family.Classify {
		if template, err := f.ChatTemplate(); err != nil || template != "" && !f.IsGGUF() {
			return nil
		}
	}
	return builtinPrompts[usual]().because("rerankers of this family usually have it")
}

// askedPrompt is the prompt of a name or template that was asked for.
func (m *backbone) askedPrompt(template string) (*prompt, error) {
	if named, ok := builtinPrompts[template]; ok {
		return named().because("asked for"), nil
	}
	if !strings.Contains(template, "{") {
		return nil, fmt.Errorf("there is no template %q: expected text with %s and %s, or one of %s",
			checkpoint.Abridge(template), fieldQuery, fieldDocument, strings.Join(slices.Sorted(maps.Keys(builtinPrompts)), ", "))
	}
	p, err := promptOf(m.tokenizer, template)
	if err != nil {
		return nil, err
	}
	return p.because("asked for"), nil
}

// ggufPrompt is the prompt that a GGUF file carries. llama.cpp's converter writes
// the default instruction into Qwen3-Reranker's; it is made a field again. It also
// writes Qwen3-Reranker's into files of Qwen3-VL-Reranker, whose authors have another.
func (m *backbone) ggufPrompt(text string) (*prompt, error) {
	usual := m.qwenPrompt()
	if plain := qwen3Prompt(); usual.name != plain.name && text == plain.whole() {
		return usual.because("the file has that of Qwen3-Reranker, which the authors of this one do not use"), nil
	}
	p, err := promptOf(m.tokenizer, strings.Replace(text, usual.instruction, fieldInstruction, 1))
	if err != nil {
		return nil, fmt.Errorf("tokenizer.chat_template.rerank: %w", err)
	}
	p.instruction = usual.instruction
	return p.because("the file has it as tokenizer.chat_template.rerank"), nil
}
