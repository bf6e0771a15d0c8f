package tokenizer

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/winnow-rerank/winnow/internal/fault"
)

// TestClasses compares folders of every class, odd but legal, with what the
// library makes of them. bench/tokenizer_differential.py --write makes them,
// and compares many more.
func TestClasses(t *testing.T) {
	var data struct {
		Bases []struct {
			Model json.RawMessage
			Files map[string]string
		}
		Folders []struct {
			Base      int
			Tokenizer map[string]json.RawMessage
			Files     map[string]string
			Cases     []struct {
				Text, How, Side string
				Pair            *string
				Limit           int
			}
			Wanted [][]struct {
				IDs, Types []int32
				Error      bool
			}
		}
	}
	if err := json.Unmarshal(readGzip(t, "testdata/classes.json.gz"), &data); err != nil {
		t.Fatal(err)
	}
	how := map[string]Truncation{"longest_first": LongestFirst, "only_second": OnlySecond, "only_first": OnlyFirst}
	compared := 0
	for n, folder := range data.Folders {
		dir := t.TempDir()
		write := func(name string, content []byte) {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		base := data.Bases[folder.Base]
		for name, text := range base.Files {
			content, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				t.Fatal(err)
			}
			write(name, content)
		}
		for name, text := range folder.Files {
			write(name, []byte(text))
		}
		if folder.Tokenizer != nil {
			folder.Tokenizer["model"] = base.Model
			content, err := json.Marshal(folder.Tokenizer)
			if err != nil {
				t.Fatal(err)
			}
			write("tokenizer.json", content)
		}
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			tok, err := FromDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for i, c := range folder.Cases {
				side := tok.TruncationSide()
				if c.Side != "" {
					side = map[string]Side{"left": Left, "right": Right}[c.Side]
				}
				var e Encoding
				var err error
				tokens := must(tok.Tokens(nil, c.Text))
				if c.Pair == nil {
					tok.SingleSide(&e, tokens, c.Limit, side)
				} else {
					err = tok.PairSide(&e, tokens, must(tok.Tokens(nil, *c.Pair)), c.Limit, how[c.How], side)
				}
				right := false
				for _, want := range folder.Wanted[i] {
					right = right || want.Error && err != nil || !want.Error && err == nil && slices.Equal(e.IDs, want.IDs) && (want.Types == nil || slices.Equal(e.Types, want.Types))
				}
				if compared++; !right {
					t.Errorf("%s\n%q %q limit %d %s %s: %v %v, error %v, expected one of %v", folder.Files[configFile], c.Text, deref(c.Pair), c.Limit, c.How, c.Side, e.IDs, e.Types, err, folder.Wanted[i])
				}
			}
		})
	}
	if compared < 1000 {
		t.Errorf("%d texts compared", compared)
	}
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// folder writes files of a model to a new directory.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// wordPieces is a tokenizer.json; its normalizer and post-processor follow.
const wordPieces = `{"model":{"type":"WordPiece","vocab":{"[PAD]":0,"[UNK]":1,"[CLS]":2,"[SEP]":3,"A":4,"a":5,"b":6,"c":7}},
	"added_tokens":[{"id":2,"content":"[CLS]","special":true},{"id":3,"content":"[SEP]","special":true}],
	"pre_tokenizer":{"type":"BertPreTokenizer"},"normalizer":%s,"post_processor":%s}`

