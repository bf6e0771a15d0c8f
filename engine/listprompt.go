package engine

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/winnow-rerank/winnow/engine/internal/compute"
)

// A listPrompt is the prompt of one block of documents.
type listPrompt struct {
	ids   []int32
	first int     // number of its first document
	marks []int32 // positions of the marks: after each document, then after the query

	states compute.Matrix // e at the marks
}

// removeMarks removes the spellings of marks from text, including those that appear only
// after a removal.
func removeMarks(text string) string {
	if !strings.Contains(text, "_token|>") {
		return text
	}
	out := make([]byte, 0, len(text))
	for i := range len(text) {
		out = append(out, text[i])
		for _, mark := range []string{documentMark, queryMark} {
			if n := len(out) - len(mark); n >= 0 && text[i] == '>' && string(out[n:]) == mark {
				out = out[:n]
			}
		}
	}
	return string(out)
}

// listText returns the prompt of a block. instruction may be "".
func listText(query string, documents []string, instruction string) string {
	var b strings.Builder
	b.WriteString("<|im_start|>system\n" +
		"You are a search relevance expert who can determine a ranking of the passages based on how relevant they are to the query. " +
		"If the query is a question, how relevant a passage is depends on how well it answers the question. " +
		"If not, try to analyze the intent of the query and assess how well each passage satisfies the intent. " +
		"If an instruction is provided, you should follow the instruction when determining the ranking." +
		"<|im_end|>\n<|im_start|>user\n" +
		"I will provide you with " + strconv.Itoa(len(documents)) + " passages, each indicated by a numerical identifier. " +
		"Rank the passages based on their relevance to query: " + query + "\n")
	if instruction != "" {
		b.WriteString("<instruct>\n" + instruction + "\n</instruct>\n")
	}
	for i, d := range documents {
		b.WriteString("<passage id=\"" + strconv.Itoa(i) + "\">\n" + d + documentMark + "\n</passage>\n")
	}
	b.WriteString("<query>\n" + query + queryMark + "\n</query><|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n")
	return b.String()
}

// listMarks are the ids of the mark tokens for documents and for the query.
type listMarks struct{ document, query int32 }

// A listEncoder encodes the documents of one call as prompts.
type listEncoder struct {
	*backbone
	marks              listMarks
	options            EncodeOptions
	query, instruction string
	documents          []string
	list               *documentList
	dropped            []int // tokens removed from each document
	limit              int   // tokens of a prompt
}

// setQuery sets the query and cleans the instruction; room is the number of tokens that
// they leave for the documents of a block.
func (e *listEncoder) setQuery(query string) (room int, err error) {
	var queryTokens, instructionTokens, dropped int
	if e.instruction, instructionTokens, dropped, err = e.cleanText(e.instruction, e.limit/4, 0); err != nil {
		return 0, err
	}
	if dropped > 0 {
		return 0, noRoom("an instruction of %d tokens: at most %d, a quarter of the model's %d", instructionTokens+dropped, e.limit/4, e.limit)
	}
	if e.query, queryTokens, _, err = e.cleanText(query, min(listQueryTokens, e.limit/4), e.options.MaxQuery); err != nil {
		return 0, err
	}
	return e.limit - 2*queryTokens - instructionTokens, nil // the prompt repeats the query
}

// addDocuments divides texts into blocks as the authors' code does: a block is closed if
// its room may not suffice for one more document of the maximum length.
func (e *listEncoder) addDocuments(ctx context.Context, texts []string, room int) (err error) {
	maxTokens := min(listDocumentTokens, e.limit/2)
	left, first := room, 0
	for i, text := range texts {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var tokens int
		if e.documents[i], tokens, e.dropped[i], err = e.cleanText(text, maxTokens, e.options.MaxDocument); err != nil {
			return err
		}
		left -= tokens
		if i+1-first >= listBlockDocuments || left <= maxTokens || i == len(texts)-1 {
			if err := e.addBlock(first, i+1); err != nil {
				return err
			}
			left, first = room, i+1
		}
	}
	return nil
}

