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
type inputFormat interface {
	// ranker makes the ranker that reads pairs in this wording.
	ranker(s *scorer, o Options) (ranker, error)
	// answers is the prompt whose answers make the score of a language model.
	answerPrompt() *prompt
}

// inPrompt is the wording of a prompt.
type promptInput struct{ *prompt }

func (w promptInput) answerPrompt() *prompt { return w.prompt }

func (w promptInput) ranker(s *scorer, o Options) (ranker, error) {
	if o.Instruction != "" {
		w.instruction = o.Instruction
	}
	if err := w.prepare(s.tokenizer); err != nil {
		return nil, fmt.Errorf("%s: %w", s.file.SettingsPath(), err)
	}
	return s.newPromptRanker(s, w.prompt), nil
}

// inMessages is the wording of messages of that format; reason says why it is this one.
type messagesInput struct {
	format checkpoint.MessageFormat
	reason string
}

func (w messagesInput) answerPrompt() *prompt { return qwen3Prompt() }

func (w messagesInput) ranker(s *scorer, o Options) (ranker, error) {
	return s.newChatRanker(s, w.format, w.reason, o)
}

// inPairs is the bare pair.
type pairInput struct{ reason string }

func (w pairInput) answerPrompt() *prompt { return qwen3Prompt() }

func (w pairInput) ranker(s *scorer, o Options) (ranker, error) {
	p, err := s.newPairRanker(s)
	if err != nil {
		return nil, err
	}
	p.bareReason = w.reason
	return p, nil
}

// wording decides: what is asked for; what the files say; what is known of the
// model by its name; and, of a model of which nothing says anything, the usual
// prompt of its family's rerankers.
func (b *backbone) inputFormat(o Options) (inputFormat, error) {
	w, err := b.chooseInputFormat(o.Template)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.file.SettingsPath(), err)
	}
	return w, nil
}

func (b *backbone) chooseInputFormat(template string) (inputFormat, error) {
	f := b.file
	switch {
	case template == barePair:
		return pairInput{"asked for"}, nil
	case template != "":
		p, err := b.requestedPrompt(template)
		return promptInput{p}, err
	case f.IsGGUF():
		if w, err := b.ggufInputFormat(); w != nil || err != nil {
			return w, err
		}
	case f.Sentence.CrossEncoder():
		format, err := f.MessageFormat()
		if format != checkpoint.NoMessages || err != nil {
			return messagesInput{format, "the folder has a chat template, and sentence-transformers renders it"}, err
		}
		return pairInput{"sentence-transformers gives this model the bare pair"}, nil
	}
	if p := b.knownPrompt(); p != nil {
		return promptInput{p}, nil
	}
	if b.task == family.Classify {
		if format := b.templateFormat(); format != checkpoint.NoMessages {
			return messagesInput{format, "the folder's chat template has the roles query and document"}, nil
		}
	}
	if p := b.familyPrompt(); p != nil {
		return promptInput{p}, nil
	}
	return pairInput{"nothing says that the model is to be asked in words"}, nil
}

// ggufWording is the wording that a GGUF file carries, or nil.
func (b *backbone) ggufInputFormat() (inputFormat, error) {
	f := b.file
	if text := f.String(checkpoint.Key{GGUF: "tokenizer.chat_template.rerank"}, ""); text != "" {
		p, err := b.ggufPrompt(text)
		return promptInput{p}, err
	}
	if format, err := f.MessageFormat(); format != checkpoint.NoMessages || err != nil {
		return messagesInput{format, "the file says so"}, err
	}
	name := f.String(keyPrompt, "")
	if name == barePair {
		return pairInput{"the file says so"}, nil
	}
	if named, ok := builtinPrompts[name]; ok {
		return promptInput{named().withReason("the file names it")}, nil
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
func (b *backbone) knownPrompt() *prompt {
	name := strings.NewReplacer("-", "", "_", "", " ", "", ".", "").Replace(strings.ToLower(b.file.Name + " " + b.path))
	list := knownPrompts
	if b.network.Decoder.OneStep {
		list = knownT5Prompts
	}
	for _, known := range list {
		if strings.Contains(name, known.part) {
			return builtinPrompts[known.prompt]().withReason("the model's name is known")
		}
	}
	if named, ok := builtinPrompts[b.network.Prompt]; ok {
		return named().withReason("the model's class is known")
	}
	if b.task == family.Classify && b.network.Pooling == compute.PoolMean {
		return nemotronPrompt().withReason("the model's class is known")
	}
	return nil
}

// ownTemplate is the format of the messages of a chat template that carries the roles
// query and document in a folder that says nothing else.
func (b *backbone) templateFormat() checkpoint.MessageFormat {
	if b.file.IsGGUF() {
		return checkpoint.NoMessages
	}
	format, err := b.file.MessageFormat()
	if err != nil || format == checkpoint.NoMessages {
		return checkpoint.NoMessages
	}
	if _, err := b.newChatRanker(&scorer{backbone: b}, format, "", Options{}); err != nil {
		return checkpoint.NoMessages
	}
	return format
}

// usualPrompt is that of the rerankers of the model's family: of language models, and
// of a classifier of Qwen 3, Qwen 2 or Gemma whose folder has no chat template.
func (b *backbone) familyPrompt() *prompt {
	f := b.file
	usual := "bge-reranker-gemma"
	switch name := strings.ToLower(f.Architecture); {
	case b.network.Decoder.OneStep:
		usual = "monot5"
	case strings.HasPrefix(name, "qwen3"):
		usual = b.qwenPrompt().name
	case strings.HasPrefix(name, "qwen2"):
		usual = "mxbai-rerank-v2"
	case b.task == family.Classify && !strings.HasPrefix(name, "gemma"):
		return nil
	}
	if b.task == family.Classify {
		if template, err := f.ChatTemplate(); err != nil || template != "" && !f.IsGGUF() {
			return nil
		}
	}
	return builtinPrompts[usual]().withReason("rerankers of this family usually have it")
}

// askedPrompt is the prompt of a name or template that was asked for.
func (b *backbone) requestedPrompt(template string) (*prompt, error) {
	if named, ok := builtinPrompts[template]; ok {
		return named().withReason("asked for"), nil
	}
	if !strings.Contains(template, "{") {
		return nil, fmt.Errorf("there is no template %q: expected text with %s and %s, or one of %s",
			checkpoint.Abridge(template), fieldQuery, fieldDocument, strings.Join(slices.Sorted(maps.Keys(builtinPrompts)), ", "))
	}
	p, err := parsePrompt(b.tokenizer, template)
	if err != nil {
		return nil, err
	}
	return p.withReason("asked for"), nil
}

// ggufPrompt is the prompt that a GGUF file carries. llama.cpp's converter writes
// the default instruction into Qwen3-Reranker's; it is made a field again. It also
// writes Qwen3-Reranker's into files of Qwen3-VL-Reranker, whose authors have another.
func (b *backbone) ggufPrompt(text string) (*prompt, error) {
	usual := b.qwenPrompt()
	if plain := qwen3Prompt(); usual.name != plain.name && text == plain.fullText() {
		return usual.withReason("the file has that of Qwen3-Reranker, which the authors of this one do not use"), nil
	}
	p, err := parsePrompt(b.tokenizer, strings.Replace(text, usual.instruction, fieldInstruction, 1))
	if err != nil {
		return nil, fmt.Errorf("tokenizer.chat_template.rerank: %w", err)
	}
	p.instruction = usual.instruction
	return p.withReason("the file has it as tokenizer.chat_template.rerank"), nil
}
