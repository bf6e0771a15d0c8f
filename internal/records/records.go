package records

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxRecord is the maximum size of a line or list element in bytes.
const MaxRecord = 64 << 20

// A Format is the format of a file's records.
type Format string

// The formats. Auto is determined by the file's name or else by its first bytes.
const (
	Auto      Format = ""
	Text      Format = "txt"   // a line is a record
	JSONLines Format = "jsonl" // a line is a string or an object
	JSON      Format = "json"  // a list of strings or objects
	CSV       Format = "csv"   // a header, then rows; comma, semicolon, tab or bar
	TSV       Format = "tsv"   // the same with tabs, as its name promises

	// Fields is lines of values separated by white space, one for each column, as in
	// TREC's runs and judgements. Auto never selects it.
	Fields Format = "fields"
)

// Formats are the names that ParseFormat accepts.
var Formats = []string{"auto", string(Text), string(JSONLines), string(JSON), string(CSV), string(TSV)}

// ParseFormat parses one of Formats.
func ParseFormat(s string) (Format, error) {
	switch {
	case s == "auto" || s == "":
		return Auto, nil
	case slices.Contains(Formats, s):
		return Format(s), nil
	}
	return "", fmt.Errorf("format %q: expected %s", s, strings.Join(Formats, ", "))
}

// A Column is a value that records have.
type Column struct {
	Name     string   // name in messages
	Names    []string // names in files, in lower case; the first that a record has counts
	Optional bool
	Number   bool // a JSON number is accepted as well as a string
}

// A Value is a record's value of one column.
type Value struct {
	Text   string
	Set    bool // present in the record
	Number bool // was a JSON number
}

// AppendJSON appends the value as the JSON it was read from.
func (v Value) AppendJSON(dst []byte) []byte {
	if v.Number {
		return append(dst, v.Text...)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v.Text) // a string can always be encoded
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}

// A Record is one line, element or row.
type Record struct {
	Line   int     // line number of its start, from 1
	Values []Value // one per column, in the order of Options.Columns
}

// Options specify what to read.
type Options struct {
	Columns []Column
	Format  Format
	Stdin   io.Reader // read for the name "-"
}

// A Reader reads one file's records.
type Reader struct {
	name    string
	columns []Column
	sole    int // index of the only required column, which a bare string fills, or -1
	in      *input
	next    func() (Record, error)
}

// Open opens a file, or standard input if name is "-".
func Open(name string, o Options) (*Reader, error) {
	in, err := openInput(name, o.Stdin)
	if err != nil {
		return nil, err
	}
	r, err := newReader(in, o)
	if err != nil {
		_ = in.Close()
		return nil, err
	}
	return r, nil
}

