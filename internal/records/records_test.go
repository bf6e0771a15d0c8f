package records

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
)

func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func gzipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zstandard(t *testing.T, text string) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return z.EncodeAll([]byte(text), nil)
}

// shown is documents as "id=text" with bars between.
func shown(documents []Document) string {
	var list []string
	for _, d := range documents {
		text := strings.ReplaceAll(d.Text, "\n", "\\n")
		if d.ID != "" {
			text = d.ID + "=" + text
		}
		list = append(list, text)
	}
	return strings.Join(list, "|")
}

// TestDocuments: each format, plain, by gzip, by zstd and from standard input,
// gives the documents, or says what is wrong and where.
func TestDocuments(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
	}{
		{"a.txt", "one\n\n  two \r\nthree", "one|two|three"},
		{"a.txt", "\xef\xbb\xbfone\n", "one"},
		{"a.txt", `{"text":"a"}`, `{"text":"a"}`},
		{"a.txt", "", ""},
		{"a.txt", "caf\xe9\n", `error FILE:1: not UTF-8: byte 0xe9 at column 4 looks like Latin-1's 'é'; save the file as UTF-8`},
		{"a.txt", "one\ntwo\x80\n", `error FILE:2: not UTF-8: byte 0x80 at column 4`},
		{"a.txt", "%PDF-1.7\n...", "error FILE looks like a PDF: convert it to text first, with pdftotext for example: expected text, JSON or CSV with \"text\" (.txt, .jsonl, .json, .csv, .tsv)"},
		{"a.csv", "PK\x03\x04....", "error FILE looks like a ZIP archive, as .docx, .xlsx and .odt files are: expected text, JSON or CSV with \"text\" (.txt, .jsonl, .json, .csv, .tsv)"},
		{"a.txt", "\xff\xfeo\x00n\x00", "error FILE looks like UTF-16: save it as UTF-8: expected text, JSON or CSV with \"text\" (.txt, .jsonl, .json, .csv, .tsv)"},
		{"page.htm", " <!DOCTYPE html><p>x", "error FILE looks like an HTML page: expected text, JSON or CSV with \"text\" (.txt, .jsonl, .json, .csv, .tsv)"},
		{"a.jsonl", "{\"text\":\"a\",\"id\":1}\n\n\"b\\nc\"\n{\"_id\":\"x\",\"contents\":\"d\"}", `1=a|b\nc|x=d`},
		{"a.ndjson", "{\"Text\":\"a\"}", "a"},
		{"a.jsonl", "{\"title\":\"a\"}", "error FILE:1: no \"text\" among the fields \"title\": expected a JSON string, or an object with a string \"text\""},
		{"a.jsonl", "\"a\"\n5", "error FILE:2: 5: expected a JSON string, or an object with a string \"text\""},
		{"a.jsonl", "\"a\"\n{\"text\":[1]}", "error FILE:2: \"text\" is [1]: expected a string"},
		{"a.jsonl", "\"a\"\n{\"text\":", "error FILE:2: broken JSON: unexpected end of JSON input"},
		{"a.json", "[\"a\",\n {\"text\":\"b\",\"id\":\"x\"},\n\n {\"text\":\"c\"}]\n", "a|x=b|c"},
		{"a.json", "[]", ""},
		{"a.json", "[\"a\",\n {\"txt\":\"b\"}]", "error FILE:2: no \"text\" among the fields \"txt\": expected a JSON string, or an object with a string \"text\""},
		{"a.json", "[\"a\",\n \"b\"", "error FILE:2: broken JSON: unexpected EOF"},
		{"a.json", "[\"a\",\n\n b]", "error FILE:3: broken JSON: invalid character 'b' looking for beginning of value"},
		{"a.json", "{\"text\":\"b\"}", "error FILE:1: a JSON object: expected a list; for one object per line, name the file .jsonl"},
		{"a.json", "[\"a\"]\n[\"b\"]", "error FILE:2: a JSON list after the list has ended"},
		{"a.csv", "id,text\n1,\"a, b\"\n2,\"c\n\"\"d\"\"\"\n", `1=a, b|2=c\n"d"`},
		{"a.csv", "sep=;\r\nText;Id\r\na,b;7\r\n", "7=a,b"},
		{"a.csv", "name;text\nx;a\ny;b", "a|b"},
		{"a.csv", "text\nonly\nthese", "only|these"},
		{"a.csv", "name\ttext\nx\ta", "a"},
		{"a.tsv", "text\tname\na, \"b\tx", "error FILE:2: broken CSV, line 2, column 4: bare \" in non-quoted-field"},
		{"a.csv", "name,title\nx,y", "error FILE:1: no column \"text\" in the header, which has \"name\", \"title\""},
		{"a.csv", "id,text\n1,a\n2\n", "error FILE:3: the row's number of fields differs from the header's"},
		{"a.csv", "id,text\n1,a\n2,caf\xe9\n", "error FILE:3: column \"text\": not UTF-8: byte 0xe9 at column 4 looks like Latin-1's 'é'; save the file as UTF-8"},
		{"a.csv", "id,text\n1,\"a\n", "error FILE:2: broken CSV, line 2, column 6: extraneous or missing \" in quoted-field"},
		{"a.csv", "", ""},
		{"noname", "[1] a note\n{x}", "[1] a note|{x}"},
		{"noname", "[\"a\",\"b\"]", "a|b"},
		{"noname", "{\"text\":\"a\"}\n{\"text\":\"b\"}\n", "a|b"},
	} {
		dir := t.TempDir()
		for _, file := range []struct {
			name string
			data []byte
		}{{c.name, []byte(c.text)}, {c.name + ".gz", gzipped(t, c.text)}, {c.name + ".zst", zstandard(t, c.text)}, {"z" + c.name, gzipped(t, c.text)}} {
			path := write(t, filepath.Join(dir, file.name), file.data)
			got := ""
			documents, err := Documents([]string{path}, DocumentOptions{})
			if err != nil {
				got = "error " + err.Error()
			} else {
				got = shown(documents)
			}
			if want := strings.ReplaceAll(c.want, "FILE", path); got != want {
				t.Errorf("%s %q:\n%s, want\n%s", file.name, c.text, got, want)
			}
		}
		format := Format(strings.TrimPrefix(filepath.Ext(c.name), "."))
		if format == "ndjson" || format == "htm" {
			format = Auto
		}
		got := ""
		if documents, err := Documents([]string{"-"}, DocumentOptions{Stdin: strings.NewReader(c.text), Format: format}); err != nil {
			got = "error " + err.Error()
		} else {
			got = shown(documents)
		}
		if want := strings.ReplaceAll(c.want, "FILE", "standard input"); got != want {
			t.Errorf("standard input %q:\n%s, want\n%s", c.text, got, want)
		}
	}
}

