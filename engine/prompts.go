package engine

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/tokenizer"
)

// A prompt is the text in which a causal model reads a query and a document, as its
// authors write it. Its pieces are tokenized separately.
type prompt struct {
	name        string
	reason      string // why it was chosen
	pieces      []piece
	instruction string  // default instruction
	yes, no     string  // answers
	score       string  // "yes-no": softmax of both; "yes": sigmoid of one; or "token:ID"
	divisor     float32 // of the logits
	// rewrite changes the caller's texts before they are filled in; nil: they stay as is.
	rewrite func(v *fields)
	// slack returns the number of tokens that a pair may have beyond the limit, given the
	// fixed tokens after the document: FlagEmbedding appends its question after truncation.
	slack func(fixed int) int
}

// A piece is text with the fields {query}, {document} and {instruction}.
type piece struct {
	text          string
	fixed         bool                // never cut
	specialTokens bool                // stands for the special tokens that the tokenizer adds to a text
	maxTokens     func(limit int) int // separate limit of the piece; nil: none

	ids      []int32   // of a piece without fields
	segments []segment // of a piece with fields
}

// A segment is a special token of the template, or text between special tokens.
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

// builtinPrompts are the prompts that winnow knows by name.
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

// qwen3Prompt returns the prompt of Qwen3-Reranker (Zhang et al. 2025), from its model
// card; llama.cpp's converter and vLLM's qwen3_reranker.jinja write the same.
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

// qwen3VLPrompt returns the prompt of Qwen3-VL-Reranker (Li et al. 2026) for texts, as
// composed by qwen3_vl_reranker.py in the authors' repository Qwen3-VL-Embedding and
// rendered by the chat template.
func qwen3VLPrompt() *prompt {
	p := qwen3Prompt()
	p.name, p.instruction = "qwen3-vl-reranker", "Given a search query, retrieve relevant candidates that answer the query."
	p.pieces[1].text = "<Instruct>: {instruction}<Query>:{query}\n<Document>:{document}"
	p.pieces[2].text = "<|im_end|>\n<|im_start|>assistant\n"
	return p
}

// mxbaiPrompt returns the prompt of mxbai-rerank-v2 (Mixedbread 2025), from
// mxbai_rerank_v2.py in the authors' package mxbai-rerank: the score is the logit of "1"
// minus the logit of "0", and the query takes at most three quarters of the limit. The
// authors' limit, by default 8192, does not include the fixed pieces.
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

// bgeGemmaPrompt returns the prompt of bge-reranker-v2-gemma, with truncation as in
// FlagEmbedding: the query is cut to three quarters of the limit and the document to the
// rest; the question does not count.
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

// lightweightPrompt returns the prompt of bge-reranker-v2.5-gemma2-lightweight, which
// FlagEmbedding truncates in the same way.
func lightweightPrompt() *prompt {
	p := bgeGemmaPrompt()
	p.name, p.instruction = "bge-reranker-lightweight", "Predict whether passage B contains an answer to query A."
	return p
}

// zerankPrompt returns the prompt of zerank-1 and zerank-2 (ZeroEntropy 2025), from
// modeling_zeranker.py in the model's repository. The query is the system message and the
// document the user message, both stripped of surrounding whitespace; the score is the
// sigmoid of the logit of "Yes" divided by 5, as the card of zerank-2 confirms. An
// instruction follows the query as in vLLM's zerank2.jinja.
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

// strip trims whitespace like Python's str.strip.
func strip(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || r >= 0x1C && r <= 0x1F })
}

// ctxlPrompt returns the prompt of ctxl-rerank-v2 (Contextual AI 2025), from its model
// card. The score is the logit of token id 0.
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

// nemotronPrompt returns the prompt of llama-nemotron-rerank (NVIDIA 2025), from its
// model card and the collator in NVIDIA's NeMo Automodel.
func nemotronPrompt() *prompt {
	return &prompt{name: "nemotron-rerank", divisor: 1, yes: "Yes", no: "No", score: "yes",
		pieces: []piece{
			{fixed: true, specialTokens: true},
			{text: "question:{query} \n \n passage:{document}"},
		}}
}

// t5Prompt returns the prompt of monoT5 (Nogueira et al. 2020) or a successor: a single
// text, whose document is cut, with answers that are words of the vocabulary.
func t5Prompt(name, text, yes, no string) *prompt {
	return &prompt{name: name, divisor: 1, yes: yes, no: no, score: "yes-no",
		pieces: []piece{{text: text}, {fixed: true, specialTokens: true}}} // </s>
}

const monoT5Text = "Query: {query} Document: {document} Relevant:"

// parsePrompt parses a template: text with the fields {query}, {document} and, optionally,
// {instruction}. The text up to the last special token before the fields and from the
// first special token after them is never cut.
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

// splitSpecialTokens splits text into special tokens and the text between them.
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
		// A template may use only special tokens that the tokenizer can process.
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

// withReason sets the reason for which p was chosen.
func (p *prompt) withReason(reason string) *prompt {
	p.reason = reason
	return p
}

// fullText returns the prompt as one text with its default instruction, as stored in GGUF
// files.
func (p *prompt) fullText() string {
	text := ""
	for _, s := range p.pieces {
		text += s.text
	}
	return strings.Replace(text, fieldInstruction, p.instruction, 1)
}

// prepare tokenizes the pieces without fields and splits the others into segments.
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

// fields are the caller's texts to be filled in.
type fields struct {
	query, document, instruction string
	plain                        bool // special token spellings stay plain text
}

// rewriteFields changes the caller's texts to the form in which they are filled in.
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

// tokens appends the tokens of the piece to dst, without truncation.
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

// barePair is the name of the input format without a prompt.
const barePair = "none"

// keyPrompt holds the name of the prompt to use with a GGUF file, or barePair.
var keyPrompt = checkpoint.Key{GGUF: ".rerank.prompt"}
