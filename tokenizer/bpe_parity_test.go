package tokenizer

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow/internal/testenv"
)

// bpeTokenizers are the real byte-pair tokenizers of the parity corpus.
var bpeTokenizers = []string{"roberta-bytelevel-bpe", "modernbert-bpe", "qwen3-bpe", "gemma3-spm-bpe"}

func realTokenizer(t testing.TB, name string) *Tokenizer {
	t.Helper()
	path := filepath.Join(testenv.Parity(t), "tokenizers", name, "tokenizer.json.gz")
	tok, err := FromJSON(path, readGzip(t, path))
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func TestBPEReferences(t *testing.T) {
	for _, name := range bpeTokenizers {
		t.Run(name, func(t *testing.T) {
			tok := realTokenizer(t, name)
			var ref struct{ Single, Pairs []map[string]json.RawMessage }
			read := func(raw json.RawMessage, v any) {
				if len(raw) > 0 {
					if err := json.Unmarshal(raw, v); err != nil {
						t.Fatal(err)
					}
				}
			}
			read(readGzip(t, filepath.Join(testenv.Parity(t), "tokenizers", name, "reference.json.gz")), &ref)
			if len(ref.Single) != 420 || len(ref.Pairs) != 70 {
				t.Fatalf("%d strings and %d pairs", len(ref.Single), len(ref.Pairs))
			}
			var e Encoding
			for _, s := range ref.Single {
				var text, decoded string
				var ids, plain []int32
				read(s["text"], &text)
				read(s["ids"], &ids)
				if tok.Encode(&e, text, 0); !slices.Equal(e.IDs, ids) {
					t.Errorf("%q:\n got %v\nwant %v", text, e.IDs, ids)
				}
				if read(s["plain_ids"], &plain); plain != nil {
					if got := must(tok.Tokens(nil, text)); !slices.Equal(got, plain) {
						t.Errorf("tokens of %q:\n got %v\nwant %v", text, got, plain)
					}
				}
				if raw, ok := s["decoded"]; ok {
					read(raw, &decoded)
					if got := must(tok.Decode(ids, true)); got != decoded {
						t.Errorf("decoded %v:\n got %q\nwant %q", ids, got, decoded)
					}
				}
			}
			for _, p := range ref.Pairs {
				var a, b string
				read(p["a"], &a)
				read(p["b"], &b)
				check := func(what string, max int, how Truncation, ids, types []int32, fails bool) {
					err := tok.EncodePair(&e, a, b, max, how)
					if (err != nil) != fails {
						t.Errorf("%s of (%q, %q): error %v, expected %v", what, a, b, err, fails)
						return
					}
					if err == nil && (!slices.Equal(e.IDs, ids) || !sameTypes(e.Types, types)) {
						t.Errorf("%s of (%q, %q):\n got %v %v\nwant %v %v", what, a, b, e.IDs, e.Types, ids, types)
					}
				}
				var ids, types []int32
				read(p["ids"], &ids)
				read(p["types"], &types)
				check("pair", 0, LongestFirst, ids, types, false)
				for key, raw := range p {
					how := map[string]Truncation{"longest_first": LongestFirst, "only_second": OnlySecond}
					kind, size, ok := strings.Cut(key, ":")
					if !ok {
						continue
					}
					var want struct {
						IDs, Types []int32
						Error      string
					}
					read(raw, &want)
					var max int
					if _, err := fmt.Sscan(size, &max); err != nil {
						t.Fatal(err)
					}
					check(key, max, how[kind], want.IDs, want.Types, want.Error != "")
				}
			}
		})
	}
}

// bpeReference is what a parity model's reference.json says about ids.
type bpeReference struct {
	Family             string
	MaxLength          int `json:"max_length"`
	Queries, Documents []string
	Pairs              []struct {
		Query, Document int
		Truncation      string
		IDs             []int32
	}
	Greedy []struct {
		Prompt    string
		PromptIDs []int32 `json:"prompt_ids"`
	}
	Lists []struct {
		Query     string
		Documents []string
		IDs       []int32
	}
}

const (
	qwen3Prefix = "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct provided. " +
		"Note that the answer can only be \"yes\" or \"no\".<|im_end|>\n<|im_start|>user\n"
	qwen3Suffix = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
	qwen3Body   = "<Instruct>: Given a web search query, retrieve relevant passages that answer the query\n<Query>: %s\n<Document>: %s"
	mxbaiPrefix = "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
	mxbaiSuffix = "<|im_end|>\n<|im_start|>assistant\n"
	mxbaiTask   = "You are a search relevance expert who evaluates how well documents match search queries. For each query-document pair, " +
		"carefully analyze the semantic relationship between them, then provide your binary relevance judgment (0 for not relevant, " +
		"1 for relevant).\nRelevance:"
	gemmaPrompt = "Given a query A and a passage B, determine whether the passage contains an answer to the query by providing a prediction of either 'Yes' or 'No'."
)

// jinaV3Prompt is the listwise prompt of jina-reranker-v3.
func jinaV3Prompt(query string, documents []string) string {
	clean := strings.NewReplacer("<|embed_token|>", "", "<|rerank_token|>", "")
	query = clean.Replace(query)
	var b strings.Builder
	b.WriteString("<|im_start|>system\nYou are a search relevance expert who can determine a ranking of the passages based on how relevant they are to the query. " +
		"If the query is a question, how relevant a passage is depends on how well it answers the question. " +
		"If not, try to analyze the intent of the query and assess how well each passage satisfies the intent. " +
		"If an instruction is provided, you should follow the instruction when determining the ranking.<|im_end|>\n<|im_start|>user\n")
	fmt.Fprintf(&b, "I will provide you with %d passages, each indicated by a numerical identifier. Rank the passages based on their relevance to query: %s\n", len(documents), query)
	for i, d := range documents {
		fmt.Fprintf(&b, "<passage id=\"%d\">\n%s<|embed_token|>\n</passage>\n", i, clean.Replace(d))
	}
	fmt.Fprintf(&b, "<query>\n%s<|rerank_token|>\n</query>%s", query, qwen3Suffix)
	return b.String()
}

// promptIDs builds the sequence of a pair as the family's authors do.
func promptIDs(tok *Tokenizer, family, q, d string, max int) []int32 {
	tokens := func(s string) []int32 { return must(tok.Tokens(nil, s)) }
	cut := func(ids []int32, n int) []int32 { return ids[:min(len(ids), n)] }
	switch family {
	case "lm:qwen2":
		sep := tokens("\n")
		prefix, suffix := tokens(mxbaiPrefix), slices.Concat(sep, tokens(mxbaiTask), tokens(mxbaiSuffix))
		first, second := tokens("query: "+q), slices.Concat(sep, tokens("document: "+d))
		return slices.Concat(prefix, first, cut(second, max-len(prefix)-len(suffix)-len(first)), suffix)
	case "lm:gemma":
		sep, prompt := tokens("\n"), tokens(gemmaPrompt)
		bos, _ := tok.ID("<bos>")
		first := slices.Concat([]int32{bos}, cut(tokens("A: "+q), max*3/4))
		second := slices.Concat(sep, cut(tokens("B: "+d), max))
		return slices.Concat(first, cut(second, max+len(sep)+len(prompt)-len(first)), sep, prompt)
	}
	prefix, suffix := tokens(qwen3Prefix), tokens(qwen3Suffix)
	return slices.Concat(prefix, cut(tokens(fmt.Sprintf(qwen3Body, q, d)), max-len(prefix)-len(suffix)), suffix)
}

// checkBPEModel compares the ids of all of a model's pairs and prompts.
func checkBPEModel(t *testing.T, tok *Tokenizer, ref *bpeReference) {
	t.Helper()
	checked := 0
	same := func(what string, got, want []int32) {
		t.Helper()
		checked++
		if !slices.Equal(got, want) {
			t.Errorf("%.100s:\n got %v\nwant %v", what, got, want)
		}
	}
	var e Encoding
	for _, g := range ref.Greedy {
		tok.Encode(&e, g.Prompt, 0)
		same(g.Prompt, e.IDs, g.PromptIDs)
	}
	for _, p := range ref.Pairs {
		q, d := ref.Queries[p.Query], ref.Documents[p.Document]
		if p.Truncation == "template" {
			same(q+" | "+d, promptIDs(tok, ref.Family, q, d, ref.MaxLength), p.IDs)
			continue
		}
		how := LongestFirst
		if p.Truncation == "only_second" {
			how = OnlySecond
		}
		if err := tok.EncodePair(&e, q, d, ref.MaxLength, how); err != nil {
			t.Error(err)
		}
		same(q+" | "+d, e.IDs, p.IDs)
	}
	for _, l := range ref.Lists {
		if len(l.IDs) > 0 {
			same(l.Query, must(tok.Tokens(nil, jinaV3Prompt(l.Query, l.Documents))), l.IDs)
		}
	}
	if checked == 0 {
		t.Error("nothing was checked")
	}
}

func readBPEReference(t *testing.T, path string) *bpeReference {
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ref := &bpeReference{}
	if err := json.Unmarshal(data, ref); err != nil {
		t.Fatal(err)
	}
	return ref
}

func TestBPEModels(t *testing.T) {
	models := filepath.Join(testenv.Parity(t), "models")
	for _, name := range []string{"jina-v1-turbo", "modernbert-granite", "modernbert-gte", "qwen2-mxbai2", "qwen3-256", "qwen3-reranker",
		"qwen3-seqcls", "gemma-reranker", "gemma2-lm", "gemma3-lm", "llama-lm", "jina-v3"} {
		t.Run(name, func(t *testing.T) {
			tok, err := FromDir(filepath.Join(models, name))
			if err != nil {
				t.Fatal(err)
			}
			checkBPEModel(t, tok, readBPEReference(t, filepath.Join(models, name, "reference.json")))
		})
	}
}

// TestSentencePieceBPEModels reads tokenizer.model instead of tokenizer.json.
func TestSentencePieceBPEModels(t *testing.T) {
	models := filepath.Join(testenv.Parity(t), "models")
	for _, name := range []string{"gemma-reranker", "gemma2-lm", "gemma3-lm", "llama-lm"} {
		t.Run(name, func(t *testing.T) {
			tok, err := FromDir(copyWithout(t, filepath.Join(models, name), "tokenizer.json"))
			if err != nil {
				t.Fatal(err)
			}
			checkBPEModel(t, tok, readBPEReference(t, filepath.Join(models, name, "reference.json")))
		})
	}
}