// TestDocumentsAddUp: several files and folders follow each other, and columns
// that are named are taken.
func TestDocumentsAddUp(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "folder", "b.txt"), []byte("bee\nbee"))
	write(t, filepath.Join(dir, "folder", "a.md"), []byte("\xef\xbb\xbfay"))
	write(t, filepath.Join(dir, "folder", "deep", "c.html"), gzipped(t, "<html>sea"))
	write(t, filepath.Join(dir, "folder", ".hidden"), []byte("no"))
	pdf := write(t, filepath.Join(dir, "folder", "x.pdf"), []byte("%PDF-1.4"))
	lines := write(t, filepath.Join(dir, "l.txt"), []byte("one\ntwo\n"))
	table := write(t, filepath.Join(dir, "t.csv"), []byte("nr;summary;text\n4;short;long\n"))
	leftOut := ""
	o := DocumentOptions{LeftOut: func(file, because string) { leftOut += file + " " + because }}
	documents, err := Documents([]string{lines, filepath.Join(dir, "folder"), lines}, o)
	if got, want := shown(documents), `one|two|a.md=ay|b.txt=bee\nbee|deep/c.html=<html>sea|one|two`; err != nil || got != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
	if want := pdf + " looks like a PDF: convert it to text first, with pdftotext for example"; leftOut != want {
		t.Errorf("left out %q, want %q", leftOut, want)
	}
	documents, err = Documents([]string{table}, DocumentOptions{TextColumn: "summary", IDColumn: "Nr"})
	if got := shown(documents); err != nil || got != "4=short" {
		t.Errorf("%s, %v", got, err)
	}
	_, err = Documents([]string{table}, DocumentOptions{IDColumn: "key"})
	if want := table + `:1: no column "key" in the header, which has "nr", "summary", "text"`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}

	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Documents([]string{empty}, o); err == nil || err.Error() != empty+" is a directory without files" {
		t.Errorf("%v", err)
	}
	png := write(t, filepath.Join(empty, "p.png"), []byte("\x89PNG\r\n"))
	if _, err := Documents([]string{empty}, o); err == nil || err.Error() != empty+" is a directory without text: the first of 1 files, "+png+" looks like a PNG image" {
		t.Errorf("%v", err)
	}
	latin := write(t, filepath.Join(empty, "l.txt"), []byte("one\nna\xefve"))
	if _, err := Documents([]string{empty}, o); err == nil || !strings.HasPrefix(err.Error(), latin+":2: not UTF-8: byte 0xef") {
		t.Errorf("%v", err)
	}
}