// encoded divides the prompts among the documents: a sequence ends with its document's
// mark, the last one of a block with the prompt.
func (e *listEncoder) encoded() Encoded {
	encoded := newEncoded(len(e.documents), e.limit)
	for _, p := range e.list.blocks {
		from := 0
		last := len(p.marks) - 2 // index of the last document's mark
		for i, mark := range p.marks[:last+1] {
			to := int(mark) + 1
			if i == last {
				to = len(p.ids)
			}
			n := p.first + i
			encoded.Sequences[n] = Sequence{IDs: p.ids[from:to:to], group: e.list, member: n}
			encoded.Full[n] = to - from + e.dropped[n]
			from = to
		}
	}
	return encoded
}

// cleanText removes marks from text and truncates it to maxTokens, or to userLimit if
// that is lower and not 0.
func (e *listEncoder) cleanText(text string, maxTokens, userLimit int) (out string, tokens, dropped int, err error) {
	if userLimit > 0 {
		maxTokens = min(maxTokens, userLimit)
	}
	return e.truncateAndCount(removeMarks(text), maxTokens, e.options)
}

// addBlock adds the prompt of documents from to to-1. The text around the documents can
// make it longer than the limit; addBlock then splits the block, or cuts
// its only document.
func (e *listEncoder) addBlock(from, to int) error {
	p, err := e.prompt(e.documents[from:to])
	if err != nil {
		return err
	}
	p.first = from
	if over := len(p.ids) - e.limit; over > 0 {
		if to-from > 1 {
			middle := (from + to) / 2
			if err := e.addBlock(from, middle); err != nil {
				return err
			}
			return e.addBlock(middle, to)
		}
		ids, err := e.options.tokens(e.tokenizer, nil, e.documents[from])
		if err != nil {
			return err
		}
		if over >= len(ids) {
			return noRoom("at most %d tokens: no room for a document in addition to the query and the prompt's %d", e.limit, len(p.ids)-len(ids))
		}
		if e.documents[from], err = e.tokenizer.Decode(e.options.truncate(ids, len(ids)-over), false); err != nil {
			return err
		}
		e.dropped[from] += over
		return e.addBlock(from, to)
	}
	e.list.blocks = append(e.list.blocks, p)
	return nil
}

// prompt tokenizes the prompt of a block and finds its marks.
func (e *listEncoder) prompt(block []string) (listPrompt, error) {
	var p listPrompt
	var err error
	if e.options.Plain {
		p.ids, err = e.plainTokens(block)
	} else {
		p.ids, err = e.tokenizer.Tokens(nil, listText(e.query, block, e.instruction))
	}
	if err != nil {
		return p, err
	}
	query := int32(-1)
	for i, id := range p.ids {
		switch id {
		case e.marks.document:
			p.marks = append(p.marks, int32(i))
		case e.marks.query:
			query = int32(i)
		}
	}
	if len(p.marks) != len(block) || query < 0 {
		return p, fmt.Errorf("a prompt with %d documents has %d marks", len(block), len(p.marks))
	}
	p.marks = append(p.marks, query)
	return p, nil
}

// plainTokens returns the tokens of the prompt. Special token spellings in the caller's
// texts stay plain text.
func (e *listEncoder) plainTokens(block []string) (ids []int32, err error) {
	instruction := e.instruction
	// NUL characters mark the places of the caller's texts, in which they are replaced by
	// spaces.
	const placeholder = "\x00"
	placeholders := make([]string, len(block))
	for i := range placeholders {
		placeholders[i] = placeholder
	}
	values := []string{e.query}
	if instruction != "" {
		values = append(values, instruction)
		instruction = placeholder
	}
	values = append(append(values, block...), e.query)
	for _, s := range splitSpecialTokens(e.tokenizer, listText(placeholder, placeholders, instruction)) {
		if s.id >= 0 {
			ids = append(ids, s.id)
			continue
		}
		text := s.text
		for strings.Contains(text, placeholder) {
			at := strings.Index(text, placeholder)
			text = text[:at] + strings.ReplaceAll(values[0], placeholder, " ") + text[at+1:]
			values = values[1:]
		}
		if ids, err = e.tokenizer.PlainTokens(ids, text); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// Limits in the authors' code.
const (
	listBlockDocuments = 125  // documents in a block
	listDocumentTokens = 2048 // tokens of a document
	listQueryTokens    = 512  // tokens of the query
)

const (
	documentMark = "<|embed_token|>"
	queryMark    = "<|rerank_token|>"
)

// A documentList is the documents of one call. They are scored together when the first of
// them is scored, and only once.
type documentList struct {
	blocks []listPrompt
	total  int

	mu     sync.Mutex
	scores []Output // nil: not scored yet
}