func TestConfiguration(t *testing.T) {
	const (
		cased = `{"type":"BertNormalizer","lowercase":false}`
		frame = `{"type":"BertProcessing","cls":["[CLS]",2],"sep":["[SEP]",3]}`
		bert  = `{"model_type":"bert"}`
	)
	for _, c := range []struct {
		name, normalizer, frame, config string
		more                            map[string]string
		ids, types                      []int32 // of the pair "A a [X] b", "c"
	}{
		{"the class lowercases by itself", cased, frame, `{"tokenizer_class":"BertTokenizer"}`, nil, []int32{2, 5, 5, 1, 1, 1, 6, 3, 7, 3}, []int32{0, 0, 0, 0, 0, 0, 0, 0, 1, 1}},
		{"an argument", cased, frame, `{"tokenizer_class":"BertTokenizerFast","do_lower_case":false}`, nil, []int32{2, 4, 5, 1, 1, 1, 6, 3, 7, 3}, []int32{0, 0, 0, 0, 0, 0, 0, 0, 1, 1}},
		{"the file as it stands", cased, frame, `{"tokenizer_class":"PreTrainedTokenizerFast"}`, nil, []int32{2, 4, 5, 1, 1, 1, 6, 3, 7, 3}, []int32{0, 0, 0, 0, 0, 0, 0, 0, 1, 1}},
		{"an empty sequence", `{"type":"Sequence","normalizers":[]}`, frame, `{"do_lower_case":true}`, nil, []int32{2, 5, 5, 1, 1, 1, 6, 3, 7, 3}, []int32{0, 0, 0, 0, 0, 0, 0, 0, 1, 1}},
		{"empty sequences in each other", `{"type":"Sequence","normalizers":[{"type":"Sequence","normalizers":[]},{"type":"Lowercase"}]}`, frame, `{"tokenizer_class":"PreTrainedTokenizerFast"}`, nil, []int32{2, 5, 5, 1, 1, 1, 6, 3, 7, 3}, []int32{0, 0, 0, 0, 0, 0, 0, 0, 1, 1}},
		{"a table of nothing", `{"type":"Precompiled","precompiled_charsmap":null}`, frame, `{"tokenizer_class":"PreTrainedTokenizerFast"}`, nil, []int32{2, 4, 5, 1, 1, 1, 6, 3, 7, 3}, []int32{0, 0, 0, 0, 0, 0, 0, 0, 1, 1}},
		{"an empty table", `{"type":"Precompiled","precompiled_charsmap":""}`, frame, `{"tokenizer_class":"PreTrainedTokenizerFast"}`, nil, []int32{2, 4, 5, 1, 1, 1, 6, 3, 7, 3}, []int32{0, 0, 0, 0, 0, 0, 0, 0, 1, 1}},
		{"tables of nothing in a sequence", `{"type":"Sequence","normalizers":[{"type":"Precompiled","precompiled_charsmap":""},{"type":"Precompiled","precompiled_charsmap":null}]}`, frame, `{"tokenizer_class":"PreTrainedTokenizerFast"}`, nil, []int32{2, 4, 5, 1, 1, 1, 6, 3, 7, 3}, []int32{0, 0, 0, 0, 0, 0, 0, 0, 1, 1}},
		{"no post-processor", cased, "null", `{"do_lower_case":true}`, nil, []int32{2, 5, 5, 1, 1, 1, 6, 3, 7, 3}, []int32{0, 0, 0, 0, 0, 0, 0, 0, 1, 1}},
		{"no token types", cased, frame, `{"model_input_names":["input_ids","attention_mask"]}`, nil, []int32{2, 5, 5, 1, 1, 1, 6, 3, 7, 3}, []int32{0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
		{"a class without token types", cased, frame, `{"tokenizer_class":"DistilBertTokenizer"}`, nil, []int32{2, 5, 5, 1, 1, 1, 6, 3, 7, 3}, []int32{0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
		{"a listed token", cased, frame, `{"added_tokens_decoder":{"8":{"content":"[X]","special":true}}}`, nil, []int32{2, 5, 5, 8, 6, 3, 7, 3}, []int32{0, 0, 0, 0, 0, 0, 1, 1}},
		{"added_tokens.json", cased, frame, `{}`, map[string]string{"added_tokens.json": `{"[X]":8}`}, []int32{2, 5, 5, 8, 6, 3, 7, 3}, []int32{0, 0, 0, 0, 0, 0, 1, 1}},
		{"special_tokens_map.json", cased, frame, `{}`, map[string]string{"special_tokens_map.json": `{"mask_token":{"content":"[X]","rstrip":true}}`}, []int32{2, 5, 5, 8, 6, 3, 7, 3}, []int32{0, 0, 0, 0, 0, 0, 1, 1}},
		{"special tokens are text", cased, frame, `{"split_special_tokens":true,"mask_token":"[X]"}`, nil, []int32{2, 5, 5, 1, 1, 1, 6, 3, 7, 3}, []int32{0, 0, 0, 0, 0, 0, 0, 0, 1, 1}},
		{"numbers that are none", cased, frame, `{"x":NaN,"y":[-Infinity]}`, nil, []int32{2, 5, 5, 1, 1, 1, 6, 3, 7, 3}, []int32{0, 0, 0, 0, 0, 0, 0, 0, 1, 1}},
	} {
		files := map[string]string{"tokenizer.json": fmt.Sprintf(wordPieces, c.normalizer, c.frame), "tokenizer_config.json": c.config, "config.json": bert}
		for name, text := range c.more {
			files[name] = text
		}
		tok, err := FromDir(folder(t, files))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var e Encoding
		if err := tok.EncodePair(&e, "A a [X] b", "c", 0, LongestFirst); err != nil || !slices.Equal(e.IDs, c.ids) || !slices.Equal(e.Types, c.types) {
			t.Errorf("%s: %v %v, error %v, expected %v %v", c.name, e.IDs, e.Types, err, c.ids, c.types)
		}
	}
}

// TestCharsmap rebuilds the stages of files with two tables of characters: the first
// at the top level counts, even if it is empty.
func TestCharsmap(t *testing.T) {
	table := func(from, to byte) string {
		units := make([]uint32, 256)
		units[from] = uint32(from) | 1<<8 | uint32(from^1)<<10 // its replacement is in unit 1
		data := binary.LittleEndian.AppendUint32(nil, uint32(4*len(units)))
		for _, u := range units {
			data = binary.LittleEndian.AppendUint32(data, u)
		}
		return fmt.Sprintf(`{"type":"Precompiled","precompiled_charsmap":"%s"}`, base64.StdEncoding.EncodeToString(append(data, to, 0)))
	}
	sequence := func(members ...string) string {
		return `{"type":"Sequence","normalizers":[` + strings.Join(members, ",") + `]}`
	}
	const file = `{"model":{"type":"Unigram","unk_id":3,"vocab":[["<s>",0],["<pad>",0],["</s>",0],["<unk>",0],["▁",-1],["a",-2],["b",-2],["c",-2]]},
		"normalizer":%s,"pre_tokenizer":{"type":"WhitespaceSplit"},"decoder":{"type":"Metaspace","replacement":"▁"}}`
	empty := `{"type":"Precompiled","precompiled_charsmap":""}`
	for _, c := range []struct {
		name, normalizer string
		ids              []int32 // of "a c"
	}{
		{"one", table('a', 'b'), []int32{4, 6, 4, 7}},
		{"two", sequence(table('c', 'b'), table('a', 'b')), []int32{4, 5, 4, 6}},
		{"one further in", sequence(sequence(table('a', 'b'))), []int32{4, 5, 4, 7}},
		{"the first further in", sequence(sequence(table('a', 'b')), table('c', 'b')), []int32{4, 5, 4, 6}},
		{"an empty one", empty, []int32{4, 5, 4, 7}},
		{"an empty one first", sequence(empty, table('a', 'b')), []int32{4, 5, 4, 7}},
		{"an empty one after one further in", sequence(sequence(table('a', 'b')), empty), []int32{4, 5, 4, 7}},
	} {
		tok, err := FromDir(folder(t, map[string]string{"tokenizer.json": fmt.Sprintf(file, c.normalizer), "tokenizer_config.json": `{"tokenizer_class":"XLMRobertaTokenizer"}`}))
		if err != nil {
			t.Fatal(c.name, err)
		}
		if got := must(tok.Tokens(nil, "a c")); !slices.Equal(got, c.ids) {
			t.Errorf("%s: %v, expected %v", c.name, got, c.ids)
		}
	}
}

func TestConfigurationErrors(t *testing.T) {
	whole := fmt.Sprintf(wordPieces, "null", "null")
	for _, c := range []struct {
		name  string
		files map[string]string
		kind  error
		want  string
	}{
		{"MeCab", map[string]string{"tokenizer.json": whole, "tokenizer_config.json": `{"tokenizer_class":"BertJapaneseTokenizer"}`}, fault.ErrUnsupported, "MeCab"},
		{"MeCab without a tokenizer.json", map[string]string{"vocab.txt": "[UNK]\n", "tokenizer_config.json": `{"tokenizer_class":"BertJapaneseTokenizer"}`}, fault.ErrUnsupported, "BertJapaneseTokenizer"},
		{"Sudachi without a class", map[string]string{"vocab.txt": "[UNK]\n", "tokenizer_config.json": `{"word_tokenizer_type":"sudachi"}`}, fault.ErrUnsupported, "Sudachi"},
		{"MeCab in config.json", map[string]string{"vocab.txt": "[UNK]\n", "config.json": `{"model_type":"bert","tokenizer_class":"BertJapaneseTokenizer"}`}, fault.ErrUnsupported, "BertJapaneseTokenizer"},
		{"a class that is a program", map[string]string{"tokenizer.json": whole, "tokenizer_config.json": `{"tokenizer_class":"PhobertTokenizer"}`}, fault.ErrUnsupported, `"PhobertTokenizer"`},
		{"a side", map[string]string{"tokenizer.json": whole, "tokenizer_config.json": `{"truncation_side":"top"}`}, fault.ErrFormat, `truncation_side: found "top"`},
		{"a token", map[string]string{"tokenizer.json": whole, "tokenizer_config.json": `{"mask_token":3}`}, fault.ErrFormat, "mask_token: found 3"},
		{"a listed token", map[string]string{"tokenizer.json": whole, "tokenizer_config.json": `{"added_tokens_decoder":{"x":{"content":"y"}}}`}, fault.ErrFormat, "added_tokens_decoder.x"},
		{"an id", map[string]string{"tokenizer.json": whole, "added_tokens.json": `{"y":-1}`}, fault.ErrFormat, "added_tokens.json: y: found -1"},
		{"an empty file", map[string]string{"tokenizer.json": whole, "tokenizer_config.json": ""}, fault.ErrFormat, "tokenizer_config.json"},
		{"extra tokens", map[string]string{"tokenizer.json": whole, "tokenizer_config.json": `{"extra_special_tokens":"y"}`}, fault.ErrFormat, "extra_special_tokens"},
	} {
		if _, err := FromDir(folder(t, c.files)); !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, expected an error about %s", c.name, err, c.want)
		}
	}
}

// TestTrim takes out a token that the model has no row for.
func TestTrim(t *testing.T) {
	tok, err := FromDir(folder(t, map[string]string{"tokenizer.json": fmt.Sprintf(wordPieces, "null", "null"),
		"config.json": `{"model_type":"bert"}`, "tokenizer_config.json": `{"mask_token":"a","pad_token":"b b"}`}))
	if err != nil {
		t.Fatal(err)
	}
	if got := must(tok.Tokens(nil, "b b")); !slices.Equal(got, []int32{8}) || tok.Size() != 9 {
		t.Errorf("%v, size %d", got, tok.Size())
	}
	tok.Trim(9)
	if tok.Size() != 9 {
		t.Errorf("size %d, expected the token to stay", tok.Size())
	}
	tok.Trim(8)
	if got := must(tok.Tokens(nil, "b b a")); !slices.Equal(got, []int32{6, 6, 5}) || tok.Size() != 8 || !tok.IsSpecial(5) {
		t.Errorf("%v, size %d, special %v", got, tok.Size(), tok.IsSpecial(5))
	}
}

// TestSides cuts texts at both ends.
func TestSides(t *testing.T) {
	frame := `{"type":"BertProcessing","cls":["[CLS]",2],"sep":["[SEP]",3]}`
	file := fmt.Sprintf(wordPieces, "null", frame)
	left, err := FromDir(folder(t, map[string]string{"tokenizer.json": file, "tokenizer_config.json": `{"truncation_side":"left"}`}))
	if err != nil {
		t.Fatal(err)
	}
	right, err := FromDir(folder(t, map[string]string{"tokenizer.json": file}))
	if err != nil {
		t.Fatal(err)
	}
	inFile, err := FromDir(folder(t, map[string]string{"tokenizer.json": strings.TrimSuffix(file, "}") + `,"truncation":{"direction":"Left","max_length":8}}`}))
	if err != nil {
		t.Fatal(err)
	}
	if left.TruncationSide() != Left || right.TruncationSide() != Right || inFile.TruncationSide() != Left {
		t.Errorf("sides %v %v %v", left.TruncationSide(), right.TruncationSide(), inFile.TruncationSide())
	}
	a, b := []int32{5, 6, 7}, []int32{7, 6, 5, 4}
	for _, c := range []struct {
		t     *Tokenizer
		limit int
		how   Truncation
		side  Side
		ids   []int32
	}{
		{left, 7, LongestFirst, Left, []int32{2, 6, 7, 3, 5, 4, 3}},
		{right, 7, LongestFirst, Left, []int32{2, 6, 7, 3, 5, 4, 3}},
		{left, 7, LongestFirst, Right, []int32{2, 5, 6, 3, 7, 6, 3}},
		{right, 8, OnlySecond, Left, []int32{2, 5, 6, 7, 3, 5, 4, 3}},
		{right, 8, OnlyFirst, Left, []int32{2, 7, 3, 7, 6, 5, 4, 3}},
		{right, 0, OnlyFirst, Left, []int32{2, 5, 6, 7, 3, 7, 6, 5, 4, 3}},
	} {
		var e Encoding
		if err := c.t.PairSide(&e, a, b, c.limit, c.how, c.side); err != nil || !slices.Equal(e.IDs, c.ids) || len(e.Types) != len(e.IDs) {
			t.Errorf("limit %d, %v, %v: %v %v, error %v, expected %v", c.limit, c.how, c.side, e.IDs, e.Types, err, c.ids)
		}
		if c.t.TruncationSide() == c.side {
			own := Encoding{}
			if err := c.t.Pair(&own, a, b, c.limit, c.how); err != nil || !slices.Equal(own.IDs, e.IDs) {
				t.Errorf("Pair: %v, error %v, expected %v", own.IDs, err, e.IDs)
			}
		}
	}
	var e Encoding
	if left.Single(&e, b, 4); !slices.Equal(e.IDs, []int32{2, 5, 4, 3}) {
		t.Errorf("Single: %v", e.IDs)
	}
	if left.SingleSide(&e, b, 4, Right); !slices.Equal(e.IDs, []int32{2, 7, 6, 3}) {
		t.Errorf("SingleSide: %v", e.IDs)
	}
	if left.Encode(&e, "a b c", 1); !slices.Equal(e.IDs, []int32{2, 3}) {
		t.Errorf("Encode without room: %v", e.IDs)
	}
	for n, want := range map[int][]int32{-1: {}, 0: {}, 2: {5, 4}, 4: b, 9: b} {
		if got := Left.Cut(b, n); !slices.Equal(got, want) {
			t.Errorf("cut to %d: %v, expected %v", n, got, want)
		}
	}
}

// TestSwallowed looks for added tokens among the blanks that others swallow.
// The library takes what is left of them, and fails where less than nothing is.
func TestSwallowed(t *testing.T) {
	const file = `{"model":{"type":"WordPiece","vocab":{"[UNK]":0,"a":1,"b":2}},"pre_tokenizer":{"type":"BertPreTokenizer"},
		"added_tokens":[{"id":3,"content":"<m>","rstrip":true},{"id":4,"content":"\n"%s},{"id":5,"content":"<l>","lstrip":true}]}`
	for _, c := range []struct {
		flags, text string
		ids         []int32
	}{
		{"", "a<m> \n b", []int32{1, 3, 4, 2}},
		{`,"rstrip":true`, "a<m> \n  b", []int32{1, 3, 4, 2}},
		{`,"lstrip":true`, "a<m> \nb", []int32{1, 3, 2}},
		{`,"lstrip":true`, "a<m> \n b", []int32{1, 3, 2}},
		{`,"lstrip":true`, "a<m> \n", []int32{1, 3}},
		{"", "a \n <l> b", []int32{1, 4, 5, 2}},
		{"", "<m> <l>a", []int32{3, 5, 1}},
	} {
		tok, err := FromJSON("tokenizer.json", fmt.Appendf(nil, file, c.flags))
		if err != nil {
			t.Fatal(err)
		}
		if got := must(tok.Tokens(nil, c.text)); !slices.Equal(got, c.ids) {
			t.Errorf("%s %q: %v, expected %v", c.flags, c.text, got, c.ids)
		}
	}
}

// tooMuch is a tokenizer.json of one part that makes too much of a text.
func tooMuch(t *testing.T, part string) *Tokenizer {
	t.Helper()
	tok, err := FromJSON("tokenizer.json", []byte(`{"model":{"type":"BPE","vocab":{"a":0,"é":1,"x":2},"merges":[]},`+part+`}`))
	if err != nil {
		t.Fatal(part, err)
	}
	return tok
}

// TestTooMuch makes texts too long and searches too long, which have to end in
// an error, and asks for another text each time.
func TestTooMuch(t *testing.T) {
	repeat := func(list, part string) string {
		return `{"type":"Sequence","` + list + `":[` + strings.TrimSuffix(strings.Repeat(part+",", 60), ",") + `]}`
	}
	double := `{"type":"Replace","pattern":{"String":"a"},"content":"aa"}`
	for name, c := range map[string]struct{ part, want string }{
		"Replace":          {`"normalizer":` + repeat("normalizers", double), "64 times"},
		"one long Replace": {`"normalizer":{"type":"Replace","pattern":{"String":"a"},"content":"` + strings.Repeat("y", 100_000) + `"}`, "64 times"},
		"bytes":            {`"normalizer":` + repeat("normalizers", `{"type":"ByteLevel"}`), "64 times"},
		"pieces":           {`"pre_tokenizer":` + repeat("pretokenizers", `{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}`), "64 times"},
	} {
		tok := tooMuch(t, c.part)
		want := must(tok.Tokens(nil, "x"))
		text := strings.Repeat("aé", 2000)
		var e Encoding
		for call, err := range map[string]error{
			"Tokens": second(tok.Tokens(nil, text)), "PlainTokens": second(tok.PlainTokens(nil, text)),
			"Encode": tok.Encode(&e, text, 0), "EncodePair": tok.EncodePair(&e, text, "x", 0, LongestFirst),
			"EncodePair, the second": tok.EncodePair(&e, "x", text, 0, LongestFirst),
		} {
			if !errors.Is(err, ErrTooMuch) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %s: error %v", name, call, err)
			}
		}
		if got, err := tok.Tokens(nil, "x"); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: the next text is %v, %v; want %v", name, got, err, want)
		}
	}

	tok := tooMuch(t, `"decoder":`+repeat("decoders", double))
	if text, err := tok.Decode([]int32{0}, false); !errors.Is(err, ErrTooMuch) || text != "" {
		t.Errorf("decoding: %q, %v", text, err)
	}
	s := tok.Stream(false)
	if text, err := s.Add(2); err != nil || text != "x" {
		t.Errorf("a stream before: %q, %v", text, err)
	}
	if text, err := s.Add(0); !errors.Is(err, ErrTooMuch) || text != "" {
		t.Errorf("a stream: %q, %v", text, err)
	}
	if text, err := s.Rest(); !errors.Is(err, ErrTooMuch) || text != "" {
		t.Errorf("a stream's rest: %q, %v", text, err)
	}
	if got := string(tok.Bytes(nil, 2)); got != "x" {
		t.Errorf("a piece is %q", got)
	}

	// An added token that is too much leaves no tokenizer.
	_, err := FromJSON("tokenizer.json", []byte(`{"model":{"type":"BPE","vocab":{"a":0},"merges":[]},"normalizer":`+repeat("normalizers", double)+
		`,"added_tokens":[{"id":1,"content":"aaaa","normalized":true}]}`))
	if !errors.Is(err, ErrTooMuch) || !strings.HasPrefix(err.Error(), "tokenizer.json: added_tokens: ") {
		t.Errorf("an added token: %v", err)
	}
}

// TestTooManySteps searches a text beyond the limit of steps, wherever an expression
// stands.
func TestTooManySteps(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 2^27 steps, four times")
	}
	const lasting = `{"Regex":"a(?=(a|aa)*c)b|c"}` // looks over all of a text at each of its a's
	replacing, splitting := `{"type":"Replace","pattern":`+lasting+`,"content":"d"}`, `{"type":"Split","pattern":`+lasting+`,"behavior":"Isolated"}`
	long := strings.Repeat("a", 20_000) + "c"
	for _, part := range []string{
		`"normalizer":` + replacing,
		`"normalizer":{"type":"Sequence","normalizers":[` + replacing + `,{"type":"Lowercase"}]}`,
		`"pre_tokenizer":` + splitting,
		`"pre_tokenizer":{"type":"Sequence","pretokenizers":[` + splitting + `,{"type":"WhitespaceSplit"}]}`,
	} {
		tok := tooMuch(t, part)
		if ids, err := tok.Tokens(nil, long); !errors.Is(err, errSteps) {
			t.Errorf("%s: %d tokens, %v", part, len(ids), err)
		}
		if ids, err := tok.Tokens(nil, "axa"); err != nil || !slices.Equal(ids, []int32{0, 2, 0}) {
			t.Errorf("%s: the next text is %v, %v", part, ids, err)
		}
	}
}