// TestColumns: several required columns, numbers that come back as they were, and
// files that cannot have them.
func TestColumns(t *testing.T) {
	dir := t.TempDir()
	columns := []Column{{Name: "id", Names: IDNames, Number: true}, {Name: "query", Names: QueryNames}, {Name: "document", Names: []string{"document", "text"}}}
	file := write(t, filepath.Join(dir, "pairs.jsonl"), []byte(`{"id":12345678901234567890,"query":"q","document":"d"}`+"\n"+`{"id":"a\"<b>é","question":"q","text":"d"}`))
	r, err := Open(file, Options{Columns: columns})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, want := range []string{`12345678901234567890`, `"a\"<b>é"`} {
		record, err := r.Read()
		if err != nil {
			t.Fatal(err)
		}
		if got := string(record.Values[0].AppendJSON(nil)); got != want || record.Values[1].Text != "q" || record.Values[2].Text != "d" {
			t.Errorf("%s %+v, want %s", got, record, want)
		}
	}
	if _, err := r.Read(); err != io.EOF {
		t.Errorf("%v", err)
	}
	if done, total := r.Consumed(); done != total || total != int64(len(`{"id":12345678901234567890,"query":"q","document":"d"}`+"\n"+`{"id":"a\"<b>é","question":"q","text":"d"}`)) {
		t.Errorf("%d of %d bytes", done, total)
	}
	text := write(t, filepath.Join(dir, "pairs.txt"), []byte("q d\n"))
	_, err = Open(text, Options{Columns: columns})
	var content *ContentError
	if !errors.As(err, &content) || content.Kind != "lines of text" || content.Want != `JSON or CSV with "id", "query" and "document" (.jsonl, .json, .csv, .tsv)` {
		t.Errorf("%v", err)
	}
	bare := write(t, filepath.Join(dir, "bare.jsonl"), []byte("\"q\"\n"))
	if r, err = Open(bare, Options{Columns: columns}); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Read(); err == nil || err.Error() != bare+`:1: "q": expected a JSON object with "id", "query" and "document"` {
		t.Errorf("%v", err)
	}
}

// endless repeats a text for ever.
type endless struct{ text string }

func (e endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		n += copy(p[n:], e.text)
	}
	return n, nil
}

// TestMaxRecord: a record that does not end is an error before memory is full.
func TestMaxRecord(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 64 MiB in each format")
	}
	for _, c := range []struct {
		format     Format
		head, want string
	}{
		{Text, "", "standard input:1: the line is longer than 64 MiB"},
		{JSONLines, "\"a\"\n\"", "standard input:2: the line is longer than 64 MiB"},
		{JSON, "[\"a\",\n\n\"", "standard input:3: the element is longer than 64 MiB"},
		{CSV, "text\na\n\"", "standard input:3: the row is longer than 64 MiB"},
	} {
		_, err := Documents([]string{"-"}, DocumentOptions{Stdin: io.MultiReader(strings.NewReader(c.head), endless{"abcdefgh"}), Format: c.format})
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.format, err, c.want)
		}
	}
}

// FuzzDocuments: no input panics, and what comes out is UTF-8 as it went in.
func FuzzDocuments(f *testing.F) {
	for _, s := range []string{"a\nb", "{\"text\":\"a\"}", "[\"a\"]", "id;text\n1;\"a\"", "sep=|\na|text\n", "\x1f\x8b", "\x28\xb5\x2f\xfd"} {
		for i := range Formats {
			f.Add(i, []byte(s))
		}
	}
	f.Fuzz(func(t *testing.T, i int, data []byte) {
		format, err := ParseFormat(Formats[uint(i)%uint(len(Formats))])
		if err != nil {
			t.Fatal(err)
		}
		documents, err := Documents([]string{"-"}, DocumentOptions{Stdin: bytes.NewReader(data), Format: format})
		if err == nil {
			for _, d := range documents {
				if !utf8.ValidString(d.Text) {
					t.Errorf("%q is not UTF-8", d.Text)
				}
			}
		}
	})
}
