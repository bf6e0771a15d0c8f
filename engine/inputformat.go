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

// An inputFormat is the form in which a causal model reads a query and a document: a
// prompt, messages rendered by its chat template, or the bare pair.
type inputFormat interface {
	// ranker returns a ranker that encodes pairs in this format.
	ranker(s *scorer, o Options) (ranker, error)
	// answerPrompt returns the prompt whose answers a language model is scored by.
	answerPrompt() *prompt
}

// promptInput is the format of a prompt.
type promptInput struct{ *prompt }

func (in promptInput) answerPrompt() *prompt { return in.prompt }

func (in promptInput) ranker(s *scorer, o Options) (ranker, error) {
	if o.Instruction != "" {
		in.instruction = o.Instruction
	}
	if err := in.prepare(s.tokenizer); err != nil {
		return nil, fmt.Errorf("%s: %w", s.file.SettingsPath(), err)
	}
	return s.newPromptRanker(s, in.prompt), nil
}

// messagesInput is the format of messages rendered by a chat template.
type messagesInput struct {
	format checkpoint.MessageFormat
	reason string // why it was chosen
}

func (in messagesInput) answerPrompt() *prompt { return qwen3Prompt() }

func (in messagesInput) ranker(s *scorer, o Options) (ranker, error) {
	return s.newChatRanker(s, in.format, in.reason, o)
}

// pairInput is the bare pair.
type pairInput struct{ reason string }

func (in pairInput) answerPrompt() *prompt { return qwen3Prompt() }

func (in pairInput) ranker(s *scorer, o Options) (ranker, error) {
	p, err := s.newPairRanker(s)
	if err != nil {
		return nil, err
	}
	p.bareReason = in.reason
	return p, nil
}

// inputFormat decides the format: the requested one; the one in the model's files; the
// one known for the model's name or class; or the usual one of rerankers of its family.
func (b *backbone) inputFormat(o Options) (inputFormat, error) {
	in, err := b.chooseInputFormat(o.Template)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.file.SettingsPath(), err)
	}
	return in, nil
}

func (b *backbone) chooseInputFormat(template string) (inputFormat, error) {
	f := b.file
	switch {
	case template == barePair:
		return pairInput{"requested"}, nil
	case template != "":
		p, err := b.requestedPrompt(template)
		return promptInput{p}, err
	case f.IsGGUF():
		if in, err := b.ggufInputFormat(); in != nil || err != nil {
			return in, err
		}
	case f.Sentence.CrossEncoder():
		format, err := f.MessageFormat()
		if format != checkpoint.NoMessages || err != nil {
			return messagesInput{format, "the folder has a chat template, and sentence-transformers renders it"}, err
		}
		return pairInput{"sentence-transformers passes this model the bare pair"}, nil
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

// ggufInputFormat returns the format stored in a GGUF file, or nil.
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
		return promptInput{named().withReason("named in the file")}, nil
	}
	return nil, nil
}

// knownPrompts maps parts of model names, in lower case without punctuation, to prompts.
var knownPrompts = []struct{ part, prompt string }{
	{"zerank", "zerank"}, {"ctxlrerank", "ctxl-rerank-v2"}, {"mxbairerank", "mxbai-rerank-v2"}, {"qwen3reranker", "qwen3-reranker"},
	{"qwen3vlreranker", "qwen3-vl-reranker"},
	{"bgererankerv2gemma", "bge-reranker-gemma"}, {"nemotronrerank", "nemotron-rerank"}, {"nvrerankqa", "nemotron-rerank"},
}

// knownT5Prompts are the same for T5 models. The first match counts, in the order of the
// lists in pygaggle and rerankers.
var knownT5Prompts = []struct{ part, prompt string }{
	{"monoptt5", "monoptt5"}, {"ptt5", "ptt5"}, {"mt53b", "monot5-true"}, {"mt513b", "monot5-true"}, {"mt5base", "monot5-yes-no"},
}

// knownPrompt returns the prompt of a model whose name or class is known, or nil.
func (b *backbone) knownPrompt() *prompt {
	name := strings.NewReplacer("-", "", "_", "", " ", "", ".", "").Replace(strings.ToLower(b.file.Name + " " + b.path))
	list := knownPrompts
	if b.network.Decoder.OneStep {
		list = knownT5Prompts
	}
	for _, known := range list {
		if strings.Contains(name, known.part) {
			return builtinPrompts[known.prompt]().withReason("recognised by the model's name")
		}
	}
	if named, ok := builtinPrompts[b.network.Prompt]; ok {
		return named().withReason("recognised by the model's class")
	}
	if b.task == family.Classify && b.network.Pooling == compute.PoolMean {
		return nemotronPrompt().withReason("recognised by the model's class")
	}
	return nil
}

// templateFormat returns the message format of a folder whose chat template renders the
// roles query and document, or NoMessages.
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

// familyPrompt returns the prompt that rerankers of the model's family usually have, or
// nil. A classifier has one if it is a T5, Qwen or Gemma model and, unless it is a GGUF
// file, has no chat template.
func (b *backbone) familyPrompt() *prompt {
	f := b.file
	name := "bge-reranker-gemma"
	switch architecture := strings.ToLower(f.Architecture); {
	case b.network.Decoder.OneStep:
		name = "monot5"
	case strings.HasPrefix(architecture, "qwen3"):
		name = b.qwenPrompt().name
	case strings.HasPrefix(architecture, "qwen2"):
		name = "mxbai-rerank-v2"
	case b.task == family.Classify && !strings.HasPrefix(architecture, "gemma"):
		return nil
	}
	if b.task == family.Classify {
		if template, err := f.ChatTemplate(); err != nil || template != "" && !f.IsGGUF() {
			return nil
		}
	}
	return builtinPrompts[name]().withReason("usual for rerankers of this family")
}

// requestedPrompt returns the prompt with the given name or text.
func (b *backbone) requestedPrompt(template string) (*prompt, error) {
	if named, ok := builtinPrompts[template]; ok {
		return named().withReason("requested"), nil
	}
	if !strings.Contains(template, "{") {
		return nil, fmt.Errorf("unknown template %q: expected text with %s and %s, or one of %s",
			checkpoint.Abridge(template), fieldQuery, fieldDocument, strings.Join(slices.Sorted(maps.Keys(builtinPrompts)), ", "))
	}
	p, err := parsePrompt(b.tokenizer, template)
	if err != nil {
		return nil, err
	}
	return p.withReason("requested"), nil
}

// ggufPrompt returns the prompt stored in a GGUF file. llama.cpp's converter fills in the
// default instruction of Qwen3-Reranker; ggufPrompt turns it back into a field. The
// converter also stores the prompt of Qwen3-Reranker in files of Qwen3-VL-Reranker, which
// needs another; ggufPrompt replaces it.
func (b *backbone) ggufPrompt(text string) (*prompt, error) {
	expected := b.qwenPrompt()
	if plain := qwen3Prompt(); expected.name != plain.name && text == plain.fullText() {
		return expected.withReason("the file contains Qwen3-Reranker's, which this model's authors do not use"), nil
	}
	p, err := parsePrompt(b.tokenizer, strings.Replace(text, expected.instruction, fieldInstruction, 1))
	if err != nil {
		return nil, fmt.Errorf("tokenizer.chat_template.rerank: %w", err)
	}
	p.instruction = expected.instruction
	return p.withReason("from the file's tokenizer.chat_template.rerank"), nil
}
