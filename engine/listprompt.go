package engine

import (
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/winnow-rerank/winnow/engine/internal/compute"
)

// A listPrompt is a prompt of some documents.
type listPrompt struct {
	ids   []int32
	first int     // number of its first document
	marks []int32 // behind the documents; then that behind the query

	states compute.Matrix // e at the marks
}

// withoutMarks is a text without what spells a mark, or would once that is gone.
func withoutMarks(text string) string {
	if !strings.Contains(text, "_token|>") {
		return text
	}
	kept := make([]byte, 0, len(text))
	for i := range len(text) {
		kept = append(kept, text[i])
		for _, mark := range []string{documentMark, queryMark} {
			if n := len(kept) - len(mark); n >= 0 && text[i] == '>' && string(kept[n:]) == mark {
				kept = kept[:n]
			}
		}
	}
	return string(kept)
}

// listText writes the prompt.
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

// listMarks are the tokens at which the states of documents and of the query are taken.
type listMarks struct{ document, query int32 }

// A listEncoder makes the prompts of one query's documents.
type listEncoder struct {
	*backbone
	marks              listMarks
	options            EncodeOptions
	query, instruction string
	documents          []string
	list               *documentList
	dropped            []int // tokens of each document
}

// clean is a text without marks, of at most so many tokens.
func (e *listEncoder) cleanText(text string, maxTokens, userLimit int) (out string, tokens, dropped int, err error) {
	if userLimit > 0 {
		maxTokens = min(maxTokens, userLimit)
	}
	return e.truncateAndCount(withoutMarks(text), maxTokens, e.options)
}

// block makes the prompt of documents from to to-1, or two where one would be longer
// than the model's window: the frames around documents are tokens, too.
func (e *listEncoder) addBlock(from, to int) error {
	p, err := e.prompt(e.documents[from:to])
	if err != nil {
		return err
	}
	p.first = from
	if over := len(p.ids) - e.maxLength; over > 0 {
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
			return noRoom("at most %d tokens: no room for a document beside the query and the prompt's %d", e.maxLength, len(p.ids)-len(ids))
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

// prompt is the tokens of a block and where the marks are.
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
		return p, fmt.Errorf("a prompt of %d documents has %d marks", len(block), len(p.marks))
	}
	p.marks = append(p.marks, query)
	return p, nil
}

// plainTokens are the tokens of the prompt with the special tokens of its own
// only.
func (e *listEncoder) plainTokens(block []string) (ids []int32, err error) {
	instruction := e.instruction
	// The places of the texts are held by characters that no text has.
	const hole = "\x00"
	holes := make([]string, len(block))
	for i := range holes {
		holes[i] = hole
	}
	values := []string{e.query}
	if instruction != "" {
		values = append(values, instruction)
		instruction = hole
	}
	values = append(append(values, block...), e.query)
	for _, s := range splitSpecialTokens(e.tokenizer, listText(hole, holes, instruction)) {
		if s.id >= 0 {
			ids = append(ids, s.id)
			continue
		}
		text := s.text
		for strings.Contains(text, hole) {
			at := strings.Index(text, hole)
			text = text[:at] + strings.ReplaceAll(values[0], hole, " ") + text[at+1:]
			values = values[1:]
		}
		if ids, err = e.tokenizer.PlainTokens(ids, text); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// The bounds that the authors' code has.
const (
	listBlockDocuments = 125 // documents of a prompt
	listDocumentTokens = 2048
	listQueryTokens    = 512
)

const (
	documentMark = "<|embed_token|>"
	queryMark    = "<|rerank_token|>"
)

// A list is documents that are scored as a whole, once, whichever of them is asked
// for first.
type documentList struct {
	blocks []listPrompt
	total  int

	mu     sync.Mutex
	scores []Output // nil: not yet
}
