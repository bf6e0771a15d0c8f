package engine

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/tokenizer"
)

// A prompt is the text that a causal model reads of a query and a document, as
// its authors write it. It is a list of pieces, each of which becomes tokens
// apart from the others.
type prompt struct {
	name        string
	reason      string // why it is this one
	pieces      []piece
	instruction string  // where the caller gives none
	yes, no     string  // answers
	score       string  // yes-no, the softmax of both; yes, the sigmoid of one; or token:ID
	divisor     float32 // of the logits
	// write is how the caller's texts stand in their fields, where it is not as they are.
	rewrite func(v *fields)
	// slack is how many tokens a pair may have beyond the limit: FlagEmbedding
	// counts its question only after it has cut.
	slack func(fixed int) int
}

// A piece is text with the fields {query}, {document} and {instruction}.
type piece struct {
	text          string
	fixed         bool                // it is never cut
	specialTokens bool                // the tokenizer's own tokens beside a text, in place of text
	maxTokens     func(limit int) int // tokens that it may have; nil: no bound of its own

	ids      []int32 // of a piece without fields
	segments []segment
}

// A segment is a special token of the template or text between two of them.
type segment struct {
	id   int32 // -1: text
	text string
}

const (
	fieldQuery       = "{query}"
	fieldDocument    = "{document}"
	fieldInstruction = "{instruction}"
)

func (p *piece) has(field string) bool { return strings.Contains(p.text, field) }

func (p *piece) constant() bool {
	return !p.has(fieldQuery) && !p.has(fieldDocument) && !p.has(fieldInstruction)
}

// The prompts that winnow knows by name.
var builtinPrompts = map[string]func() *prompt{
	"qwen3-reranker":           qwen3Prompt,
	"qwen3-vl-reranker":        qwen3VLPrompt,
	"mxbai-rerank-v2":          mxbaiPrompt,
	"bge-reranker-gemma":       bgeGemmaPrompt,
	"bge-reranker-lightweight": lightweightPrompt,
	"zerank":                   zerankPrompt,
	"ctxl-rerank-v2":           ctxlPrompt,
	"nemotron-rerank":          nemotronPrompt,
	"monot5":                   func() *prompt { return t5Prompt("monot5", monoT5Text, "▁true", "▁false") },
	"monot5-yes-no":            func() *prompt { return t5Prompt("monot5-yes-no", monoT5Text, "▁yes", "▁no") },
	"monot5-true":              func() *prompt { return t5Prompt("monot5-true", monoT5Text, "▁true", "▁") },
	"ptt5":                     func() *prompt { return t5Prompt("ptt5", monoT5Text, "▁sim", "▁não") },
	"monoptt5": func() *prompt {
		return t5Prompt("monoptt5", "Pergunta: {query} Documento: {document} Relevante:", "▁Sim", "▁Não")
	},
}

// qwen3Prompt is Qwen3-Reranker's (Zhang et al. 2025), as its model card has it;
// llama.cpp's converter and vLLM's qwen3_reranker.jinja write the same.
func qwen3Prompt() *prompt {
	return &prompt{name: "qwen3-reranker", divisor: 1, yes: "yes", no: "no", score: "yes-no",
		instruction: "Given a web search query, retrieve relevant passages that answer the query",
		pieces: []piece{
			{fixed: true, text: "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct provided. " +
				"Note that the answer can only be \"yes\" or \"no\".<|im_end|>\n<|im_start|>user\n"},
			{text: "<Instruct>: {instruction}\n<Query>: {query}\n<Document>: {document}"},
			{fixed: true, text: "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"},
		}}
}

// qwen3VLPrompt is Qwen3-VL-Reranker's (Li et al. 2026) of texts, as
// qwen3_vl_reranker.py of the authors' repository Qwen3-VL-Embedding makes messages and
// the chat template joins them.
func qwen3VLPrompt() *prompt {
	p := qwen3Prompt()
	p.name, p.instruction = "qwen3-vl-reranker", "Given a search query, retrieve relevant candidates that answer the query."
	p.pieces[1].text = "<Instruct>: {instruction}<Query>:{query}\n<Document>:{document}"
	p.pieces[2].text = "<|im_end|>\n<|im_start|>assistant\n"
	return p
}

