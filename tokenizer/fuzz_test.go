package tokenizer

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// exercise tokenizes text in every way. Ids have to be in range and lengths
// within their limits; whatever else comes of a damaged file is its own affair.
func exercise(t *testing.T, tok *Tokenizer, text string) {
	t.Helper()
	half := text[:len(text)/2]
	var e Encoding
	tooMuch := func(err error) {
		if err != nil && !errors.Is(err, ErrTooMuch) {
			t.Fatal(err)
		}
	}
	check := func(ids []int32, err error) {
		tooMuch(err)
		for _, id := range ids {
			if id < 0 || int(id) >= tok.Size() {
				t.Fatalf("the id %d of %d", id, tok.Size())
			}
		}
	}
	check(tok.Tokens(nil, text))
	check(tok.PlainTokens(nil, text))
	check(e.IDs, tok.Encode(&e, text, 0))
	for _, skip := range []bool{false, true} {
		_, err := tok.Decode(e.IDs, skip)
		tooMuch(err)
	}
	for _, how := range []Truncation{LongestFirst, OnlySecond, OnlyFirst} {
		if err := tok.EncodePair(&e, half, text, 12, how); err == nil && (len(e.IDs) > 12 || len(e.Types) != len(e.IDs)) {
			t.Fatalf("%d ids and %d types, expected at most 12", len(e.IDs), len(e.Types))
		}
	}
	for id := int32(-1); id < 3; id++ {
		tok.Piece(id)
	}
}

// parts is a tokenizer.json of every kind of part there is.
const parts = `{
"added_tokens":[{"id":0,"content":"<u>","special":true},{"id":9,"content":" x","lstrip":true,"rstrip":true,"normalized":true},{"id":10,"content":"y","single_word":true}],
"normalizer":{"type":"Sequence","normalizers":[{"type":"BertNormalizer","strip_accents":true},{"type":"Nmt"},{"type":"NFD"},{"type":"NFKC"},{"type":"NFC"},{"type":"NFKD"},
 {"type":"StripAccents"},{"type":"Strip","strip_left":true,"strip_right":true},{"type":"Prepend","prepend":"▁"},{"type":"Lowercase"},{"type":"Replace","pattern":{"Regex":" {2,}|$"},"content":" "}]},
"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Metaspace","replacement":"▁","prepend_scheme":"first"},{"type":"Punctuation","behavior":"MergedWithNext"},
 {"type":"Digits"},{"type":"CharDelimiterSplit","delimiter":"|"},{"type":"Split","pattern":{"Regex":"(?<=a)b|"},"behavior":"Contiguous","invert":true},{"type":"WhitespaceSplit"}]},
"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<u>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],"pair":[{"Sequence":{"id":"B","type_id":1}},{"Sequence":{"id":"A","type_id":0}}],"special_tokens":{"<u>":{"ids":[0]}}},
"decoder":{"type":"Sequence","decoders":[{"type":"WordPiece","prefix":"##"},{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":1},{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"BPEDecoder","suffix":"w"},{"type":"Metaspace","replacement":"▁"}]},
"model":MODEL}`

// models are small models of each scheme.
var models = []string{
	`{"type":"WordPiece","unk_token":"<u>","continuing_subword_prefix":"#","max_input_chars_per_word":9,"vocab":{"<u>":0,"a":1,"#b":2,"ab":3,"▁":4}}`,
	`{"type":"Unigram","unk_id":0,"byte_fallback":true,"vocab":[["<u>",0],["▁",-1],["a",-2.5],["ab",-3e0],["<0x62>",-1]]}`,
	`{"unk_id":null,"vocab":[["a",-1.5],["bab",2]]}`,
	`{"type":"BPE","unk_token":"<u>","vocab":{"<u>":0,"a":1,"b":2,"ab":3},"merges":["a b"]}`,
}

// FuzzJSON reads damaged tokenizer.json files, and tokenizes with what can be
// read.
func FuzzJSON(f *testing.F) {
	for _, m := range models {
		f.Add([]byte(strings.Replace(parts, "MODEL", m, 1)), "ab  Abb, 12|x É\u0301 x▁y <u>")
		f.Add([]byte(`{"model":`+m+`}`), "\xffab")
	}
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		if tok, err := FromJSON("fuzz.json", data); err == nil {
			exercise(t, tok, text)
		}
	})
}

