package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/internal/jinja"
)

// A chatRanker presents query and document as messages with these roles, rendered by the
// model's chat template. The instruction or, without one, the default prompt in the
// model's files is the system message, as in sentence-transformers.
type chatRanker struct {
	*scorer
	template     *chatTemplate
	format       checkpoint.MessageFormat
	variables    map[string]any // template variables set in the model's files
	instruction  string
	reason       string
	promptScorer promptScorer
}

// newChatRanker returns an error if the template does not render messages of both roles.
func (b *backbone) newChatRanker(s *scorer, format checkpoint.MessageFormat, reason string, o Options) (*chatRanker, error) {
	source, err := b.file.ChatTemplate()
	if err != nil {
		return nil, err
	}
	template, err := b.chatTemplate(source)
	if err != nil {
		return nil, err
	}
	prompts, err := readPrompts(b.file)
	if err != nil {
		return nil, err
	}
	c := &chatRanker{scorer: s, template: template, format: format, reason: reason, instruction: prompts.texts[prompts.defaultName],
		variables: make(map[string]any)}
	for name, v := range b.file.TemplateVariables() {
		if n, ok := v.(json.Number); ok {
			v, err = strconv.Atoi(n.String())
			if err != nil {
				continue
			}
		}
		c.variables[name] = v
	}
	if o.Instruction != "" {
		c.instruction = o.Instruction
	}
	if err := c.probe(); err != nil {
		return nil, &fault.UnsupportedError{Path: b.file.SettingsPath(), What: "a chat template " + err.Error() + ", which", Hint: "give the prompt as --template"}
	}
	c.promptScorer = b.newPromptScorer(s)
	return c, nil
}

// probe renders pairs that differ in one role. If the result does not change, the
// template ignores that role.
func (c *chatRanker) probe() error {
	var texts [3]string
	for i, pair := range [3][2]string{{"alpha", "bravo"}, {"charlie", "bravo"}, {"alpha", "foxtrot"}} {
		var err error
		if texts[i], err = c.render(pair[0], pair[1], c.instruction); err != nil {
			return fmt.Errorf("that cannot be rendered with the roles query and document (%w)", err)
		}
	}
	for i, role := range []string{"query", "document"} {
		if texts[i+1] == texts[0] {
			return fmt.Errorf("that leaves the message of the role %s out", role)
		}
	}
	return nil
}

// render renders the prompt. instruction may be "".
func (c *chatRanker) render(query, document, instruction string) (string, error) {
	var messages []any
	if instruction != "" {
		messages = append(messages, c.message("system", instruction))
	}
	messages = append(messages, c.message("query", query), c.message("document", document))
	return c.template.render(messages, c.variables)
}

func (c *chatRanker) message(role, content string) *jinja.Dict {
	return message(c.format, role, content)
}

func (c *chatRanker) describe(info *Info) {
	c.scorer.describe(info)
	info.Prompt, info.PromptReason = "chat template", c.reason
}

func (c *chatRanker) score(ctx context.Context, sequences []Sequence, outputs []Output) error {
	return c.promptScorer.score(ctx, sequences, outputs)
}

func (c *chatRanker) export(e *checkpoint.Export) error {
	c.exportLabels(e)
	e.Messages(c.format, c.file.SpecialTokens(c.tokenizer))
	prompts, err := readPrompts(c.file)
	if err != nil {
		return err
	}
	e.Texts(prompts.texts, prompts.defaultName)
	return nil
}

// guardMark is inserted in a caller's text after each character that may start a special
// token, so that only the template's own special tokens are recognised. Unicode assigns
// no character to it.
const guardMark = "\U000FDEAD"

var guarded = strings.NewReplacer("<", "<"+guardMark, "[", "["+guardMark, guardMark, "")

func guard(text string) string { return guarded.Replace(text) }

func unguard(text string) string { return strings.ReplaceAll(text, guardMark, "") }

// A chatEncoder encodes the documents of one query.
type chatEncoder struct {
	*chatRanker
	options            EncodeOptions
	query, instruction string
	suffix             []int32 // tokens that every prompt ends with
	limit              int
}

func (c *chatRanker) encode(ctx context.Context, query string, documents []string, o EncodeOptions, limit int) (Encoded, error) {
	e := &chatEncoder{chatRanker: c, options: o, instruction: c.instruction, limit: limit}
	if o.Instruction != "" {
		e.instruction = o.Instruction
	}
	var err error
	if e.query, _, err = c.truncateText(query, o.MaxQuery, o); err != nil {
		return Encoded{}, err
	}
	if err := e.findSuffix(); err != nil {
		return Encoded{}, err
	}
	encoded := newEncoded(len(documents), limit)
	err = c.encodeBatches(ctx, len(documents), func(from, to int) error {
		for d := from; d < to; d++ {
			text, dropped, err := c.truncateText(documents[d], o.MaxDocument, o)
			if err != nil {
				return err
			}
			ids, err := e.tokens(e.query, text)
			if err != nil {
				return err
			}
			encoded.Full[d] = len(ids) + dropped
			encoded.Sequences[d] = Sequence{IDs: e.truncate(ids)}
		}
		return nil
	})
	if err != nil {
		return Encoded{}, err
	}
	err = c.promptScorer.markShared(func() ([]int32, error) { return e.tokens(e.query, "") }, encoded.Sequences)
	return encoded, err
}

// findSuffix finds the tokens that follow every document: the common suffix of two
// prompts whose texts have nothing in common.
func (e *chatEncoder) findSuffix() error {
	a, err := e.tokens("0", "0")
	if err != nil {
		return err
	}
	b, err := e.tokens("1 2 3 4", "1 2 3 4")
	if err != nil {
		return err
	}
	n := 0
	for n < min(len(a), len(b)) && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	if n == min(len(a), len(b)) {
		n = 0
	}
	e.suffix = a[len(a)-n:]
	if len(e.suffix) >= e.limit {
		return noRoom("at most %d tokens: no room for a query and a document before the prompt's last %d", e.limit, len(e.suffix))
	}
	return nil
}

// truncate cuts a prompt that is too long. It keeps the suffix, which makes a causal
// model answer.
func (e *chatEncoder) truncate(ids []int32) []int32 {
	if len(ids) <= e.limit {
		return ids
	}
	if e.options.Side == LeftSide {
		return ids[len(ids)-e.limit:]
	}
	return append(ids[:e.limit-len(e.suffix):e.limit-len(e.suffix)], e.suffix...)
}

// tokens returns the tokens of a whole prompt, without truncation.
func (e *chatEncoder) tokens(query, document string) ([]int32, error) {
	if !e.options.Plain {
		text, err := e.render(query, document, e.instruction)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.path, err)
		}
		return e.tokenizer.Tokens(nil, text)
	}
	text, err := e.render(guard(query), guard(document), guard(e.instruction))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.path, err)
	}
	var ids []int32
	for _, s := range splitSpecialTokens(e.tokenizer, text) {
		if s.id >= 0 {
			ids = append(ids, s.id)
		} else if ids, err = e.tokenizer.PlainTokens(ids, unguard(s.text)); err != nil {
			return nil, err
		}
	}
	return ids, nil
}