// mxbaiPrompt is mxbai-rerank-v2's (Mixedbread 2025), as mxbai_rerank_v2.py of the
// authors' package mxbai-rerank writes it: the score is the logit of "1" minus that
// of "0", and the query has at most three quarters of the limit. The authors count
// the limit, 8192 unless told otherwise, without the frame.
func mxbaiPrompt() *prompt {
	return &prompt{name: "mxbai-rerank-v2", divisor: 1, yes: "1", no: "0", score: "yes-no",
		rewrite: func(v *fields) {
			if v.instruction != "" {
				v.instruction = "instruction: " + v.instruction + "\n"
			}
		},
		pieces: []piece{
			{fixed: true, text: "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n<|im_start|>user\n"},
			{text: "{instruction}query: {query}", maxTokens: threeQuarters},
			{text: "\n"},
			{text: "document: {document}"},
			{fixed: true, text: "\n"},
			{fixed: true, text: "You are a search relevance expert who evaluates how well documents match search queries. For each query-document pair, " +
				"carefully analyze the semantic relationship between them, then provide your binary relevance judgment (0 for not relevant, 1 for relevant).\nRelevance:"},
			{fixed: true, text: "<|im_end|>\n<|im_start|>assistant\n"},
		}}
}

func threeQuarters(limit int) int { return limit * 3 / 4 }

// flagPrompt is that of bge-reranker-v2-gemma, as FlagEmbedding cuts it: the query
// to three quarters of the limit, the document to what is left, and the question
// comes on top.
func bgeGemmaPrompt() *prompt {
	return &prompt{name: "bge-reranker-gemma", divisor: 1, yes: "Yes", no: "No", score: "yes",
		instruction: "Given a query A and a passage B, determine whether the passage contains an answer to the query by providing a prediction of either 'Yes' or 'No'.",
		slack:       func(fixed int) int { return 2 * fixed },
		pieces: []piece{
			{fixed: true, specialTokens: true},
			{text: "A: {query}", maxTokens: threeQuarters},
			{text: "\n"},
			{text: "B: {document}", maxTokens: func(limit int) int { return limit }},
			{fixed: true, text: "\n"},
			{fixed: true, text: "{instruction}"},
		}}
}

// lightweightPrompt is that of bge-reranker-v2.5-gemma2-lightweight, which
// FlagEmbedding cuts alike.
func lightweightPrompt() *prompt {
	p := bgeGemmaPrompt()
	p.name, p.instruction = "bge-reranker-lightweight", "Predict whether passage B contains an answer to query A."
	return p
}

// zerankPrompt is that of zerank-1 and zerank-2 (ZeroEntropy 2025): the query
// speaks as the system, the document as the user, both without the blanks around
// them, and the score is the sigmoid of a fifth of the logit of "Yes". So it is in
// modeling_zeranker.py beside the weights; the card of zerank-2 says the same of the
// fifth. An instruction stands behind the query as vLLM's zerank2.jinja puts it.
func zerankPrompt() *prompt {
	return &prompt{name: "zerank", divisor: 5, yes: "Yes", no: "No", score: "yes",
		rewrite: func(v *fields) {
			v.query, v.document = strip(v.query), strip(v.document)
			if v.instruction != "" {
				v.query = "<query>" + v.query + "</query>\n<instruction>" + v.instruction + "</instruction>"
			}
		},
		pieces: []piece{
			{text: "<|im_start|>system\n{query}<|im_end|>\n<|im_start|>user\n{document}"},
			{fixed: true, text: "<|im_end|>\n<|im_start|>assistant\n"},
		}}
}

// strip is Python's str.strip.
func strip(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || r >= 0x1C && r <= 0x1F })
}

// ctxlPrompt is that of ctxl-rerank-v2 (Contextual AI 2025), as its model card has
// it: the score is the logit of token 0, whatever that token is.
func ctxlPrompt() *prompt {
	return &prompt{name: "ctxl-rerank-v2", divisor: 1, yes: "yes", no: "no", score: "token:0",
		rewrite: func(v *fields) {
			if v.instruction != "" {
				v.instruction = " " + v.instruction
			}
		},
		pieces: []piece{
			{fixed: true, specialTokens: true},
			{text: "Check whether a given document contains information helpful to answer the query.\n<Document> {document}\n<Query> {query}{instruction} ??"},
		}}
}

// nemotronPrompt is that of llama-nemotron-rerank (NVIDIA 2025), as its model card
// and the collator of NVIDIA's NeMo Automodel write it.
func nemotronPrompt() *prompt {
	return &prompt{name: "nemotron-rerank", divisor: 1, yes: "Yes", no: "No", score: "yes",
		pieces: []piece{
			{fixed: true, specialTokens: true},
			{text: "question:{query} \n \n passage:{document}"},
		}}
}

// t5Prompt is that of monoT5 (Nogueira et al. 2020) and those after it: the whole is one
// text, of which the document is cut, and the answers are words of the vocabulary.
func t5Prompt(name, text, yes, no string) *prompt {
	return &prompt{name: name, divisor: 1, yes: yes, no: no, score: "yes-no",
		pieces: []piece{{text: text}, {fixed: true, specialTokens: true}}} // </s>
}