// protoField appends a field of a protocol buffer message.
func protoField(dst []byte, number int, value any) []byte {
	switch v := value.(type) {
	case int:
		dst = binary.AppendUvarint(dst, uint64(number)<<3)
		return binary.AppendUvarint(dst, uint64(v))
	case float32:
		dst = binary.AppendUvarint(dst, uint64(number)<<3|5)
		return binary.LittleEndian.AppendUint32(dst, math.Float32bits(v))
	case []byte:
		dst = binary.AppendUvarint(dst, uint64(number)<<3|2)
		dst = binary.AppendUvarint(dst, uint64(len(v)))
		return append(dst, v...)
	}
	panic("no such kind of field")
}

// sentencePieceModel is a small model file of the given model_type.
func sentencePieceModel(kind int) []byte {
	var m []byte
	for i, p := range []string{"<unk>", "<s>", "</s>", "▁", "a", "b", "▁a", "ab", "<0x62>"} {
		piece := protoField(protoField(nil, 1, []byte(p)), 2, -float32(i))
		if types := []int{2, 3, 3, 1, 1, 1, 1, 4, 6}; types[i] != 1 {
			piece = protoField(piece, 3, types[i])
		}
		m = protoField(m, 1, piece)
	}
	m = protoField(m, 2, protoField(protoField(nil, 3, kind), 35, kind-1))
	charsmap := []byte{8, 0, 0, 0, 1, 0, 0, 0, 2, 1, 0, 0, 'x', 0}
	return protoField(m, 3, protoField(protoField(nil, 2, charsmap), 4, 1))
}

// FuzzSentencePiece reads damaged SentencePiece models.
func FuzzSentencePiece(f *testing.F) {
	f.Add(sentencePieceModel(1), " ab  abba\t<s>")
	f.Add(sentencePieceModel(2), " ab  abba\t<s>")
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		for _, class := range []*tokenizerClass{xlmRobertaClass, debertaV2Class, camembertClass, t5Class, albertClass, llamaClass, gemmaClass, asIs} {
			c := &configuration{class: class}
			if tok, err := c.fromSentencePiece("fuzz.model", data); err == nil {
				exercise(t, tok, text)
			}
		}
	})
}

// TestSentencePieceModel makes sure that the fuzzer's seeds are valid.
func TestSentencePieceModel(t *testing.T) {
	for kind, want := range map[int][]int32{1: {0, 7, 4, 6, 2}, 2: {6, 3, 5}} {
		c := &configuration{class: xlmRobertaClass}
		if kind == 2 {
			c.class = asIs
		}
		tok, err := c.fromSentencePiece("seed", sentencePieceModel(kind))
		if err != nil {
			t.Fatal(err)
		}
		var e Encoding
		if tok.Encode(&e, "a b", 0); !slices.Equal(e.IDs, want) {
			t.Errorf("type %d: %v, expected %v", kind, e.IDs, want)
		}
	}
}