// TestTooMuchBeside tokenizes texts in several goroutines, every other one too much.
func TestTooMuchBeside(t *testing.T) {
	tok := tooMuch(t, `"normalizer":{"type":"Replace","pattern":{"String":"a"},"content":"`+strings.Repeat("x", 1000)+`"}`)
	long := strings.Repeat("a", 100)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 200 {
				if i%2 == 0 {
					if ids, err := tok.Tokens(nil, long); !errors.Is(err, errLong) {
						t.Errorf("%d tokens, %v", len(ids), err)
					}
				} else if ids, err := tok.Tokens(nil, "xéx"); err != nil || !slices.Equal(ids, []int32{2, 1, 2}) {
					t.Errorf("%v, %v", ids, err)
				}
			}
		})
	}
	all.Wait()
}

// TestConfigurationGGUF takes a tokenizer whose configuration says more than its
// tokenizer.json through GGUF metadata.
func TestConfigurationGGUF(t *testing.T) {
	file := fmt.Sprintf(wordPieces, `{"type":"BertNormalizer","lowercase":false}`, `{"type":"BertProcessing","cls":["[CLS]",2],"sep":["[SEP]",3]}`)
	for _, config := range []string{
		`{"model_input_names":["input_ids"]}`,
		`{"truncation_side":"left","model_max_length":12}`,
		`{"tokenizer_class":"PreTrainedTokenizerFast","mask_token":{"content":"b","lstrip":true}}`,
		`{"split_special_tokens":true}`,
	} {
		tok, err := FromDir(folder(t, map[string]string{"tokenizer.json": file, "tokenizer_config.json": config, "config.json": `{"model_type":"bert","hidden_size":64}`}))
		if err != nil {
			t.Fatal(err)
		}
		fields, exact, err := tok.GGUF(2, 0)
		if err != nil || exact {
			t.Fatalf("%s: exact %v, error %v", config, exact, err)
		}
		back, err := FromGGUF("model.gguf", newFieldMap(append(fields, Field{HuggingFaceKey, file})))
		if err != nil {
			t.Fatal(err)
		}
		if !tok.equals(back) || tok.maxLength != back.maxLength {
			t.Errorf("%s is lost", config)
		}
		for _, damaged := range []string{"", "[]", `{"tokenizer_config.json":"{"}`} {
			if _, err := FromGGUF("model.gguf", newFieldMap([]Field{{HuggingFaceKey, file}, {configKey, damaged}})); !errors.Is(err, fault.ErrFormat) {
				t.Errorf("%q: %v", damaged, err)
			}
		}
	}
}