const monoT5Text = "Query: {query} Document: {document} Relevant:"

// promptOf reads a template: text with {query} and {document}, and {instruction}
// if it takes one. What stands before the last special token before the fields,
// and from the first one after them, is never cut.
func parsePrompt(t *tokenizer.Tokenizer, template string) (*prompt, error) {
	if !strings.Contains(template, fieldQuery) || !strings.Contains(template, fieldDocument) {
		return nil, fmt.Errorf("a template without %s or %s", fieldQuery, fieldDocument)
	}
	p := &prompt{name: "template", divisor: 1, yes: "yes", no: "no", score: "yes-no"}
	first, last := len(template), 0
	for _, field := range []string{fieldQuery, fieldDocument, fieldInstruction} {
		if i := strings.Index(template, field); i >= 0 {
			first = min(first, i)
		}
		if i := strings.LastIndex(template, field); i >= 0 {
			last = max(last, i+len(field))
		}
	}
	before, after, at := 0, last, 0
	found := false
	for _, s := range splitSpecialTokens(t, template) {
		end := at + len(s.text)
		if s.id >= 0 {
			if end <= first {
				before = end
			} else if at >= last && !found {
				after, found = at, true
			}
		}
		at = end
	}
	p.pieces = []piece{{fixed: true, text: template[:before]}, {text: template[before:after]}, {fixed: true, text: template[after:]}}
	return p, nil
}

// segmentsOf cuts a template at its special tokens.
func splitSpecialTokens(t *tokenizer.Tokenizer, text string) []segment {
	var list []segment
	done := 0
	for i := 0; i < len(text); i++ {
		if text[i] != '<' && text[i] != '[' {
			continue
		}
		length := strings.IndexAny(text[i:], ">]")
		if length < 0 {
			break
		}
		token := text[i : i+length+1]
		id, ok := t.ID(token)
		if !ok {
			continue
		}
		// A token that is too much for the tokenizer is none that a template may have.
		ids, err := t.Tokens(nil, token)
		plain, plainErr := t.PlainTokens(nil, token)
		if err != nil || plainErr != nil || len(ids) != 1 || ids[0] != id || len(plain) == 1 {
			continue
		}
		if done < i {
			list = append(list, segment{-1, text[done:i]})
		}
		list = append(list, segment{id, token})
		done = i + len(token)
		i = done - 1
	}
	if done < len(text) {
		list = append(list, segment{-1, text[done:]})
	}
	return list
}

// because says why a prompt was chosen.
func (p *prompt) withReason(reason string) *prompt {
	p.reason = reason
	return p
}

// whole is the prompt with its own instruction in one text, as a GGUF file carries it.
func (p *prompt) fullText() string {
	text := ""
	for _, s := range p.pieces {
		text += s.text
	}
	return strings.Replace(text, fieldInstruction, p.instruction, 1)
}

// prepare turns what does not depend on the caller's texts into tokens.
func (p *prompt) prepare(t *tokenizer.Tokenizer) error {
	for i := range p.pieces {
		s := &p.pieces[i]
		switch {
		case s.specialTokens:
			var e tokenizer.Encoding
			if err := t.Encode(&e, "", 0); err != nil {
				return err
			}
			s.ids = e.IDs
		case s.constant():
			var err error
			if s.ids, err = t.Tokens(nil, s.text); err != nil {
				return err
			}
		default:
			s.segments = splitSpecialTokens(t, s.text)
		}
	}
	return nil
}

// fields are what a caller puts into a prompt.
type fields struct {
	query, document, instruction string
	plain                        bool // what spells a special token stays text
}

// writeTo makes of the caller's texts what stands in the fields.
func (p *prompt) rewriteFields(v *fields) {
	if p.rewrite != nil {
		p.rewrite(v)
	}
}

func (v *fields) fill(text string) string {
	if !strings.Contains(text, "{") {
		return text
	}
	return strings.NewReplacer(fieldQuery, v.query, fieldDocument, v.document, fieldInstruction, v.instruction).Replace(text)
}

// tokens are the piece's, uncut.
func (p *piece) tokens(dst []int32, t *tokenizer.Tokenizer, v *fields) ([]int32, error) {
	if p.segments == nil {
		return append(dst, p.ids...), nil
	}
	if !v.plain {
		return t.Tokens(dst, v.fill(p.text))
	}
	for _, g := range p.segments {
		if g.id >= 0 {
			dst = append(dst, g.id)
			continue
		}
		var err error
		if dst, err = t.PlainTokens(dst, v.fill(g.text)); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// barePair is the name of the wording that is none.
const barePair = "none"

// keyPrompt is the name of the prompt that a GGUF file is to be used with, or barePair.
var keyPrompt = checkpoint.Key{GGUF: ".rerank.prompt"}