// FuzzGGUF reads metadata that is damaged: lists of other lengths, ids out of
// range, spellings of all kinds.
func FuzzGGUF(f *testing.F) {
	f.Add("bert", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n▁a\nb", "\x03\x03\x03\x03\x01\x01", "", []byte{1, 2, 3, 0, 5}, []byte{}, "ab [SEP] a")
	f.Add("t5", "<s>\n<pad>\n</s>\n<unk>\n▁\na\n[PAD6]", "\x03\x03\x03\x02\x01\x01\x05", "", []byte{3, 0, 2, 1, 6}, []byte{8, 0, 0, 0, 1, 0, 0, 0, 2, 1, 0, 0, 'x', 0}, "a <mask> b")
	f.Add("gpt2", "<s>\na\nb\nab\nĠ", "\x03\x01\x01\x01\x01", "a b", []byte{0, 0, 0, 0, 0}, []byte{}, "ab abb")
	f.Add("llama", "<unk>\n<s>\na\n▁\n▁a\n<0x62>", "\x02\x03\x01\x01\x01\x06", "", []byte{0, 1, 1, 1, 1}, []byte{}, "ab a")
	f.Fuzz(func(t *testing.T, kind, tokens, types, merges string, ids, charsmap []byte, text string) {
		m := metadata{
			"tokenizer.ggml.model": kind, "tokenizer.ggml.pre": "gpt-2", "tokenizer.ggml.tokens": strings.Split(tokens, "\n"),
			"tokenizer.ggml.merges": strings.Split(merges, "\n"), "tokenizer.ggml.precompiled_charsmap": charsmap,
		}
		var kinds []int64
		var scores []float32
		for i, c := range []byte(types) {
			kinds, scores = append(kinds, int64(int8(c))), append(scores, -float32(i*i%7))
		}
		m["tokenizer.ggml.token_type"], m["tokenizer.ggml.scores"] = kinds, scores
		for i, key := range []string{"unknown", "bos", "seperator", "padding", "mask", "eos", "cls"} {
			if i < len(ids) {
				m["tokenizer.ggml."+key+"_token_id"] = uint64(int64(int8(ids[i])))
			}
		}
		if tok, err := FromGGUF("fuzz.gguf", m); err == nil {
			exercise(t, tok, text)
		}
	})
}

// FuzzText tokenizes any text with a tokenizer of each scheme. Byte-level
// tokenizers give the text back to the byte.
func FuzzText(f *testing.F) {
	toks := map[string]*Tokenizer{}
	for _, c := range fileCases(f) {
		tok, err := FromDir(c.write(f))
		if err != nil {
			f.Fatal(err)
		}
		toks[c.Name] = tok
		for _, row := range c.Rows {
			f.Add(row.Text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		for name, tok := range toks {
			exercise(t, tok, text)
			if name != "roberta-merges" || strings.Contains(text, "<mask>") {
				continue // <mask> swallows the blanks before it
			}
			ids := must(tok.Tokens(nil, text))
			back := must(tok.Decode(ids, false))
			if want := string(appendValid(nil, text)); back != want {
				t.Fatalf("%q came back as %q", want, back)
			}
			if again := must(tok.Tokens(nil, back)); !slices.Equal(again, ids) {
				t.Fatalf("%q: %v, then %v", text, ids, again)
			}
		}
	})
}

// FuzzSentencePieceText checks that the ids of SentencePiece BPE with byte
// fallback decode to a text with the same ids.
func FuzzSentencePieceText(f *testing.F) {
	toks := map[string]*Tokenizer{}
	for _, c := range smallCases(f) {
		if c.Name == "llama" || c.Name == "gemma" {
			tok, err := FromJSON(c.Name, c.Tokenizer)
			if err != nil {
				f.Fatal(err)
			}
			toks[c.Name] = tok
			for _, row := range c.Rows {
				f.Add(row.Text)
			}
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		for name, tok := range toks {
			if strings.Contains(text, "[X]") {
				continue // an added token: the text behind it gets a blank of its own
			}
			ids := must(tok.Tokens(nil, text))
			if again := must(tok.Tokens(nil, must(tok.Decode(ids, false)))); !slices.Equal(again, ids) {
				t.Fatalf("%s: %q: %v, then %v", name, text, ids, again)
			}
		}
	})
}

// FuzzReader compares the JSON reader with the standard library's: what it
// takes, and what it makes of it.
func FuzzReader(f *testing.F) {
	for _, s := range []string{`{"a":[1,-2.5e3,"\u00e9\ud83d\ude00\n",true,false,null,{}]}`, `"\ud800"`, `[1,]`, `{"a" 1}`, ` [ ] `, `01`, `1e999`, "\"\x01\""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := newJSONReader("fuzz", "", data)
		got := r.value()
		err := r.end()
		if err == nil {
			raw := newJSONReader("fuzz", "", data)
			raw.raw()
			if raw.end() != nil {
				t.Fatalf("%q: read as a value, not as a raw one: %v", data, raw.err)
			}
		}
		var want any
		if json.Unmarshal(data, &want) != nil || err != nil {
			return // the readers differ in what they take: invalid UTF-8, depth, 01
		}
		g, _ := json.Marshal(got)
		w, _ := json.Marshal(want)
		if string(g) != string(w) {
			t.Fatalf("%q: %s, expected %s", data, g, w)
		}
	})
}

// FuzzConfiguration reads damaged files beside a tokenizer.json.
func FuzzConfiguration(f *testing.F) {
	f.Add(`{"tokenizer_class":"BertTokenizer","do_lower_case":true,"mask_token":{"__type":"AddedToken","content":"[X]"}}`, `{"pad_token":"b"}`, `{"c":9}`, `{"model_type":"bert"}`, "A b [X]")
	f.Add(`{"added_tokens_decoder":{"7":{"content":"y"}},"additional_special_tokens":["z"],"truncation_side":"left"}`, `[]`, ``, `{`, "y z")
	f.Add(`{"tokenizer_class":"T5Tokenizer","extra_ids":3,"image_token":"i","extra_special_tokens":{"j":"k"}}`, `{}`, `{}`, `{}`, "i k")
	whole := fmt.Sprintf(wordPieces, "null", "null")
	f.Fuzz(func(t *testing.T, config, special, added, model, text string) {
		c, err := newConfiguration("", map[string]string{configFile: config, specialFile: special, addedFile: added, modelFile: model})
		if err != nil {
			return
		}
		if tok, err := c.fromWhole("tokenizer.json", []byte(whole)); err == nil {
			exercise(t, tok, text)
			tok.Trim(8)
			exercise(t, tok, text)
		}
	})
}
