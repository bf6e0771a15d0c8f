package tokenizer_test

import (
	"fmt"
	"log"

	"github.com/winnow-rerank/winnow/tokenizer"
)

// bert is a tokenizer.json with a vocabulary of a few pieces.
const bert = `{
	"added_tokens": [
		{"id": 1, "content": "[CLS]", "special": true},
		{"id": 2, "content": "[SEP]", "special": true}
	],
	"normalizer": {"type": "BertNormalizer", "lowercase": true},
	"pre_tokenizer": {"type": "BertPreTokenizer"},
	"post_processor": {"type": "BertProcessing", "cls": ["[CLS]", 1], "sep": ["[SEP]", 2]},
	"decoder": {"type": "WordPiece", "prefix": "##"},
	"model": {"type": "WordPiece", "vocab": {
		"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "what": 3, "is": 4, "rank": 5, "##ing": 6, "?": 7, "an": 8, "order": 9, ".": 10
	}}
}`

func ExampleFromJSON() {
	tok, err := tokenizer.FromJSON("tokenizer.json", []byte(bert))
	if err != nil {
		log.Fatal(err)
	}
	var e tokenizer.Encoding
	if err := tok.Encode(&e, "What is Ranking?", 512); err != nil {
		log.Fatal(err)
	}
	var pieces []string
	for _, id := range e.IDs {
		pieces = append(pieces, tok.Piece(id))
	}
	fmt.Println(e.IDs)
	fmt.Println(pieces)
	text, err := tok.Decode(e.IDs, true)
	fmt.Println(text, err)
	// Output:
	// [1 3 4 5 6 7 2]
	// [[CLS] what is rank ##ing ? [SEP]]
	// what is ranking? <nil>
}

func ExampleTokenizer_EncodePair() {
	tok, err := tokenizer.FromJSON("tokenizer.json", []byte(bert))
	if err != nil {
		log.Fatal(err)
	}
	var e tokenizer.Encoding
	for _, limit := range []int{0, 10} {
		if err := tok.EncodePair(&e, "what is ranking?", "an order.", limit, tokenizer.OnlySecond); err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.IDs, e.Types)
	}
	err = tok.EncodePair(&e, "what is ranking?", "an order.", 6, tokenizer.OnlySecond)
	fmt.Println(err)
	// Output:
	// [1 3 4 5 6 7 2 8 9 10 2] [0 0 0 0 0 0 0 1 1 1 1]
	// [1 3 4 5 6 7 2 8 9 2] [0 0 0 0 0 0 0 1 1 1]
	// the first text has 5 of the 3 tokens allowed for both
}

// A query is tokenized once for all the documents that it is paired with.
func ExampleTokenizer_Pair() {
	tok, err := tokenizer.FromJSON("tokenizer.json", []byte(bert))
	if err != nil {
		log.Fatal(err)
	}
	query, err := tok.Tokens(nil, "What is ranking?")
	if err != nil {
		log.Fatal(err)
	}
	var document []int32
	var e tokenizer.Encoding
	for _, text := range []string{"an order", "an order."} {
		if document, err = tok.Tokens(document[:0], text); err != nil {
			log.Fatal(err)
		}
		if err := tok.Pair(&e, query, document, 512, tokenizer.LongestFirst); err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.IDs)
	}
	// Output:
	// [1 3 4 5 6 7 2 8 9 2]
	// [1 3 4 5 6 7 2 8 9 10 2]
}

func ExampleTokenizer_Stream() {
	tok, err := tokenizer.FromJSON("tokenizer.json", []byte(`{
		"decoder": {"type": "ByteLevel"},
		"model": {"type": "BPE", "vocab": {"na": 0, "Ã": 1, "¯": 2, "ve": 3}, "merges": []}
	}`))
	if err != nil {
		log.Fatal(err)
	}
	s := tok.Stream(true)
	for _, id := range []int32{0, 1, 2, 3} { // ï comes in two halves
		text, err := s.Add(id)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%q ", text)
	}
	rest, err := s.Rest()
	fmt.Printf("%q %v\n", rest, err)
	// Output:
	// "na" "" "ï" "ve" "" <nil>
}