func newReader(in *input, o Options) (*Reader, error) {
	r := &Reader{name: in.name, columns: o.Columns, in: in, sole: -1}
	required := 0
	for i, c := range o.Columns {
		if !c.Optional {
			required++
			r.sole = i
		}
	}
	if required != 1 {
		r.sole = -1
	}
	head, err := in.Peek(sniffed)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("%s: %w", in.name, err)
	}
	if bytes.HasPrefix(head, utf8BOM) {
		_, _ = in.Discard(len(utf8BOM))
		head = head[len(utf8BOM):]
	}
	format := o.Format
	if format == Auto {
		format = formatOf(in.name, head)
	}
	if len(head) > 0 { // an empty file has no records, whatever its name
		if kind := looksLike(head); kind != "" {
			return nil, &ContentError{File: in.name, Kind: kind, Want: r.wanted()}
		}
	}
	switch format {
	case Text:
		if r.sole < 0 && len(head) > 0 {
			return nil, &ContentError{File: in.name, Kind: "lines of text", Want: r.wanted()}
		}
		r.next = r.lines(func(line []byte) ([]Value, error) {
			values := make([]Value, len(r.columns))
			values[r.sole] = Value{Text: string(line), Set: true}
			return values, nil
		})
	case JSONLines:
		r.next = r.lines(r.object)
	case Fields:
		r.next = r.lines(r.fields)
	case JSON:
		r.next = r.list()
	default:
		if r.next, err = r.rows(format); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Ext returns the extension of a file's name in lower case, ignoring extensions of
// compression.
func Ext(name string) string {
	name = strings.ToLower(name)
	for _, ext := range []string{".gz", ".zst", ".zstd"} {
		name = strings.TrimSuffix(name, ext)
	}
	return filepath.Ext(name)
}

// formatOf determines the format by the name or else by the content.
func formatOf(name string, head []byte) Format {
	switch Ext(name) {
	case ".txt":
		return Text
	case ".jsonl", ".ndjson":
		return JSONLines
	case ".json":
		return JSON
	case ".csv":
		return CSV
	case ".tsv", ".tab":
		return TSV
	}
	trimmed := bytes.TrimLeft(head, " \t\r\n")
	first, _, _ := bytes.Cut(trimmed, []byte("\n"))
	switch {
	case len(trimmed) == 0:
		return Text
	case trimmed[0] == '{' && (json.Valid(first) || len(first) == len(trimmed)):
		return JSONLines
	case trimmed[0] == '[':
		// A list's first element is a string or an object; "[1] a note" is text.
		if inner := bytes.TrimLeft(trimmed[1:], " \t\r\n"); len(inner) > 0 && strings.IndexByte(`"{]`, inner[0]) >= 0 {
			return JSON
		}
	}
	return Text
}

// Name returns the file's name for errors.
func (r *Reader) Name() string { return r.name }

// Read returns the next record, io.EOF after the last one.
func (r *Reader) Read() (Record, error) { return r.next() }

// Consumed returns the number of (compressed) bytes read so far and the size of the
// file, 0 if unknown. It may be called concurrently with Read.
func (r *Reader) Consumed() (done, total int64) { return r.in.counted.n.Load(), r.in.size }

// Close closes the file.
func (r *Reader) Close() error { return r.in.Close() }

// wanted describes the expected contents of a file, for messages.
func (r *Reader) wanted() string {
	if r.sole >= 0 {
		return "text, JSON or CSV with " + r.required() + " (.txt, .jsonl, .json, .csv, .tsv)"
	}
	return "JSON or CSV with " + r.required() + " (.jsonl, .json, .csv, .tsv)"
}

// required lists the columns that are not optional.
func (r *Reader) required() string {
	var names []string
	for _, c := range r.columns {
		if !c.Optional {
			names = append(names, strconv.Quote(c.Name))
		}
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

func (r *Reader) errorf(line int, format string, args ...any) error {
	return &LineError{File: r.name, Line: line, Err: fmt.Errorf(format, args...)}
}

// lines reads records from non-empty lines.
func (r *Reader) lines(parse func(line []byte) ([]Value, error)) func() (Record, error) {
	number := 0
	var long []byte
	return func() (Record, error) {
		for {
			line, err := r.in.ReadSlice('\n')
			if err == bufio.ErrBufferFull {
				long = append(long[:0], line...)
				for err == bufio.ErrBufferFull && len(long) <= MaxRecord {
					line, err = r.in.ReadSlice('\n')
					long = append(long, line...)
				}
				line = long
			}
			number++
			switch {
			case len(line) > MaxRecord:
				return Record{}, r.errorf(number, "the line is longer than %d MiB", MaxRecord>>20)
			case err == io.EOF && len(line) == 0:
				return Record{}, io.EOF
			case err != nil && err != io.EOF:
				return Record{}, r.errorf(number, "%w", err)
			}
			line = bytes.TrimSpace(line)
			if len(line) == 0 {
				continue
			}
			if err := encoding(line); err != nil {
				return Record{}, r.errorf(number, "%w", err)
			}
			values, err := parse(line)
			if err != nil {
				return Record{}, r.errorf(number, "%w", err)
			}
			return Record{Line: number, Values: values}, nil
		}
	}
}

// fields reads one value for each column.
func (r *Reader) fields(line []byte) ([]Value, error) {
	fields := strings.Fields(string(line))
	if len(fields) != len(r.columns) {
		names := make([]string, len(r.columns))
		for i, c := range r.columns {
			names[i] = c.Name
		}
		return nil, fmt.Errorf("%d fields: expected %d: %s", len(fields), len(names), strings.Join(names, " "))
	}
	values := make([]Value, len(fields))
	for i, f := range fields {
		values[i] = Value{Text: f, Set: true}
	}
	return values, nil
}

func clipped(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	end := most
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}
